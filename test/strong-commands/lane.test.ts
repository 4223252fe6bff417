import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CausewayError } from '../../src/errors.ts';
import { Lane } from '../../src/groups/lane.ts';
import { LaneIntake } from '../../src/groups/lane-intake.ts';
import { FRAME_BYTES_MAX, LANE_WINDOW_BYTES_MAX, PIECE_BYTES } from '../../src/groups/lane-limits.ts';
import { groupCodec } from '../../src/wire/group-codec.ts';
import { runOptions } from '../support/fast-check-runs.ts';

const KIBIBYTE = 1024;
const STREAMS = ['>small', '>large', '<large', 'us-east-1/region'];

/** A lane, its other end, and a line between them that the test moves on. Frames are `[number, …]`, the first four bytes a number. */
class Line {
  nowMs = 0;
  readonly onTheWay: { readonly bytes: Uint8Array; readonly isPiece: boolean }[] = [];
  /** Numbers of the frames that arrived, by stream. */
  readonly arrived: { readonly stream: string; readonly number: number; readonly length: number }[] = [];
  readonly left: number[] = [];
  mostBytes = 0;
  readonly #streamOf: Map<number, string> = new Map();
  readonly #intake: LaneIntake = new LaneIntake((name) => STREAMS.includes(name));
  readonly #told: number[] = [];
  readonly lane: Lane = new Lane({
    nowMs: () => this.nowMs,
    send: (bytes) => {
      this.onTheWay.push({ bytes, isPiece: bytes[0] === PIECE_MARK });
    },
    piece: (stream, begins, ends, bytes) => groupCodec.encodeFrame({ type: 'piece', stream, begins, ends, bytes }),
  });

  push(stream: string, number: number, length: number): () => boolean {
    this.#streamOf.set(number, stream);
    const frame = new Uint8Array(Math.max(length, 5)).fill(number & 0xff);
    new DataView(frame.buffer).setUint32(1, number);
    frame[0] = 0;
    const takeBack = this.lane.push(stream, {
      bytes: frame.length,
      encode: () => frame,
      left: () => this.left.push(number),
    });
    this.look();
    return takeBack;
  }

  look(): void {
    this.mostBytes = Math.max(this.mostBytes, this.lane.underWayBytes);
  }

