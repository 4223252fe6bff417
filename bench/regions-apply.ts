import { useNodeLatin1 } from '../src/adapters/node-latin1.ts';
import { latin1Range } from '../src/base/bytes.ts';
import { REPLICATION_LIMITS } from '../src/causal/limits.ts';
import { nodeNumber } from '../src/clock/origin.ts';
import type { NodeOutputs } from '../src/node/outbox.ts';
import { RegionNode } from '../src/node/region-node.ts';
import { peerCodec } from '../src/wire/peer-codec.ts';
import type { BenchResult } from './support/bench.ts';
import { table } from './support/figures.ts';
import { random } from './support/random.ts';

/** Updates a second of one core. */
const BAR_PER_SECOND = 1_500_000;
const SEED = 11;
const VALUE_BYTES = 64;
const START_MS = 1_800_000_000_000;
/** Frames that are made before they are applied: fewer than the window, which opens again with the acknowledgement after them. */
const ROUND_BYTES_MAX = 4 * 1024 * 1024;
const ROUNDS_MIN = 10;
/** A turn of the receiver: what one read of a socket gives. */
const TURN_BYTES = 64 * 1024;
/** Rounds in which the writer hears of what the reader wrote itself, at the end. */
const SETTLING_ROUNDS_MAX = 1_000;
/** Rounds that are not counted: the code is compiled in them, and the keys come to be there. */
const WARM_SHARE = 0.5;

interface ApplyCase {
  readonly keys: number;
  /** Writes of one turn of the writer, so of one frame. */
  readonly batch: number;
  readonly updates: number;
  /** Whether the reader has written each key as well, and neither has seen the other: as after a cut. */
  readonly isConcurrent?: boolean;
  /** Whether what the reader has written are other values: then each pair is a conflict (SPEC S4). */
  readonly differs?: boolean;
}

export const SMALL_APPLY: readonly ApplyCase[] = [{ keys: 1_000, batch: 100, updates: 40_000 }];
export const WHOLE_APPLY: readonly ApplyCase[] = [
  { keys: 10_000, batch: 100, updates: 1_000_000 },
  { keys: 10_000, batch: 16, updates: 1_000_000 },
  { keys: 1_000_000, batch: 100, updates: 2_000_000 },
  { keys: 100_000, batch: 100, updates: 600_000 },
  { keys: 100_000, batch: 100, updates: 600_000, isConcurrent: true },
  { keys: 100_000, batch: 100, updates: 600_000, isConcurrent: true, differs: true },
];

interface ApplyFigures extends ApplyCase {
  readonly perSecond: number;
  /** Of the writing node, for a write that is run, recorded and encoded once. */
  readonly writerMicros: number;
  readonly bytesAnUpdate: number;
  readonly isRight: boolean;
}

type Kind = 'bulk' | 'control';
const LINKS: readonly (readonly [number, Kind])[] = [
  [1, 'bulk'],
  [2, 'control'],
];

/** Two nodes of one cluster in one process, with nothing between them. */
class Pair {
  readonly nodes: readonly RegionNode[];
  #monotonicMs = 0;

  constructor() {
    const members = ['left', 'right'].map((region, at) => ({
      nodeNumber: nodeNumber((at + 1) * 64),
      id: `${region}/a`,
      region,
    }));
    this.nodes = members.map(
      ({ id, region, nodeNumber: number }) =>
        new RegionNode({
          identity: {
            clusterId: 'bench',
            nodeId: id,
            region,
            nodeNumber: number,
            incarnation: 1,
            startId: id,
            rules: '',
          },
          members,
          limits: { ...REPLICATION_LIMITS, startGraceMs: 0 },
          codec: peerCodec,
          stampBound: 0,
          raiseStampBound: () => {},
          hasStore: false,
        }),
    );
    for (const node of this.nodes) node.start(this.now());
    for (const [link, kind] of LINKS) for (const node of this.nodes) node.linkOpened(link, kind, this.now());
    this.exchange();
  }

