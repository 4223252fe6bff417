import { describe, expect, it } from 'vitest';
import * as Y from 'yjs';
import { checkColumns } from '../../src/causal/columns-check.ts';
import { columnsOf, ColumnsBuilder } from '../../src/causal/columns.ts';
import { nodeNumber, originOf, type Origin } from '../../src/clock/origin.ts';
import { VersionVector } from '../../src/clock/version-vector.ts';
import { formatCommand } from '../../src/crdt/document-edits.ts';
import { formatJson } from '../../src/crdt/document-json.ts';
import { clientIdOf, isDocumentUpdate, isWholeDocument, SharedDocument } from '../../src/crdt/document.ts';
import { Update, UpdateKind } from '../../src/crdt/update.ts';
import { ByteRange, latin1Range } from '../../src/base/bytes.ts';
import { SlabKeyspace } from '../../src/keyspace/slab-keyspace.ts';
import { checkEntryState } from '../../src/wire/entry-state.ts';
import { stampAt } from '../properties/values/virtual-replica.ts';
import { runs } from '../support/fast-check-runs.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import { json, push, set, shownDocument } from './document-orders.ts';

const origin = originOf(nodeNumber(3), 9);
const client = clientIdOf(origin, false);
const BASE = '{"a":{"b":[1,2,{"c":"text"}]},"n":1,"list":[[],[],{}]}';

/** A document, and an update of it that another made on a copy. */
function updated(): { document: SharedDocument; update: Uint8Array } {
  const document = SharedDocument.fromJson(json(BASE));
  const other = SharedDocument.fromBytes(document.encode());
  const update = other.play(
    [
      set(['a', 'x'], '{"deep":[1,{"er":null}]}'),
      push(['list'], '"p"', '[7]'),
      ['remove', ['n']],
      ['take', ['a', 'b'], 1],
    ],
    client,
  );
  return { document, update };
}

function mutated(bytes: Uint8Array, random: SeededRandom): Uint8Array {
  const copy = [...bytes];
  for (let changes = 1 + random.below(4); changes > 0; changes--) {
    const at = random.below(copy.length);
    if (random.unit() < 0.6) copy[at] = random.below(256);
    else if (random.unit() < 0.5) copy.splice(at, 1 + random.below(5));
    else copy.splice(at, 0, ...Array.from({ length: 1 + random.below(5) }, () => random.below(256)));
  }
  return Uint8Array.from(copy);
}

describe('Yjs bytes from outside', () => {
  it('are looked at before they are applied: mutated edits never throw, and leave a document that works and waits for nothing', () => {
    const random = new SeededRandom(618);
    let accepted = 0;
    for (let run = 0; run < runs(3_000); run++) {
      const { document, update } = updated();
      const hostile = mutated(update, random);
      if (!isDocumentUpdate(hostile) || !document.accepts(hostile, client)) continue;
      accepted++;
      expect(document.merge(hostile), `${run}`).toBe(true);
      formatJson(document.root.toJson());
      // an edit may remove the root, or put something else there
      if (!document.root.isObject) continue;
      const after = document.play([set(['still'], '"works"')], clientIdOf(originOf(nodeNumber(4), 1), false));
      expect(after.length).toBeGreaterThan(2);
      expect(SharedDocument.fromBytes(document.encode()).root.member('still')?.scalar).toBe('works');
    }
    // some mutations change a value and nothing else: those are edits like any other
    expect(accepted).toBeGreaterThan(0);
  });

  it('that are a whole document are tried on a scratch copy: mutated ones never throw where they are used', () => {
    const random = new SeededRandom(619);
    const { document, update } = updated();
    document.merge(update);
    const whole = document.encode();
    expect(isWholeDocument(whole)).toBe(true);
    for (let run = 0; run < runs(3_000); run++) {
      const hostile = mutated(whole, random);
      if (!isWholeDocument(hostile)) continue;
      const copy = SharedDocument.fromBytes(hostile);
      formatJson(copy.root.toJson());
      copy.play([set(['still'], '1')], client);
    }
  });

  it('an update of another writer, with a gap, or building on what is not here is not accepted', () => {
    const { document, update } = updated();
    expect(document.accepts(update, client)).toBe(true);
    expect(document.accepts(update, clientIdOf(origin, true))).toBe(false);
    const other = SharedDocument.fromBytes(document.encode());
    other.merge(update);
    const later = other.play([push(['list'], '1')], client);
    expect(document.accepts(later, client)).toBe(false);
    const third = other.play([push(['a', 'x', 'deep'], '1')], clientIdOf(originOf(nodeNumber(9), 1), false));
    expect(document.accepts(third, clientIdOf(originOf(nodeNumber(9), 1), false))).toBe(false);
    document.merge(update);
    expect(document.accepts(later, client)).toBe(true);
    expect(document.accepts(update, client)).toBe(false);
  });

  it.each<[string, (top: Y.Map<unknown>) => void]>([
    ['text', (top) => top.set('x', new Y.Text('abc'))],
    ['XML', (top) => top.set('x', new Y.XmlElement('a'))],
    ['bytes', (top) => top.set('x', new Uint8Array([1, 2]))],
    ['a document in it', (top) => top.set('x', new Y.Doc())],
    ['an object that is one value', (top) => top.set('x', { y: 1 })],
    ['undefined', (top) => top.set('x', undefined)],
    ['no number', (top) => top.set('x', Number.NaN)],
    ['an infinite number', (top) => top.set('x', -Infinity)],
    ['a big integer', (top) => top.set('x', 5n)],
  ])('with a kind of content that we never make are none: %s', (_kind, change) => {
    const doc = new Y.Doc();
    doc.clientID = client;
    change(doc.getMap(''));
    expect(isDocumentUpdate(Y.encodeStateAsUpdate(doc))).toBe(false);
    expect(isWholeDocument(Y.encodeStateAsUpdate(doc))).toBe(false);
  });

  it('nest no deeper than a document may', () => {
    const document = SharedDocument.fromJson(json(`${'['.repeat(120)}${']'.repeat(120)}`));
    const place = Array.from({ length: 119 }, () => 0);
    const allowed = SharedDocument.fromBytes(document.encode()).play([push(place, '[[[[[]]]]]')], client);
    expect(document.accepts(allowed, client)).toBe(true);
    const tooDeep = SharedDocument.fromBytes(document.encode()).play(
      [push(place, `${'['.repeat(20)}${']'.repeat(20)}`)],
      client,
    );
    expect(document.accepts(tooDeep, client)).toBe(false);
  });
});

