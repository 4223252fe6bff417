import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { stampOfMs } from '../../src/clock/stamp.ts';
import { incarnationOf, nodeNumber, nodeOf, originOf } from '../../src/clock/origin.ts';
import type { OnceId, RequestId } from '../../src/groups/group-entry.ts';
import {
  ONCE_AHEAD_MS,
  ONCE_BYTES_MAX,
  ONCE_KEPT_MS,
  RequestTable,
  type KeptAnswer,
  type RequestRow,
} from '../../src/groups/request-table.ts';
import { groupCodec } from '../../src/wire/group-codec.ts';
import { packr } from '../../src/wire/msgpack-checks.ts';
import { runOptions } from '../support/fast-check-runs.ts';

/** The table as rows of a store, which loses what was told after the last batch that it has. */
class StoredTable {
  table: RequestTable = new RequestTable(true);
  readonly #rows: Map<string, readonly [Uint8Array, Uint8Array]> = new Map();
  #meta: { heads: RequestTable['heads']; applied: number } = { heads: [], applied: 0 };

  /** Takes what changed; says how many rows that were. */
  store(applied: number): number {
    const changes = this.table.takeChanges(applied);
    for (const change of changes) {
      const [key, row] = groupCodec.encodeRequestRow(change);
      if (row === null) this.#rows.delete(Buffer.from(key).toString('hex'));
      else this.#rows.set(Buffer.from(key).toString('hex'), [key, row]);
    }
    this.#meta = { heads: this.table.heads, applied };
    return changes.length;
  }

