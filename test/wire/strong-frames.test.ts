import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CausewayError } from '../../src/errors.ts';
import { groupCodec } from '../../src/wire/group-codec.ts';
import { peerCodec } from '../../src/wire/peer-codec.ts';
import { runOptions } from '../support/fast-check-runs.ts';
import { StrongRegions } from '../support/strong-regions.ts';
import { ASIA, EAST, WEST } from '../support/virtual-regions.ts';
import { hexOf } from './sample-frames.ts';

/** What nodes really say to each other of strong keys while they elect, write, read, watch and lose a leader: one of each shape. */
function heardFrames(): Uint8Array[] {
  const heard = new Map<string, Uint8Array>();
  const regions = new StrongRegions({
    observer: {
      carried: (_from, _to, _kind, frame) => {
        const decoded = peerCodec.decodeFrame(frame);
        if (decoded.type !== 'strong') return;
        const strong = groupCodec.decodeFrame(decoded.bytes);
        const detail = 'message' in strong ? strong.message.type : 'kind' in strong ? strong.kind : '';
        const entries =
          'message' in strong && 'entries' in strong.message ? Math.min(1, strong.message.entries.length) : 0;
        heard.set(`${strong.type} ${detail} ${entries}`, decoded.bytes);
      },
    },
  });
  const asia = regions.connect(ASIA);
  for (const line of [
    'SET position:1 10',
    'GET position:1',
    'WATCH position:1',
    'MULTI',
    'DECR position:1',
    'EXEC',
    'SET quote:1 x',
  ])
    asia.run(line);
  asia.run('SET position:2 y PX 50');
  const east = regions.node(EAST);
  regions.cluster.kill(east);
  regions.connect(WEST).run('SET position:3 z');
  regions.cluster.restart(east);
  regions.led();
  // msgpack gives Buffers, whose slices share their bytes
  return Array.from(heard.values(), (bytes) => new Uint8Array(bytes));
}

/** Those that only large frames need. */
const laneFrames = [
  { type: 'piece', stream: '>large', begins: true, ends: false, bytes: new Uint8Array(40).fill(7) },
  { type: 'taken', bytes: 70_000 },
] as const;

const frames = [...heardFrames(), ...laneFrames.map((frame) => new Uint8Array(groupCodec.encodeFrame(frame)))];

function isTaken(bytes: Uint8Array): boolean {
  try {
    groupCodec.decodeFrame(bytes);
    return true;
  } catch (error) {
    if (!(error instanceof CausewayError) || error.code !== 'PROTOCOL') throw error;
    return false;
  }
}

describe('frames of quorum groups', () => {
  it('are of every kind that a group speaks in, and read as they were written', () => {
    const types = new Set(
      frames.map((bytes) => {
        const frame = groupCodec.decodeFrame(bytes);
        return 'message' in frame ? frame.message.type : frame.type;
      }),
    );
    for (const type of [
      'vote',
      'vote-response',
      'append',
      'append-response',
      'timeout-now',
      'strong-request',
      'strong-answer',
      'piece',
      'taken',
    ])
      expect(types).toContain(type);
    for (const bytes of frames) expect(hexOf(groupCodec.encodeFrame(groupCodec.decodeFrame(bytes)))).toBe(hexOf(bytes));
  });

  it('that were changed, cut or lengthened give PROTOCOL or a frame, never anything else', () => {
    let taken = 0;
    let refused = 0;
    const judge = (bytes: Uint8Array): void => void (isTaken(bytes) ? taken++ : refused++);
    // every byte of every frame in some other ways, and every length
    for (const frame of frames) {
      for (let at = 0; at < frame.length; at++) {
        for (const value of [0, 1, 0x7f, 0x90, 0xc0, 0xff, (frame[at] ?? 0) ^ 1]) {
          const bytes = frame.slice();
          bytes[at] = value;
          judge(bytes);
        }
        judge(frame.slice(0, at));
      }
    }
    fc.assert(
      fc.property(fc.constantFrom(...frames), fc.uint8Array({ maxLength: 60 }), fc.nat(200), (frame, other, at) => {
        const bytes = frame.slice();
        bytes.set(other.subarray(0, Math.max(0, bytes.length - at)), Math.min(at, bytes.length));
        judge(bytes);
      }),
      runOptions(2_000, 50_000),
    );
    expect(refused).toBeGreaterThan(1_000);
    expect(taken).toBeGreaterThan(200);
  });

  it('of a hostile peer end its connection at most: the groups go on', () => {
    const random = fc.sample(fc.tuple(fc.constantFrom(...frames), fc.nat(), fc.nat(255)), { numRuns: 400, seed: 7 });
    const regions = new StrongRegions();
    const west = regions.node(WEST);
    for (const [frame, at, value] of random) {
      const bytes = frame.slice();
      bytes[at % bytes.length] = value;
      const link = [...west.links].find(([, { kind, open }]) => kind === 'control' && open)?.[0];
      if (link !== undefined) west.core.linkFrame(link, peerCodec.encodeFrame({ type: 'strong', bytes }), west.now());
      west.settle();
      regions.cluster.run(10);
    }
    regions.cluster.run(5_000);
    regions.led();
    expect(regions.connect(ASIA).run('SET position:9 still')).toBe('+OK');
    expect(regions.connect(EAST).run('GET position:9')).toBe('"still"');
  });
});
