import type { Now } from '../causal/replica.ts';
import { CausewayError } from '../errors.ts';
import type { AppendRequest, Message, SnapshotChunk } from '../quorum/messages.ts';
import { ENTRY_OVERHEAD_BYTES } from '../quorum/options.ts';
import { Lane } from './lane.ts';
import { LaneIntake } from './lane-intake.ts';
import {
  ANSWERS_WAITING_BYTES,
  ANSWERS_WAITING_BYTES_MAX,
  ANSWERS_WAITING_MAX,
  QUORUM_WAITING_BYTES_MAX,
  REQUEST_OVERHEAD_BYTES,
  SMALL_REQUEST_BYTES,
} from './lane-limits.ts';
import type { GroupCodec, LaneFrame, LeaderAnswer, StrongFrame, StrongRequestFrame } from './strong-frames.ts';

/** What the lanes ask of their node. */
export interface LanesHost {
  /** Sends on the control connection; lost where there is none. */
  send(to: number, frame: Uint8Array): void;
  /** Whether there are the connections to a node that has proven who it is. */
  isUp(node: number): boolean;
  /** The control connection to such a node, 0 for none. */
  controlOf(node: number): number;
  now(): Now;
  /** Whether there is such a group here. */
  isGroup(name: string): boolean;
}

/** An append without entries that waits behind others of its group. */
interface Follower {
  message: AppendRequest;
}

interface Peer {
  readonly control: number;
  readonly lane: Lane;
  readonly intake: LaneIntake;
  /** By group: what waits last, where that is an append without entries. */
  readonly last: Map<string, Follower>;
  /** Chunks of snapshots that wait. */
  readonly chunks: Set<string>;
  /** By group: the round of the last heartbeat that went ahead of what waits. */
  readonly ahead: Map<string, string>;
}

/** No group has such a name: those are `home/survive`. */
const REQUESTS = '>small';
const LARGE_REQUESTS = '>large';
const ANSWERS = '<small';
const LARGE_ANSWERS = '<large';
const STREAMS: ReadonlySet<string> = new Set([REQUESTS, LARGE_REQUESTS, ANSWERS, LARGE_ANSWERS]);
const VERSION_BYTES = 9;

/**
 * All that nodes say to each other of strong keys, a lane for each peer. Requests, answers, entries and snapshots keep to its window; what
 * Raft says beside them is small and waits for nothing, heartbeats before all. A new connection begins anew: what waited for the old
 * one is lost with it.
 */
export class PeerLanes {
  readonly #host: LanesHost;
  readonly #codec: GroupCodec;
  readonly #peers: Map<number, Peer> = new Map();

  constructor(host: LanesHost, codec: GroupCodec) {
    this.#host = host;
    this.#codec = codec;
  }

  #peerOf(node: number): Peer | null {
    const control = this.#host.controlOf(node);
    const known = this.#peers.get(node);
    if (known !== undefined && known.control === control) return known;
    this.#peers.delete(node);
    if (control === 0) return null;
    const lane = new Lane({
      nowMs: () => this.#host.now().monotonicMs,
      send: (frame) => this.#host.send(node, frame),
      piece: (stream, begins, ends, bytes) => this.#codec.encodeFrame({ type: 'piece', stream, begins, ends, bytes }),
    });
    const intake = new LaneIntake((stream) => STREAMS.has(stream) || this.#host.isGroup(stream));
    const peer: Peer = { control, lane, intake, last: new Map(), chunks: new Set(), ahead: new Map() };
    this.#peers.set(node, peer);
    return peer;
  }

