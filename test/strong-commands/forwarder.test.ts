import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { nodeNumber, originOf } from '../../src/clock/origin.ts';
import type { StrongAnswer, StrongRequest } from '../../src/commands/strong-view.ts';
import { Forwarder } from '../../src/groups/forwarder.ts';
import type { LeaderAnswer, StrongRequestFrame } from '../../src/groups/strong-frames.ts';
import { runOptions } from '../support/fast-check-runs.ts';
import { ByteRange } from '../../src/base/bytes.ts';

const LEADER = 64;
const GROUP = 'us-east-1/region';
const now = { wallMs: 1_000, monotonicMs: 1_000 };

/** The forwarder of one life of a node, and what it asked the leader. */
function life(incarnation: number): { forwarder: Forwarder; asked: StrongRequestFrame[] } {
  const asked: StrongRequestFrame[] = [];
  const forwarder = new Forwarder({
    origin: originOf(nodeNumber(128), incarnation),
    leaderOf: () => LEADER,
    originOf: () => originOf(nodeNumber(127), 1),
    nodeId: String,
    self: 128,
    now: () => now,
    linkOf: () => 1,
    askHere: () => expect.unreachable('it does not lead itself'),
    ask: (_node, _bytes, frame, left) => {
      asked.push(frame());
      left();
      return () => false;
    },
  });
  return { forwarder, asked };
}

const REQUEST: StrongRequest = {
  group: GROUP,
  kind: 'read',
  commands: [],
  keys: [],
  isExec: false,
  watches: [],
  respVersion: 2,
  deps: [],
  once: null,
  requester: { user: '', address: '', region: '' },
  timeoutMs: 1_000,
};

test.each([
  [1, 2],
  [217_500_000, 217_500_001],
])('T5 an answer that the life before asked for (incarnation %i) is none of this life (%i)', (before, after) => {
  const [first, second] = [life(before), life(after)];
  const answers: StrongAnswer[] = [];
  first.forwarder.submit(REQUEST, (answer) => answers.push(answer), now);
  second.forwarder.submit(REQUEST, (answer) => answers.push(answer), now);
  const [of, then] = [first.asked[0]?.request.serial ?? 0, second.asked[0]?.request.serial ?? 0];
  const done = { kind: 'done', reply: new Uint8Array([0x2b]), versions: [], index: 7 } as const;
  second.forwarder.answered(LEADER, of, done, now);
  expect(answers).toEqual([]);
  second.forwarder.answered(LEADER, then, done, now);
  expect(answers).toMatchObject([{ by: String(LEADER), dot: { seq: 7 } }]);
  expect(Number.isSafeInteger(then + 2 ** 32)).toBe(true);
});

const DONE = { kind: 'done', reply: new Uint8Array([0x2b]), versions: [], index: 7 } as const;
const MEBIBYTE = 1024 * 1024;
const OTHER = 192;

const ofBytes = (bytes: number, kind: StrongRequest['kind'] = 'write'): StrongRequest => ({
  ...REQUEST,
  kind,
  commands: [[new ByteRange(new Uint8Array(bytes))]],
});

interface Asked {
  readonly node: number;
  readonly serial: number;
  readonly bytes: number;
  hasLeft: boolean;
  readonly left: () => void;
}

/** A forwarder, and leaders that do nothing by themselves. */
class Rig {
  nowMs = 1_000;
  leader = LEADER;
  /** By node; absent for none. */
  readonly links: Map<number, number> = new Map([
    [LEADER, 1],
    [OTHER, 2],
  ]);
  /** What was asked and neither answered nor taken back. */
  readonly asked: Asked[] = [];
  readonly answers: Map<number, StrongAnswer> = new Map();
  /** Whether what is asked leaves at once. */
  leaves = true;
  leaderLooks = 0;
  readonly forwarder: Forwarder = new Forwarder({
    origin: originOf(nodeNumber(128), 1),
    self: 128,
    now: () => this.now,
    leaderOf: () => {
      this.leaderLooks++;
      return this.leader;
    },
    originOf: () => originOf(nodeNumber(127), 1),
    nodeId: String,
    linkOf: (node) => this.links.get(node) ?? 0,
    askHere: ({ request: { serial } }) => {
      this.asked.push({ node: 128, serial, bytes: 0, hasLeft: true, left: () => {} });
    },
    ask: (node, bytes, frame, left) => {
      const one = { node, serial: frame().request.serial, bytes, hasLeft: this.leaves, left };
      this.asked.push(one);
      if (this.leaves) left();
      return () => {
        const at = this.asked.indexOf(one);
        if (at >= 0) this.asked.splice(at, 1);
        return !one.hasLeft;
      };
    },
  });

  get now(): { wallMs: number; monotonicMs: number } {
    return { wallMs: this.nowMs, monotonicMs: this.nowMs };
  }

  submit(request: StrongRequest): number {
    const serial = this.forwarder.submit(
      request,
      (answer) => {
        expect(this.answers.has(serial)).toBe(false);
        this.answers.set(serial, answer);
      },
      this.now,
    );
    return serial;
  }

