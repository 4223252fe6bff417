import { ByteRange } from '../base/bytes.ts';
import type { ErrorCode } from '../errors.ts';
import type { AuditHead } from '../groups/audit-record.ts';
import type { Arguments, GroupEntry, OnceId, RequestId, Requester } from '../groups/group-entry.ts';
import type { GroupKeyState, GroupMeta } from '../groups/group-state.ts';
import type { RequestRow, ForwarderHeads } from '../groups/request-table.ts';
import { checkedRules, type GroupRule, type RulesState } from '../groups/rules-in-force.ts';
import type {
  GroupCodec,
  GroupPart,
  LaneFrame,
  LeaderAnswer,
  QuorumFrame,
  StrongAnswerFrame,
  StrongKind,
  StrongRequestFrame,
} from '../groups/strong-frames.ts';
import { CommandsEntryReader, CommandsEntryWriter } from './commands-entry.ts';
import { checkEntryState, checkText } from './entry-state.ts';
import {
  array,
  blob,
  count,
  flag,
  flat,
  incarnation,
  list,
  node,
  origin,
  packr,
  refuse,
  stamp,
  text,
  vector,
} from './msgpack-checks.ts';
import { flatMessage, flatSnapshotMeta, messageOf, snapshotMeta } from './quorum-codec.ts';
import { decodeQuorumFrame, encodeQuorumFrame } from './quorum-frames.ts';
import { decodeRequestRow, encodeRequestRow } from './request-rows.ts';

/** Numbers on the wire and on disk: never renumber, only add. */
const FrameKind = { quorum: 1, 'strong-request': 2, 'strong-answer': 3, piece: 4, taken: 5 } as const;
const EntryForm = { commands: 1, expire: 2, renew: 3, rules: 4 } as const;
const KINDS: readonly StrongKind[] = ['write', 'read', 'versions', 'operate'];
const ANSWERS = ['done', 'failed', 'refused', 'lost'] as const;
/** Codes of errors that a leader may send. */
const FAILURES: readonly ErrorCode[] = ['ERR', 'BEHIND', 'LIMIT', 'CLOCKSKEW', 'LOADING', 'OOM'];

const COMMANDS_MAX = 1_000_000;
const ARGUMENTS_MAX = 1_048_576;
const KEYS_MAX = 1_000_000;
const PART_VALUES_MAX = 65_536;
const ROWS_MAX = 10_000_000;
const SEED_MAX = 2 ** 32 - 1;
const MARKS_MAX = 65_536;
/** Lives of nodes that a group's log depends on, which are never forgotten: what a member stored it must be able to read. */
const RUNNING_MAX = 1_000_000;
const RULES_MAX = 1_024;

/** Bytes of their own: they stay, and must not pin the receive buffer that they came in. */
const own = (value: unknown, what: string): Uint8Array => new Uint8Array(blob(value, what));

/** The same bytes, whatever kind of array they came as. */
function view(value: unknown, what: string): Uint8Array {
  const { buffer, byteOffset, length } = blob(value, what);
  return new Uint8Array(buffer, byteOffset, length);
}

const flatRequest = ({ origin: of, serial, floor }: RequestId): number[] => [of, serial, floor];

function requestId(value: unknown): RequestId {
  const [of, serial, floor] = array(value, 3, 'a request id');
  return { origin: origin(of), serial: count(serial, 'a serial'), floor: count(floor, 'a floor') };
}

const flatOnce = (once: OnceId | null): unknown => (once === null ? null : [once.id, once.issuedMs]);

function onceId(value: unknown): OnceId | null {
  if (value === null) return null;
  const [id, issuedMs] = array(value, 2, "a client's request id");
  return { id: checkText(text(id, 'an id'), 'an id'), issuedMs: count(issuedMs, 'a time') };
}

const flatRequester = ({ user, address, region }: Requester): string[] => [user, address, region];

function requester(value: unknown): Requester {
  const [user, address, region] = array(value, 3, 'a requester');
  return { user: text(user, 'a user'), address: text(address, 'an address'), region: text(region, 'a region') };
}

const flatCommands = (all: readonly Arguments[]): Uint8Array[][] =>
  all.map((words) => words.map((word) => word.view()));

function commands(value: unknown): Arguments[] {
  return array(value, COMMANDS_MAX, 'commands').map((each) => {
    const words = array(each, ARGUMENTS_MAX, 'arguments').map((word) => new ByteRange(view(word, 'an argument')));
    return words.length === 0 ? refuse('a command has no name') : words;
  });
}

