import { ColumnsBuilder } from '../../src/causal/columns.ts';
import { PEER_PROTOCOL, type NodeMeta, type PeerFrame } from '../../src/causal/peer-frames.ts';
import { latin1Range } from '../../src/base/bytes.ts';
import { originOf, nodeNumber, type Origin } from '../../src/clock/origin.ts';
import type { Stamp } from '../../src/clock/stamp.ts';
import { VersionVector } from '../../src/clock/version-vector.ts';
import type { EntryState } from '../../src/crdt/entry.ts';
import { Update, UpdateKind } from '../../src/crdt/update.ts';

const A: Origin = originOf(nodeNumber(64), 7);
const B: Origin = originOf(nodeNumber(128), 221_000_000);
const FLOOR_OF_B: Origin = originOf(nodeNumber(128), 0);
const STAMP = (219_000_000_000 * 4096 + 17) as Stamp;

/** The kinds of updates that there were in version 1, in their order; later ones have samples of their own. */
const KINDS = [
  UpdateKind.Set,
  UpdateKind.Delete,
  UpdateKind.DeleteString,
  UpdateKind.Increment,
  UpdateKind.Expire,
  UpdateKind.HashSet,
  UpdateKind.HashDelete,
  UpdateKind.HashIncrement,
  UpdateKind.SetAdd,
  UpdateKind.SetRemove,
  UpdateKind.FlushAll,
  UpdateKind.Publish,
  UpdateKind.CloseIncarnations,
] as const;

/** Two transactions with every kind of update. */
export function sampleColumns(): Uint8Array {
  const builder = new ColumnsBuilder();
  const update = new Update();
  builder.begin(STAMP, [
    [B, 42],
    [FLOOR_OF_B, 221_000_000],
  ]);
  for (const kind of KINDS) {
    if (kind === UpdateKind.HashSet) builder.begin((STAMP + 5) as Stamp, [[B, 43]]);
    update.kind = kind;
    update.key.setFrom(latin1Range('ke\xff'));
    update.field.setFrom(latin1Range('field'));
    update.value.setFrom(
      latin1Range(kind === UpdateKind.Increment || kind === UpdateKind.HashIncrement ? '-3' : 'v\0'),
    );
    update.atMs = kind === UpdateKind.CloseIncarnations ? 7 : kind === UpdateKind.Set ? 1_800_000_000_123 : Infinity;
    update.baseOrigin = A;
    update.baseSeq = 9;
    builder.add(update);
  }
  return builder.take();
}

export const sampleState: EntryState = [
  ['value\xff', STAMP, A, 3, [[B, 1, 4, STAMP, '-12', '5']]],
  [
    [
      'field',
      [
        ['one', STAMP, A, 3],
        ['two', STAMP + 1, B, 1],
      ],
      null,
    ],
  ],
  [['member', [[null, STAMP, A, 4]]]],
  [[1_800_000_000_000, A, 3, STAMP, B, 2]],
];

export const sampleMeta: NodeMeta = {
  vector: [
    [A, 4],
    [B, 42],
  ],
  running: [[A, [[B, 41]]]],
  stable: [[A, 3]],
  flush: { stamp: STAMP, origin: A, seq: 2 },
};

/** One frame of each type, with something in every part. */
export const sampleFrames: Readonly<Record<PeerFrame['type'], PeerFrame>> = {
  hello: {
    type: 'hello',
    protocol: PEER_PROTOCOL,
    clusterId: 'causeway',
    kind: 'control',
    nodeId: 'us-east-1/a',
    nodeNumber: 64,
    incarnation: 221_000_000,
    startId: '0123456789abcdef',
    rules: 'rules',
    applied: [
      [A, 3],
      [B, 42],
    ],
    beganAtEpoch: 0,
    takesMessages: false,
  },
  want: {
    type: 'want',
    nodes: [64, 128],
    after: [
      [A, 3],
      [FLOOR_OF_B, 221_000_000],
    ],
  },
  fetch: { type: 'fetch', origin: B, after: 3, upTo: 2 ** 33 },
  rows: {
    type: 'rows',
    rows: [
      {
        node: nodeNumber(64),
        incarnation: 7,
        stamp: STAMP,
        wallMs: 1_800_000_000_000.5,
        applied: new VersionVector([
          [A, 3],
          [B, 42],
        ]),
        durable: new VersionVector([[A, 2]]),
        incarnations: [64, 7, 128, 221_000_000],
        heard: [],
        closedBelow: 0,
        epoch: 0,
      },
    ],
    sentMs: 12.25,
    echoMs: -1,
    echoHeldMs: 0,
    receivedBytes: 70_000,
  },
  truncated: { type: 'truncated' },
  'snapshot-request': { type: 'snapshot-request' },
  transactions: {
    type: 'transactions',
    origin: A,
    first: 3,
    last: 4,
    asked: true,
    bytes: sampleColumns(),
  },
  'snapshot-begin': {
    type: 'snapshot-begin',
    vector: [
      [A, 3],
      [FLOOR_OF_B, 221_000_000],
    ],
    running: [[A, [[B, 42]]]],
    stable: [[A, 2]],
    flush: { stamp: STAMP, origin: A, seq: 1 },
    stamp: STAMP,
  },
  'snapshot-entries': { type: 'snapshot-entries', entries: [['ke\xff', sampleState]] },
  'snapshot-end': { type: 'snapshot-end', count: 1 },
  message: { type: 'message', channel: '\0cw:compare:shows', bytes: new Uint8Array([1, 2, 3]) },
  strong: { type: 'strong', bytes: new Uint8Array([1, 2, 3]) },
  membership: {
    type: 'membership',
    epoch: 2,
    removals: [{ node: nodeNumber(64), epoch: 2, incarnation: 7, cut: [[A, 3]] }],
    joins: [],
  },
};

export const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
export const bytesOf = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, 'hex'));
