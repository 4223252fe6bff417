import { expect, test } from 'vitest';
import { nodeNumber, originOf } from '../../src/clock/origin.ts';
import type { StrongAnswer, StrongRequest } from '../../src/commands/strong-view.ts';
import { Forwarder } from '../../src/groups/forwarder.ts';
import type { StrongRequestFrame } from '../../src/groups/strong-frames.ts';

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
    isUp: () => true,
    ask: (_node, frame) => asked.push(frame),
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
