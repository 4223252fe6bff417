import { describe, expect, test } from 'vitest';
import { ByteRange } from '../../src/base/bytes.ts';
import { nodeNumber, originOf } from '../../src/clock/origin.ts';
import { ANSWERS_WAITING_BYTES, LANE_WINDOW_BYTES_MAX, PIECE_BYTES } from '../../src/groups/lane-limits.ts';
import { PeerLanes } from '../../src/groups/peer-lanes.ts';
import type { LaneFrame, LeaderAnswer, StrongFrame, StrongRequestFrame } from '../../src/groups/strong-frames.ts';
import { EntryKind, type AppendRequest, type SnapshotChunk } from '../../src/quorum/messages.ts';
import { groupCodec } from '../../src/wire/group-codec.ts';

const GROUP = 'us-east-1/region';
const SELF = 64;
const PEER = 128;
const MEBIBYTE = 1024 * 1024;

/** The lanes of one node, with one peer. */
class End {
  control = 1;
  isUp = true;
  readonly sent: Uint8Array[] = [];
  readonly lanes: PeerLanes = new PeerLanes(
    {
      send: (_to, frame) => this.sent.push(frame),
      isUp: () => this.isUp,
      controlOf: () => this.control,
      now: () => ({ wallMs: 0, monotonicMs: 0 }),
      isGroup: (name) => name === GROUP,
    },
    groupCodec,
  );

  /** What was sent since this was asked last. */
  frames(): LaneFrame[] {
    return this.sent.splice(0).map((bytes) => groupCodec.decodeFrame(bytes));
  }
}

/** Carries all that one end sent to the other: what arrives there whole. */
function carry(from: End, to: End, as: number): StrongFrame[] {
  return from.sent.splice(0).flatMap((bytes) => to.lanes.received(as, bytes) ?? []);
}

/** Four requests that together are more than the window. */
function askForLarge(end: End): void {
  for (let serial = 1; serial < 5; serial++)
    end.lanes.request(
      PEER,
      7 * MEBIBYTE,
      () => request(serial, 7 * MEBIBYTE),
      () => undefined,
    );
}

/** Both ends say what they have until neither has more to say. */
function talk(left: End, right: End): { readonly atLeft: StrongFrame[]; readonly atRight: StrongFrame[] } {
  const heard = { atLeft: [] as StrongFrame[], atRight: [] as StrongFrame[] };
  while (left.sent.length + right.sent.length > 0) {
    heard.atRight.push(...carry(left, right, SELF));
    heard.atLeft.push(...carry(right, left, PEER));
  }
  return heard;
}

const append = (round: number, bytes: number | null, previousIndex = 7): AppendRequest => ({
  type: 'append',
  from: SELF,
  to: PEER,
  term: 3,
  previousIndex,
  previousTerm: 3,
  entries:
    bytes === null ? [] : [{ index: previousIndex + 1, term: 3, kind: EntryKind.Command, data: new Uint8Array(bytes) }],
  commit: 7,
  round,
});

const done = (bytes: number): LeaderAnswer => ({ kind: 'done', reply: new Uint8Array(bytes), versions: [], index: 1 });

function request(serial: number, bytes: number): StrongRequestFrame {
  return {
    type: 'strong-request',
    group: GROUP,
    kind: 'write',
    request: { origin: originOf(nodeNumber(SELF), 1), serial, floor: 1 },
    once: null,
    commands: [[new ByteRange(new Uint8Array(bytes))]],
    keys: [],
    isExec: false,
    watches: [],
    respVersion: 2,
    deps: [],
    requester: { user: '', address: '', region: '' },
    timeoutMs: 1_000,
  };
}

