import { describe, expect, it } from 'vitest';
import { docEdit, docSet, set } from '../documents/document-orders.ts';
import { Schedule, type ScheduledWrites } from '../rules-values/schedule.ts';
import { applied, recordsOf, reportsOf } from './conflict-orders.ts';

/** Two writes that have not seen each other: A's at 10, B's at 20, after what both have seen. */
function concurrent(
  first: (tx: ScheduledWrites) => void,
  second: (tx: ScheduledWrites) => void,
  before?: (tx: ScheduledWrites) => void,
): string[][] {
  const schedule = new Schedule();
  if (before !== undefined) schedule.write('C', 5, before).sync();
  return reportsOf(schedule.write('A', 10, first).write('B', 20, second).transactions);
}

describe('S4: strings', () => {
  it('two values of which one wins are one conflict at whoever applies both, in either order', () => {
    expect(
      concurrent(
        (tx) => tx.set('k', 'a'),
        (tx) => tx.set('k', 'b'),
      ),
    ).toEqual([['string: "b" B:1 over "a" A:1']]);
  });

  it('equal values, and values that had been seen, are none', () => {
    expect(
      concurrent(
        (tx) => tx.set('k', 'same'),
        (tx) => tx.set('k', 'same'),
      ),
    ).toEqual([[]]);
    const seen = new Schedule()
      .write('A', 10, (tx) => tx.set('k', 'a'))
      .receive('B', 'A')
      .write('B', 20, (tx) => tx.set('k', 'b'))
      .write('B', 21, (tx) => tx.set('k', 'c'));
    expect(reportsOf(seen.transactions)).toEqual([[]]);
  });

  it('a value that a removal takes away unseen is one, a value that stands after the removal of another is none', () => {
    const before = (tx: ScheduledWrites): unknown => tx.set('k', 'old');
    expect(
      concurrent(
        (tx) => tx.set('k', 'a'),
        (tx) => tx.del('k'),
        before,
      ),
    ).toEqual([['string: removal B:1 over "a" A:1']]);
    expect(
      concurrent(
        (tx) => tx.del('k'),
        (tx) => tx.set('k', 'b'),
        before,
      ),
    ).toEqual([[]]);
    expect(
      concurrent(
        (tx) => tx.del('k'),
        (tx) => tx.del('k'),
        before,
      ),
    ).toEqual([[]]);
  });

  it('of three values each that is lost is named once, with what it was lost to then', () => {
    const schedule = new Schedule()
      .write('A', 10, (tx) => tx.set('k', 'a'))
      .write('B', 20, (tx) => tx.set('k', 'b'))
      .write('C', 30, (tx) => tx.set('k', 'c'));
    expect(reportsOf(schedule.transactions)).toEqual([
      ['string: "b" B:1 over "a" A:1', 'string: "c" C:1 over "b" B:1'],
      ['string: "c" C:1 over "a" A:1', 'string: "c" C:1 over "b" B:1'],
    ]);
  });

  it('a write that has seen one of two is in conflict with the other', () => {
    const schedule = new Schedule()
      .write('A', 10, (tx) => tx.set('k', 'a'))
      .write('B', 30, (tx) => tx.set('k', 'b'))
      .receive('C', 'A')
      .write('C', 20, (tx) => tx.set('k', 'c'));
    for (const report of reportsOf(schedule.transactions)) {
      expect(report).toContain('string: "b" B:1 over "c" C:1');
      expect(report.filter((text) => text.includes('A:1') && text.includes('C:1'))).toEqual([]);
    }
  });

  it('increments, expiries and FLUSHALL make none', () => {
    const before = (tx: ScheduledWrites): unknown => tx.set('k', '1');
    expect(
      concurrent(
        (tx) => tx.incr('k'),
        (tx) => tx.incr('k'),
        before,
      ),
    ).toEqual([[]]);
    expect(
      concurrent(
        (tx) => tx.expire('k', 1_000),
        (tx) => tx.persist('k'),
        before,
      ),
    ).toEqual([[]]);
    expect(
      concurrent(
        (tx) => tx.set('k', 'a'),
        (tx) => tx.flushAll(),
      ),
    ).toEqual([[]]);
    const aboveFlushed = new Schedule()
      .write('A', 10, (tx) => tx.set('k', 'a'))
      .write('B', 20, (tx) => tx.flushAll())
      .write('C', 5, (tx) => tx.set('k', 'c'));
    for (const report of reportsOf(aboveFlushed.transactions)) {
      // met where both came before the FLUSHALL; where it came before them, it has taken them
      expect([[], ['string: "a" A:1 over "c" C:1']]).toContainEqual(report);
    }
  });

  it('what a FLUSHALL has taken is lost to that, not to what stands above it', () => {
    for (const key of ['k', 'sib']) {
      const flushed = new Schedule()
        .write('B', 20, (tx) => tx.flushAll())
        .write('C', 30, (tx) => tx.set(key, 'c'))
        .write('A', 10, (tx) => tx.incr(key, 5))
        .write('A', 11, (tx) => tx.set(key, 'a'));
      expect(recordsOf(applied(flushed.transactions))).toEqual([]);
    }
    const documents = new Schedule()
      .write('B', 20, (tx) => tx.flushAll())
      .write('C', 30, (tx) => tx.with(docSet('[3]')))
      .write('A', 10, (tx) => tx.with(docSet('[1]')));
    expect(recordsOf(applied(documents.transactions))).toEqual([]);
  });

  it('a transaction that writes twice is in one conflict, with what it wrote last', () => {
    for (const [first, second] of [
      ['A', 'B'],
      ['B', 'A'],
    ] as const) {
      const schedule = new Schedule()
        .write(first, 10, (tx) => tx.set('k', 'other'))
        .write(second, 20, (tx) => tx.set('k', 'draft').set('k', 'last'));
      expect(reportsOf(schedule.transactions)).toEqual([[`string: "last" ${second}:1 over "other" ${first}:1`]]);
      const loses = new Schedule()
        .write(first, 20, (tx) => tx.set('k', 'other'))
        .write(second, 10, (tx) => tx.set('k', 'draft').set('k', 'last'));
      expect(reportsOf(loses.transactions)).toEqual([[`string: "other" ${first}:1 over "last" ${second}:1`]]);
    }
  });
});

