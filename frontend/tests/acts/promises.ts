/** Calls of a store, and the check that a promise which resolves did what it says. */
import type { Visit } from "./visit.js";
import type { World } from "./world.js";

/** The session that a visitor leaves: the one that is shown, or else the one that is proven. */
function targetOf({ proven }: World, { now }: Visit): string | null {
  return (now.status === "mismatch" ? null : now.uuid) ?? proven?.uuid ?? null;
}

/** Leave the session that is shown, or else whichever is proven when it is done. */
function leave<T>({ model }: World, { now, tab }: Visit, act: () => Promise<T>): Promise<T> {
  const { uuid, status } = now;
  if (uuid) model.left.add(uuid);
  if (uuid && status !== "mismatch") return act();
  return act().finally(model.leave(tab));
}

/** @returns whether a late answer has meanwhile proven again what was left */
function overtakenSince({ model }: World): () => boolean {
  const before = model.overtaken;
  return () => model.overtaken > before;
}

/** The visitor has left a session. Other tabs learn that from the storage, if the page uses it. */
function noteLeft({ model }: World, { now }: Visit, uuid: string | null): void {
  if (model.ended.has(uuid) && now.persistent) model.gone.add(uuid);
}

export function reset(world: World, visit: Visit, reason: "requested" | "not_me"): void {
  const { model } = world;
  const target = targetOf(world, visit);
  const isOvertaken = overtakenSince(world);
  // A page in memory cannot write to the storage.
  const isForgotten = reason === "not_me" && visit.now.persistent;
  const code = isForgotten && model.session(target)?.supportCode;
  world.follow(
    visit,
    `reset ${reason}`,
    () => leave(world, visit, () => visit.session.resetSession(reason)),
    () => {
      noteLeft(world, visit, target);
      if (target && !isOvertaken() && world.proven?.uuid === target)
        model.violate(`${target} is not reset`);
      if (code && !isOvertaken()) model.forgotten.add(code);
    },
  );
}

export function end(world: World, visit: Visit, erase: boolean): void {
  const { model } = world;
  const { uuid } = visit.now;
  const target = targetOf(world, visit);
  const isOvertaken = overtakenSince(world);
  world.follow(
    visit,
    erase ? "erase" : "end",
    () => leave(world, visit, () => visit.session.endSession(erase)),
    () => {
      const status = model.session(uuid)?.status;
      if (erase && uuid && status !== "erased") model.violate(`${uuid} is ${status}, not erased`);
      noteLeft(world, visit, target);
      if (target && !isOvertaken() && world.proven?.uuid === target)
        model.violate(`${target} is not ended`);
    },
  );
}

export function proceed(world: World, visit: Visit): void {
  const before = world.proven?.uuid;
  world.follow(
    visit,
    "continue",
    () => leave(world, visit, () => visit.session.continueSession()),
    () => {
      const { uuid } = visit.now;
      // It may have changed while the promise waited for its turn.
      if (before && uuid !== before && uuid !== world.model.proofs.get(visit.tab)) {
        world.model.violate(`${uuid ?? "nothing"} is shown instead of ${before}`);
      }
    },
  );
}

export function recover(world: World, visit: Visit): void {
  const { model, server, elsewhere } = world;
  if (elsewhere.status !== "active") return;
  const code = elsewhere.recovery ?? server.issueRecoveryCode(elsewhere.uuid);
  world.follow(
    visit,
    "recover",
    () => visit.session.recover(code).finally(model.leave(visit.tab)),
    () => {
      if (elsewhere.recovery === code) model.violate("the recovery code was not used");
    },
  );
}

export function identify(world: World, visit: Visit): void {
  const name = world.unique("Ann ");
  visit.give(name);
  const identity = { name, email: `${name.replace(" ", "")}@example.com` };
  world.follow(
    visit,
    "identify",
    () => visit.session.identify(identity),
    () => {
      if (!world.model.accepted.has(name)) world.model.violate(`${name} is not stored`);
    },
  );
}

export function sendCode(world: World, visit: Visit): void {
  const before = world.server.emails.length;
  world.follow(
    visit,
    "sendCode",
    () => visit.session.sendCode(),
    () => {
      if (world.server.emails.length === before) world.model.violate("no code was sent");
    },
  );
}

export function verifyCode(world: World, visit: Visit): void {
  const code = world.server.emails.at(-1)?.code ?? "000000";
  visit.give(code);
  world.follow(
    visit,
    "verifyCode",
    () => visit.session.verifyCode(code),
    () => {
      // The session may be erased meanwhile.
      if (!world.model.accepted.has(code)) world.model.violate(`${code} verified no address`);
    },
  );
}

export function exportData(world: World, visit: Visit): void {
  const { owners } = visit.give(world.unique("export "));
  world.follow(
    visit,
    "exportData",
    () => visit.session.exportData(),
    (data) => {
      const { uuid } = data.session as { uuid: string };
      if (!owners.has(uuid)) world.model.violate(`the data of ${uuid} are exported`);
    },
  );
}

export function remove(world: World, visit: Visit, key: string): void {
  const item = visit.items.find((one) => one.key === key);
  if (!item || !("file" in item)) return;
  const { id } = item.file;
  world.follow(
    visit,
    "remove",
    () => visit.files.remove(key),
    () => {
      const isShown = visit.items.some((one) => "file" in one && one.file.id === id);
      const session = world.model.session(world.model.files.get(id) ?? null);
      const isStored = session?.files.some(({ upload }) => upload.id === id);
      // Of a session that has ended no files are listed.
      const isLeft = session?.uuid !== visit.now.uuid || visit.now.status === "reset_required";
      if (isStored && !isShown && !isLeft) world.model.violate(`${item.name} is not removed`);
    },
  );
}
