import { checkColumns } from '../causal/columns-check.ts';
import { columnsOf } from '../causal/columns.ts';
import type { Row } from '../causal/members.ts';
import { LOST_KINDS, type LostKind, type LostList, type LostWrite } from '../causal/lost-list.ts';
import type { MembershipState, PendingChange } from '../causal/membership-record.ts';
import type {
  Codec,
  NodeMeta,
  PeerFrame,
  StrongBytesFrame,
  TransactionsFrame,
  VectorEntries,
} from '../causal/peer-frames.ts';
import type { Origin } from '../clock/origin.ts';
import { VersionVector } from '../clock/version-vector.ts';
import type { EntryState } from '../crdt/entry.ts';
import type { FlushMark } from '../crdt/string-content.ts';
import { checkEntryState, checkText } from './entry-state.ts';
import {
  array,
  blob,
  count,
  finite,
  flag,
  flat,
  incarnation,
  node,
  NODES_MAX,
  numbers,
  origin,
  ORIGINS_MAX,
  packr,
  refuse,
  stamp,
  text,
  unpack,
  vector,
} from './msgpack-checks.ts';
import { flatJoins, flatRemovals, joins, removals } from './membership-codec.ts';
import { encodeStrong, strongBytesOf } from './strong-frame.ts';
import { tokenCodec } from './token-codec.ts';
import { encodeTransactions, ownBytes, transactionsOf } from './transactions-frame.ts';

/** Numbers of the frames on the wire: never renumber, only add. */
const FrameType = {
  hello: 1,
  want: 2,
  fetch: 3,
  rows: 4,
  truncated: 5,
  'snapshot-request': 6,
  transactions: 7,
  'snapshot-begin': 8,
  'snapshot-entries': 9,
  'snapshot-end': 10,
  membership: 11,
  strong: 12,
  message: 13,
} as const;

const TRANSACTIONS_MAX = 1_000_000;

function running(value: unknown): [Origin, VectorEntries][] {
  return array(value, ORIGINS_MAX, 'running deps').map((pair) => {
    const [from, deps] = array(pair, 2, 'running deps of an origin');
    return [origin(from), vector(deps)];
  });
}

function flushMark(value: unknown): FlushMark | null {
  if (value === null) return null;
  const [at, from, seq] = array(value, 3, 'a flush');
  return { stamp: stamp(at), origin: origin(from), seq: count(seq, 'a sequence') };
}

const flatFlush = (flush: FlushMark | null): number[] | null =>
  flush === null ? null : [flush.stamp, flush.origin, flush.seq];

const flatRow = (of: Row): unknown[] => [
  of.node,
  of.incarnation,
  of.stamp,
  of.wallMs,
  flat([...of.applied.entries()]),
  flat([...of.durable.entries()]),
  of.incarnations,
];

/** What a row says beside, in a list of its own behind the frame's other parts: who does not know it leaves it out, and does not look there. */
const flatBeside = (rows: readonly Row[]): unknown[] =>
  rows.every(({ heard, closedBelow, epoch }) => heard.length === 0 && closedBelow === 0 && epoch === 0)
    ? []
    : [rows.map(({ heard, closedBelow, epoch }) => [heard, closedBelow, epoch])];

function rowsOf(values: unknown, beside: unknown): Row[] {
  const more = array(beside, NODES_MAX, 'what rows say beside');
  const rows = array(values, NODES_MAX, 'rows');
  if (more.length > 0 && more.length !== rows.length) refuse('what rows say beside is not of these rows');
  return rows.map((value, at) => row(value, more[at] ?? [[], 0, 0]));
}

function row(value: unknown, beside: unknown): Row {
  const [of, life, at, wallMs, applied, durable, incarnations] = array(value, 7, 'a row');
  const [heard, closedBelow, epoch] = array(beside, 3, 'what a row says beside');
  return {
    node: node(of),
    incarnation: incarnation(life),
    stamp: stamp(at),
    wallMs: finite(wallMs, 'a clock'),
    applied: new VersionVector(vector(applied)),
    durable: new VersionVector(vector(durable)),
    incarnations: knownIncarnations(incarnations),
    heard: knownIncarnations(heard),
    closedBelow: closedBelow === 0 ? 0 : incarnation(closedBelow),
    epoch: count(epoch, 'an epoch'),
  };
}

function knownIncarnations(value: unknown): readonly number[] {
  const list = numbers(value, NODES_MAX * 2, 'incarnations');
  if (list.length % 2 !== 0) refuse('incarnations are no list of pairs');
  for (let at = 0; at < list.length; at += 2) {
    node(list[at]);
    incarnation(list[at + 1]);
  }
  return list;
}