describe('S4: siblings', () => {
  const threeWrites = (): Schedule =>
    new Schedule()
      .write('A', 10, (tx) => tx.set('sib', 'a'))
      .write('B', 20, (tx) => tx.set('sib', 'b'))
      .write('C', 30, (tx) => tx.set('sib', 'c'));

  it('every pair that stands is a conflict, in every order', () => {
    expect(reportsOf(threeWrites().transactions)).toEqual([
      ['string: "b" B:1 over "a" A:1', 'string: "c" C:1 over "a" A:1', 'string: "c" C:1 over "b" B:1'],
    ]);
  });

  it('a write that ends some of them is in conflict with the others only, and what ends all with none', () => {
    const some = threeWrites()
      .receive('B', 'A')
      .write('B', 40, (tx) => tx.set('sib', 'ends a and b'));
    for (const report of reportsOf(some.transactions)) {
      expect(report).toContain('string: "ends a and b" B:2 over "c" C:1');
      expect(report.filter((text) => text.includes('B:2'))).toHaveLength(1);
    }
    const all = threeWrites()
      .sync()
      .write('B', 40, (tx) => tx.set('sib', 'ends all'));
    for (const report of reportsOf(all.transactions)) expect(report.filter((text) => text.includes('B:2'))).toEqual([]);
  });

  it('equal values are none; a removal takes only what it saw; the first increment without a value is a sibling', () => {
    expect(
      concurrent(
        (tx) => tx.set('sib', 'same'),
        (tx) => tx.set('sib', 'same'),
      ),
    ).toEqual([[]]);
    expect(
      concurrent(
        (tx) => tx.set('sib', 'a'),
        (tx) => tx.del('sib'),
        (tx) => tx.set('sib', 'old'),
      ),
    ).toEqual([[]]);
    expect(
      concurrent(
        (tx) => tx.incr('sib', 5),
        (tx) => tx.set('sib', '7'),
      ),
    ).toEqual([['string: "7" B:1 over "5" A:1']]);
    const counted = new Schedule()
      .write('A', 10, (tx) => tx.set('sib', '7'))
      .write('B', 20, (tx) => tx.incr('sib', 5))
      .write('B', 21, (tx) => tx.incr('sib', 1));
    for (const report of reportsOf(counted.transactions)) {
      expect(report).toHaveLength(1);
      expect(report[0]).toMatch(/^string: "[56]" B:[12] over "7" A:1$/);
    }
  });

  it('a transaction that writes twice is in one conflict with each, with what it wrote last', () => {
    const schedule = new Schedule()
      .write('A', 10, (tx) => tx.set('sib', 'a'))
      .write('B', 20, (tx) => tx.set('sib', 'draft').set('sib', 'last'));
    expect(reportsOf(schedule.transactions)).toEqual([['string: "last" B:1 over "a" A:1']]);
  });

  it('with another type beside them', () => {
    expect(
      concurrent(
        (tx) => tx.set('sib', 'a'),
        (tx) => tx.hset('sib', 'f', 'v'),
      ),
    ).toEqual([['type: hash B:1 over "a" A:1']]);
  });
});

