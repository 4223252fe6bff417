import { describe, expect, it } from 'vitest';
import { latin1Range } from '../../src/base/bytes.ts';
import { nodeNumber, originOf } from '../../src/clock/origin.ts';
import type { Stamp } from '../../src/clock/stamp.ts';
import { VersionVector } from '../../src/clock/version-vector.ts';
import { Update, UpdateKind } from '../../src/crdt/update.ts';
import { SlabKeyspace } from '../../src/keyspace/slab-keyspace.ts';
import { SeededRandom } from '../support/seeded-random.ts';

const A = originOf(nodeNumber(1), 1);
const NOW_MS = 1_000;
/** More than a turn looks at. */
const KEYS = 7_000;

/** A keyspace that one node writes to. */
class Written {
  readonly keyspace: SlabKeyspace = new SlabKeyspace();
  readonly #update: Update = new Update();
  #seq = 0;

  do(kind: UpdateKind, key: string, value = '', atMs = Infinity): void {
    this.#update.kind = kind;
    this.#update.key.setFrom(latin1Range(key));
    this.#update.field.setFrom(latin1Range('field'));
    this.#update.value.setFrom(latin1Range(value));
    this.#update.atMs = atMs;
    const deps = this.#all();
    const seq = ++this.#seq;
    this.keyspace.apply(this.#update, { origin: A, seq, stamp: seq as Stamp, deps });
  }

  #all(): VersionVector {
    return new VersionVector(this.#seq === 0 ? [] : [[A, this.#seq]]);
  }

  forget(keys: number): void {
    this.keyspace.forgetStable(this.#all(), this.#all(), keys);
  }
}

function filled(): Written {
  const written = new Written();
  for (let at = 0; at < KEYS; at++)
    written.do(UpdateKind.Set, `key:${at}`, `value:${at}`, at % 5 === 0 ? 2_000 : Infinity);
  for (let at = 0; at < 100; at++) written.do(UpdateKind.HashSet, `hash:${at}`, `value:${at}`);
  return written;
}

describe('a digest of all keys', () => {
  it('is that of the moment at which it was begun, whatever changes while it is made', () => {
    const random = new SeededRandom(5);
    const written = filled();
    const { digests } = written.keyspace;
    const atBegin = written.keyspace.digest(NOW_MS);
    const run = digests.begin(NOW_MS);
    let turns = 1;
    for (; !run.isDone; turns++) {
      for (let each = 0; each < 300; each++) {
        const key = `key:${random.below(KEYS * 2)}`;
        const what = random.below(5);
        if (what === 0) written.do(UpdateKind.Delete, key);
        else if (what === 1) written.do(UpdateKind.HashSet, `hash:${random.below(200)}`, `new:${each}`);
        else if (what === 2) written.do(UpdateKind.SetAdd, `set:${random.below(200)}`);
        else written.do(UpdateKind.Set, key, `new:${each}`, what === 3 ? 1_500 : Infinity);
      }
      // slots of keys that went are given to others
      written.forget(500);
      written.keyspace.expireDue(3_000, 100, () => {});
      if (turns === 2) written.do(UpdateKind.FlushAll, '');
      written.keyspace.pending.advance(20);
      digests.step();
    }
    expect(run.hex).toBe(atBegin);
    expect(written.keyspace.digest(NOW_MS)).not.toBe(atBegin);
    // no turn looks at all of them
    expect(turns).toBeGreaterThanOrEqual(KEYS / 2_000);
    expect(digests.isOpen).toBe(false);
  });

  it('has in it what a FLUSHALL takes that is on its way', () => {
    const written = filled();
    written.do(UpdateKind.FlushAll, '');
    written.do(UpdateKind.Set, 'later', 'v');
    expect(written.keyspace.pending.isOpen).toBe(true);
    const run = written.keyspace.digests.begin(NOW_MS);
    while (!run.isDone) written.keyspace.digests.step();
    const other = new Written();
    other.do(UpdateKind.Set, 'later', 'v');
    expect(run.hex).toBe(other.keyspace.digest(NOW_MS));
  });

  it('takes longer of long values, a few of which are a turn', () => {
    const written = new Written();
    for (let at = 0; at < 40; at++) written.do(UpdateKind.Set, `long:${at}`, 'v'.repeat(50_000));
    const run = written.keyspace.digests.begin(NOW_MS);
    let turns = 1;
    for (; !run.isDone; turns++) written.keyspace.digests.step();
    expect(turns).toBeGreaterThan(4);
    expect(run.hex).toBe(written.keyspace.digest(NOW_MS));
  });

  it('is one of so many at a time, and those share the turns', () => {
    const { keyspace } = filled();
    const runs = Array.from({ length: 8 }, () => keyspace.digests.begin(NOW_MS));
    expect(() => keyspace.digests.begin(NOW_MS)).toThrow('limit digests-max 8');
    let turns = 0;
    for (; keyspace.digests.isOpen; turns++) keyspace.digests.step();
    expect(turns).toBeGreaterThan(8);
    expect(new Set(runs.map(({ hex }) => hex))).toEqual(new Set([keyspace.digest(NOW_MS)]));
    expect(keyspace.digests.begin(NOW_MS).isDone).toBe(false);
  });
});