  now(): { wallMs: number; monotonicMs: number } {
    return { wallMs: START_MS + this.#monotonicMs, monotonicMs: this.#monotonicMs };
  }

  /** Whether each has all that the other has. */
  get isLevel(): boolean {
    const [left, right] = this.nodes.map((node) => node.vector());
    return left !== undefined && right !== undefined && left.covers(right) && right.covers(left);
  }

  /**
   * Lets some time pass, in which each hears what the other says, acknowledgements most of all, and forgets what it may. Returns the CPU of each,
   * in microseconds.
   */
  exchange(): readonly [number, number] {
    const micros: [number, number] = [0, 0];
    for (let round = 0; round < 4; round++) {
      this.#monotonicMs += REPLICATION_LIMITS.rowsEveryMs;
      for (const [at, node] of this.nodes.entries())
        micros[at] = (micros[at] ?? 0) + cpuOf(() => node.tick(this.now()));
      for (const [at, node] of this.nodes.entries()) {
        const sends = kept(node.takeOutputs());
        const other = this.nodes[1 - at] as RegionNode;
        micros[1 - at] =
          (micros[1 - at] ?? 0) +
          cpuOf(() => {
            for (const { link, frame } of sends) other.linkFrame(link, frame, this.now());
            do other.flush(this.now());
            while (other.isBehind);
          });
      }
    }
    return micros;
  }
}

/** What a node does with the frames of a peer, from their bytes to its keyspace, and what it costs who writes. */
export function measureApply(cases: readonly ApplyCase[]): Promise<BenchResult> {
  useNodeLatin1();
  const figures = cases.map(measureOne);
  const isRight = figures.every((each) => each.isRight);
  const isMet = figures.every((each) => each.isConcurrent === true || each.perSecond >= BAR_PER_SECOND);
  const rows = figures.map((each) => [
    `${each.keys} keys, ${each.batch} a frame${writtenAtBoth(each)}`,
    each.perSecond / 1_000_000,
    each.writerMicros,
    each.bytesAnUpdate,
  ]);
  const text = [
    'remote apply in one process: decode, check and apply frames of SETs (12 B and 64 B) as a peer sends them; all CPU of that, acknowledgements and forgetting included',
    table(['', 'M updates/s', 'writer µs/write', 'frame B/update'], rows),
    `digests ${isRight ? 'equal' : 'DIFFER'}; bar: ≥ ${BAR_PER_SECOND / 1_000_000} M updates/s a core: ${isMet ? 'met' : 'NOT met'}`,
  ].join('\n');
  return Promise.resolve({ text, json: figures, passed: isRight && isMet });
}

function writtenAtBoth({ isConcurrent, differs }: ApplyCase): string {
  if (isConcurrent !== true) return '';
  return differs === true ? ', written at both, differently' : ', written at both';
}

function measureOne(one: ApplyCase): ApplyFigures {
  const pair = new Pair();
  const [writer, reader] = pair.nodes as readonly [RegionNode, RegionNode];
  const unit = random(SEED);
  const value = latin1Range('x'.repeat(VALUE_BYTES));
  const ownValue = one.differs === true ? latin1Range('y'.repeat(VALUE_BYTES)) : value;
  const keys = Array.from({ length: Math.min(one.keys, one.updates) }, (_unused, at) =>
    latin1Range(`key:${String(at).padStart(8, '0')}`),
  );
  const roundBytes = Math.min(ROUND_BYTES_MAX, (one.updates * VALUE_BYTES) / ROUNDS_MIN);
  let written = 0;
  const counted = { updates: 0, writerMicros: 0, readerMicros: 0, bytes: 0 };
  while (written < one.updates) {
    const frames: { link: number; frame: Uint8Array }[] = [];
    let bytes = 0;
    const from = written;
    const writerMicros = cpuOf(() => {
      while (bytes < roundBytes && written < one.updates) {
        for (let each = 0; each < one.batch; each++) {
          // every key once, then any
          const key = keys[written < keys.length ? written : Math.floor(unit() * keys.length)] ?? value;
          writer.transact(pair.now().wallMs, (tx) => tx.set(key, writer.keys.hashOf(key), value, Infinity));
          written++;
        }
        writer.flush(pair.now());
        for (const send of kept(writer.takeOutputs())) {
          frames.push(send);
          bytes += send.frame.length;
        }
      }
    });
    if (one.isConcurrent === true)
      for (let at = from; at < written; at++) {
        const key = keys[at % keys.length] ?? value;
        reader.transact(pair.now().wallMs, (tx) => tx.set(key, reader.keys.hashOf(key), ownValue, Infinity));
      }
    const readerMicros = cpuOf(() => {
      let turnBytes = 0;
      for (const { link, frame } of frames) {
        reader.linkFrame(link, frame, pair.now());
        turnBytes += frame.length;
        if (turnBytes < TURN_BYTES) continue;
        turnBytes = 0;
        do reader.flush(pair.now());
        while (reader.isBehind);
      }
      do reader.flush(pair.now());
      while (reader.isBehind);
    });
    const [writerAfter, readerAfter] = pair.exchange();
    if (from < one.updates * WARM_SHARE) continue;
    counted.updates += written - from;
    counted.writerMicros += writerMicros + writerAfter;
    counted.readerMicros += readerMicros + readerAfter;
    counted.bytes += bytes;
  }
  for (let round = 0; round < SETTLING_ROUNDS_MAX && !pair.isLevel; round++) pair.exchange();
  const [left, right] = pair.nodes.map((node) => node.digest(START_MS));
  return {
    ...one,
    perSecond: (counted.updates / counted.readerMicros) * 1_000_000,
    writerMicros: counted.writerMicros / counted.updates,
    bytesAnUpdate: counted.bytes / counted.updates,
    isRight: left === right && reader.keys.count === keys.length && reader.vector().get(writer.origin) >= written,
  };
}

/** What a node sends, as it comes to another: in memory that the node does not use again. */
function kept({ sends }: NodeOutputs): NodeOutputs['sends'] {
  return sends.map(({ link, frame }) => ({ link, frame: frame.slice() }));
}

/** Microseconds of this process, all its threads. */
function cpuOf(run: () => void): number {
  const before = process.cpuUsage();
  run();
  const { user, system } = process.cpuUsage(before);
  return user + system;
}