describe('S4: fields', () => {
  it('two values of one field are a conflict, of two fields none; equal ones, removals and increments neither', () => {
    expect(
      concurrent(
        (tx) => tx.hset('k', 'f', 'a').hset('k', 'mine', '1'),
        (tx) => tx.hset('k', 'f', 'b').hset('k', 'other', '2'),
      ),
    ).toEqual([['field f: "b" B:1 over "a" A:1']]);
    expect(
      concurrent(
        (tx) => tx.hset('k', 'f', 'same'),
        (tx) => tx.hset('k', 'f', 'same'),
      ),
    ).toEqual([[]]);
    expect(
      concurrent(
        (tx) => tx.hset('k', 'f', 'a'),
        (tx) => tx.hdel('k', 'f'),
        (tx) => tx.hset('k', 'f', 'old'),
      ),
    ).toEqual([[]]);
    expect(
      concurrent(
        (tx) => tx.hset('k', 'f', '5'),
        (tx) => tx.hincr('k', 'f', 3),
      ),
    ).toEqual([[]]);
  });

  it('of three values every pair is named, in every order', () => {
    const schedule = new Schedule()
      .write('A', 10, (tx) => tx.hset('k', 'f', 'a'))
      .write('B', 20, (tx) => tx.hset('k', 'f', 'b'))
      .write('C', 30, (tx) => tx.hset('k', 'f', 'c'));
    expect(reportsOf(schedule.transactions)).toEqual([
      ['field f: "b" B:1 over "a" A:1', 'field f: "c" C:1 over "a" A:1', 'field f: "c" C:1 over "b" B:1'],
    ]);
  });

  it('a write that has seen the latest of two is in conflict with the other', () => {
    const schedule = new Schedule()
      .write('A', 10, (tx) => tx.hset('k', 'f', 'a'))
      .write('B', 20, (tx) => tx.hset('k', 'f', 'b'))
      .receive('C', 'B')
      .write('C', 30, (tx) => tx.hset('k', 'f', 'c'));
    for (const report of reportsOf(schedule.transactions)) {
      expect(report).toContain('field f: "c" C:1 over "a" A:1');
      expect(report.filter((text) => text.includes('B:1') && text.includes('C:1'))).toEqual([]);
    }
  });

  it('a transaction that writes a field twice is in one conflict, with what it wrote last', () => {
    for (const [atMs, kept] of [
      [20, '"last" B:1 over "a" A:1'],
      [5, '"a" A:1 over "last" B:1'],
    ] as const) {
      const schedule = new Schedule()
        .write('A', 10, (tx) => tx.hset('k', 'f', 'a'))
        .write('B', atMs, (tx) => tx.hset('k', 'f', 'draft').hset('k', 'g', 'x').hset('k', 'f', 'last'));
      expect(reportsOf(schedule.transactions)).toEqual([[`field f: ${kept}`]]);
    }
  });
});

