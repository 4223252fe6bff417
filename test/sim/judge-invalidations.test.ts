import { describe, expect, test } from 'vitest';
import type { Dot } from '../../src/clock/dot.ts';
import type { Origin } from '../../src/clock/origin.ts';
import {
  judgeInvalidations,
  type InvalidationRun,
  type Reads,
  type Removal,
  type Stored,
  type Unlinked,
} from './judge-invalidations.ts';

/** Of node 1 all has been seen by whoever comes later; what node 2 makes nobody has seen. Stamps are the sequences. */
const dot = (node: number, seq: number): Dot => ({ origin: node as Origin, seq });
const stored = (key: string, value: string, at: Dot | null, links: Partial<Stored> = {}): Stored => ({
  ...{ key, value, tags: [], on: [], onWrites: [], dot: at },
  ...links,
});
const removal = (kind: Removal['kind'], name: string, at: Dot | null): Removal => ({ kind, name, dot: at });
const read = (key: string, value: string, upTo: number): Reads => ({
  key,
  value,
  has: { contains: (_origin, seq) => seq <= upTo },
});

function judged(
  writes: readonly Stored[],
  removals: readonly Removal[],
  shown: Readonly<Record<string, string | null>>,
  reads: readonly Reads[] = [],
  unlinked: readonly Unlinked[] = [],
  hasMerged = false,
): readonly string[] {
  const run: InvalidationRun = {
    ...{ writes, removals, reads, unlinked, hasMerged },
    shown: Object.entries(shown).map(([key, value]) => ({ node: 'a', key, value })),
    stampOf: ({ seq }) => seq,
    hasSeen: (by, what) => what.origin === 1 && what.seq < by.seq,
  };
  return judgeInvalidations(run).wrong;
}

const tagged = { tags: ['t'] };