const flatMembership = ({ epoch, removals: gone, pending, joins: again, began }: MembershipState): unknown[] => [
  epoch,
  flatRemovals(gone),
  pending === null ? null : [pending.kind === 'fence' ? 0 : 1, pending.nodes, pending.operation],
  flatJoins(again),
  [began.epoch, began.isFilled ? 1 : 0],
];

function pendingChange(value: unknown): PendingChange | null {
  if (value === null) return null;
  const [kind, of, operation] = array(value, 3, 'a change of the members');
  return {
    kind: flag(kind, 'a kind of change') ? 'hold' : 'fence',
    nodes: array(of, NODES_MAX, 'the nodes of a change').map(node),
    operation: count(operation, 'an operation'),
  };
}

function membership(value: unknown): { membership?: MembershipState } {
  if (value === undefined) return {};
  const [epoch, gone, pending, again, began] = array(value, 5, 'the members');
  const [beganAt, isFilled] = array(began, 2, 'the beginning of a keyspace');
  return {
    membership: {
      epoch: count(epoch, 'an epoch'),
      removals: removals(gone),
      pending: pendingChange(pending),
      joins: joins(again),
      began: { epoch: count(beganAt, 'an epoch'), isFilled: flag(isFilled, 'whether it is filled') },
    },
  };
}

const flatLost = ({ writes, seen, transactions, left, offered }: LostList): unknown[] => [
  writes.map(({ key, kind, field, origin: of, seq, stamp: at, value, expireAtMs }) => [
    key,
    LOST_KINDS.indexOf(kind),
    field,
    of,
    seq,
    at,
    value,
    expireAtMs,
  ]),
  seen.map(([from, deps]) => [from, flat(deps)]),
  transactions,
  left,
  offered,
];

function lostWrite(value: unknown): LostWrite {
  const [key, kind, field, of, seq, at, content, expireAtMs] = array(value, 8, 'a lost write');
  return {
    key: checkText(key, 'a key'),
    kind: lostKind(kind),
    field: field === null ? null : checkText(field, 'a field'),
    origin: origin(of),
    seq: count(seq, 'a sequence'),
    stamp: stamp(at),
    value: content === null ? null : checkText(content, 'a value'),
    expireAtMs: finite(expireAtMs, 'an expiry'),
  };
}

function lostKind(value: unknown): LostKind {
  return LOST_KINDS[count(value, 'a kind of write')] ?? refuse('a kind of write is none');
}

function lostList(list: readonly unknown[]): LostList {
  const [writes, seen, transactions, left, offered] = list;
  return {
    writes: array(writes, Infinity, 'lost writes').map(lostWrite),
    seen: running(seen),
    transactions: count(transactions, 'a count'),
    left: count(left, 'a count'),
    offered: count(offered, 'a count'),
  };
}

function entries(value: unknown): (readonly [string, EntryState])[] {
  return array(value, 100_000, 'entries').map((pair) => {
    const [key, state] = array(pair, 2, 'an entry');
    return [checkText(key, 'a key'), checkEntryState(state)] as const;
  });
}

function parts(frame: Exclude<PeerFrame, TransactionsFrame | StrongBytesFrame>): unknown[] {
  switch (frame.type) {
    case 'hello':
      return [
        frame.protocol,
        frame.clusterId,
        frame.kind === 'bulk' ? 0 : 1,
        frame.nodeId,
        frame.nodeNumber,
        frame.incarnation,
        frame.startId,
        frame.rules,
        flat(frame.applied),
        // left out as by those who do not know them
        ...(frame.beganAtEpoch === 0 && !frame.takesMessages ? [] : [frame.beganAtEpoch]),
        ...(frame.takesMessages ? [1] : []),
      ];
    case 'want':
      return [frame.nodes, flat(frame.after)];
    case 'fetch':
      return [frame.origin, frame.after, frame.upTo];
    case 'rows':
      return [
        frame.rows.map(flatRow),
        frame.sentMs,
        frame.echoMs,
        frame.echoHeldMs,
        frame.receivedBytes,
        ...flatBeside(frame.rows),
      ];
    case 'message':
      return [frame.channel, frame.bytes];
    case 'truncated':
    case 'snapshot-request':
      return [];
    case 'snapshot-begin':
      return [
        flat(frame.vector),
        frame.running.map(([from, deps]) => [from, flat(deps)]),
        flat(frame.stable),
        flatFlush(frame.flush),
        frame.stamp,
      ];
    case 'snapshot-entries':
      return [frame.entries];
    case 'snapshot-end':
      return [frame.count];
    case 'membership':
      return [frame.epoch, flatRemovals(frame.removals), ...(frame.joins.length === 0 ? [] : [flatJoins(frame.joins)])];
  }
}

