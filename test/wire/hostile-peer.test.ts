import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ColumnsBuilder } from '../../src/causal/columns.ts';
import { REPLICATION_LIMITS } from '../../src/causal/limits.ts';
import { PEER_PROTOCOL, type PeerFrame } from '../../src/causal/peer-frames.ts';
import { latin1Range } from '../../src/base/bytes.ts';
import { nodeNumber, nodeOf, originOf } from '../../src/clock/origin.ts';
import { stampOfMs, type Stamp } from '../../src/clock/stamp.ts';
import { Update, UpdateKind } from '../../src/crdt/update.ts';
import { RegionNode } from '../../src/node/region-node.ts';
import { peerCodec } from '../../src/wire/peer-codec.ts';
import { runOptions } from '../support/fast-check-runs.ts';
import { VIRTUAL_START_MS } from '../support/virtual-cluster.ts';
import { frame } from './arbitrary-frames.ts';
import { PROTOCOL_1 } from './protocol-1.ts';
import { bytesOf } from './sample-frames.ts';

const MEMBERS = ['us', 'eu', 'ap'].map((region, index) => ({
  nodeNumber: nodeNumber((index + 1) * 64),
  id: `${region}/a`,
  region,
}));

/** A node of us with two links of eu on which the hellos were said. */
class Victim {
  readonly node: RegionNode;
  timeMs = 0;
  /** What it held when the frame handed in last was done with, before time passed. */
  after = '';

