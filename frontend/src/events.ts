/**
 * The events that a visitor finds among the activity of a session. After a slash stands an actor,
 * where the sentence is another one than for everybody else.
 */
export type EventName =
  | (
      | "session.created"
      | "session.identified"
      | "session.completed"
      | "session.token_rotated"
      | "session.expired"
      | "session.reset"
      | "session.ended"
      | "session.revoked"
      | "session.recovery_issued"
      | "session.recovered"
      | "session.extended"
      | "session.exported/you"
      | "session.exported"
      | "session.erasure_requested/you"
      | "session.erasure_requested"
      | "session.erased"
      | "session.contact_erased"
      | "session.refused"
    )
  | ("consent.granted" | "consent.withdrawn")
  | "ratelimit.exceeded"
  | (
      | "upload.stored/service"
      | "upload.stored"
      | "upload.started"
      | "upload.rejected"
      | "upload.quota_exceeded"
      | "upload.lapsed"
      | "upload.deleted/you"
      | "upload.deleted"
      | "upload.downloaded/service"
      | "upload.downloaded"
      | "upload.missing"
      | "upload.found"
      | "upload.inspected"
      | "upload.quarantined"
      | "upload.restored"
    )
  | (
      | "staff.file_downloaded"
      | "staff.session_viewed"
      | "staff.personal_data_revealed"
      | "staff.exported"
    )
  | "other";

/** The sentence for each event. `{file}` is the name of its file. */
export type Events = Readonly<Record<EventName, string>>;
