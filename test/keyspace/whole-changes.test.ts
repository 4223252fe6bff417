import { beforeEach, describe, expect, test } from 'vitest';
import { latin1Range } from '../../src/base/bytes.ts';
import { nodeNumber, originOf } from '../../src/clock/origin.ts';
import { stampOfMs } from '../../src/clock/stamp.ts';
import { VersionVector } from '../../src/clock/version-vector.ts';
import { Update, UpdateKind, type UpdateContext } from '../../src/crdt/update.ts';
import { NO_SLOT, type Slot } from '../../src/keyspace/keyspace.ts';
import { SlabKeyspace } from '../../src/keyspace/slab-keyspace.ts';

const START_MS = 1_800_000_000_000;
const [HERE, THERE] = [originOf(nodeNumber(64), 1), originOf(nodeNumber(128), 1)];
const KEYS = 5_000;
/** Keys that one turn goes on for. */
const A_TURN = 50;

const nameOf = (number: number): string => `key:${number}`;

/** A keyspace whose changes are counted: what is opened, dropped or written in one step. */
class Counted {
  readonly keyspace: SlabKeyspace = new SlabKeyspace();
  readonly vector: VersionVector = new VersionVector();
  #seq = 0;
  changed = 0;

  constructor() {
    this.keyspace.conflicts.host = {
      origin: HERE,
      nowMs: () => START_MS,
      count: () => ({ className: 'default', stringRule: 'lww', tellsLost: false }),
    };
    this.keyspace.collectsDirty = true;
  }

  apply(kind: UpdateKind, key: string, value = '', origin = HERE, seq = ++this.#seq): void {
    const update = new Update();
    update.kind = kind;
    update.key.setFrom(latin1Range(key));
    update.value.setFrom(latin1Range(value));
    update.atMs = Infinity;
    const context: UpdateContext = { origin, seq, stamp: stampOfMs(START_MS + seq), deps: this.vector.clone() };
    this.keyspace.apply(update, context);
    this.vector.raise(origin, seq);
  }

  /** How many entries are kept, after one turn of whatever is on its way. */
  turn(): number {
    const before = this.keyspace.entryCount;
    this.keyspace.pending.advance(A_TURN);
    return Math.abs(this.keyspace.entryCount - before);
  }

  textOf(key: string): string | null {
    const slot: Slot = this.keyspace.find(latin1Range(key), 0, START_MS);
    if (slot === NO_SLOT) return null;
    const text = latin1Range('');
    this.keyspace.stringInto(slot, text);
    return text.toLatin1();
  }
}

let here: Counted;
beforeEach(() => {
  here = new Counted();
  for (let number = 0; number < KEYS; number++) here.apply(UpdateKind.Set, nameOf(number), 'old');
});