describe('heartbeats', () => {
  test('go ahead of entries that wait, saying only that the leader is there; what they say more comes behind the entries', () => {
    const [left, right] = [new End(), new End()];
    left.lanes.quorum(PEER, GROUP, append(1, 7 * MEBIBYTE));
    expect(left.frames().every(({ type }) => type === 'piece')).toBe(true);
    left.lanes.quorum(PEER, GROUP, append(2, null, 8));
    left.lanes.quorum(PEER, GROUP, append(2, null, 8));
    left.lanes.quorum(PEER, GROUP, append(3, null, 8));
    const ahead = left.frames();
    expect(ahead).toMatchObject([
      { message: { round: 2, term: 3, previousIndex: 0, previousTerm: 0, commit: 0, entries: [] } },
      { message: { round: 3, term: 3, previousIndex: 0, previousTerm: 0, commit: 0, entries: [] } },
    ]);
    // the pieces that the test took away are gone; what comes now is not
    left.control = 2;
    right.control = 2;
    left.lanes.quorum(PEER, GROUP, append(4, 7 * MEBIBYTE));
    left.lanes.quorum(PEER, GROUP, append(5, null, 8));
    left.lanes.quorum(PEER, GROUP, append(6, null, 8));
    // it only tells the commit: nobody waits for its answer
    left.lanes.quorum(PEER, GROUP, { ...append(0, null, 8), commit: 8 });
    const { atRight } = talk(left, right);
    const said = atRight.flatMap((frame) => (frame.type === 'quorum' ? [frame.message] : []));
    expect(
      said.map((message) => [
        message.type === 'append' && message.round,
        'previousIndex' in message && message.previousIndex,
      ]),
    ).toEqual([
      [5, 0],
      [6, 0],
      [4, 7],
      // all said the same of the entries: one stands for all
      [6, 8],
    ]);
  });

  test('without anything before them they are sent as they are', () => {
    const left = new End();
    left.lanes.quorum(PEER, GROUP, append(1, 100));
    left.lanes.quorum(PEER, GROUP, append(2, null, 8));
    expect(left.frames()).toMatchObject([
      { message: { round: 1 } },
      { message: { round: 2, previousIndex: 8, commit: 7 } },
    ]);
  });

  test('and votes do not wait for a full window', () => {
    const left = new End();
    askForLarge(left);
    left.frames();
    left.lanes.quorum(PEER, GROUP, append(2, null, 8));
    left.lanes.quorum(PEER, GROUP, { type: 'timeout-now', from: SELF, to: PEER, term: 3 });
    expect(left.frames()).toMatchObject([{ message: { type: 'append' } }, { message: { type: 'timeout-now' } }]);
  });
});

test('a chunk of a snapshot that waits is not sent twice, one that has left may be', () => {
  const left = new End();
  const meta = { index: 9, term: 3, config: { voters: [SELF, PEER], learners: [] }, configIndex: 0 };
  const chunk = (offset: number): SnapshotChunk => ({
    type: 'snapshot',
    from: SELF,
    to: PEER,
    term: 3,
    meta,
    offset,
    transfer: 1,
    isLast: false,
    bytes: new Uint8Array(MEBIBYTE),
    round: 1,
  });
  const right = new End();
  const offsets = (frames: readonly StrongFrame[]): number[] =>
    frames.flatMap((frame) =>
      frame.type === 'quorum' && frame.message.type === 'snapshot' ? [frame.message.offset] : [],
    );
  for (const offset of [0, 1, 2, 3, 0, 1, 2, 3]) left.lanes.quorum(PEER, GROUP, chunk(offset * MEBIBYTE));
  expect(offsets(talk(left, right).atRight)).toEqual([0, 1, 2, 3].map((offset) => offset * MEBIBYTE));
  left.lanes.quorum(PEER, GROUP, chunk(0));
  expect(offsets(talk(left, right).atRight)).toEqual([0]);
});

test('what waited for a connection that is gone goes with it, and who asked is answered while only its other one is gone', () => {
  const left = new End();
  left.isUp = false;
  left.lanes.answer(PEER, 1, done(10));
  expect(left.frames()).toMatchObject([{ type: 'strong-answer', serial: 1 }]);
  while (left.lanes.hasRoom(PEER, 7 * MEBIBYTE)) left.lanes.answer(PEER, 2, done(7 * MEBIBYTE));
  left.frames();
  left.control = 0;
  left.lanes.quorum(PEER, GROUP, append(1, null));
  left.control = 1;
  expect(left.lanes.hasRoom(PEER, 7 * MEBIBYTE)).toBe(true);
  expect(left.frames()).toEqual([]);
});

