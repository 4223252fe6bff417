import { beforeEach, describe, expect, it } from 'vitest';
import { ByteRange, latin1Range } from '../../src/base/bytes.ts';
import { originOf, nodeNumber } from '../../src/clock/origin.ts';
import { VersionVector } from '../../src/clock/version-vector.ts';
import type { Stamp } from '../../src/clock/stamp.ts';
import type { EntryState } from '../../src/crdt/entry.ts';
import { Update, UpdateKind } from '../../src/crdt/update.ts';
import { DEFAULT_EVICTION, type EvictionRules } from '../../src/keyspace/eviction/eviction-rules.ts';
import { SlabKeyspace } from '../../src/keyspace/slab-keyspace.ts';

const A = originOf(nodeNumber(1), 1);
const VALUE_BYTES = 1_000;
const LIMIT_BYTES = 2 * 1024 * 1024;
/** More than finds room. */
const STORED_KEYS = 4_000;
/** About as much as finds room. */
const NEWER_KEYS = 1_100;

const valueOf = (key: string): string => `${key}:`.padEnd(VALUE_BYTES, 'v');
const stored = (index: number): string => `stored:${index}`;
const newer = (index: number): string => `newer:${index}`;

/** A keyspace with a limit, and a store that is as far as `#durable` says. */
class Limited {
  readonly keyspace: SlabKeyspace = new SlabKeyspace();
  readonly #view: ByteRange = new ByteRange();
  readonly #states: Map<string, EntryState> = new Map();
  #seq = 0;
  #durable: VersionVector = new VersionVector();
  /** Values that the store was asked for. */
  storeReads = 0;

