/** What may happen, in any order: what visitors do, what their browser does, and what goes wrong. */
import fc from "fast-check";
import { HOUR, MINUTE, pdf, SECOND } from "../helpers.js";
import { ABSURD, FATES, LATE } from "./fates.js";
import * as promises from "./promises.js";
import type { Visit } from "./visit.js";
import type { World } from "./world.js";

/** `choice` is any number. It selects one of the ways in which the act can be done. */
type Do = (world: World, visit: Visit, choice: number) => unknown;

const pick = <T>(list: readonly T[], choice: number): T | undefined =>
  list[choice % (list.length || 1)];

/** Not in a frozen tab, or in one that shows nothing. */
const VISITOR: Record<string, Do> = {
  start: (world, visit) => world.follow(visit, "start", () => visit.session.start()),
  press: (_, { tab }) => tab.guard(() => tab.document.dispatch("click")),
  retry: (world, visit) => world.follow(visit, "retry", () => visit.session.retry()),
  identify: promises.identify,
  identifyLate(world, visit) {
    world.setFate(LATE, 0);
    promises.identify(world, visit);
  },
  sendCode: promises.sendCode,
  verifyCode: promises.verifyCode,
  exportData: promises.exportData,
  activity: (world, visit) => world.follow(visit, "activity", () => visit.session.activity()),
  reset: (world, visit, choice) =>
    promises.reset(world, visit, choice % 2 ? "not_me" : "requested"),
  end: (world, visit, choice) => promises.end(world, visit, choice % 2 > 0),
  continue: promises.proceed,
  recover: promises.recover,

  add(world, visit, choice) {
    const endings = ["pdf", "pdf", "pdf", "exe"];
    const names = endings.slice(0, 1 + (choice % 4)).map((end) => `${world.unique("f")}.${end}`);
    for (const name of names) visit.give(name, true);
    visit.tab.enter(() => visit.files.add(names.map((name) => pdf(name, 1000))));
  },
  retryFile(world, visit, choice) {
    const item = pick(visit.items, choice);
    const work = item && world.model.works.get(item.name);
    if (item?.status === "failed" && work) visit.own(work);
    if (item) visit.tab.enter(() => visit.files.retry(item.key));
  },
  cancel(world, visit, choice) {
    const item = pick(
      visit.items.filter((one) => !("file" in one)),
      choice,
    );
    if (!item) return;
    world.model.cancelled.set(item.name, world.model.isStored(item.name));
    visit.tab.enter(() => visit.files.cancel(item.key));
  },
  remove: (world, visit, choice) =>
    promises.remove(world, visit, pick(visit.items, choice)?.key ?? ""),
  load: (world, visit) => world.follow(visit, "load", () => visit.files.load()),
};

const TIMES = [0.1 * SECOND, SECOND, 5 * SECOND, 21 * SECOND, MINUTE, 6 * MINUTE, HOUR];

/** What the page, the browser and the device do. */
const BROWSER: Record<string, Do> = {
  pass: (world, _, choice) => world.pass(pick(TIMES, choice)!),
  hide: (_, { tab }) => tab.show(false),
  show: (_, { tab }) => tab.show(true),
  freeze(_, { tab }) {
    tab.isFrozen = true;
  },
  resume: (_, { tab }) => tab.resume(),
  reload: (world, visit) => void world.reload(visit),
  unmount: (_, visit) => visit.unmount(),
  mount: (_, visit) => visit.isMounted || visit.mount(),
  throwInListeners(_, visit, choice) {
    visit.isThrowing = choice % 2 > 0;
  },
  clearCookies: (world) => world.forgetProof(),
  clearStorage: (world, { tab }) => world.clearStorage(tab),
  fillStorage(world, _, choice) {
    // Without both, nothing makes tabs wait for each other.
    const { locks, tabs } = world.setting;
    world.storage.full = choice % 2 > 0 && (locks === "shared" || tabs === 1);
    world.storage.wasFull ||= world.storage.full;
  },
  keychain(world, _, choice) {
    world.keychain = pick(["hangs", "fails", "works"] as const, choice)!;
  },
};

/** What happens to requests. */
const NETWORK: Record<string, Do> = {
  slow(world, _, choice) {
    world.network.isSlow = choice % 3 > 0;
  },
  letGo: (world, _, choice) => world.network.letGo(choice),
  fate: (world, _, choice) =>
    world.setFate(pick(FATES, choice)!, Math.floor(choice / FATES.length) % 3),
  late: (world) => world.setFate(LATE, 0),
  absurdWait: (world, _, choice) => world.setFate(pick(ABSURD, choice)!, 0),
  offline(world, _, choice) {
    world.network.isOffline = choice % 2 > 0;
  },
};

/** What support and the server do to the session that the browser proves. */
const SERVER: Record<string, Do> = {
  close(world, _, choice) {
    const reason = pick(["revoked", "expired", "ended"] as const, choice)!;
    if (world.proven) world.server.close(reason, world.proven.uuid);
  },
  forget: (world) => world.proven && world.server.forget(world.proven.uuid),
  addFile(world) {
    if (!world.proven) return;
    world.server.addFile(world.unique("support"), 1000, world.proven.uuid);
    world.model.look();
  },
};

const ACTS = { ...VISITOR, ...BROWSER, ...NETWORK, ...SERVER };

/** How often an act is chosen. Default: 2. */
const WEIGHTS: Record<string, number> = {
  fate: 12,
  reset: 4,
  add: 3,
  identify: 4,
  identifyLate: 6,
  late: 3,
  letGo: 3,
  pass: 4,
  hide: 1,
};

export const WEIGHTED = Object.keys(ACTS).map((name) => ({
  weight: WEIGHTS[name] ?? 2,
  arbitrary: fc.constant(name),
}));

export interface Act {
  name: string;
  /** Which tab. */
  tab: number;
  choice: number;
  /** Whether the next act waits until nothing is pending. */
  isCalm: boolean;
}

export async function perform(world: World, { name, tab, choice, isCalm }: Act): Promise<void> {
  const visit = world.visits[tab % world.visits.length]!;
  if (name in VISITOR && (visit.tab.isFrozen || !visit.isMounted)) return;
  world.model.note(`${visit.tab.name} … ${name} ${choice}`);
  await ACTS[name]!(world, visit, choice);
  if (isCalm) await world.calm();
}
