import { plainSha256 } from '../../src/groups/audit-text.ts';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { nodeNumber, originOf } from '../../src/clock/origin.ts';
import { stampOfMs } from '../../src/clock/stamp.ts';
import { CommandIndex } from '../../src/commands/command-index.ts';
import { commandTable } from '../../src/commands/table.ts';
import type { GroupEntry } from '../../src/groups/group-entry.ts';
import { groupOrigin } from '../../src/groups/group-plan.ts';
import { EXPIRE_BUDGET, GroupState } from '../../src/groups/group-state.ts';
import { STRONG_REPLY_BYTES_MAX } from '../../src/groups/limits.ts';
import { keptReplies } from '../../src/wire/resp/kept-reply.ts';
import { runOptions } from '../support/fast-check-runs.ts';
import { latin1Range, type ByteRange } from '../../src/base/bytes.ts';
import { imageBytes, imageOf, throughBytes } from '../support/group-images.ts';

const COMMANDS = new CommandIndex(commandTable);
const CLIENT = originOf(nodeNumber(64), 1);
const START_MS = 1_800_000_000_000;

const newState = (): GroupState =>
  new GroupState({
    origin: groupOrigin(1, 'region'),
    commands: COMMANDS,
    newReply: keptReplies(),
    sha256: plainSha256,
    name: 'us-east-1/region',
    isStored: true,
  });

/** What a snapshot or a restart makes of a state. */
function restored(state: GroupState): GroupState {
  const copy = newState();
  copy.restore(throughBytes(imageOf(state)));
  return copy;
}

const words = (line: string): ByteRange[] => line.split(' ').map((word) => latin1Range(word));

const key = fc.constantFrom('s1', 's2', 's3', 't1', 't2', 'h1', 'h2', 'j1', 'j2');
const member = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f');
const number = fc.integer({ min: -5, max: 20 });
const line: fc.Arbitrary<string> = fc.oneof(
  fc.tuple(key, member).map(([k, m]) => `SET ${k} ${m}`),
  fc.tuple(key, number).map(([k, n]) => `SET ${k} ${n}`),
  fc.tuple(key, number).map(([k, n]) => `INCRBY ${k} ${n}`),
  fc.tuple(key, member).map(([k, m]) => `APPEND ${k} ${m}`),
  fc.tuple(key, number).map(([k, n]) => `SET ${k} v PX ${Math.abs(n) + 1}`),
  fc.tuple(key, number).map(([k, n]) => `PEXPIRE ${k} ${n}`),
  key.map((k) => `PERSIST ${k}`),
  key.map((k) => `DEL ${k}`),
  fc.tuple(key, key).map(([k, l]) => `RENAME ${k} ${l}`),
  fc.tuple(key, key).map(([k, l]) => `COPY ${k} ${l} REPLACE`),
  fc.tuple(key, member, member, member).map(([k, a, b, c]) => `SADD ${k} ${a} ${b} ${c}`),
  fc.tuple(key, member).map(([k, m]) => `SREM ${k} ${m}`),
  fc.tuple(key, fc.integer({ min: 1, max: 3 })).map(([k, n]) => `SPOP ${k} ${n}`),
  fc.tuple(key, key, key).map(([k, l, m]) => `SUNIONSTORE ${k} ${l} ${m}`),
  fc.tuple(key, key, key).map(([k, l, m]) => `SDIFFSTORE ${k} ${l} ${m}`),
  fc.tuple(key, member, number).map(([k, m, n]) => `HSET ${k} ${m} ${n} z ${n}`),
  fc.tuple(key, member).map(([k, m]) => `HDEL ${k} ${m}`),
  fc.tuple(key, member, number).map(([k, m, n]) => `HINCRBY ${k} ${m} ${n}`),
  fc.tuple(key, number).map(([k, n]) => `INCRBYFLOAT ${k} ${n}.25`),
  fc.tuple(key, member, member, number).map(([k, a, b, n]) => `JSON.SET ${k} $ {"${a}":{"x":[1,2]},"${b}":${n},"n":1}`),
  fc.tuple(key, member, number).map(([k, m, n]) => `JSON.SET ${k} $.${m} ${n}`),
  fc.tuple(key, member).map(([k, m]) => `JSON.DEL ${k} $.${m}`),
  fc.tuple(key, member, number).map(([k, m, n]) => `JSON.ARRAPPEND ${k} $.${m}.x ${n}`),
  fc.tuple(key, member).map(([k, m]) => `JSON.ARRPOP ${k} $.${m}.x`),
  key.map((k) => `JSON.NUMINCRBY ${k} $.n 1`),
  fc.tuple(key, member).map(([k, m]) => `JSON.MERGE ${k} $ {"${m}":{"y":2},"q":null}`),
);