describe('S4: types', () => {
  it('two types under one key are a conflict: the latest shows', () => {
    expect(
      concurrent(
        (tx) => tx.sadd('k', 'x'),
        (tx) => tx.hset('k', 'f', 'v'),
      ),
    ).toEqual([['type: hash B:1 over set A:1']]);
    expect(
      concurrent(
        (tx) => tx.hset('k', 'f', 'v'),
        (tx) => tx.set('k', 's'),
      ),
    ).toEqual([['type: "s" B:1 over hash A:1']]);
    expect(
      concurrent(
        (tx) => tx.incr('k', 5),
        (tx) => tx.sadd('k', 'x'),
      ),
    ).toEqual([['type: set B:1 over "5" A:1']]);
    expect(
      concurrent(
        (tx) => tx.with(docSet('{"a":1}', 'k')),
        (tx) => tx.hincr('k', 'f', 1),
      ),
    ).toEqual([['type: hash B:1 over "{\\"a\\":1}" A:1']]);
    expect(
      concurrent(
        (tx) => tx.set('k', 's'),
        (tx) => tx.with(docSet('[1]', 'k')),
      ),
    ).toEqual([['type: "[1]" B:1 over "s" A:1']]);
  });

  it('three types are two conflicts with the one that came last', () => {
    const schedule = new Schedule()
      .write('A', 10, (tx) => tx.sadd('k', 'x'))
      .write('B', 20, (tx) => tx.hset('k', 'f', 'v'))
      .write('C', 30, (tx) => tx.set('k', 's'));
    expect(reportsOf(schedule.transactions)).toEqual([
      ['type: "s" C:1 over hash B:1', 'type: "s" C:1 over set A:1', 'type: hash B:1 over set A:1'],
    ]);
  });

  it('a type that was seen and replaced is none, however often each is written', () => {
    const seen = new Schedule()
      .write('A', 10, (tx) => tx.hset('k', 'f', 'v'))
      .receive('B', 'A')
      .write('B', 20, (tx) => tx.del('k').sadd('k', 'x'))
      .write('B', 30, (tx) => tx.sadd('k', 'y'));
    expect(reportsOf(seen.transactions)).toEqual([[]]);
  });

  it('many writes of the two types are told of when the second comes, not for each', () => {
    const schedule = new Schedule()
      .write('A', 10, (tx) => tx.sadd('k', 'x').sadd('k', 'y'))
      .write('A', 11, (tx) => tx.sadd('k', 'z'))
      .write('B', 20, (tx) => tx.hset('k', 'f', 'v').hset('k', 'g', 'w'))
      .write('B', 21, (tx) => tx.hset('k', 'h', 'u'));
    for (const report of reportsOf(schedule.transactions)) {
      expect(report).toHaveLength(1);
      expect(report[0]).toMatch(/^type: hash B:\d over set A:\d$/);
    }
  });

  it('an increment brings no type where the value that it was made on was removed by the other type', () => {
    const schedule = new Schedule()
      .write('C', 5, (tx) => tx.set('k', '1'))
      .sync()
      .write('A', 10, (tx) => tx.incr('k', 5))
      .write('B', 20, (tx) => tx.sadd('k', 'x'));
    expect(reportsOf(schedule.transactions)).toEqual([[]]);
  });

  it('an increment that counts on nothing that is there brings no type', () => {
    const schedule = new Schedule()
      .write('C', 5, (tx) => tx.set('k', '1'))
      .sync()
      .write('A', 10, (tx) => tx.incr('k', 5))
      .write('B', 20, (tx) => tx.del('k').hset('k', 'f', 'v'));
    expect(reportsOf(schedule.transactions)).toEqual([[]]);
  });
});