  #sendNow(to: number, frame: LaneFrame): void {
    this.#host.send(to, this.#codec.encodeFrame(frame));
  }

  // ── Raft ──

  quorum(to: number, group: string, message: Message): void {
    // also where it is not up: then what waited for a connection that is gone goes too
    const peer = this.#peerOf(to);
    if (peer === null || !this.#host.isUp(to)) return;
    if (message.type === 'append' && message.entries.length === 0) this.#heartbeat(peer, group, message);
    else if (message.type === 'append' || message.type === 'snapshot') this.#ordered(peer, group, message);
    else this.#sendNow(to, { type: 'quorum', group, message });
  }

  #ordered({ lane, last, chunks }: Peer, group: string, message: AppendRequest | SnapshotChunk): void {
    if (lane.waitingBytes(group) > QUORUM_WAITING_BYTES_MAX) return;
    // a leader sends a chunk again whose answer does not come: one that waits here was not lost
    const chunk = message.type === 'snapshot' ? nameOf(group, message) : null;
    if (chunk !== null && chunks.has(chunk)) return;
    if (chunk !== null) chunks.add(chunk);
    last.delete(group);
    const encode = (): Uint8Array => this.#codec.encodeFrame({ type: 'quorum', group, message });
    const left = (): void => {
      if (chunk !== null) chunks.delete(chunk);
    };
    lane.push(group, { bytes: bytesOf(message), encode, left });
  }

  /**
   * It says that the leader is there, what is committed, and, by the entry before, whether something was lost: that must come after the
   * entries that it is about. Where those wait, another goes ahead that says no more than that the leader is there: the
   * beginning of all logs matches.
   */
  #heartbeat({ lane, last, ahead }: Peer, group: string, message: AppendRequest): void {
    const { to, term, round } = message;
    if (message.previousIndex === 0 || lane.isIdle(group)) return this.#sendNow(to, { type: 'quorum', group, message });
    const mark = `${term} ${round}`;
    if (round > 0 && ahead.get(group) !== mark) {
      ahead.set(group, mark);
      this.#sendNow(to, {
        type: 'quorum',
        group,
        message: { ...message, previousIndex: 0, previousTerm: 0, commit: 0 },
      });
    }
    const waiting = last.get(group);
    // nothing came between: the newer one says more, and is answered where one of both is
    if (waiting !== undefined)
      return void (waiting.message = { ...message, round: Math.max(round, waiting.message.round) });
    const follower: Follower = { message };
    last.set(group, follower);
    lane.push(group, {
      bytes: bytesOf(message),
      isFree: true,
      encode: () => {
        if (last.get(group) === follower) last.delete(group);
        return this.#codec.encodeFrame({ type: 'quorum', group, message: follower.message });
      },
    });
  }

  // ── requests and answers ──

  /**
   * Asks a leader. `frame` is asked for when the request begins to leave; `left` is called when it has left whole. Returns what takes it
   * back: true where it had not, so that nobody has it.
   */
  request(to: number, bytes: number, frame: () => StrongRequestFrame, left: () => void): () => boolean {
    const peer = this.#host.isUp(to) ? this.#peerOf(to) : null;
    if (peer === null) return () => true;
    const stream = bytes <= SMALL_REQUEST_BYTES ? REQUESTS : LARGE_REQUESTS;
    return peer.lane.push(stream, { bytes, encode: () => this.#codec.encodeFrame(frame()), left });
  }

  answer(to: number, serial: number, answer: LeaderAnswer): void {
    // who has asked is to be told though its other connection is down
    const peer = this.#peerOf(to);
    if (peer === null || peer.lane.waitingCount(ANSWERS) >= ANSWERS_WAITING_MAX) return;
    const isLost = answer.kind === 'done' && waitingAnswers(peer) > ANSWERS_WAITING_BYTES_MAX;
    const given: LeaderAnswer = isLost ? { kind: 'lost' } : answer;
    const bytes = answerBytes(given);
    const encode = (): Uint8Array => this.#codec.encodeFrame({ type: 'strong-answer', serial, answer: given });
    peer.lane.push(answersOf(bytes), { bytes, encode });
  }

  /** Whether another answer of so many bytes may be made for a node. Small ones and large ones have each their room. */
  hasRoom(node: number, bytes: number): boolean {
    const peer = this.#peerOf(node);
    return peer === null || peer.lane.waitingBytes(answersOf(bytes)) < ANSWERS_WAITING_BYTES;
  }

  // ── what comes in ──

  /** A whole frame that a peer's bytes end, null while there is none. Throws PROTOCOL for what it may not say. */
  received(from: number, bytes: Uint8Array): StrongFrame | null {
    const peer = this.#peerOf(from);
    if (peer === null) return null;
    const frame = this.#codec.decodeFrame(bytes);
    if (isOnLane(frame)) {
      const taken = peer.intake.took(bytes.length);
      if (taken !== null) this.#sendNow(from, { type: 'taken', bytes: taken });
    }
    if (frame.type === 'taken') peer.lane.taken(frame.bytes);
    if (frame.type === 'taken') return null;
    if (frame.type !== 'piece') return frame;
    const whole = peer.intake.put(frame);
    return whole === null ? null : this.#whole(whole);
  }

  #whole(bytes: Uint8Array): StrongFrame {
    const frame = this.#codec.decodeFrame(bytes);
    if (frame.type === 'piece' || frame.type === 'taken') throw new CausewayError('PROTOCOL', 'a piece of a piece');
    return frame;
  }
}

/** Whether a frame keeps to the window: both ends count the same. */
function isOnLane(frame: LaneFrame): boolean {
  if (frame.type === 'taken') return false;
  if (frame.type !== 'quorum') return true;
  const { message } = frame;
  return message.type === 'snapshot' || (message.type === 'append' && message.entries.length > 0);
}

const nameOf = (group: string, { term, transfer, offset }: SnapshotChunk): string =>
  `${group} ${term} ${transfer} ${offset}`;

const answersOf = (bytes: number): string => (bytes <= SMALL_REQUEST_BYTES ? ANSWERS : LARGE_ANSWERS);

const waitingAnswers = ({ lane }: Peer): number => lane.waitingBytes(ANSWERS) + lane.waitingBytes(LARGE_ANSWERS);

function answerBytes(answer: LeaderAnswer): number {
  if (answer.kind !== 'done') return REQUEST_OVERHEAD_BYTES;
  return REQUEST_OVERHEAD_BYTES + answer.reply.length + answer.versions.length * VERSION_BYTES;
}

function bytesOf(message: AppendRequest | SnapshotChunk): number {
  if (message.type === 'snapshot') return message.bytes.length + REQUEST_OVERHEAD_BYTES;
  return message.entries.reduce((sum, { data }) => sum + data.length + ENTRY_OVERHEAD_BYTES, REQUEST_OVERHEAD_BYTES);
}
