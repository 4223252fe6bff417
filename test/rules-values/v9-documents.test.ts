import { describe, expect, it } from 'vitest';
import { latin1Range } from '../../src/base/bytes.ts';
import { clientIdOf } from '../../src/crdt/document.ts';
import { nodeNumber, originOf } from '../../src/clock/origin.ts';
import { docEdit, docRenew, docSet, expectOneEnd, push, set, shownDocument } from '../documents/document-orders.ts';
import { Schedule } from './schedule.ts';

/** A document that everybody has. */
const begun = (text: string): Schedule => new Schedule().write('A', 1, (tx) => tx.with(docSet(text))).sync();

describe('V9: edits of one generation', () => {
  it('of different members and arrays merge; a member that is set survives a removal that had not seen it', () => {
    const schedule = begun('{"a":1,"list":[0],"in":{}}')
      .write('A', 10, (tx) => tx.with(docEdit(set(['a'], '2'), push(['list'], '1'))))
      .write('B', 11, (tx) => tx.with(docEdit(set(['in', 'b'], '{"c":[]}'))))
      .write('B', 12, (tx) => tx.with(docEdit(push(['in', 'b', 'c'], '7'), set(['z'], 'null'))))
      .write('C', 9, (tx) => tx.with(docEdit(['remove', ['a']], push(['list'], '3'))));
    expectOneEnd(schedule.transactions, '{"a":2,"list":[0,1,3],"in":{"b":{"c":[7]}},"z":null}');
  });

  it('of one member: the higher origin wins, whatever the stamps', () => {
    const schedule = begun('{"a":1}')
      .write('A', 20, (tx) => tx.with(docEdit(set(['a'], '"A"'))))
      .write('B', 10, (tx) => tx.with(docEdit(set(['a'], '"B"'))));
    expectOneEnd(schedule.transactions, '{"a":"B"}');
    schedule.receive('A', 'B').write('A', 30, (tx) => tx.with(docEdit(set(['a'], '"A again"'))));
    expectOneEnd(schedule.transactions, '{"a":"A again"}');
  });
});

describe('V9: roots', () => {
  it('JSON.SET of the root wins by its stamp and drops what was edited on what it replaced', () => {
    const schedule = begun('{"a":1}')
      .write('A', 30, (tx) => tx.with(docEdit(set(['a'], '"edited"'))))
      .write('B', 20, (tx) => tx.with(docSet('{"new":true}')))
      .write('C', 10, (tx) => tx.with(docSet('{"older":true}')))
      .write('B', 40, (tx) => tx.with(docEdit(set(['b'], '1'))));
    expectOneEnd(schedule.transactions, '{"new":true,"b":1}');
  });

  it('DEL is a tombstone by its stamp: older roots that it had not seen stay removed, and edits with them', () => {
    const schedule = begun('{"a":1}')
      .write('A', 20, (tx) => tx.del('d'))
      .write('B', 10, (tx) => tx.with(docSet('{"b":1}')))
      .write('C', 30, (tx) => tx.with(docEdit(set(['a'], '2'))));
    expectOneEnd(schedule.transactions, 'nothing');
    schedule.write('B', 40, (tx) => tx.with(docSet('{"b":2}')));
    expectOneEnd(schedule.transactions, '{"b":2}');
  });

  it('FLUSHALL is a tombstone in the slot of every document', () => {
    const schedule = begun('{"a":1}')
      .write('A', 20, (tx) => tx.flushAll())
      .write('B', 10, (tx) => tx.with(docSet('{"b":1}')))
      .write('C', 30, (tx) => tx.with(docSet('{"c":1}')))
      .write('C', 31, (tx) => tx.with(docEdit(set(['c'], '2'))));
    expectOneEnd(schedule.transactions, '{"c":2}');
  });

  it('a key shows the type of its latest surviving write (V6)', () => {
    const schedule = new Schedule()
      .write('A', 10, (tx) => tx.with(docSet('{"a":1}')))
      .write('B', 20, (tx) => tx.sadd('d', 'member'))
      .write('C', 15, (tx) => tx.set('d', 'string'))
      .receive('A', 'C')
      .write('A', 30, (tx) => tx.with(docSet('{"a":2}')));
    expectOneEnd(schedule.transactions, '{"a":2}');
    schedule.receive('B', 'A').write('B', 40, (tx) => tx.set('d', 'string'));
    expectOneEnd(schedule.transactions, 'a value of type 1');
  });
});