/** Below zero for keys that are not there. */
function versionOf(value: unknown): number {
  return Number.isSafeInteger(value) ? (value as number) : refuse('a version is no integer');
}

function watches(value: unknown): (readonly [string, number])[] {
  return array(value, KEYS_MAX, 'watches').map((pair) => {
    const [key, version] = array(pair, 2, 'a watch');
    return [checkText(key, 'a key'), versionOf(version)] as const;
  });
}

const respVersion = (value: unknown): 2 | 3 => (value === 2 || value === 3 ? value : refuse('a protocol is none'));

function seed(value: unknown): number {
  const number = count(value, 'a seed');
  return number <= SEED_MAX ? number : refuse('a seed is too large');
}

const flatRules = (of: readonly GroupRule[]): unknown[] =>
  of.map(({ pattern, ttlMs, audit }) => [pattern, ttlMs, audit ? 1 : 0]);

function rules(value: unknown): readonly GroupRule[] {
  const found = array(value, RULES_MAX, 'rules').map((each): GroupRule => {
    const [pattern, ttlMs, audit] = array(each, 3, 'a rule');
    return {
      pattern: text(pattern, 'a pattern'),
      ttlMs: ttlMs === null ? null : count(ttlMs, 'a ttl'),
      audit: flag(audit, 'an audit'),
    };
  });
  return checkedRules(found);
}

const flatInForce = ({ index, version, pins, list: all }: RulesState): unknown[] => [
  index,
  version,
  pins,
  flatRules(all),
];

/** None where a version stored it that had none. */
function rulesState(value: unknown): RulesState {
  if (value === undefined) return { index: 0, version: 0, pins: '', list: [] };
  const [index, version, pins, all] = array(value, 4, "a group's rules");
  return {
    index: count(index, 'an index'),
    version: count(version, 'a version'),
    pins: text(pins, 'pins'),
    list: rules(all),
  };
}

function entryParts(entry: GroupEntry): unknown[] {
  if (entry.kind === 'expire') return [];
  if (entry.kind === 'renew') return [entry.keys];
  if (entry.kind === 'rules') return [entry.over, entry.version, entry.pins, flatRules(entry.rules)];
  return [
    entry.seed,
    flatRequest(entry.request),
    flatOnce(entry.once),
    flat(entry.deps),
    entry.watches,
    flatCommands(entry.commands),
    entry.isExec ? 1 : 0,
    entry.respVersion,
    flatRequester(entry.requester),
  ];
}

function entryOf(parts: readonly unknown[]): GroupEntry {
  const [form, at, a, b, c, d, e, f, g, h, i] = parts;
  switch (form) {
    case EntryForm.commands:
      return {
        kind: 'commands',
        stamp: stamp(at),
        seed: seed(a),
        request: requestId(b),
        once: onceId(c),
        deps: vector(d),
        watches: watches(e),
        commands: commands(f),
        isExec: flag(g, 'an EXEC'),
        respVersion: respVersion(h),
        requester: requester(i),
      };
    case EntryForm.expire:
      return { kind: 'expire', stamp: stamp(at) };
    case EntryForm.renew:
      return {
        kind: 'renew',
        stamp: stamp(at),
        keys: array(a, KEYS_MAX, 'keys').map((key) => checkText(key, 'a key')),
      };
    case EntryForm.rules:
      return {
        kind: 'rules',
        stamp: stamp(at),
        over: count(a, 'an index'),
        version: count(b, 'a version'),
        pins: text(c, 'pins'),
        rules: rules(d),
      };
    default:
      return refuse(`an entry of form ${String(form).slice(0, 16)}`);
  }
}

function answerParts(answer: LeaderAnswer): unknown[] {
  const kind = ANSWERS.indexOf(answer.kind);
  if (answer.kind === 'done') return [kind, answer.reply, answer.versions, answer.index];
  if (answer.kind === 'failed') return [kind, answer.code, answer.message];
  return [kind];
}

function answerOf([kind, a, b, c]: readonly unknown[]): LeaderAnswer {
  const name = ANSWERS[count(kind, 'an answer')];
  if (name === 'done') {
    const versions = array(b, KEYS_MAX, 'versions').map(versionOf);
    return { kind: 'done', reply: blob(a, 'a reply'), versions, index: count(c, 'an index') };
  }
  if (name === 'failed') {
    const code = FAILURES.find((known) => known === a) ?? refuse('an error has no code');
    return { kind: 'failed', code, message: text(b, 'a message') };
  }
  return name === undefined ? refuse('an answer is none') : { kind: name };
}

