import type { Dot } from '../../src/clock/dot.ts';
import type { DeliveryOracle } from '../properties/delivery/delivery-oracle.ts';
import type { VirtualCluster } from '../support/virtual-cluster.ts';
import type { InvalidationRun, Reads, Removal, Stored } from './judge-invalidations.ts';
import type { Losses } from './losses.ts';
import type { StampWatch } from './stamp-watch.ts';
import { endingOf, pick, textOf, type Desk, type Reply, type Script, type Work } from './work.ts';

/** What clients did to keys that are invalidated; completed as replies come. */
export interface InvalidationLog {
  readonly writes: Noting<Stored>[];
  readonly removals: Noting<Removal>[];
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
const INVALIDATED: readonly string[] = Object.keys(LINKS);
const ENDED: readonly string[] = INVALIDATED.filter((key) => key !== 'inv:y0');
const TAGS = ['it0', 'it1', 'it2'] as const;
const PATTERNS = ['inv:a*', 'inv:b?', 'inv:[cw]0'] as const;

function* stored(desk: Desk, key: string): Generator<string, Noting<Stored>, Reply> {
  const links = LINKS[key] ?? { tags: [], on: [], onWrites: [] };
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

function targetOf({ random }: Desk): Omit<Removal, 'dot'> {
  const drawn = random.unit();
  if (drawn < 0.4) return { kind: 'tag', name: random.pick(TAGS) };
  if (drawn < 0.6) return { kind: 'pattern', name: random.pick(PATTERNS) };
  return { kind: drawn < 0.9 ? 'key' : 'del', name: random.pick(ENDED) };
}

const requestOf = ({ kind, name }: Omit<Removal, 'dot'>): string =>
  kind === 'del' ? `DEL ${name}` : `CW.INVALIDATE ${kind.toUpperCase()} ${name}`;

function* end(desk: Desk): Script {
  const { removals } = desk.invalidations;
  const noted: Noting<Removal> = { ...targetOf(desk), dot: null };
  removals.push(noted);
  const reply = yield requestOf(noted);
  // a removal of what is not there is no transaction
  if (endingOf(reply) === 'nothing' || (noted.kind === 'del' && reply === ':0'))
    removals.splice(removals.indexOf(noted), 1);
  else if (endingOf(reply) === 'done') noted.dot = desk.lastWrite();
  // what its maker had seen is gone at once
  if (endingOf(reply) === 'done') yield* readAll(desk);
}

/** An invalidation and a write of another key in one transaction. */
function* endAndWrite(desk: Desk): Script {
  const { removals, writes } = desk.invalidations;
  if ((yield 'MULTI') !== '+OK') return;
  const removal: Noting<Removal> = { kind: 'tag', name: desk.random.pick(TAGS), dot: null };
  yield requestOf(removal);
  const value = yield* stored(desk, desk.random.pick(ENDED));
  removals.push(removal);
  writes.push(value);
  yield* committed(desk, [removal, value], () => {
    removals.splice(removals.indexOf(removal), 1);
    writes.splice(writes.indexOf(value), 1);
  });
}

/** All that shows, and what its node has then. */
function* readAll(desk: Desk): Script {
  const reply = yield `MGET ${INVALIDATED.join(' ')}`;
  const values = /^\[(.*)\]$/.exec(reply ?? '')?.[1]?.split(' ') ?? [];
  const has = desk.vector();
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
  { writes, removals, reads }: InvalidationLog,
  cluster: VirtualCluster,
  losses: Losses,
  oracle: DeliveryOracle,
  stamps: StampWatch,
): InvalidationRun {
  const known = <T extends { readonly dot: Dot | null }>(each: T): T =>
    each.dot !== null && losses.isLost(each.dot.origin, each.dot.seq) ? { ...each, dot: null } : each;
  return {
    writes: writes.map(known),
    removals: removals.map(known),
    reads,
    shown: cluster.nodes.flatMap((node) => INVALIDATED.map((key) => ({ node: node.id, key, value: node.get(key) }))),
    stampOf: (dot) => stamps.stampOf(dot),
    hasSeen: (by, what) => oracle.hasSeen(by, what),
  };
}
