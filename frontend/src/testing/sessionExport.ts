import { iso, type FakeFile, type FakeSession, type FakeSessions } from "./fakeSessions.js";

const time = (milliseconds: number | null) => (milliseconds === null ? null : iso(milliseconds));

/** The document of `export/`. The details of its events are empty. */
export function exported(session: FakeSession, { identity }: FakeSessions) {
  const { uuid, supportCode, status, name, email, predecessor, files, deletedFiles } = session;
  return {
    session: {
      uuid,
      support_code: supportCode,
      status,
      name,
      email,
      completed_at: time(session.completedAt),
      created_at: iso(session.createdAt),
      last_seen_at: iso(session.lastSeenAt),
      used_at: time(session.usedAt),
      expires_at: iso(session.expiresAt),
      ended_at: null,
      end_reason: "",
      identity: identity(session),
      predecessor: predecessor?.uuid ?? null,
    },
    consent: Object.entries(session.consent)
      .sort(([one], [other]) => (one < other ? -1 : 1))
      .map(([purpose, answer]) => ({ purpose, ...answer, changed_at: iso(session.lastSeenAt) })),
    uploads: [...deletedFiles, ...files].map(exportedFile),
    events: [...session.events].reverse().map(({ event_id, occurred_at, event, outcome, who }) => ({
      event_id,
      occurred_at,
      event,
      outcome,
      who,
      target: "",
      request_id: "",
      network: "",
      details: {},
      personal: {},
    })),
  };
}

function exportedFile({ upload }: FakeFile) {
  const { id, name, status, size, content_type, sha256, created_at } = upload;
  const isDeleted = status === "deleted";
  return {
    id,
    name,
    status,
    size,
    content_type,
    sha256,
    created_at,
    stored_at: created_at,
    deleted_at: isDeleted ? created_at : null,
    delete_reason: isDeleted ? "visitor" : "",
    inspection: "waiting",
    inspected_at: null,
    suspicions: [],
  };
}
