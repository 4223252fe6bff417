import { systemKey } from '../../src/base/system-keys.ts';
import type { Dot } from '../../src/clock/dot.ts';
import type { DeliveryOracle } from '../properties/delivery/delivery-oracle.ts';
import type { VirtualCluster } from '../support/virtual-cluster.ts';
import type { InvalidationRun, Reads, Removal, Stored, Unlinked } from './judge-invalidations.ts';
import type { Losses } from './losses.ts';
import type { StampWatch } from './stamp-watch.ts';
import { endingOf, pick, textOf, type Desk, type Reply, type Script, type Work } from './work.ts';

/** What clients did to keys that are invalidated; completed as replies come. */
export interface InvalidationLog {
  readonly writes: Noting<Stored>[];
  readonly removals: Noting<Removal>[];
  readonly unlinked: Noting<Unlinked>[];
  readonly reads: Reads[];
}

/** Null is the transaction of what may or may not have been done, as is all that no reply came to. */
type Noting<T extends { readonly dot: Dot | null }> = Omit<T, 'dot'> & { dot: Dot | null };

interface Links {
  readonly tags: readonly string[];
  /** What it depends on; each pair of keys has one mode for good, as the latest of two concurrent modes would not be known. */
  readonly on: readonly string[];
  readonly onWrites: readonly string[];
}

/** Every value is written with links in its transaction, which are taken from these: chains of three, a cycle, and one key that nothing reaches. */
const LINKS: Readonly<Record<string, Links>> = {
  'inv:a0': { tags: ['it0', 'it1'], on: [], onWrites: [] },
  'inv:a1': { tags: ['it0', 'it1'], on: ['inv:c0'], onWrites: [] },
  'inv:b0': { tags: ['it2'], on: ['inv:a0', 'inv:a1'], onWrites: [] },
  'inv:b1': { tags: [], on: ['inv:a1'], onWrites: [] },
  'inv:c0': { tags: [], on: ['inv:b0', 'inv:b1'], onWrites: [] },
  'inv:w0': { tags: ['it1'], on: [], onWrites: ['inv:a0'] },
  'inv:x0': { tags: [], on: ['inv:w0'], onWrites: [] },
  'inv:y0': { tags: ['it3'], on: [], onWrites: [] },
};
const NO_LINKS: Links = { tags: [], on: [], onWrites: [] };
const INVALIDATED: readonly string[] = Object.keys(LINKS);
const ENDED: readonly string[] = INVALIDATED.filter((key) => key !== 'inv:y0');
const TAGS = ['it0', 'it1', 'it2'] as const;
const PATTERNS = ['inv:a*', 'inv:b?', 'inv:[cw]0'] as const;

function* stored(
  desk: Desk,
  key: string,
  links: Links = LINKS[key] ?? NO_LINKS,
): Generator<string, Noting<Stored>, Reply> {
  const { random } = desk;
  const some = (names: readonly string[]): string[] => names.filter(() => random.unit() < 0.7);
  const [tags, on, onWrites] = [some(links.tags), some(links.on), some(links.onWrites)];
  yield `SET ${key} v${desk.id}`;
  if (tags.length > 0) yield `CW.TAG ${key} ${tags.join(' ')}`;
  if (on.length > 0) yield `CW.DEPEND ${key} ON ${on.join(' ')}`;
  if (onWrites.length > 0) yield `CW.DEPEND ${key} WRITES ON ${onWrites.join(' ')}`;
  return { key, value: `v${desk.id}`, tags, on, onWrites, dot: null };
}

/** Runs what is noted, which nobody knows of where no reply comes. */
function* committed(desk: Desk, noted: { dot: Dot | null }[], undo: () => void): Script {
  const reply = yield 'EXEC';
  if (endingOf(reply) === 'nothing') undo();
  else if (reply?.startsWith('[') === true) for (const each of noted) each.dot = desk.lastWrite();
}

function* write(desk: Desk): Script {
  const key = pick(INVALIDATED, desk.random.below(INVALIDATED.length));
  if ((yield 'MULTI') !== '+OK') return;
  const noted = yield* stored(desk, key);
  const { writes } = desk.invalidations;
  writes.push(noted);
  yield* committed(desk, [noted], () => writes.splice(writes.indexOf(noted), 1));
}