  answer(serial: number, answer: LeaderAnswer, from = this.leader): void {
    const at = this.asked.findIndex((one) => one.serial === serial && one.node === from);
    if (at >= 0) this.asked.splice(at, 1);
    this.forwarder.answered(from, serial, answer, this.now);
  }

  tick(afterMs = 0): void {
    this.nowMs += afterMs;
    this.forwarder.tick(this.now);
  }

  get serials(): number[] {
    return this.asked.map(({ serial }) => serial);
  }

  ended(serial: number): string {
    const answer = this.answers.get(serial);
    if (answer === undefined) return 'not ended';
    return 'error' in answer ? answer.error.code : 'done';
  }
}

describe('room at a leader', () => {
  test('only so much is asked at a time; the rest waits in its order, and what is small does not wait for what is large', () => {
    const rig = new Rig();
    const large = Array.from({ length: 10 }, () => rig.submit(ofBytes(7 * MEBIBYTE)));
    const small = rig.submit(ofBytes(100));
    expect(rig.serials).toEqual([...large.slice(0, 2), small]);
    rig.answer(large[1] ?? 0, DONE);
    rig.answer(large[0] ?? 0, DONE);
    rig.tick();
    expect(rig.serials).toEqual([small, large[2], large[3]]);
    expect(rig.forwarder.size).toBe(9);
  });

  test('one that is cancelled, given up or taken back makes room', () => {
    const rig = new Rig();
    const large = Array.from({ length: 6 }, () => rig.submit(ofBytes(7 * MEBIBYTE)));
    rig.forwarder.cancel(large[0] ?? 0);
    rig.tick();
    expect(rig.serials).toEqual(large.slice(1, 3));
    rig.leader = OTHER;
    rig.tick();
    expect(rig.asked.map(({ node, serial }) => [node, serial])).toEqual(
      large.slice(1, 3).map((serial) => [OTHER, serial]),
    );
    rig.tick(1_000);
    expect(rig.serials).toEqual([]);
    expect(rig.forwarder.size).toBe(0);
  });

  test('what this node asks itself needs none', () => {
    const rig = new Rig();
    rig.leader = 128;
    rig.links.set(128, -1);
    for (let at = 0; at < 20; at++) rig.submit(ofBytes(7 * MEBIBYTE));
    expect(rig.asked).toHaveLength(20);
  });

  test('at the deadline nobody has what waited or had not left: NOQUORUM; what had left may have happened', () => {
    const rig = new Rig();
    const gone = rig.submit(ofBytes(7 * MEBIBYTE));
    rig.leaves = false;
    const held = rig.submit(ofBytes(7 * MEBIBYTE));
    const waiting = rig.submit(ofBytes(7 * MEBIBYTE));
    expect(rig.serials).not.toContain(waiting);
    rig.tick(1_000);
    expect([gone, held, waiting].map((serial) => rig.ended(serial))).toEqual(['UNCERTAIN', 'NOQUORUM', 'NOQUORUM']);
  });

  test('a connection that was lost and is there again has lost what was asked on it', () => {
    const rig = new Rig();
    const serial = rig.submit(ofBytes(10));
    rig.links.set(LEADER, 9);
    rig.asked.length = 0;
    rig.tick();
    expect(rig.serials).toEqual([serial]);
    rig.answer(serial, DONE);
    expect(rig.ended(serial)).toBe('done');
  });

  test('who answers lost again and again is asked less and less often, who refuses soon', () => {
    const rig = new Rig();
    const serial = rig.submit(ofBytes(10));
    const waits: number[] = [];
    for (const kind of ['lost', 'lost', 'lost', 'refused', 'lost'] as const) {
      rig.answer(serial, { kind });
      expect(rig.serials).toEqual([]);
      waits.push(rig.forwarder.nextTickMs() - rig.nowMs);
      rig.tick(rig.forwarder.nextTickMs() - rig.nowMs);
      expect(rig.serials).toEqual([serial]);
    }
    expect(waits).toEqual([25, 50, 100, 25, 200]);
  });
});

describe('leaders that say what they should not', () => {
  test('an answer of who was never asked is not heard, one that is said twice counts once', () => {
    const rig = new Rig();
    const serial = rig.submit(ofBytes(10));
    rig.forwarder.answered(OTHER, serial, DONE, rig.now);
    rig.forwarder.answered(OTHER, serial, { kind: 'failed', code: 'ERR', message: '' }, rig.now);
    rig.forwarder.answered(OTHER, serial, { kind: 'refused' }, rig.now);
    expect(rig.ended(serial)).toBe('not ended');
    // the first may have it; the second says twice that it does not
    rig.leader = OTHER;
    rig.tick();
    rig.answer(serial, { kind: 'refused' });
    rig.answer(serial, { kind: 'refused' });
    rig.tick(1_000);
    expect(rig.ended(serial)).toBe('UNCERTAIN');
    rig.answer(serial, DONE);
    rig.answer(serial + 1, DONE);
    expect(rig.answers.size).toBe(1);
  });
});