  constructor(rules: EvictionRules = null) {
    const { eviction } = this.keyspace;
    eviction.follows(() => rules);
    eviction.keepsValuesIn((key) => {
      this.storeReads++;
      return this.#states.get(key) ?? null;
    });
    eviction.limit.bytes = rules === null ? LIMIT_BYTES : 0;
    eviction.step(this.#durable);
  }

  get usedBytes(): number {
    return this.keyspace.eviction.usedBytes;
  }

  write(key: string): void {
    const state: EntryState = [[valueOf(key), ++this.#seq, A, this.#seq, null], null, null, null];
    this.#states.set(key, state);
    this.keyspace.restore(key, state);
  }

  /** It is removed, and that is known to all. */
  remove(key: string): void {
    const update = new Update();
    update.kind = UpdateKind.DeleteString;
    update.key.setFrom(latin1Range(key));
    const seq = ++this.#seq;
    const deps = new VersionVector([[A, seq - 1]]);
    this.keyspace.apply(update, { origin: A, seq, stamp: seq as Stamp, deps });
    const all = new VersionVector([[A, seq]]);
    this.keyspace.forgetStable(all, all, 10);
    this.#states.delete(key);
  }

  /** The store has all that was written. */
  commit(): void {
    this.#durable = new VersionVector([[A, this.#seq]]);
    this.keyspace.eviction.wake();
  }

  /** Turns, until there is nothing more to do. */
  settle(): void {
    const { eviction } = this.keyspace;
    do eviction.step(this.#durable);
    while (eviction.isBehind);
  }

  read(key: string): string {
    this.keyspace.stringInto(this.keyspace.find(latin1Range(key), 0, 0), this.#view);
    return this.#view.toLatin1();
  }
}

describe('values that were evicted, while the store is behind', () => {
  let limited: Limited;

  beforeEach(() => {
    limited = new Limited();
    for (let index = 0; index < STORED_KEYS; index++) {
      limited.write(stored(index));
      limited.commit();
      limited.settle();
    }
    // from here on the store takes nothing; what it has goes, and what it lacks stays
    for (let index = 0; index < NEWER_KEYS; index++) limited.write(newer(index));
    limited.settle();
  });

  it('are read within the limit, however many', () => {
    expect(limited.keyspace.eviction.stubs).toBeGreaterThan(STORED_KEYS - 100);
    for (let index = 0; index < STORED_KEYS; index++) {
      expect(limited.read(stored(index))).toBe(valueOf(stored(index)));
      limited.settle();
      expect(limited.usedBytes).toBeLessThanOrEqual(LIMIT_BYTES);
    }
    for (let index = 0; index < NEWER_KEYS; index++) expect(limited.read(newer(index))).toBe(valueOf(newer(index)));
    expect(limited.keyspace.eviction.refilled).toBeGreaterThan(STORED_KEYS - 100);
  });

  it('come back into memory when it is no longer', () => {
    for (let index = 0; index < STORED_KEYS; index++) limited.read(stored(index));
    limited.commit();
    limited.settle();
    const reads = limited.storeReads;
    for (let time = 0; time < 3; time++) expect(limited.read(stored(7))).toBe(valueOf(stored(7)));
    expect(limited.storeReads).toBe(reads + 1);
    expect(limited.usedBytes).toBeLessThanOrEqual(LIMIT_BYTES);
  });
});

describe('a class with a limit of its own', () => {
  const CLASS_BYTES = 512 * 1024;
  const rules: EvictionRules = {
    rules: [DEFAULT_EVICTION, { ...DEFAULT_EVICTION, maxBytes: CLASS_BYTES }],
    indexOf: (key) => (key.toLatin1().startsWith('small:') ? 1 : 0),
  };
  const small = (index: number): string => `small:${index}`;
  const bytesOf = ({ keyspace }: Limited): number => keyspace.eviction.sample(2, rules.indexOf, 0)[1]?.bytes ?? 0;

  it('is kept to it with no limit of the whole, also in a scan while the store is behind', () => {
    const limited = new Limited(rules);
    for (let index = 0; index < 1_000; index++) limited.write(small(index));
    for (let index = 0; index < 1_000; index++) limited.write(stored(index));
    limited.settle();
    expect(limited.keyspace.eviction.stubs).toBe(0);
    limited.commit();
    limited.settle();
    expect(bytesOf(limited)).toBeLessThanOrEqual(CLASS_BYTES);
    expect(limited.keyspace.eviction.stubs).toBeGreaterThan(400);
    const { stubs } = limited.keyspace.eviction;
    for (let index = 0; index < 300; index++) limited.write(newer(index));
    for (let index = 0; index < 1_000; index++) expect(limited.read(small(index))).toBe(valueOf(small(index)));
    expect(bytesOf(limited)).toBeLessThanOrEqual(CLASS_BYTES);
    for (let index = 0; index < 1_000; index++) expect(limited.read(stored(index))).toBe(valueOf(stored(index)));
    expect(limited.keyspace.eviction.stubs).toBeGreaterThan(stubs - 100);
  });

  it('does not evict what has the slots of its keys now, and what has them can go', () => {
    const limited = new Limited(rules);
    for (let index = 0; index < 300; index++) limited.write(small(index));
    limited.settle();
    for (let index = 0; index < 300; index++) limited.remove(small(index));
    for (let index = 0; index < 300; index++) limited.write(stored(index));
    for (let index = 0; index < 1_000; index++) limited.write(small(1_000 + index));
    limited.commit();
    limited.settle();
    const [others] = limited.keyspace.eviction.sample(2, rules.indexOf, 0);
    expect(others).toMatchObject({ keys: 300, stubs: 0 });
    expect(bytesOf(limited)).toBeLessThanOrEqual(CLASS_BYTES);
    limited.keyspace.eviction.limit.bytes = 1;
    limited.settle();
    expect(limited.keyspace.eviction.sample(2, rules.indexOf, 0)[0]).toMatchObject({ keys: 300, stubs: 300 });
  });
});

describe('memory that nothing is in', () => {
  it('is given back in turns of their own, without a limit too', () => {
    const keyspace = new SlabKeyspace();
    const context = { origin: A, seq: 1, stamp: 1 as Stamp, deps: new VersionVector() };
    const update = new Update();
    const apply = (kind: UpdateKind, index: number): void => {
      update.kind = kind;
      update.key.setFrom(latin1Range(stored(index)));
      keyspace.apply(update, { ...context, seq: ++context.seq, stamp: context.seq as Stamp });
    };
    update.value.setFrom(latin1Range('v'.repeat(50)));
    for (let index = 0; index < 4 * STORED_KEYS; index++) apply(UpdateKind.Set, index);
    const { eviction } = keyspace;
    expect(eviction.isBehind).toBe(false);
    context.deps.raise(A, 4 * STORED_KEYS + 1);
    for (let index = 0; index < 4 * STORED_KEYS; index++) apply(UpdateKind.Delete, index);
    const all = new VersionVector([[A, context.seq]]);
    keyspace.forgetStable(all, all, 100_000);
    expect(keyspace.entryCount).toBe(0);
    expect(eviction.isBehind).toBe(true);
    let steps = 0;
    for (; eviction.isBehind; steps++) eviction.step(all);
    // a segment has more blocks than a step looks at
    expect(steps).toBeGreaterThan(1);
  });
});