  /** The next frames arrive. */
  arrive(count: number): void {
    for (const { bytes, isPiece } of this.onTheWay.splice(0, count)) {
      const told = this.#intake.took(bytes.length);
      if (told !== null) this.#told.push(told);
      const frame = isPiece ? groupCodec.decodeFrame(bytes) : null;
      const whole = frame === null ? bytes : frame.type === 'piece' ? this.#intake.put(frame) : null;
      if (whole === null) continue;
      const number = new DataView(whole.buffer, whole.byteOffset).getUint32(1);
      expect(whole.subarray(5).every((byte) => byte === (number & 0xff))).toBe(true);
      this.arrived.push({ stream: this.#streamOf.get(number) ?? '', number, length: whole.length });
    }
  }

  /** What the other end said to have taken is heard. */
  hear(): void {
    for (const bytes of this.#told.splice(0)) this.lane.taken(bytes);
    this.look();
  }

  /** Until nothing moves any more. */
  toTheEnd(): void {
    while (this.onTheWay.length > 0 || this.#told.length > 0) {
      this.nowMs += 10;
      this.arrive(Infinity);
      this.hear();
    }
  }
}

/** How a piece begins: a list of five. */
const PIECE_MARK = groupCodec.encodeFrame({
  type: 'piece',
  stream: 's',
  begins: true,
  ends: false,
  bytes: new Uint8Array(1),
})[0];

describe('a lane', () => {
  const action = fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({
        is: fc.constant('push' as const),
        stream: fc.constantFrom(...STREAMS),
        kib: fc.oneof(fc.nat(3), fc.nat(400), fc.nat(3_000)),
      }),
    },
    {
      weight: 4,
      arbitrary: fc.record({ is: fc.constant('arrive' as const), count: fc.nat(40), afterMs: fc.nat(900) }),
    },
    { weight: 3, arbitrary: fc.record({ is: fc.constant('hear' as const), afterMs: fc.nat(900) }) },
    { weight: 1, arbitrary: fc.record({ is: fc.constant('take back' as const), which: fc.nat() }) },
  );

  test('never has more under way than its window, keeps the order of each stream, and brings everything once or not at all', () => {
    fc.assert(
      fc.property(fc.array(action, { maxLength: 60 }), (actions) => {
        const line = new Line();
        const pushed: { stream: string; number: number; takeBack: () => boolean }[] = [];
        const takenBack = new Set<number>();
        for (const act of actions) {
          if (act.is === 'push') {
            const number = pushed.length + 1;
            pushed.push({ stream: act.stream, number, takeBack: line.push(act.stream, number, act.kib * KIBIBYTE) });
          } else if (act.is === 'take back') {
            const one = pushed[act.which % Math.max(1, pushed.length)];
            const hadLeft = one !== undefined && line.left.includes(one.number);
            if (one?.takeBack() === true) {
              expect(hadLeft || takenBack.has(one.number)).toBe(false);
              takenBack.add(one.number);
            }
          } else {
            line.nowMs += act.afterMs;
            if (act.is === 'arrive') line.arrive(act.count);
            else line.hear();
          }
        }
        line.toTheEnd();
        expect(line.mostBytes).toBeLessThanOrEqual(LANE_WINDOW_BYTES_MAX);
        for (const stream of STREAMS) {
          const wanted = pushed.filter((one) => one.stream === stream && !takenBack.has(one.number));
          const came = line.arrived.filter((one) => one.stream === stream);
          expect(came.map(({ number }) => number)).toEqual(wanted.map(({ number }) => number));
          expect([line.lane.waitingBytes(stream), line.lane.waitingCount(stream)]).toEqual([0, 0]);
        }
        expect(line.left.toSorted((a, b) => a - b)).toEqual(
          pushed.map(({ number }) => number).filter((number) => !takenBack.has(number)),
        );
      }),
      runOptions(150, 3_000),
    );
  });

  test('a small frame does not wait for a large one of another stream', () => {
    const line = new Line();
    line.push('>large', 1, 7_000 * KIBIBYTE);
    line.push('>large', 2, 7_000 * KIBIBYTE);
    line.push('>small', 3, 100);
    line.arrive(Infinity);
    line.hear();
    line.arrive(Infinity);
    expect(line.arrived.map(({ number }) => number)).toEqual([3]);
    line.toTheEnd();
    expect(line.arrived.map(({ number }) => number)).toEqual([3, 1, 2]);
  });

  test('streams take turns by bytes', () => {
    const line = new Line();
    line.push('>large', 1, 4_000 * KIBIBYTE);
    line.push('<large', 2, 4_000 * KIBIBYTE);
    for (let number = 3; number < 4_003; number++) line.push('>small', number, KIBIBYTE);
    line.toTheEnd();
    const at = (number: number): number => line.arrived.findIndex((one) => one.number === number);
    // each has as many bytes: they end together but for what the first began alone with
    expect(Math.min(at(1), at(2))).toBeGreaterThan(2_500);
  });

  test.each([
    // from 10 Mbit/s to 1 Gbit/s, from the next rack to the other end of the world
    { bytesPerMs: 1_250, roundTripMs: 2 },
    { bytesPerMs: 1_250, roundTripMs: 230 },
    { bytesPerMs: 12_500, roundTripMs: 70 },
    { bytesPerMs: 12_500, roundTripMs: 300 },
    { bytesPerMs: 125_000, roundTripMs: 1 },
    { bytesPerMs: 125_000, roundTripMs: 230 },
  ])(
    'uses a line of $bytesPerMs bytes/ms and $roundTripMs ms, and nobody waits long behind it',
    ({ bytesPerMs, roundTripMs }) => {
      const { takenBytes, waitMs } = busyLine(bytesPerMs, roundTripMs, 30_000);
      // a heartbeat waits for less than half of the shortest election
      expect(waitMs).toBeLessThan(500);
      const possible = Math.min(bytesPerMs, LANE_WINDOW_BYTES_MAX / roundTripMs) * 30_000;
      expect(takenBytes / possible).toBeGreaterThan(0.75);
    },
  );
});

/** A line on which there is always something to send: what was taken of it, and how long what is sent waited at most but for its first seconds. */
function busyLine(bytesPerMs: number, roundTripMs: number, ms: number): { takenBytes: number; waitMs: number } {
  let nowMs = 0;
  let freeAtMs = 0;
  let takenBytes = 0;
  let waitMs = 0;
  const arrivals: { readonly atMs: number; readonly bytes: number }[] = [];
  const heard: { readonly atMs: number; readonly bytes: number }[] = [];
  const intake = new LaneIntake(() => true);
  const lane = new Lane({
    nowMs: () => nowMs,
    send: ({ length }) => {
      freeAtMs = Math.max(freeAtMs, nowMs) + length / bytesPerMs;
      if (nowMs > 5_000) waitMs = Math.max(waitMs, freeAtMs - nowMs);
      arrivals.push({ atMs: freeAtMs + roundTripMs / 2, bytes: length });
    },
    piece: (_stream, _begins, _ends, bytes) => bytes,
  });
  const megabyte = new Uint8Array(1_024 * KIBIBYTE);
  while (nowMs < ms) {
    while (lane.waitingCount('>large') < 3) lane.push('>large', { bytes: megabyte.length, encode: () => megabyte });
    const [arrival, told] = [arrivals[0]?.atMs ?? Infinity, heard[0]?.atMs ?? Infinity];
    nowMs = Math.min(arrival, told);
    if (told <= arrival) lane.taken(heard.shift()?.bytes ?? 0);
    else {
      const bytes = intake.took(arrivals.shift()?.bytes ?? 0);
      if (bytes !== null) heard.push({ atMs: nowMs + roundTripMs / 2, bytes: (takenBytes = bytes) });
    }
  }
  return { takenBytes, waitMs };
}

describe('a peer that says what cannot be', () => {
  const isRefused = (run: () => void): boolean => {
    try {
      run();
      return false;
    } catch (error) {
      if (!(error instanceof CausewayError) || error.code !== 'PROTOCOL') throw error;
      return true;
    }
  };

  test('of what it has taken is refused: more than was sent, or less than before', () => {
    const line = new Line();
    line.push('>large', 1, 200 * KIBIBYTE);
    const sent = line.lane.underWayBytes;
    expect(isRefused(() => line.lane.taken(sent + 1))).toBe(true);
    expect(isRefused(() => line.lane.taken(2 ** 52))).toBe(true);
    line.lane.taken(1_000);
    expect(isRefused(() => line.lane.taken(999))).toBe(true);
    line.lane.taken(sent);
    expect(line.lane.underWayBytes).toBe(0);
  });

  test('of pieces is refused: of no stream, without a beginning, of nearly nothing, without an end', () => {
    const intake = new LaneIntake((name) => STREAMS.includes(name));
    const piece = { stream: '>large', begins: true, ends: false, bytes: new Uint8Array(PIECE_BYTES) };
    expect(isRefused(() => intake.put({ ...piece, stream: 'other' }))).toBe(true);
    expect(isRefused(() => intake.put({ ...piece, begins: false }))).toBe(true);
    expect(isRefused(() => intake.put({ ...piece, bytes: new Uint8Array(10) }))).toBe(true);
    expect(intake.put(piece)).toBeNull();
    let bytes = piece.bytes.length;
    while (!isRefused(() => intake.put({ ...piece, begins: false }))) bytes += PIECE_BYTES;
    expect(bytes).toBe(FRAME_BYTES_MAX);
    // another that begins takes the place of what never ended
    expect(intake.put(piece)).toBeNull();
    expect(intake.put({ ...piece, ends: true })?.length).toBe(PIECE_BYTES);
  });
});