interface Step {
  readonly lines: readonly string[];
  readonly kind: 'commands' | 'expire' | 'renew' | 'rules' | 'restore';
  readonly waitMs: number;
}

const anyStep: fc.Arbitrary<Step> = fc.record({
  lines: fc.array(line, { minLength: 1, maxLength: 4 }),
  kind: fc.oneof(
    { weight: 12, arbitrary: fc.constant('commands' as const) },
    { weight: 2, arbitrary: fc.constant('expire' as const) },
    { weight: 1, arbitrary: fc.constant('renew' as const) },
    { weight: 1, arbitrary: fc.constant('rules' as const) },
    { weight: 2, arbitrary: fc.constant('restore' as const) },
  ),
  // a new leader's clock may be behind that of the one before
  waitMs: fc.integer({ min: -6, max: 8 }),
});

function entryOf({ lines, kind }: Step, index: number, atMs: number, seed: number, inForce = 0): GroupEntry | null {
  const stamp = stampOfMs(atMs);
  if (kind === 'expire') return { kind, stamp };
  if (kind === 'renew') return { kind, stamp, keys: ['j1', 'j2', 's1'] };
  if (kind === 'rules')
    return {
      kind,
      stamp,
      over: inForce,
      version: index % 3,
      pins: '',
      rules: [{ pattern: 's*', ttlMs: 1 + (index % 5), audit: index % 2 === 0 }],
    };
  if (kind === 'restore') return null;
  return {
    kind,
    stamp,
    seed,
    request: { origin: CLIENT, serial: index, floor: index },
    once: null,
    deps: [],
    watches: [],
    commands: lines.map(words),
    isExec: lines.length > 1,
    respVersion: 3,
    requester: { user: 'default', address: '', region: '' },
  };
}