  /** What a start makes of what is stored; rows come in the order of their keys. */
  restored(): RequestTable {
    const sorted = [...this.#rows].toSorted(([left], [right]) => (left < right ? -1 : 1));
    const table = new RequestTable(true);
    const rows = sorted.map(([, [key, row]]) => groupCodec.decodeRequestRow(key, row));
    table.restoreHeads(this.#meta.heads, this.#meta.applied);
    table.restoreRows(rows.slice(0, 3));
    table.restoreRows(rows.slice(3));
    return table;
  }

  get rowCount(): number {
    return this.#rows.size;
  }
}

/** The same by looking through everything each time (RULES T5, K5). */
class SlowTable {
  answers: { node: number; life: number; serial: number; answer: KeptAnswer }[] = [];
  lives: Map<number, { life: number; floor: number }> = new Map();
  once: { id: string; issuedMs: number; answer: KeptAnswer }[] = [];

  judge({ origin, serial, floor }: RequestId): 'forget' | 'run' | number {
    const [node, life] = [nodeOf(origin), incarnationOf(origin)];
    const known = this.lives.get(node) ?? { life: 0, floor: 0 };
    if (life < known.life) return 'forget';
    const begun = life > known.life ? { life, floor: 0 } : known;
    this.lives.set(node, begun);
    this.answers = this.answers.filter((each) => each.node !== node || each.life === life);
    if (serial < begun.floor) return 'forget';
    begun.floor = Math.max(begun.floor, floor);
    this.answers = this.answers.filter((each) => each.node !== node || each.serial >= begun.floor);
    return this.answers.find((each) => each.node === node && each.serial === serial)?.answer.index ?? 'run';
  }

  judgeOnce({ id, issuedMs }: OnceId, logMs: number): string | number {
    while ((this.once[0]?.issuedMs ?? Infinity) < logMs - ONCE_KEPT_MS) this.once.shift();
    const known = this.once.find((each) => each.id === id);
    if (known !== undefined) return known.answer.index;
    if (issuedMs < logMs - ONCE_KEPT_MS) return 'too-old';
    return issuedMs > logMs + ONCE_AHEAD_MS ? 'too-new' : 'run';
  }

  get facts(): unknown {
    return {
      answers: this.answers.map(({ node, serial, answer }) => `${node} ${serial} ${answer.index}`).toSorted(),
      once: this.once.map(({ id, issuedMs, answer }) => `${id} ${issuedMs} ${answer.index}`),
    };
  }
}

function factsOf(table: RequestTable): unknown {
  const rows = table.rows();
  const of = <Kind extends RequestRow['kind']>(kind: Kind): Extract<RequestRow, { kind: Kind }>[] =>
    rows.filter((row): row is Extract<RequestRow, { kind: Kind }> => row.kind === kind);
  return {
    answers: of('answer')
      .map(({ node, serial, kept }) => `${node} ${serial} ${kept?.index}`)
      .toSorted(),
    once: of('once').map(({ index, kept }) => `${kept?.id} ${kept?.issuedMs} ${index}`),
  };
}

const shown = (verdict: unknown): unknown =>
  typeof verdict === 'object' && verdict !== null && 'index' in verdict ? verdict.index : verdict;

const step = fc.record({
  node: fc.integer({ min: 1, max: 3 }),
  isNewLife: fc.integer({ min: 0, max: 11 }).map((value) => value === 0),
  ahead: fc.integer({ min: -3, max: 4 }),
  keeps: fc.oneof(fc.integer({ min: 0, max: 6 }), fc.constant(1_000)),
  once: fc.option(fc.tuple(fc.integer({ min: 1, max: 12 }), fc.integer({ min: -700_000, max: 70_000 })), { nil: null }),
  waitMs: fc.oneof(fc.integer({ min: 0, max: 5_000 }), fc.integer({ min: 0, max: 400_000 })),
  after: fc.constantFrom('nothing', 'nothing', 'store', 'restart', 'crash'),
});

describe('the table of requests', () => {
  test('is what one that looks through everything is, and what the store has of it is that of the last batch', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80, size: 'max' }), (steps) => {
        const stored = new StoredTable();
        const slow = new SlowTable();
        let onDisk = factsOf(stored.table);
        const serials = [0, 0, 0, 0];
        const lives = [1, 1, 1, 1];
        let logMs = 10_000_000;
        const log: { request: RequestId; once: OnceId | null; logMs: number }[] = [];
        let storedUpTo = 0;
        /** As the state machine does. Returns what the request gets, of both. */
        const run = (index: number, isReplayed: boolean): void => {
          const { request, once, logMs: atMs } = log[index - 1] as (typeof log)[number];
          const { table } = stored;
          const kept = { index, reply: new Uint8Array([index & 255]) };
          const verdict = shown(table.judge(request));
          if (!isReplayed) expect(verdict).toBe(slow.judge(request));
          if (verdict !== 'run') return;
          const onceVerdict = once === null ? 'run' : shown(table.judgeOnce(once, atMs));
          if (once !== null && onceVerdict === 'run') table.answeredOnce(once, kept);
          table.answered(request, kept);
          if (isReplayed) return;
          if (once !== null) {
            expect(onceVerdict).toBe(slow.judgeOnce(once, atMs));
            if (onceVerdict === 'run') slow.once.push({ ...once, answer: kept });
          }
          const { origin, serial } = request;
          slow.answers.push({ node: nodeOf(origin), life: incarnationOf(origin), serial, answer: kept });
        };
        for (const { node, isNewLife, ahead, keeps, once, waitMs, after } of steps) {
          logMs += waitMs;
          if (isNewLife) lives[node] = (lives[node] ?? 1) + 1;
          const serial = Math.max(1, (serials[node] ?? 0) + ahead);
          serials[node] = Math.max(serials[node] ?? 0, serial);
          const request = {
            origin: originOf(nodeNumber(node), lives[node] ?? 1),
            serial,
            floor: Math.max(0, serial - keeps),
          };
          log.push({
            request,
            once: once === null ? null : { id: `id ${once[0]}`, issuedMs: logMs + once[1] },
            logMs,
          });
          run(log.length, false);
          expect(factsOf(stored.table)).toEqual(slow.facts);
          if (after === 'store' || after === 'restart') {
            stored.store(log.length);
            storedUpTo = log.length;
            onDisk = factsOf(stored.table);
          }
          if (after !== 'restart' && after !== 'crash') continue;
          stored.table = stored.restored();
          expect(factsOf(stored.table)).toEqual(onDisk);
          for (let index = storedUpTo + 1; index <= log.length; index++) run(index, true);
          expect(factsOf(stored.table)).toEqual(slow.facts);
        }
      }),
      runOptions(300, 60_000),
    );
  }, 120_000);

  test('tells the store what changed and no more: of many ids those that came, and what it never had goes unsaid', () => {
    const stored = new StoredTable();
    const origin = originOf(nodeNumber(1), 1);
    const ask = (index: number, logMs: number): void => {
      const request = { origin, serial: index, floor: index };
      const once = { id: `order ${index}`, issuedMs: logMs };
      expect(stored.table.judge(request)).toBe('run');
      expect(stored.table.judgeOnce(once, logMs)).toBe('run');
      const kept = { index, reply: new Uint8Array(1) };
      stored.table.answeredOnce(once, kept);
      stored.table.answered(request, kept);
    };
    for (let index = 1; index <= 5_000; index++) ask(index, 10_000_000);
    expect(stored.store(5_000)).toBe(5_001);
    ask(5_001, 10_000_000);
    // its id and its answer came, the answer before went
    expect(stored.store(5_001)).toBe(3);
    for (let index = 5_002; index <= 5_100; index++) ask(index, 10_000_000);
    expect(stored.store(5_100)).toBe(99 + 2);
    expect(stored.store(5_100)).toBe(0);
    expect(stored.rowCount).toBe(5_101);
  });

  test('forgets many old ids a few at a time, and takes new ones meanwhile though they take all the room there is', () => {
    const table = new RequestTable(false);
    const reply = new Uint8Array(1_000_000);
    let index = 0;
    for (; table.judgeOnce({ id: `${index}`, issuedMs: 1_000_000 }, 1_000_000) === 'run'; index++)
      table.answeredOnce({ id: `${index}`, issuedMs: 1_000_000 }, { index, reply });
    expect(index).toBe(Math.ceil(ONCE_BYTES_MAX / 1_000_101));
    expect(table.judgeOnce({ id: 'more', issuedMs: 1_000_000 }, 1_000_000)).toBe('too-many');
    const laterMs = 1_000_000 + ONCE_KEPT_MS + 1;
    for (let at = 0; at < 3; at++) {
      expect(table.judgeOnce({ id: `new ${at}`, issuedMs: laterMs }, laterMs)).toBe('run');
      table.answeredOnce({ id: `new ${at}`, issuedMs: laterMs }, { index: index + at, reply: new Uint8Array(1) });
    }
    expect(table.rows().filter(({ kind }) => kind === 'once').length).toBeLessThan(index);
  });

  test('of a version that wrote it in one piece it is taken over, and is stored by rows then', () => {
    const reply = new Uint8Array([43]);
    const earlier = [[[64, 3, 7, [[8, 5, reply]]]], [['order 1', 1_000_000, 5, reply]]];
    const head = [0, 0, '0'.repeat(64)];
    const meta = groupCodec.decodeMeta(packr.pack([6, stampOfMs(1_800_000_000_000), [], earlier, head, []]));
    expect(meta.forwarders).toEqual([[64, 3, 7]]);
    const stored = new StoredTable();
    stored.table.restoreHeads(meta.forwarders, 0);
    stored.table.restoreRows(meta.earlierRequests);
    expect(shown(stored.table.judge({ origin: originOf(nodeNumber(64), 3), serial: 8, floor: 8 }))).toBe(5);
    expect(shown(stored.table.judgeOnce({ id: 'order 1', issuedMs: 1_000_000 }, 1_000_000))).toBe(5);
    expect(stored.store(6)).toBe(2);
    expect(factsOf(stored.restored())).toEqual(factsOf(stored.table));
    const again = groupCodec.decodeMeta(groupCodec.encodeMeta({ ...meta, forwarders: stored.table.heads }));
    expect([again.forwarders, again.earlierRequests]).toEqual([[[64, 3, 8]], []]);
  });

  test('a request costs the same however much is kept', () => {
    // by what a walk over all of it would take: 100,000 requests that each look at 100,000 answers take minutes
    const table = new RequestTable(false);
    const origin = originOf(nodeNumber(1), 1);
    for (let index = 1; index <= 100_000; index++) {
      table.judge({ origin, serial: index, floor: 1 });
      table.answered({ origin, serial: index, floor: 0 }, { index, reply: new Uint8Array(0) });
      const once = { id: `${index}`, issuedMs: index * 6 };
      expect(table.judgeOnce(once, index * 6)).toBe('run');
      table.answeredOnce(once, { index, reply: new Uint8Array(0) });
    }
    for (let index = 100_001; index <= 200_000; index++) {
      table.judge({ origin, serial: index, floor: index - 100_000 });
      table.answered({ origin, serial: index, floor: 0 }, { index, reply: new Uint8Array(0) });
      const once = { id: `${index}`, issuedMs: index * 6 };
      table.judgeOnce(once, index * 6);
      table.answeredOnce(once, { index, reply: new Uint8Array(0) });
    }
    expect(table.rows().filter(({ kind }) => kind === 'answer')).toHaveLength(100_001);
  }, 30_000);
});