/** How long what is old is shown at most, and how long it takes until one begins: some after the faults are over. */
const GRACE_MS = 400;
const DELAY_MS_MAX = 3_000;
/** When all that had its last time is over at every node, whatever its maker's clock was. */
const AFTER_MS = 200_000;

function targetOf({ random }: Desk): Omit<Removal, 'dot'> {
  const drawn = random.unit();
  if (drawn < 0.4) return { kind: 'tag', name: random.pick(TAGS) };
  if (drawn < 0.6) return { kind: 'pattern', name: random.pick(PATTERNS) };
  return { kind: drawn < 0.9 ? 'key' : 'del', name: random.pick(ENDED) };
}

/** Some begin later, and some leave what is old for a while. */
function modesOf({ random }: Desk, kind: Removal['kind']): Pick<Removal, 'isLazy' | 'isDelayed'> {
  const drawn = random.unit();
  return kind === 'del' ? {} : { isLazy: drawn < 0.2, isDelayed: drawn >= 0.15 && drawn < 0.25 };
}

function requestOf({ random }: Desk, { kind, name, isLazy, isDelayed }: Omit<Removal, 'dot'>): string {
  if (kind === 'del') return `DEL ${name}`;
  const lazy = isLazy === true ? ` LAZY ${GRACE_MS}` : '';
  const delay = isDelayed === true ? ` DELAY ${1 + random.below(DELAY_MS_MAX)}` : '';
  return `CW.INVALIDATE${lazy}${delay} ${kind.toUpperCase()} ${name}`;
}

const isSameDot = (one: Dot | null, other: Dot | null): boolean =>
  one?.origin === other?.origin && one?.seq === other?.seq;

/** Takes a link of a key away and then ends what has it: the key stays. */
function* unlink(desk: Desk): Script {
  const { random } = desk;
  const key = random.pick(ENDED);
  const { tags, on, onWrites } = LINKS[key] ?? NO_LINKS;
  const [kind, name] = random.pick([
    ...tags.map((tag) => ['tag', tag] as const),
    ...[...on, ...onWrites].map((other) => ['on', other] as const),
  ]);
  yield* unlinkOne(desk, kind, key, name);
}

/** The same with a key of its own, which nothing else comes to behind it. */
function* unlinkOwn(desk: Desk): Script {
  const { random, invalidations } = desk;
  const key = `inv:u${desk.id}`;
  const [tag, on] = [random.pick(TAGS), random.pick(ENDED)];
  const isTag = random.unit() < 0.5;
  if ((yield 'MULTI') !== '+OK') return;
  const noted = yield* stored(desk, key, isTag ? { ...NO_LINKS, tags: [tag] } : { ...NO_LINKS, on: [on] });
  invalidations.writes.push(noted);
  yield* committed(desk, [noted], () => invalidations.writes.splice(invalidations.writes.indexOf(noted), 1));
  if (isTag) yield* unlinkOne(desk, 'tag', key, tag);
  else yield* unlinkOne(desk, 'on', key, on);
}

function* unlinkOne(desk: Desk, kind: Unlinked['kind'], key: string, name: string): Script {
  const { unlinked } = desk.invalidations;
  const noted: Noting<Unlinked> = { kind, key, name, dot: null };
  const before = desk.lastWrite();
  unlinked.push(noted);
  const reply = yield kind === 'tag' ? `CW.UNTAG ${key} ${name}` : `CW.UNDEPEND ${key} ON ${name}`;
  const isDone = endingOf(reply) === 'done' && !isSameDot(desk.lastWrite(), before);
  if (isDone) noted.dot = desk.lastWrite();
  // who shows no such link writes nothing
  else if (endingOf(reply) !== 'unknown') unlinked.splice(unlinked.indexOf(noted), 1);
  if (isDone) yield* endTarget(desk, { kind: kind === 'tag' ? 'tag' : 'key', name });
}

function* end(desk: Desk): Script {
  const drawn = desk.random.unit();
  if (drawn < 0.1) return yield* unlink(desk);
  if (drawn < 0.2) return yield* unlinkOwn(desk);
  const target = targetOf(desk);
  yield* endTarget(desk, { ...target, ...modesOf(desk, target.kind) });
}