function frameParts(frame: LaneFrame): unknown[] {
  switch (frame.type) {
    case 'quorum':
      return [FrameKind.quorum, frame.group, flatMessage(frame.message)];
    case 'strong-request':
      return [
        FrameKind['strong-request'],
        frame.group,
        KINDS.indexOf(frame.kind),
        flatRequest(frame.request),
        flatOnce(frame.once),
        flatCommands(frame.commands),
        frame.keys,
        frame.isExec ? 1 : 0,
        frame.watches,
        frame.respVersion,
        flat(frame.deps),
        flatRequester(frame.requester),
        frame.timeoutMs,
      ];
    case 'strong-answer':
      return [FrameKind['strong-answer'], frame.serial, answerParts(frame.answer)];
    case 'piece':
      return [FrameKind.piece, frame.stream, frame.begins ? 1 : 0, frame.ends ? 1 : 0, frame.bytes];
    case 'taken':
      return [FrameKind.taken, frame.bytes];
  }
}

function frameOf(parts: readonly unknown[]): LaneFrame {
  const [type, a, b, c, d] = parts;
  switch (type) {
    case FrameKind.quorum:
      return { type: 'quorum', group: text(a, 'a group'), message: messageOf(b) } satisfies QuorumFrame;
    case FrameKind['strong-answer']: {
      const answer = answerOf(array(b, 4, 'an answer'));
      return { type: 'strong-answer', serial: count(a, 'a serial'), answer } satisfies StrongAnswerFrame;
    }
    case FrameKind['strong-request']:
      return requestFrame(parts);
    case FrameKind.piece: {
      const [begins, ends] = [flag(b, 'a beginning'), flag(c, 'an end')];
      return { type: 'piece', stream: text(a, 'a stream'), begins, ends, bytes: blob(d, 'a piece') };
    }
    case FrameKind.taken:
      return { type: 'taken', bytes: count(a, 'bytes taken') };
    default:
      return refuse(`strong keys have no frame ${String(type).slice(0, 16)}`);
  }
}

function requestFrame(parts: readonly unknown[]): StrongRequestFrame {
  const [, group, kind, id, once, words, keys, isExec, watched, protocol, deps, who, timeoutMs] = parts;
  return {
    type: 'strong-request',
    group: text(group, 'a group'),
    kind: KINDS[count(kind, 'a kind')] ?? refuse('a request has no kind'),
    request: requestId(id),
    once: onceId(once),
    commands: commands(words),
    keys: array(keys, KEYS_MAX, 'keys').map((key) => checkText(key, 'a key')),
    isExec: flag(isExec, 'an EXEC'),
    watches: watches(watched),
    respVersion: respVersion(protocol),
    deps: vector(deps),
    requester: requester(who),
    timeoutMs: count(timeoutMs, 'a time'),
  };
}

function keyState(value: unknown): GroupKeyState {
  const [version, state] = array(value, 2, 'a key of a group');
  return [count(version, 'a version'), checkEntryState(state)];
}

function forwarders(value: unknown): ForwarderHeads {
  return array(value, ROWS_MAX, 'forwarders').map((each) => {
    const [of, life, floor] = array(each, 3, 'a forwarder');
    return [node(of), incarnation(life), count(floor, 'a floor')] as const;
  });
}

/** In the place of the table of requests, which is stored by rows now. */
const NO_REQUESTS = 0;

/** The table as a version stored it that wrote it in one piece. */
function requestTable(value: unknown): [ForwarderHeads, readonly RequestRow[]] {
  const [heads, once] = array(value, 2, 'the requests');
  const rows: RequestRow[] = [];
  const known = array(heads, ROWS_MAX, 'forwarders').map((each) => {
    const [of, life, floor, answers] = array(each, 4, 'a forwarder');
    for (const answer of array(answers, ROWS_MAX, 'answers')) {
      const [serial, index, reply] = array(answer, 3, 'an answer');
      const kept = { index: count(index, 'an index'), reply: own(reply, 'a reply') };
      rows.push({ kind: 'answer', node: node(of), serial: count(serial, 'a serial'), kept });
    }
    return [node(of), incarnation(life), count(floor, 'a floor')] as const;
  });
  for (const each of array(once, ROWS_MAX, "clients' ids")) {
    const [id, issuedMs, index, reply] = array(each, 4, "a client's id");
    const kept = { id: text(id, 'an id'), issuedMs: count(issuedMs, 'a time'), reply: own(reply, 'a reply') };
    rows.push({ kind: 'once', index: count(index, 'an index'), kept });
  }
  return [known, rows];
}

