import { EntryKind, type Entry, type GroupConfig, type Message, type SnapshotMeta } from '../quorum/messages.ts';
import { array, blob, count, flag, node, NODES_MAX, refuse } from './msgpack-checks.ts';

/** Numbers of the messages on the wire: never renumber, only add. */
const MessageType = {
  vote: 1,
  'vote-response': 2,
  append: 3,
  'append-response': 4,
  snapshot: 5,
  'snapshot-response': 6,
  'timeout-now': 7,
  'read-index': 8,
  'read-index-response': 9,
} as const;

const ENTRIES_MAX = 100_000;

const isEntryKind = (value: unknown): value is EntryKind =>
  value === EntryKind.Command || value === EntryKind.Noop || value === EntryKind.Config;

const flatEntry = ({ index, term, kind, data }: Entry): unknown[] => [index, term, kind, data];

function entry(value: unknown): Entry {
  const [index, term, kind, data] = array(value, 4, 'an entry');
  return {
    index: count(index, 'an index'),
    term: count(term, 'a term'),
    kind: isEntryKind(kind) ? kind : refuse('an entry has no kind'),
    data: blob(data, "an entry's data"),
  };
}

const flatConfig = ({ voters, learners }: GroupConfig): unknown[] => [voters, learners];

function config(value: unknown): GroupConfig {
  const [voters, learners] = array(value, 2, "a group's members");
  return {
    voters: array(voters, NODES_MAX, 'voters').map(node),
    learners: array(learners, NODES_MAX, 'learners').map(node),
  };
}

export const flatSnapshotMeta = ({ index, term, config: members, configIndex }: SnapshotMeta): unknown[] => [
  index,
  term,
  flatConfig(members),
  configIndex,
];

export function snapshotMeta(value: unknown): SnapshotMeta {
  const [index, term, members, configIndex] = array(value, 4, "a snapshot's end");
  return {
    index: count(index, 'an index'),
    term: count(term, 'a term'),
    config: config(members),
    configIndex: count(configIndex, 'an index'),
  };
}

function parts(message: Message): unknown[] {
  switch (message.type) {
    case 'vote':
      return [message.isPreVote ? 1 : 0, message.lastIndex, message.lastTerm, message.isTransfer ? 1 : 0];
    case 'vote-response':
      return [message.isPreVote ? 1 : 0, message.isGranted ? 1 : 0];
    case 'append':
      return [
        message.previousIndex,
        message.previousTerm,
        message.entries.map(flatEntry),
        message.commit,
        message.round,
      ];
    case 'append-response':
      return [message.isAccepted ? 1 : 0, message.previousIndex, message.index, message.conflictTerm, message.round];
    case 'snapshot':
      return [
        flatSnapshotMeta(message.meta),
        message.offset,
        message.isLast ? 1 : 0,
        message.bytes,
        message.round,
        message.transfer,
      ];
    case 'snapshot-response':
      return [message.index, message.received, message.round, message.isDone ? 1 : 0, message.transfer];
    case 'timeout-now':
      return [];
    case 'read-index':
      return [message.id];
    case 'read-index-response':
      return [message.id, message.index];
  }
}

/** A message as a list for msgpack. */
export function flatMessage(message: Message): unknown[] {
  return [MessageType[message.type], message.from, message.to, message.term, ...parts(message)];
}

/** A message from a list, whose bytes it keeps; throws PROTOCOL where it is none. What its numbers claim is for Raft to judge. */
export function messageOf(value: unknown): Message {
  const [type, sender, receiver, at, a, b, c, d, e, f] = array(value, 16, 'a message');
  const base = { from: node(sender), to: node(receiver), term: count(at, 'a term') };
  switch (type) {
    case MessageType.vote:
      return {
        ...base,
        type: 'vote',
        isPreVote: flag(a, 'a pre-vote'),
        lastIndex: count(b, 'an index'),
        lastTerm: count(c, 'a term'),
        isTransfer: flag(d, 'a transfer'),
      };
    case MessageType['vote-response']:
      return { ...base, type: 'vote-response', isPreVote: flag(a, 'a pre-vote'), isGranted: flag(b, 'a vote') };
    case MessageType.append:
      return {
        ...base,
        type: 'append',
        previousIndex: count(a, 'an index'),
        previousTerm: count(b, 'a term'),
        entries: array(c, ENTRIES_MAX, 'entries').map(entry),
        commit: count(d, 'an index'),
        round: count(e, 'a round'),
      };
    case MessageType['append-response']:
      return {
        ...base,
        type: 'append-response',
        isAccepted: flag(a, 'an acceptance'),
        previousIndex: count(b, 'an index'),
        index: count(c, 'an index'),
        conflictTerm: count(d, 'a term'),
        round: count(e, 'a round'),
      };
    case MessageType.snapshot:
      return {
        ...base,
        type: 'snapshot',
        meta: snapshotMeta(a),
        offset: count(b, 'an offset'),
        isLast: flag(c, 'an end'),
        transfer: count(f, 'a transfer'),
        bytes: blob(d, 'a chunk'),
        round: count(e, 'a round'),
      };
    case MessageType['snapshot-response']:
      return {
        ...base,
        type: 'snapshot-response',
        index: count(a, 'an index'),
        received: count(b, 'a length'),
        round: count(c, 'a round'),
        isDone: flag(d, 'an end'),
        transfer: count(e, 'a transfer'),
      };
    case MessageType['timeout-now']:
      return { ...base, type: 'timeout-now' };
    case MessageType['read-index']:
      return { ...base, type: 'read-index', id: count(a, 'an id') };
    case MessageType['read-index-response']:
      return { ...base, type: 'read-index-response', id: count(a, 'an id'), index: count(b, 'an index') };
    default:
      return refuse(`no message ${String(type).slice(0, 16)}`);
  }
}