describe('answers', () => {
  test('wait for room, up to a bound; past it what was written is answered lost, and no more reads are run', () => {
    const [left, right] = [new End(), new End()];
    const answers: { serial: number; kind: string }[] = [];
    let serial = 0;
    while (left.lanes.hasRoom(PEER, 7 * MEBIBYTE)) left.lanes.answer(PEER, ++serial, done(7 * MEBIBYTE));
    expect(serial * 7 * MEBIBYTE).toBeLessThan(ANSWERS_WAITING_BYTES + LANE_WINDOW_BYTES_MAX + 14 * MEBIBYTE);
    // small ones have their own
    expect(left.lanes.hasRoom(PEER, 100)).toBe(true);
    for (let more = 0; more < 20; more++) left.lanes.answer(PEER, ++serial, done(7 * MEBIBYTE));
    for (const frame of talk(left, right).atRight)
      if (frame.type === 'strong-answer') answers.push({ serial: frame.serial, kind: frame.answer.kind });
    expect(answers).toHaveLength(serial);
    const kinds = new Map(answers.map((answer) => [answer.serial, answer.kind]));
    expect([kinds.get(1), kinds.get(5), kinds.get(serial)]).toEqual(['done', 'done', 'lost']);
    expect(answers.filter(({ kind }) => kind === 'done').length).toBeLessThan(12);
    expect(left.lanes.hasRoom(PEER, 7 * MEBIBYTE)).toBe(true);
  });

  test('of a peer that asks and does not read are bounded by number too', () => {
    const left = new End();
    for (let serial = 1; serial < 400_000; serial++) left.lanes.answer(PEER, serial, { kind: 'refused' });
    left.control = 2;
    expect(left.sent.length * 16).toBeLessThan(LANE_WINDOW_BYTES_MAX);
    left.frames();
    left.lanes.answer(PEER, 1, { kind: 'refused' });
    expect(left.frames()).toHaveLength(1);
  });
});

describe('requests', () => {
  test('leave when they have left whole; before that they are taken back', () => {
    const [left, right] = [new End(), new End()];
    const gone: number[] = [];
    const takeBack = [1, 2, 3].map((serial) =>
      left.lanes.request(
        PEER,
        5 * MEBIBYTE,
        () => request(serial, 5 * MEBIBYTE),
        () => gone.push(serial),
      ),
    );
    expect(gone).toEqual([]);
    // the first has begun: its pieces are dropped by the other end
    expect(takeBack[0]?.()).toBe(true);
    expect(takeBack[0]?.()).toBe(false);
    expect(takeBack[2]?.()).toBe(true);
    const { atRight } = talk(left, right);
    expect(atRight).toMatchObject([{ type: 'strong-request', request: { serial: 2 } }]);
    expect(gone).toEqual([2]);
    expect(takeBack[1]?.()).toBe(false);
  });

  test('to a node that is not there are with nobody', () => {
    const left = new End();
    left.isUp = false;
    expect(left.lanes.request(PEER, 10, () => request(1, 10), expect.unreachable)()).toBe(true);
    expect(left.frames()).toEqual([]);
  });

  test('a connection that is new begins anew at both ends', () => {
    const [left, right] = [new End(), new End()];
    askForLarge(left);
    carry(left, right, SELF);
    left.control = 2;
    right.control = 2;
    right.sent.length = 0;
    left.lanes.request(
      PEER,
      7 * MEBIBYTE,
      () => request(9, 7 * MEBIBYTE),
      () => undefined,
    );
    expect(talk(left, right).atRight).toMatchObject([{ request: { serial: 9 } }]);
  });
});

test('a piece of a piece, and a piece of no group, end the connection', () => {
  const right = new End();
  const piece = (stream: string, bytes: Uint8Array): Uint8Array =>
    groupCodec.encodeFrame({ type: 'piece', stream, begins: true, ends: true, bytes });
  expect(() => right.lanes.received(SELF, piece('>large', piece('>large', new Uint8Array(9))))).toThrow(
    /PROTOCOL|a piece of a piece/,
  );
  expect(() => right.lanes.received(SELF, piece('no/group', new Uint8Array(PIECE_BYTES)))).toThrow(
    /a piece of a stream/,
  );
});