  constructor() {
    this.node = new RegionNode({
      identity: {
        clusterId: 'virtual',
        nodeId: 'us/a',
        region: 'us',
        nodeNumber: nodeNumber(64),
        incarnation: 2,
        startId: 's',
        rules: '',
      },
      members: MEMBERS,
      limits: { ...REPLICATION_LIMITS, startGraceMs: 0 },
      codec: peerCodec,
      stampBound: 0,
      raiseStampBound: () => {},
      hasStore: false,
    });
    this.node.start(this.#now());
    this.node.transact(this.#now().wallMs, (tx) => tx.set(latin1Range('mine'), 0, latin1Range('1'), Infinity));
  }

  #now(): { wallMs: number; monotonicMs: number } {
    return { wallMs: VIRTUAL_START_MS + this.timeMs, monotonicMs: this.timeMs };
  }

  connect(): void {
    for (const [link, kind] of [
      [1, 'bulk'],
      [2, 'control'],
    ] as const) {
      this.node.linkOpened(link, kind, this.#now());
      this.frame(link, {
        type: 'hello',
        protocol: PEER_PROTOCOL,
        clusterId: 'virtual',
        kind,
        nodeId: 'eu/a',
        nodeNumber: 128,
        incarnation: 1,
        startId: 'x',
        rules: '',
        applied: [],
        beganAtEpoch: 0,
        takesMessages: false,
      });
    }
    this.node.takeOutputs();
  }

  /** Hands a frame in and lets a turn and a tick pass; says whether the link was closed for it. */
  frame(link: number, what: PeerFrame | Uint8Array): boolean {
    const bytes = what instanceof Uint8Array ? what : peerCodec.encodeFrame(what);
    this.node.linkFrame(link, bytes, this.#now());
    this.after = this.state();
    this.node.flush(this.#now());
    const closed = this.node.takeOutputs().closes.some((close) => close.link === link);
    this.timeMs += 20;
    this.node.tick(this.#now());
    this.node.takeOutputs();
    return closed;
  }

  state(): string {
    return JSON.stringify([
      [...this.node.vector().entries()],
      this.node.digest(0),
      this.node.telemetry(0).holdBackBytes,
    ]);
  }
}

/** Columns that are well formed, of `count` transactions with deps on others. */
function columns(count: number, deps: number): Uint8Array {
  const builder = new ColumnsBuilder();
  const update = new Update();
  for (let at = 0; at < count; at++) {
    builder.begin(
      (stampOfMs(VIRTUAL_START_MS) + at + 1) as Stamp,
      deps > 0 && at === 0 ? [[(192 * 2 ** 32 + 1) as never, deps]] : [],
    );
    update.kind = UpdateKind.SetAdd;
    update.key.setFrom(latin1Range('k'));
    update.field.setFrom(latin1Range(`m${at}`));
    builder.add(update);
  }
  return builder.take();
}

const bytes = fc.oneof(
  fc.uint8Array({ maxLength: 30 }),
  fc.tuple(fc.integer({ min: 1, max: 6 }), fc.nat(3)).map(([count, deps]) => columns(count, deps)),
  fc.constant(bytesOf(PROTOCOL_1.columns)),
);

/** Transactions that could be: of another member, from its first on. */
const plausible: fc.Arbitrary<PeerFrame> = fc
  .record({
    origin: fc.constantFrom(128, 192).map((of) => originOf(nodeNumber(of), 1)),
    count: fc.integer({ min: 1, max: 4 }),
    deps: fc.nat(2),
  })
  .map(({ origin, count, deps }) => ({
    type: 'transactions',
    origin,
    first: 1,
    last: count,
    asked: false,
    bytes: columns(count, deps),
  }));

describe('a hostile peer', () => {
  it('that says nothing but rubbish is closed and changes nothing', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), fc.boolean(), (rubbish, isKnown) => {
        const victim = new Victim();
        if (isKnown) victim.connect();
        else victim.node.linkOpened(1, 'bulk', { wallMs: VIRTUAL_START_MS, monotonicMs: 0 });
        const before = victim.state();
        const closed = victim.frame(1, rubbish);
        if (closed) expect(victim.after).toBe(before);
      }),
      runOptions(500, 5_000),
    );
  });

  it('that knows the protocol cannot make the node throw, nor make transactions of it', () => {
    let taken = 0;
    let refused = 0;
    let brought = 0;
    fc.assert(
      fc.property(
        fc.array(
          fc.tuple(
            fc.constantFrom(1, 2),
            fc.oneof({ weight: 9, arbitrary: frame(bytes) }, { weight: 1, arbitrary: plausible }),
          ),
          { maxLength: 25 },
        ),
        (frames) => {
          const victim = new Victim();
          victim.connect();
          const own = victim.node.vector().get(victim.node.origin);
          for (const [link, sent] of frames) {
            const before = victim.state();
            const closed = victim.frame(link, sent);
            if (closed) {
              refused++;
              expect(victim.after).toBe(before);
              if (!victim.node.peers(0).some((peer) => peer.connected)) victim.connect();
            } else {
              taken++;
            }
          }
          // only its own transactions of this life are there, and those it closed its incarnations with
          const vector = victim.node.vector();
          expect(vector.get(victim.node.origin) - own).toBeLessThanOrEqual(1);
          for (const [origin] of vector.entries())
            expect(MEMBERS.map((member) => Number(member.nodeNumber))).toContain(nodeOf(origin));
          brought += vector.size > 1 ? 1 : 0;
        },
      ),
      runOptions(1_000, 10_000),
    );
    expect(Math.min(taken, refused, brought)).toBeGreaterThan(0);
  });

  it('cannot pass a floor for an origin, nor bring transactions of a life that the node has yet to live', () => {
    for (const [node, incarnation] of [
      [192, 0],
      [64, 0],
      [64, 3],
    ] as const) {
      const victim = new Victim();
      victim.connect();
      const before = victim.state();
      const origin = originOf(nodeNumber(node), incarnation);
      expect(
        victim.frame(1, { type: 'transactions', origin, first: 1, last: 3, asked: false, bytes: columns(3, 0) }),
      ).toBe(true);
      expect(victim.after).toBe(before);
    }
  });

  it('cannot make the node keep more for each frame than it sent', () => {
    const victim = new Victim();
    victim.connect();
    const rows = peerCodec.encodeFrame({
      type: 'rows',
      rows: [],
      sentMs: 0,
      echoMs: -1,
      echoHeldMs: 0,
      receivedBytes: 0,
    });
    for (let round = 0; round < 200; round++) {
      victim.frame(2, { type: 'fetch', origin: (192 * 2 ** 32 + 1) as never, after: round, upTo: 2 ** 40 });
      victim.frame(2, { type: 'want', nodes: [64, 128, 192], after: [] });
      victim.frame(2, rows);
    }
    expect(victim.node.peers(0).find((peer) => peer.id === 'eu/a')?.connected).toBe(true);
  });
});