describe('the checker of invalidations', () => {
  test('finds nothing in a good end', () => {
    const writes = [
      stored('k', 'old', dot(1, 1), tagged),
      stored('k', 'new', dot(1, 9), tagged),
      stored('page', 'p', dot(1, 2), { on: ['k'] }),
      stored('beside', 'b', dot(1, 3), { tags: ['u'] }),
    ];
    const removals = [removal('tag', 't', dot(1, 5))];
    const reads = [read('k', 'old', 4), read('k', 'new', 9)];
    expect(judged(writes, removals, { k: 'new', page: null, beside: 'b' }, reads)).toEqual([]);
  });

  test.each([
    ['tag', 't'],
    ['pattern', 'k*'],
    ['key', 'k1'],
    ['del', 'k1'],
  ] as const)('a value that a %s has ended', (kind, name) => {
    const writes = [stored('k1', 'old', dot(1, 1), tagged)];
    const wrong = `I2: a shows k1 old, which ${kind} ${name} (1:5) ended`;
    expect(judged(writes, [removal(kind, name, dot(1, 5))], { k1: 'old' })).toEqual([wrong]);
  });

  test('one that was on its way, of a tag that was given beside the invalidation', () => {
    const writes = [stored('k', 'old', dot(2, 4), tagged)];
    const wrong = ['I2: a shows k old, which tag t (1:5) ended'];
    expect(judged(writes, [removal('tag', 't', dot(1, 5))], { k: 'old' })).toEqual(wrong);
    // later in the order it stays, and must
    const later = [stored('k', 'old', dot(2, 6), tagged)];
    expect(judged(later, [removal('tag', 't', dot(1, 5))], { k: 'old' })).toEqual([]);
    expect(judged(later, [removal('tag', 't', dot(1, 5))], { k: null })).toEqual([
      'I2: a shows null as k, and nothing ended old',
    ]);
  });

  test('a dependent of the second level, in a cycle too', () => {
    const writes = [
      stored('one', '1', dot(1, 1), { on: ['three'] }),
      stored('two', '2', dot(1, 2), { on: ['one'] }),
      stored('three', '3', dot(1, 3), { on: ['two'] }),
    ];
    const removals = [removal('key', 'one', dot(1, 5))];
    const shown = { one: null, two: null, three: '3' };
    expect(judged(writes, removals, shown)).toEqual(['I2: a shows three 3, which key one (1:5) ended']);
    expect(judged(writes, removals, { ...shown, three: null })).toEqual([]);
  });

  test('where what leads to a dependent may be gone with its key, nothing is asked', () => {
    const writes = [stored('two', '2', dot(1, 1), { on: ['one'] }), stored('three', '3', dot(1, 4), { on: ['two'] })];
    const removals = [removal('del', 'two', dot(1, 3)), removal('key', 'one', dot(1, 5))];
    expect(judged(writes, removals, { one: null, two: null, three: '3' })).toEqual([]);
    expect(judged(writes, removals, { one: null, two: null, three: null })).toEqual([]);
  });

  test('what depends on writes, and not on invalidations alone', () => {
    const writes = [
      stored('page', 'p', dot(1, 2), { onWrites: ['k'] }),
      stored('other', 'o', dot(1, 2), { on: ['k'] }),
      stored('k', 'new', dot(1, 5)),
    ];
    expect(judged(writes, [], { k: 'new', page: 'p', other: 'o' })).toEqual([
      'I2: a shows page p, which write k (1:5) ended',
    ]);
    expect(judged(writes, [], { k: 'new', page: null, other: null })).toEqual([
      'I2: a shows null as other, and nothing ended o',
    ]);
    // an invalidation comes to both
    expect(judged(writes.slice(0, 2), [removal('key', 'k', dot(1, 5))], { k: null, page: 'p', other: 'o' })).toEqual([
      'I2: a shows page p, which key k (1:5) ended',
      'I2: a shows other o, which key k (1:5) ended',
    ]);
  });

  test('a client that was shown it beside the invalidation, though it is gone in the end', () => {
    const writes = [stored('k', 'old', dot(1, 1), tagged)];
    const removals = [removal('tag', 't', dot(1, 5))];
    expect(judged(writes, removals, { k: null }, [read('k', 'old', 5)])).toEqual([
      'I2: a client was shown k old, which tag t (1:5) ended',
    ]);
    // on its way when the invalidation was made, it may show where that has come before whoever ends it
    const unseen = [stored('k', 'old', dot(2, 1), tagged)];
    expect(judged(unseen, removals, { k: null }, [read('k', 'old', 5)])).toEqual([]);
  });

  test('one that took several transactions is over where the last of them is', () => {
    const writes = [stored('k', 'old', dot(1, 1), tagged)];
    const removals = [{ ...removal('tag', 't', dot(1, 5)), lastDot: dot(1, 7) }];
    expect(judged(writes, removals, { k: null }, [read('k', 'old', 6)])).toEqual([]);
    const wrong = ['I2: a client was shown k old, which tag t (1:5) ended'];
    expect(judged(writes, removals, { k: null }, [read('k', 'old', 7)])).toEqual(wrong);
    // what it had seen when it began is old, and no more
    const between = [stored('k', 'new', dot(1, 6), tagged)];
    expect(judged(between, removals, { k: 'new' }, [read('k', 'new', 8)])).toEqual([]);
  });

  test('a key that nothing came to is there, and older values are not', () => {
    const writes = [stored('k', 'old', dot(1, 1), tagged), stored('k', 'new', dot(1, 3), tagged)];
    const removals = [removal('tag', 'u', dot(1, 5)), removal('key', 'k', dot(1, 2))];
    expect(judged(writes, removals, { k: null })).toEqual(['I2: a shows null as k, and nothing ended new']);
    // nobody knows when that was done
    expect(judged(writes, [...removals, removal('tag', 't', null)], { k: null })).toEqual([]);
    expect(judged([...writes, stored('k', 'maybe', null)], removals, { k: 'maybe' })).toEqual([]);
  });

  test('what had its last time may be read, and is gone when that is over', () => {
    const writes = [stored('k', 'old', dot(1, 1), tagged)];
    const removals = [{ ...removal('tag', 't', dot(1, 5)), isLazy: true }];
    expect(judged(writes, removals, { k: null }, [read('k', 'old', 6)])).toEqual([]);
    expect(judged(writes, removals, { k: 'old' })).toEqual(['I2: a shows k old, which tag t (1:5) ended']);
  });

  test('one that begins later ends what its maker had seen, and may end what came meanwhile', () => {
    const removals = [{ ...removal('tag', 't', dot(1, 5)), isDelayed: true }];
    const writes = [stored('k', 'old', dot(1, 1), tagged)];
    expect(judged(writes, removals, { k: null }, [read('k', 'old', 6)])).toEqual([]);
    expect(judged(writes, removals, { k: 'old' })).toEqual(['I2: a shows k old, which tag t (1:5) ended']);
    const meanwhile = [...writes, stored('k', 'new', dot(1, 7), tagged)];
    for (const k of ['new', null]) expect(judged(meanwhile, removals, { k })).toEqual([]);
  });

  test('a link that was taken away leads nowhere, and one that was only taken away beside is not asked about', () => {
    const writes = [stored('k', 'v', dot(1, 1), tagged), stored('page', 'p', dot(1, 2), { on: ['k'] })];
    const removals = [removal('tag', 't', dot(1, 5))];
    const judgedAfter = (at: Dot | null, shown: Readonly<Record<string, string | null>>): readonly string[] =>
      judged(writes, removals, shown, [], [{ kind: 'tag', key: 'k', name: 't', dot: at }]);
    const ends = ['I2: a shows k v, which tag t (1:5) ended', 'I2: a shows page p, which tag t (1:5) ended'];
    expect(judgedAfter(dot(1, 3), { k: 'v', page: 'p' })).toEqual([]);
    expect(judgedAfter(dot(1, 3), { k: null, page: 'p' })).toEqual(['I2: a shows null as k, and nothing ended v']);
    for (const shown of [
      { k: 'v', page: 'p' },
      { k: null, page: null },
    ]) {
      expect(judgedAfter(dot(2, 3), shown)).toEqual([]);
      expect(judgedAfter(null, shown)).toEqual([]);
    }
    // what came behind the end took nothing from it
    expect(judgedAfter(dot(1, 7), { k: 'v', page: 'p' })).toEqual(ends);
    // a dependency as well
    const cut: Unlinked = { kind: 'on', key: 'page', name: 'k', dot: dot(1, 3) };
    expect(judged(writes, removals, { k: null, page: null }, [], [cut])).toEqual([
      'I2: a shows null as page, and nothing ended p',
    ]);
    expect(judged(writes, removals, { k: null, page: 'p' }, [], [cut])).toEqual([]);
  });

  test('asks nothing of what depends on the writes of a key that a snapshot may have taken away', () => {
    const writes = [stored('k', 'v', dot(1, 1), tagged), stored('page', 'p', dot(1, 9), { onWrites: ['k'] })];
    const removals = [removal('tag', 't', dot(1, 5))];
    expect(judged(writes, removals, { k: null, page: null })).toEqual([
      'I2: a shows null as page, and nothing ended p',
    ]);
    expect(judged(writes, removals, { k: null, page: null }, [], [], true)).toEqual([]);
    // nothing comes to it
    expect(judged(writes, [], { k: 'v', page: null }, [], [], true)).toHaveLength(1);
  });
});