const SHA256_HEX = /^[0-9a-f]{64}$/;

const flatHead = ({ count: records, index, hash }: AuditHead): unknown[] => [records, index, hash];

function auditHead(value: unknown): AuditHead {
  const [records, index, hash] = array(value, 3, "an audit's head");
  const hex = text(hash, 'a hash');
  if (!SHA256_HEX.test(hex)) refuse('a hash is none');
  return { count: count(records, 'records'), index: count(index, 'an index'), hash: hex };
}

const flatMeta = ({
  applied,
  stamp: at,
  running,
  forwarders: heads,
  audit,
  creations,
  rules: inForce,
}: GroupMeta): unknown[] => [
  applied,
  at,
  flat(running),
  NO_REQUESTS,
  flatHead(audit),
  creations,
  flatInForce(inForce),
  heads,
];

function meta(value: unknown): GroupMeta {
  const [applied, at, running, earlier, audit, creations, inForce, heads] = array(value, 8, "a group's state");
  const [earlierHeads, earlierRequests] = earlier === NO_REQUESTS ? [null, []] : requestTable(earlier);
  return {
    applied: count(applied, 'an index'),
    stamp: stamp(at),
    running: vector(running, RUNNING_MAX),
    forwarders: earlierHeads ?? forwarders(heads),
    earlierRequests,
    audit: auditHead(audit),
    creations: array(creations, MARKS_MAX, 'marks').map((index) => count(index, 'an index')),
    rules: rulesState(inForce),
  };
}

/** Numbers on the wire: never renumber, only add. */
const PartForm = { meta: 1, keys: 2, rows: 3 } as const;

function partOf(parts: readonly unknown[]): GroupPart {
  const [form, head] = parts;
  if (form === PartForm.meta) return { kind: 'meta', meta: meta(head) };
  const kind = form === PartForm.keys ? 'keys' : 'rows';
  if (form !== PartForm[kind] || parts.length % 2 === 0) return refuse('a part of a snapshot is none');
  const pairs: (readonly [Uint8Array, Uint8Array])[] = [];
  for (let at = 1; at < parts.length; at += 2)
    pairs.push([own(parts[at], 'a key'), own(parts[at + 1], 'what is stored')] as const);
  return { kind, pairs };
}

const writer = new CommandsEntryWriter();
const reader = new CommandsEntryReader();

/** What groups send and keep: msgpack arrays, checked whole on the way in. */
export const groupCodec: GroupCodec = {
  encodeFrame: (frame) => (frame.type === 'quorum' ? encodeQuorumFrame(frame) : null) ?? packr.pack(frameParts(frame)),
  // What stays of it must not pin the receive buffer that it came in: it is copied once, and its parts are views of the copy.
  decodeFrame: (bytes) => decodeQuorumFrame(bytes) ?? frameOf(list(new Uint8Array(bytes), 16, 'a frame')),
  encodeEntry: (entry) =>
    (entry.kind === 'commands' ? writer.write(entry) : null) ??
    packr.pack([EntryForm[entry.kind], entry.stamp, ...entryParts(entry)]),
  decodeEntry: (bytes) => reader.read(bytes) ?? entryOf(list(bytes, 16, 'an entry')),
  encodeKeyState: (state) => packr.pack(state),
  decodeKeyState: (bytes) => keyState(list(bytes, 2, 'a key')),
  encodeMeta: (of) => packr.pack(flatMeta(of)),
  decodeMeta: (bytes) => meta(list(bytes, 8, 'a state')),
  encodeRequestRow,
  decodeRequestRow,
  encodePart: (part) =>
    packr.pack(
      part.kind === 'meta' ? [PartForm.meta, flatMeta(part.meta)] : [PartForm[part.kind], ...part.pairs.flat()],
    ),
  decodePart: (bytes) => partOf(list(bytes, PART_VALUES_MAX, 'a part of a snapshot')),
  encodeSnapshotMeta: (of) => packr.pack(flatSnapshotMeta(of)),
  decodeSnapshotMeta: (bytes) => snapshotMeta(list(bytes, 4, "a snapshot's end")),
};