test('what a turn costs does not rise with what waits', () => {
  const rig = new Rig();
  rig.leader = 0;
  let looks = 0;
  for (let at = 0; at < 10_000; at++) {
    rig.submit({
      ...REQUEST,
      get group() {
        looks++;
        return GROUP;
      },
    });
  }
  looks = 0;
  rig.leaderLooks = 0;
  for (let turn = 0; turn < 100; turn++) {
    rig.tick(1);
    expect(rig.forwarder.nextTickMs()).toBe(2_000);
  }
  expect(looks + rig.leaderLooks).toBeLessThan(1_000);
  rig.leader = LEADER;
  rig.tick();
  expect(rig.asked).toHaveLength(10_000);
  expect(rig.serials).toEqual(rig.serials.toSorted((a, b) => a - b));
});

test('whatever leaders, connections and clients do: each ends once, in time and with the truth, and never is too much asked', () => {
  const action = fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({
        is: fc.constant('submit' as const),
        mib: fc.constantFrom(0, 0, 3, 8),
        reads: fc.boolean(),
      }),
    },
    {
      weight: 4,
      arbitrary: fc.record({
        is: fc.constant('answer' as const),
        which: fc.nat(),
        kind: fc.constantFrom('done', 'failed', 'refused', 'lost'),
      }),
    },
    { weight: 2, arbitrary: fc.record({ is: fc.constant('leave' as const), which: fc.nat() }) },
    { weight: 2, arbitrary: fc.record({ is: fc.constant('lead' as const), by: fc.constantFrom(0, LEADER, OTHER) }) },
    {
      weight: 1,
      arbitrary: fc.record({ is: fc.constant('link' as const), of: fc.constantFrom(LEADER, OTHER), up: fc.boolean() }),
    },
    { weight: 3, arbitrary: fc.record({ is: fc.constant('tick' as const), afterMs: fc.nat(300) }) },
  );
  const valueOf = [0, 3, 8].map((mib) => [mib, ofBytes(mib * MEBIBYTE)] as const);
  const requests = new Map(valueOf);
  fc.assert(
    fc.property(fc.array(action, { maxLength: 80 }), (actions) => {
      const rig = new Rig();
      rig.leaves = false;
      let link = 10;
      const begunMs = new Map<number, number>();
      const reads = new Set<number>();
      /** Who may have a write: it left for them, and they did not say that they do not. */
      const holders: { readonly serial: number; readonly node: number }[] = [];
      const told: { readonly node: number; readonly serial: number; hasLeft: boolean }[] = [];
      const judge = (): void => {
        for (const node of [LEADER, OTHER]) {
          const large = rig.asked.filter((one) => one.node === node && one.bytes > MEBIBYTE);
          expect(large.reduce((sum, { bytes }) => sum + bytes, 0)).toBeLessThanOrEqual(17 * MEBIBYTE);
        }
        expect(new Set(rig.serials).size).toBe(rig.serials.length);
        for (const [serial, atMs] of begunMs) {
          const code = rig.ended(serial);
          if (code === 'not ended') expect(rig.nowMs - atMs).toBeLessThan(1_000);
          const isHeld = holders.some((one) => one.serial === serial);
          if (code === 'NOQUORUM' || code === 'ERR') expect(isHeld && !reads.has(serial)).toBe(false);
          if (code === 'UNCERTAIN') expect(isHeld && !reads.has(serial)).toBe(true);
          if (code !== 'not ended') begunMs.delete(serial);
        }
      };
      for (const act of actions) {
        if (act.is === 'submit') {
          const request = requests.get(act.mib) ?? REQUEST;
          const serial = rig.submit(act.reads ? { ...request, kind: 'read' } : request);
          begunMs.set(serial, rig.nowMs);
          if (act.reads) reads.add(serial);
        } else if (act.is === 'leave') {
          const one = rig.asked[act.which % Math.max(1, rig.asked.length)];
          if (one !== undefined && !one.hasLeft) {
            one.hasLeft = true;
            one.left();
            holders.push({ serial: one.serial, node: one.node });
            told.push(one);
          }
        } else if (act.is === 'answer') {
          const [one] = told.splice(act.which % Math.max(1, told.length), 1);
          if (one === undefined) continue;
          const at = holders.findIndex(({ serial, node }) => serial === one.serial && node === one.node);
          if (act.kind === 'failed' || act.kind === 'refused') holders.splice(at, 1);
          const answer: LeaderAnswer =
            act.kind === 'done'
              ? DONE
              : act.kind === 'failed'
                ? { kind: 'failed', code: 'ERR', message: '' }
                : { kind: act.kind };
          rig.answer(one.serial, answer, one.node);
        } else if (act.is === 'lead') rig.leader = act.by;
        else if (act.is === 'link') rig.links.set(act.of, act.up ? ++link : 0);
        else rig.tick(act.afterMs);
        judge();
      }
      rig.tick();
      rig.tick(1_000);
      judge();
      expect(rig.forwarder.size).toBe(0);
      expect(rig.forwarder.nextTickMs()).toBe(Infinity);
    }),
    runOptions(500, 10_000),
  );
});