describe('FLUSHALL', () => {
  test('counts at once for whoever looks, and goes through the keys some at a turn', () => {
    here.apply(UpdateKind.FlushAll, '');
    const { keyspace } = here;
    expect([keyspace.count, keyspace.entryCount, keyspace.pendingCount]).toEqual([0, KEYS, KEYS]);
    expect([here.textOf(nameOf(4_000)), keyspace.random(0.5, START_MS)]).toEqual([null, NO_SLOT]);
    let [turns, most] = [0, 0];
    for (; keyspace.pending.isOpen; turns++) most = Math.max(most, here.turn());
    expect(keyspace.entryCount).toBe(0);
    expect(turns).toBeGreaterThan(10);
    expect(most).toBeLessThanOrEqual(KEYS / 10);
  });

  test('leaves what is written after it, in new slots, in old ones, and before the end is reached', () => {
    here.apply(UpdateKind.FlushAll, '');
    here.apply(UpdateKind.Set, nameOf(KEYS - 1), 'new');
    here.apply(UpdateKind.Increment, nameOf(7), '5');
    here.apply(UpdateKind.Increment, nameOf(7), '5');
    here.apply(UpdateKind.Set, 'other', 'new');
    expect(here.keyspace.count).toBe(3);
    while (here.keyspace.pending.isOpen) here.turn();
    expect([nameOf(KEYS - 1), nameOf(7), 'other', nameOf(8)].map((key) => here.textOf(key))).toEqual([
      'new',
      '10',
      'new',
      null,
    ]);
    expect([here.keyspace.count, here.keyspace.entryCount]).toEqual([3, 3]);
  });

  test('SCAN meets no key that it took away', () => {
    here.apply(UpdateKind.FlushAll, '');
    here.apply(UpdateKind.Set, 'other', 'new');
    const met: string[] = [];
    const name = latin1Range('');
    let cursor = 0;
    do
      cursor = here.keyspace.scan(cursor, 100, START_MS, (slot) => {
        here.keyspace.keyInto(slot, name);
        met.push(name.toLatin1());
      });
    while (cursor !== 0);
    expect(met).toEqual(['other']);
  });

  test('that has seen another one that is on its way takes its place', () => {
    here.apply(UpdateKind.FlushAll, '');
    here.turn();
    here.apply(UpdateKind.Set, 'between', 'x');
    here.apply(UpdateKind.FlushAll, '');
    expect(here.keyspace.pendingCount).toBeLessThanOrEqual(KEYS + 1);
    expect([here.keyspace.count, here.textOf('between')]).toEqual([0, null]);
    while (here.keyspace.pending.isOpen) here.turn();
    expect(here.keyspace.entryCount).toBe(0);
  });

  test('of another node leaves what it did not see and is later', () => {
    const seen = here.vector.clone();
    here.apply(UpdateKind.Set, nameOf(3), 'later');
    const update = new Update();
    update.kind = UpdateKind.FlushAll;
    here.keyspace.apply(update, { origin: THERE, seq: 1, stamp: stampOfMs(START_MS + KEYS), deps: seen });
    expect([here.textOf(nameOf(2)), here.textOf(nameOf(3))]).toEqual([null, 'later']);
    expect(here.keyspace.count).toBe(1);
  });

  test('is stored as a clear, and without a name for each key', () => {
    here.keyspace.takeDirty();
    here.apply(UpdateKind.FlushAll, '');
    here.apply(UpdateKind.Set, nameOf(1), 'new');
    while (here.keyspace.pending.isOpen) here.turn();
    const { clear, entries } = here.keyspace.takeDirty();
    expect(clear).toBe(true);
    expect(entries.map(([key, state]) => [key, state?.[0]?.[0]])).toEqual([[nameOf(1), 'new']]);
  });
});

/** Begins to merge a snapshot of another node that wrote as many keys of its own; `removed`: it has seen those here, and they are gone there. */
function beginSnapshot({ removed }: { removed: boolean }): void {
  const sent = new Counted();
  for (let number = 0; number < KEYS; number++)
    sent.apply(UpdateKind.Set, `sent:${number}`, 'theirs', THERE, number + 1);
  const staged = here.keyspace.staging();
  for (let slot = 0; slot < sent.keyspace.slotCount; slot++) {
    const entry = sent.keyspace.stateAt(slot);
    if (entry !== null) staged.restore(...entry);
  }
  if (removed) sent.vector.raise(HERE, here.vector.get(HERE));
  here.keyspace.mergeSnapshot(staged, null, { local: here.vector.clone(), remote: sent.vector });
}

test('a snapshot counts at once, and its keys are put in their places some at a turn', () => {
  const { keyspace } = here;
  beginSnapshot({ removed: false });
  expect([here.textOf('sent:4999'), here.textOf(nameOf(0))]).toEqual(['theirs', 'old']);
  let [turns, most] = [0, 0];
  for (; keyspace.pending.isOpen; turns++) most = Math.max(most, here.turn());
  expect(most).toBeLessThanOrEqual(A_TURN);
  expect(turns).toBeGreaterThanOrEqual(KEYS / A_TURN);
  expect(keyspace.count).toBe(2 * KEYS);
});

test.each([false, true])(
  'FLUSHALL counts all keys, whatever a snapshot that is on its way before it adds or takes away (%s)',
  (removed) => {
    const { keyspace } = here;
    beginSnapshot({ removed });
    here.turn();
    here.apply(UpdateKind.FlushAll, '');
    here.apply(UpdateKind.Set, 'other', 'new');
    here.turn();
    here.apply(UpdateKind.Set, nameOf(7), 'new');
    expect(keyspace.count).toBe(2);
    while (keyspace.pending.isOpen) here.turn();
    expect([keyspace.count, keyspace.entryCount]).toEqual([2, 2]);
  },
);