describe('S4: documents', () => {
  it('two roots are a conflict, equal ones whatever the order of their members are none', () => {
    expect(
      concurrent(
        (tx) => tx.with(docSet('{"a":1}')),
        (tx) => tx.with(docSet('{"b":2}')),
      ),
    ).toEqual([['document: "{\\"b\\":2}" B:1 over "{\\"a\\":1}" A:1']]);
    expect(
      concurrent(
        (tx) => tx.with(docSet('{"a":1,"b":2}')),
        (tx) => tx.with(docSet('{"b":2,"a":1}')),
      ),
    ).toEqual([[]]);
  });

  it('a root that a removal takes away unseen is one', () => {
    const before = (tx: ScheduledWrites): unknown => tx.with(docSet('{"old":true}'));
    expect(
      concurrent(
        (tx) => tx.with(docSet('{"a":1}')),
        (tx) => tx.del('d'),
        before,
      ),
    ).toEqual([['document: removal B:1 over "{\\"a\\":1}" A:1']]);
    expect(
      concurrent(
        (tx) => tx.del('d'),
        (tx) => tx.with(docSet('{"a":1}')),
        before,
      ),
    ).toEqual([[]]);
  });

  it('edits merge, of one member too; an edit that goes with its root is a conflict', () => {
    const before = (tx: ScheduledWrites): unknown => tx.with(docSet('{"n":1}'));
    const edit = (tx: ScheduledWrites): unknown => tx.with(docEdit(set(['n'], '2')));
    expect(concurrent(edit, edit, before)).toEqual([[]]);
    expect(concurrent(edit, (tx) => tx.with(docSet('{"m":3}')), before)).toEqual([
      ['edit: "{\\"m\\":3}" B:1 over "[[\\"set\\",[\\"n\\"],2]]" A:1'],
    ]);
    expect(concurrent(edit, (tx) => tx.del('d'), before)).toEqual([
      ['edit: removal B:1 over "[[\\"set\\",[\\"n\\"],2]]" A:1'],
    ]);
    expect(concurrent(edit, (tx) => tx.sadd('d', 'x'), before)).toEqual([
      ['edit: set B:1 over "[[\\"set\\",[\\"n\\"],2]]" A:1'],
    ]);
  });

  it('edits of the root that stays are not lost with the other root, nor to a type beside which it stands', () => {
    const roots = new Schedule()
      .write('B', 20, (tx) => tx.with(docSet('{"b":2}')))
      .write('B', 30, (tx) => tx.with(docEdit(set(['n'], '2'))))
      .write('A', 10, (tx) => tx.with(docSet('{"a":1}')));
    for (const report of reportsOf(roots.transactions)) {
      expect(report).toHaveLength(1);
      expect(report[0]).toMatch(/^document: .* B:1 over .* A:1$/);
    }
    const types = new Schedule()
      .write('A', 10, (tx) => tx.with(docSet('{"a":1}')))
      .write('A', 30, (tx) => tx.with(docEdit(set(['n'], '2'))))
      .write('B', 20, (tx) => tx.sadd('d', 'x'));
    for (const report of reportsOf(types.transactions)) {
      expect(report).toHaveLength(1);
      expect(report[0]).toMatch(/^type: set B:1 over .* A:1$/);
    }
  });

  it('what is no JSON and comes from a peer all the same is not compared', () => {
    const schedule = new Schedule()
      .write('A', 10, (tx) => tx.with(docSet('{"a":1}')))
      .write('B', 20, (tx) => tx.with(docSet('{"b":2}')));
    const [first, second] = schedule.transactions;
    if (first === undefined || second === undefined) throw new Error('two were written');
    const broken = { ...second, effects: second.effects.map((effect) => ({ ...effect, value: '{"b"' })) };
    expect(recordsOf(applied([first, broken]))).toEqual([]);
  });

  it('an edit that comes before what replaces its root is lost all the same, whatever its stamp', () => {
    const schedule = new Schedule()
      .write('C', 5, (tx) => tx.with(docSet('{"n":1}')))
      .sync()
      .write('B', 10, (tx) => tx.with(docSet('{"m":3}')))
      .write('A', 20, (tx) => tx.with(docEdit(set(['n'], '2'))))
      .write('A', 21, (tx) => tx.with(docEdit(set(['n'], '4'))));
    expect(reportsOf(schedule.transactions)).toEqual([
      [
        'edit: "{\\"m\\":3}" B:1 over "[[\\"set\\",[\\"n\\"],2]]" A:1',
        'edit: "{\\"m\\":3}" B:1 over "[[\\"set\\",[\\"n\\"],4]]" A:2',
      ],
    ]);
  });
});