describe('the state machine of a group', () => {
  test('is a function of the log: a member that was restored anywhere goes on as one that never was', () => {
    fc.assert(
      fc.property(
        fc.array(anyStep, { minLength: 1, maxLength: 60, size: 'max' }),
        fc.integer({ min: 0, max: 2 ** 32 - 1 }),
        (steps, seed) => {
          const whole = newState();
          let often = newState();
          let atMs = START_MS;
          for (const [at, each] of steps.entries()) {
            const index = at + 1;
            atMs += each.waitMs;
            const entry = entryOf(each, index, atMs, (seed + index) >>> 0, whole.inForce.index);
            if (entry === null) often = restored(often);
            const before = whole.stamp;
            const replies = [whole, often].map((state) => {
              const reply = state.apply(index, entry);
              return reply === null ? null : Buffer.from(reply).toString('latin1');
            });
            expect(whole.stamp).toBeGreaterThan(before);
            expect(replies[1]).toBe(replies[0]);
            const columns = [whole, often].map((state) =>
              Buffer.from(state.takeChunk()?.bytes ?? []).toString('base64'),
            );
            expect(columns[1]).toBe(columns[0]);
          }
          expect(imageBytes(restored(often)).equals(imageBytes(restored(whole)))).toBe(true);
          expect(imageBytes(often).equals(imageBytes(whole))).toBe(true);
        },
      ),
      runOptions(150, 60_000) as fc.Parameters<[Step[], number]>,
    );
  }, 120_000);

  test('removes what expired in one order everywhere, however much it is and whatever was kept before', () => {
    const whole = newState();
    const both = (step: Step, index: number, atMs: number): void => {
      for (const state of [whole, often]) state.apply(index, entryOf(step, index, atMs, 0));
    };
    let often = newState();
    const keys = Array.from({ length: EXPIRE_BUDGET + 20 }, (_, at) => `k${(at * 7919) % 2011}`);
    const write = (px: (at: number) => number): Step => ({
      kind: 'commands',
      lines: keys.map((name, at) => `SET ${name} v PX ${px(at)}`),
      waitMs: 0,
    });
    // the second writing leaves records of the first behind in the one that is not restored
    both(
      write((at) => 10 + (at % 3)),
      1,
      START_MS,
    );
    both(
      write((at) => 10 + (at % 2)),
      2,
      START_MS + 1,
    );
    often = restored(often);
    both({ kind: 'expire', lines: [], waitMs: 0 }, 3, START_MS + 20);
    expect(imageOf(whole).entries).toHaveLength(20);
    expect(imageBytes(often).equals(imageBytes(whole))).toBe(true);
    expect(whole.hasExpired(START_MS)).toBe(true);
    often = restored(often);
    both(
      { kind: 'commands', lines: [`SET ${imageOf(whole).entries[0]?.[0] ?? ''} anew`], waitMs: 0 },
      4,
      START_MS + 20,
    );
    both({ kind: 'expire', lines: [], waitMs: 0 }, 5, START_MS + 20);
    expect(imageOf(whole).entries).toHaveLength(1);
    expect(imageBytes(often).equals(imageBytes(whole))).toBe(true);
    expect(whole.hasExpired(START_MS + 1_000_000)).toBe(false);
  });

  test.each(['PING', 'FLUSHALL', 'CONFIG GET *', 'PUBLISH a b', 'CW.RESOLVE s1 VIEW', 'CW.ONCE a 1 SET s1 b'])(
    'refuses %s, which only a peer can have sent, and goes on',
    (request) => {
      const state = newState();
      state.apply(1, entryOf({ kind: 'commands', lines: ['SET s1 v'], waitMs: 0 }, 1, START_MS, 0));
      const refused = state.apply(2, entryOf({ kind: 'commands', lines: [request], waitMs: 0 }, 2, START_MS, 0));
      expect(Buffer.from(refused ?? []).toString()).toContain('is not for strong keys');
      expect(Buffer.from(state.read([words('GET s1')], false, 2, 0)).toString()).toBe('$1\r\nv\r\n');
    },
  );

  test('refuses to write for a request that was said to read only', () => {
    const state = newState();
    expect(Buffer.from(state.read([words('SET s1 v')], false, 2, 0)).toString()).toContain('is not for strong keys');
    expect(imageOf(state).entries).toEqual([]);
  });

  test('replies no more than may lie on a control connection; what was done is said to be', () => {
    const state = newState();
    const half = STRONG_REPLY_BYTES_MAX / 2 + 100;
    const lines = [`SETRANGE s1 ${half} x`, `SETRANGE s2 ${half} x`];
    state.apply(1, entryOf({ kind: 'commands', lines, waitMs: 0 }, 1, START_MS, 0));
    const one = state.read([words('GET s1')], false, 2, 0);
    expect(one.length).toBeGreaterThan(half);
    const both = Buffer.from(state.read([words('GET s1'), words('GET s2'), words('GET s3')], true, 2, 0));
    expect(both.length).toBeLessThan(STRONG_REPLY_BYTES_MAX);
    expect(both.subarray(one.length).toString()).toMatch(/^\r?\n?.*-LIMIT .*strong-reply-bytes-max.*\r\n\$-1\r\n$/s);
    const write = ['GET s1', 'GETDEL s2'];
    const reply = state.apply(2, entryOf({ kind: 'commands', lines: write, waitMs: 0 }, 2, START_MS, 0));
    expect(reply?.length).toBeLessThan(STRONG_REPLY_BYTES_MAX);
    expect(
      Buffer.from(reply ?? [])
        .subarray(one.length)
        .toString(),
    ).toMatch(/-UNCERTAIN getdel was done, .*\r\n$/);
    expect(imageOf(state).entries.map(([name]) => name)).toEqual(['s1']);
  });
});

test('a log that depends on very many lives of nodes stays readable for who stored it', () => {
  const state = newState();
  const lives = Array.from({ length: 6_000 }, (_, at) => [originOf(nodeNumber(65), at + 1), 1] as const);
  for (let at = 0; at < lives.length; at += 3_000) {
    const entry = entryOf({ kind: 'commands', lines: ['SET s1 v'], waitMs: 0 }, at + 1, START_MS, 0);
    if (entry?.kind === 'commands') state.apply(at + 1, { ...entry, deps: lives.slice(at, at + 3_000) });
  }
  expect(state.running.size).toBe(6_000);
  expect(imageBytes(restored(state)).equals(imageBytes(state))).toBe(true);
});