function documentUpdate(kind: UpdateKind, field: string, value: Uint8Array): Update {
  const update = new Update();
  update.kind = kind;
  update.key.setFrom(latin1Range('d'));
  update.field.setFrom(latin1Range(field));
  update.value.setFrom(new ByteRange(value));
  update.baseOrigin = origin;
  update.baseSeq = 1;
  return update;
}

/** Columns with one update of a document. */
function columns(kind: UpdateKind, field: string, value: Uint8Array): Parameters<typeof checkColumns>[0] {
  const builder = new ColumnsBuilder();
  builder.begin(stampAt(1), []);
  builder.add(documentUpdate(kind, field, value));
  return columnsOf(builder.take());
}

describe('a peer that sends documents', () => {
  const command = formatCommand({ generationOrigin: origin, generationSeq: 1, operations: [set(['a'], '1')] });
  const text = (of: string): Uint8Array => latin1Range(of).toBytes();

  it.each([
    ['a root that is no JSON', UpdateKind.DocumentSet, '', text('{"a":')],
    ['a generation that is no JSON', UpdateKind.DocumentGeneration, '', text('\xff')],
    ['an edit without a command', UpdateKind.DocumentEdit, '', updated().update],
    ['a command that is none', UpdateKind.DocumentEdit, '[1,2,3]', updated().update],
    ['a command with an unknown step', UpdateKind.DocumentEdit, `[${origin},1,[["evil",[]]]]`, updated().update],
    ['an edit without bytes', UpdateKind.DocumentEdit, command, new Uint8Array(0)],
    ['an edit with bytes that are no update', UpdateKind.DocumentEdit, command, text('hello there')],
    ['an edit of two writers', UpdateKind.DocumentEdit, command, twoWriters()],
  ])('is refused as PROTOCOL before anything is applied: %s', (_name, kind, field, value) => {
    expect(() => checkColumns(columns(kind, field, value), 1)).toThrow(expect.objectContaining({ code: 'PROTOCOL' }));
  });

  it('is not heard where it writes as another: the edit shows nowhere', () => {
    const keyspace = new SlabKeyspace();
    const apply = (from: Origin, kind: UpdateKind, field: string, value: Uint8Array): void => {
      const update = documentUpdate(kind, field, value);
      const seq = kind === UpdateKind.DocumentSet ? 1 : 2;
      keyspace.apply(update, { origin: from, seq, stamp: stampAt(seq), deps: new VersionVector() });
    };
    apply(origin, UpdateKind.DocumentSet, '', text(BASE));
    apply(originOf(nodeNumber(4), 9), UpdateKind.DocumentEdit, command, updated().update);
    expect(shownDocument(keyspace, 'd')).toBe(BASE);
    apply(origin, UpdateKind.DocumentEdit, command, updated().update);
    expect(shownDocument(keyspace, 'd')).not.toBe(BASE);
  });

  it('is heard when it sends what we send', () => {
    expect(() => checkColumns(columns(UpdateKind.DocumentEdit, command, updated().update), 1)).not.toThrow();
    expect(() => checkColumns(columns(UpdateKind.DocumentSet, '', text(BASE)), 1)).not.toThrow();
  });

  it('is refused with an entry whose document is none', () => {
    const { document } = updated();
    const dot = [stampAt(1), origin, 1];
    const state = (content: unknown): unknown => [null, null, null, null, [...dot, content]];
    const content = (bytes: unknown, base: unknown, edits: unknown): unknown => state([dot, dot, base, bytes, edits]);
    expect(checkEntryState(content(document.encode(), null, []))).toBeDefined();
    expect(checkEntryState(state(null))).toBeDefined();
    const edit = [...dot, command, [origin, 4], null];
    expect(checkEntryState(content(document.encode(), '{}', [edit]))).toBeDefined();
    for (const bad of [
      state(undefined),
      content(new Uint8Array([1, 2, 3]), null, []),
      content(updated().update, null, []),
      content(document.encode(), '{', []),
      content(document.encode(), null, [[...dot, 'no command', [], null]]),
      content(document.encode(), null, [[...dot, command, [origin], null]]),
      content(document.encode(), null, [[...dot, command, [], new Uint8Array([9, 9])]]),
    ]) {
      expect(() => checkEntryState(bad)).toThrow(expect.objectContaining({ code: 'PROTOCOL' }));
    }
  });
});

function twoWriters(): Uint8Array {
  const { document, update } = updated();
  document.merge(update);
  return document.encode();
}