describe('V9: generations', () => {
  it('an edit that a generation does not contain is carried over, with all that it builds on', () => {
    const schedule = begun('{"a":1,"list":[]}')
      .write('B', 10, (tx) => tx.with(docEdit(set(['made'], '{}'))))
      .write('A', 11, (tx) => tx.with(docEdit(set(['a'], '2'))))
      .write('A', 12, (tx) => tx.with(docRenew))
      .write('B', 13, (tx) => tx.with(docEdit(set(['made', 'deep'], '[1]'), push(['list'], '"B"'))))
      .receive('C', 'A')
      .write('C', 14, (tx) => tx.with(docEdit(push(['list'], '"C"'), set(['a'], '3'))));
    const transactions = schedule.transactions;
    schedule.sync();
    expectOneEnd(transactions, shownDocument(schedule.node('A').keyspace, 'd'));
    const shown = JSON.parse(shownDocument(schedule.node('B').keyspace, 'd')) as { list: string[] };
    expect(shown).toMatchObject({ a: 3, made: { deep: [1] } });
    expect([...shown.list].sort()).toEqual(['B', 'C']);
  });

  it('of two made at once the later stamp is current, and what only the other contains is carried over', () => {
    const schedule = begun('{"list":[]}')
      .write('A', 10, (tx) => tx.with(docEdit(push(['list'], '"a"'))))
      .write('B', 11, (tx) => tx.with(docEdit(push(['list'], '"b"'))))
      .write('A', 12, (tx) => tx.with(docRenew))
      .write('B', 13, (tx) => tx.with(docRenew))
      .write('A', 14, (tx) => tx.with(docEdit(set(['from'], '"A"'))))
      .receive('C', 'B')
      .write('C', 15, (tx) => tx.with(docEdit(push(['list'], '"c"'))));
    const transactions = schedule.transactions;
    schedule.sync();
    const shown = JSON.parse(shownDocument(schedule.node('C').keyspace, 'd')) as { list: string[] };
    expect(shown).toMatchObject({ from: 'A' });
    expect([...shown.list].sort()).toEqual(['a', 'b', 'c']);
    expectOneEnd(transactions, shownDocument(schedule.node('A').keyspace, 'd'));
  });

  it('an edit made on a generation that lost is carried over too', () => {
    const schedule = begun('{"n":0}')
      .write('A', 10, (tx) => tx.with(docRenew))
      .write('B', 11, (tx) => tx.with(docRenew))
      .receive('C', 'A')
      .write('C', 12, (tx) => tx.with(docEdit(set(['c'], '{}'))))
      .write('C', 13, (tx) => tx.with(docEdit(set(['c', 'd'], '1'), ['add', ['n'], 5])));
    expectOneEnd(schedule.transactions, '{"n":5,"c":{"d":1}}');
  });

  it('a generation of a root that was replaced or removed is nothing', () => {
    const schedule = begun('{"a":1}')
      .write('A', 30, (tx) => tx.with(docRenew))
      .write('B', 20, (tx) => tx.with(docSet('{"b":1}')))
      .write('A', 31, (tx) => tx.with(docEdit(set(['a'], '2'))));
    expectOneEnd(schedule.transactions, '{"b":1}');
    schedule.receive('B', 'A').write('B', 40, (tx) => tx.del('d'));
    expectOneEnd(schedule.transactions, 'nothing');
  });

  it('edits are kept for generations to come until the current one and they are stable', () => {
    const schedule = begun('{"a":1}').write('A', 10, (tx) => tx.with(docEdit(set(['a'], '2'))));
    const kept = (letter: string): number | undefined =>
      schedule.node(letter).keyspace.entryOf(latin1Range('d'))?.document?.content?.keptEdits;
    schedule.receive('B', 'A').forget('AB');
    expect([kept('A'), kept('B')]).toEqual([1, 1]);
    schedule.sync().forget('ABC');
    expect([kept('A'), kept('B'), kept('C')]).toEqual([0, 0, 0]);
  });
});

describe('V9: writer ids', () => {
  it('differ for every node, every incarnation, and for what is carried over', () => {
    const origins = [1, 2, 64, 2 ** 20 - 1].flatMap((node) =>
      [1, 2, 2 ** 32 - 1].map((each) => originOf(nodeNumber(node), each)),
    );
    const ids = origins.flatMap((origin) => [clientIdOf(origin, false), clientIdOf(origin, true)]);
    expect(new Set(ids).size).toBe(origins.length * 2);
    expect(ids.every((id) => Number.isSafeInteger(id) && id > 1)).toBe(true);
  });
});