function frameOf(list: readonly unknown[]): PeerFrame {
  const [type, a, b, c, d, e, f, g, h, i, j, k] = list;
  switch (type) {
    case FrameType.hello:
      return {
        type: 'hello',
        protocol: count(a, 'a protocol version'),
        clusterId: text(b, 'a cluster id'),
        kind: flag(c, 'a kind of connection') ? 'control' : 'bulk',
        nodeId: text(d, 'a node id'),
        nodeNumber: node(e),
        incarnation: incarnation(f),
        startId: text(g, 'a start id'),
        rules: text(h, 'a digest of rules'),
        applied: vector(i),
        beganAtEpoch: j === undefined ? 0 : count(j, 'an epoch'),
        takesMessages: k !== undefined && flag(k, 'whether it takes messages'),
      };
    case FrameType.want:
      return { type: 'want', nodes: numbers(a, NODES_MAX, 'nodes'), after: vector(b) };
    case FrameType.fetch:
      return { type: 'fetch', origin: origin(a), after: count(b, 'a sequence'), upTo: count(c, 'a sequence') };
    case FrameType.rows:
      return {
        type: 'rows',
        rows: rowsOf(a, f ?? []),
        sentMs: finite(b, 'a time'),
        echoMs: finite(c, 'a time'),
        echoHeldMs: finite(d, 'a time'),
        receivedBytes: count(e, 'a count of bytes'),
      };
    case FrameType.strong:
      return { type: 'strong', bytes: blob(a, 'a frame of quorum groups') };
    case FrameType.message:
      return { type: 'message', channel: text(a, 'a channel'), bytes: blob(b, 'a message') };
    case FrameType.truncated:
      return { type: 'truncated' };
    case FrameType['snapshot-request']:
      return { type: 'snapshot-request' };
    case FrameType.transactions:
      return {
        type: 'transactions',
        origin: origin(a),
        first: count(b, 'a sequence'),
        last: count(count(b, 'a sequence') + count(c, 'a count of transactions'), 'a sequence'),
        asked: flag(d, 'asked'),
        bytes: ownBytes(blob(e, 'transactions')),
      };
    case FrameType['snapshot-begin']:
      return {
        type: 'snapshot-begin',
        vector: vector(a),
        running: running(b),
        stable: vector(c),
        flush: flushMark(d),
        stamp: stamp(e),
      };
    case FrameType['snapshot-entries']:
      return { type: 'snapshot-entries', entries: entries(a) };
    case FrameType['snapshot-end']:
      return { type: 'snapshot-end', count: count(a, 'a count') };
    case FrameType.membership:
      return { type: 'membership', epoch: count(a, 'an epoch'), removals: removals(b), joins: joins(c ?? []) };
    default:
      return refuse(`unknown type ${String(type).slice(0, 16)}`);
  }
}

/** Frames between peers, columns of the log, and what the store keeps: msgpack arrays, checked whole on the way in. */
export const peerCodec: Codec = {
  tokens: tokenCodec,
  encodeFrame: (frame) => {
    if (frame.type === 'transactions') return encodeTransactions(FrameType.transactions, frame);
    if (frame.type === 'strong') return encodeStrong(FrameType.strong, frame.bytes);
    return packr.pack([FrameType[frame.type], ...parts(frame)]);
  },
  decodeFrame: (bytes) => {
    const transactions = transactionsOf(FrameType.transactions, bytes);
    if (transactions !== null) return transactions;
    const strong = strongBytesOf(FrameType.strong, bytes);
    return strong === null ? frameOf(unpack(bytes)) : { type: 'strong', bytes: strong };
  },
  decodeColumns: (bytes, transactions) => {
    if (transactions > TRANSACTIONS_MAX) refuse(`${transactions} transactions in a frame, at most ${TRANSACTIONS_MAX}`);
    const columns = columnsOf(bytes);
    checkColumns(columns, transactions);
    return columns;
  },
  encodeState: (state) => packr.pack(state),
  decodeState: (bytes) => checkEntryState(unpack(bytes)),
  encodeMeta: (meta: NodeMeta) =>
    packr.pack([
      flat(meta.vector),
      meta.running.map(([from, deps]) => [from, flat(deps)]),
      flat(meta.stable),
      flatFlush(meta.flush),
      ...(meta.membership === undefined ? [] : [flatMembership(meta.membership)]),
    ]),
  decodeMeta: (bytes) => {
    const [at, deps, stable, flush, members] = unpack(bytes);
    const kept = { vector: vector(at), running: running(deps), stable: vector(stable), flush: flushMark(flush) };
    return { ...kept, ...membership(members) };
  },
  encodeLost: (list) => packr.pack(flatLost(list)),
  decodeLost: (bytes) => lostList(unpack(bytes)),
};