function* endTarget(desk: Desk, target: Omit<Removal, 'dot'>): Script {
  const { removals } = desk.invalidations;
  const noted: Noting<Removal> & { lastDot?: Dot | null } = { ...target, dot: null };
  removals.push(noted);
  const reply = yield requestOf(desk, noted);
  // a removal of what is not there is no transaction
  if (endingOf(reply) === 'nothing' || (noted.kind === 'del' && reply === ':0'))
    removals.splice(removals.indexOf(noted), 1);
  else if (endingOf(reply) === 'done') [noted.dot, noted.lastDot] = [desk.begunWrite(), desk.lastWrite()];
  // what its maker had seen is gone at once
  if (endingOf(reply) === 'done') yield* readAll(desk);
}

/** An invalidation and a write of another key in one transaction. */
function* endAndWrite(desk: Desk): Script {
  const { removals, writes } = desk.invalidations;
  if ((yield 'MULTI') !== '+OK') return;
  const removal: Noting<Removal> = { kind: 'tag', name: desk.random.pick(TAGS), dot: null };
  yield requestOf(desk, removal);
  const value = yield* stored(desk, desk.random.pick(ENDED));
  removals.push(removal);
  writes.push(value);
  yield* committed(desk, [removal, value], () => {
    removals.splice(removals.indexOf(removal), 1);
    writes.splice(writes.indexOf(value), 1);
  });
}

/** All that shows, and what its node had when it was asked: others may come first between an answer that waited and who hears it (seed 111118). */
function* readAll(desk: Desk): Script {
  const has = desk.vector();
  const reply = yield `MGET ${INVALIDATED.join(' ')}`;
  const values = /^\[(.*)\]$/.exec(reply ?? '')?.[1]?.split(' ') ?? [];
  for (const [at, text] of values.entries()) {
    const value = textOf(text);
    if (value !== null) desk.invalidations.reads.push({ key: pick(INVALIDATED, at), value, has });
  }
}

/** As an application that keeps what it makes of other things, and says when those have changed. */
export const invalidationWorks: Readonly<Record<string, Work>> = {
  'invalidated-write': { script: write, weight: 4 },
  'invalidated-end': { script: end, weight: 3 },
  'invalidated-both': { script: endAndWrite, weight: 1 },
  'invalidated-read': { script: readAll, weight: 3 },
};

/** What was told and is shown, for `judgeInvalidations`: of what may be lost with its node, as is promised, nobody knows whether it is done. */
export function invalidationRun(
  { writes, removals, unlinked, reads }: InvalidationLog,
  cluster: VirtualCluster,
  losses: Losses,
  oracle: DeliveryOracle,
  stamps: StampWatch,
): Omit<InvalidationRun, 'hasMerged'> {
  const isLost = (dot: Dot | null | undefined): boolean =>
    dot !== null && dot !== undefined && losses.isLost(dot.origin, dot.seq);
  const known = <T extends { readonly dot: Dot | null; readonly lastDot?: Dot | null }>(each: T): T =>
    isLost(each.dot) || isLost(each.lastDot) ? { ...each, dot: null } : each;
  const nowMs = Math.max(...cluster.nodes.map((node) => node.core.nowMs(node.now().wallMs))) + AFTER_MS;
  const begun = (each: Noting<Removal>): Noting<Removal> =>
    each.isDelayed === true && each.dot !== null && isWaiting(cluster, each.dot, removals.length)
      ? { ...each, dot: null }
      : each;
  const keys = new Set([...INVALIDATED, ...writes.map(({ key }) => key)]);
  return {
    writes: writes.map(known),
    removals: removals.map(known).map(begun),
    unlinked: unlinked.map(known),
    reads,
    shown: cluster.nodes.flatMap((node) =>
      [...keys].map((key) => ({ node: node.id, key, value: node.get(key, nowMs) })),
    ),
    stampOf: (dot) => stamps.stampOf(dot),
    hasSeen: (by, what) => oracle.hasSeen(by, what),
  };
}

/** Whether some node still has what a delayed invalidation waits in: numbered by its transaction, and by how many wait. */
function isWaiting(cluster: VirtualCluster, { origin, seq }: Dot, most: number): boolean {
  const places = Array.from({ length: most + 1 }, (_unused, at) => systemKey('delayed', `${origin}:${seq}:${at}`));
  return cluster.nodes.some((node) => places.some((key) => node.get(key) !== null));
}
