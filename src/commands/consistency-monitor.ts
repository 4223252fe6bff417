import { ByteRange, latin1Range } from '../base/bytes.ts';
import { isSystemKey, SYSTEM_CHANNEL_PREFIX } from '../base/system-keys.ts';
import type { KeyClass } from '../classes/key-class.ts';
import { msOfStamp, type Stamp } from '../clock/stamp.ts';
import { ContentType, NO_SLOT, type Slot } from '../keyspace/keyspace.ts';
import { ComparisonFigures } from './comparison-figures.ts';
import {
  KEYS_MAX,
  readMessage,
  writtenMessage,
  type ComparisonMessage,
  type KeyDigestText,
} from './comparison-messages.ts';
import type { Engine } from './engine.ts';
import { KeyInquiries, type Inquiry } from './key-inquiries.ts';
import { WatchedDigests } from './watched-digests.ts';

/** What the log of a quorum group made of a key, and the digest of what that shows. */
export interface DecidedState {
  readonly hex: string | null;
  readonly state: Uint8Array | null;
}

/** What a key holds, apart from commands. */
export interface KeyStates {
  /** Encoded; null for nothing. */
  stateOf(key: ByteRange): Uint8Array | null;
  /**
   * Merges what another node has of a key that has not changed here, all of it stable. With `isWhole` what is here and not there goes; else
   * all that either has stays. False for what is no state.
   */
  merge(key: ByteRange, state: Uint8Array | null, isWhole: boolean): boolean;
  /** Of a key of a group, as its log was applied here, beside what is shown; null where the group is not here. */
  decidedOf(key: ByteRange, group: string): DecidedState | null;
}

/** What nodes tell each other beside their streams. */
export interface MessageSender {
  /** To a node by its id, null for all; who is away, or knows no such messages, does not hear it. */
  say(channel: ByteRange, text: ByteRange, to: string | null): void;
}

/** What the monitor may take; `limits` of a region's file changes it by name. */
export interface MonitorLimits {
  /** Keys that a node looks at in a second; 0 for none. */
  readonly monitorKeysPerSecond: number;
  /** For how many of those that were loaded the source is asked in a second; 0 for none: these are requests that no client made. */
  readonly monitorSourceKeysPerSecond: number;
}

export const MONITOR_LIMITS: MonitorLimits = { monitorKeysPerSecond: 10, monitorSourceKeysPerSecond: 0 };

/** What the monitor asks of the world. */
export interface MonitorHost {
  readonly engine: Engine;
  readonly states: KeyStates;
  readonly messages: MessageSender;
  /** Keys that are looked at in a second. */
  readonly keysPerSecond: number;
  wallMs(): number;
  monotonicMs(): number;
  /** Something was written: what this turn made is to be sent. */
  touched(): void;
  /** A key was found to differ, or was put right: for people. */
  told(what: 'differs' | 'repaired' | 'left', key: string, about: string): void;
  /** Clients that listen hear it. */
  publish(channel: string, key: string): void;
  /** Keys (latin1) that were looked at: to be compared with what else should have them. */
  looked(keys: readonly string[]): void;
}

/** Slots that are passed in a step, at most; keys and values that are too long to be hashed beside everything else. */
const SLOTS_PER_STEP = 2_048;
const KEY_BYTES_MAX = 1_024;
const VALUE_BYTES_MAX = 256 * 1024;
const ELEMENTS_MAX = 4_096;
const STATE_BYTES_MAX = 1024 * 1024;
/** An expiry that is so near shows at one clock and not at another. */
const EXPIRY_MARGIN_MS = 30_000;
const INBOX_MAX = 1_024;
const STEP_MS = 1_000;

/** What an operator does about a node whose copy of a group's state is wrong. */
const LEFT_HELP = 'take this node out with `causeway member remove`, empty its data folder and let it join again';

const CHANNEL = `${SYSTEM_CHANNEL_PREFIX}compare`;

/** What a key shows here, as it can be compared. */
interface Shown {
  readonly hex: string | null;
  readonly isSettled: boolean;
}

/**
 * Looks whether all members show the same, some keys a second, and puts right what does not (SPEC S10). A node says what its settled keys show; where
 * another thing is settled elsewhere that node says so. Where neither changed in between, both have seen the same of the key, and one has lost something.
 */
export class ConsistencyMonitor {
  readonly figures: Map<string, ComparisonFigures> = new Map();
  readonly #host: MonitorHost;
  readonly #watched: WatchedDigests = new WatchedDigests();
  readonly #inquiries: KeyInquiries = new KeyInquiries();
  readonly #inbox: ComparisonMessage[] = [];
  #cursor = 0;
  #round = 0;
  #due = 0;
  #lastMs = -Infinity;

  constructor(host: MonitorHost) {
    this.#host = host;
  }

  figuresOf({ name }: KeyClass): ComparisonFigures {
    let figures = this.figures.get(name);
    if (figures === undefined) this.figures.set(name, (figures = new ComparisonFigures()));
    return figures;
  }

  /** What a key shows changed, or may have; null is any key. */
  keyChanged(key: ByteRange | null): void {
    this.#watched.changed(key);
  }

  /** A message of a member, also of this one: it is looked at in the next step. What there is no room for is said again by another round. */
  heard(channel: ByteRange, text: ByteRange): void {
    if (this.#inbox.length >= INBOX_MAX) return;
    const message = readMessage(channel, text);
    if (message !== null) this.#inbox.push(message);
  }

  /** Goes on; to be called some times a second. */
  step(): void {
    const { engine } = this.#host;
    if (engine.refusal(true, false) !== null) return;
    const nowMs = this.#host.monotonicMs();
    for (const message of this.#inbox.splice(0)) this.#take(message, nowMs);
    this.#watched.forget(nowMs);
    for (const inquiry of this.#inquiries.due(nowMs, this.#members())) this.#conclude(inquiry);
    if (nowMs - this.#lastMs < STEP_MS) return;
    const spanMs = Math.min(STEP_MS, nowMs - this.#lastMs);
    this.#lastMs = nowMs;
    this.#due = Math.min(KEYS_MAX, this.#due + (this.#host.keysPerSecond * spanMs) / 1_000);
    if (this.#due >= 1) this.#look(Math.floor(this.#due), nowMs);
  }

  /** Nodes of the cluster that can answer, this one included. */
  #members(): readonly string[] {
    const { node } = this.#host.engine;
    const others = node.peers(this.#host.wallMs()).filter(({ connected }) => connected);
    return [node.nodeId, ...others.map(({ id }) => id)];
  }

  // ── what is looked at ──

  #look(count: number, monotonicMs: number): void {
    const { engine } = this.#host;
    const { node, keys, memory } = engine;
    const nowMs = engine.nowMs(this.#host.wallMs());
    const looked: string[] = [];
    const shown: KeyDigestText[] = [];
    const key = new ByteRange();
    const visit = (slot: Slot): void => {
      if (looked.length >= count) return;
      // with what is asked of the Redis or a source, too: that looks at the value
      if (memory.isStub(slot)) return;
      keys.keyInto(slot, key);
      const keyClass = node.classes.policy.classOf(key);
      if (isSystemKey(key) || keyClass.consistency === 'weak' || key.length > KEY_BYTES_MAX) return;
      const text = key.toLatin1();
      looked.push(text);
      const { hex, isSettled } = this.#shownAt(slot, key, nowMs);
      this.#noteAge(keyClass, slot, nowMs, isSettled);
      if (!isSettled) return;
      shown.push([text, hex]);
      this.#watched.watch(text, hex, `round ${this.#round}`, monotonicMs);
    };
    for (let slots = 0; slots < SLOTS_PER_STEP && looked.length < count; slots += count) {
      this.#cursor = keys.scan(this.#cursor, count, nowMs, visit);
      if (this.#cursor === 0) break;
    }
    this.#due -= count;
    this.#host.looked(looked);
    if (shown.length > 0 && this.#members().length > 1)
      this.#say({ kind: 'shows', from: node.nodeId, round: this.#round, keys: shown });
    this.#round++;
  }

  #noteAge(keyClass: KeyClass, slot: Slot, nowMs: number, isSettled: boolean): void {
    const { keys } = this.#host.engine;
    if (keys.typeOf(slot) !== ContentType.String || keys.countAt(slot) !== null) return;
    const version = keys.versions.at(slot);
    if ('stamp' in version)
      this.figuresOf(keyClass).looked(Math.max(0, nowMs - msOfStamp(version.stamp as Stamp)), isSettled);
  }

  /** What a key shows here that is looked for. */
  #shown(key: ByteRange): Shown {
    const { engine } = this.#host;
    const nowMs = engine.nowMs(this.#host.wallMs());
    // one that expired a moment ago shows elsewhere still
    const before = engine.keys.find(key, engine.keys.hashOf(key), nowMs - EXPIRY_MARGIN_MS);
    if (before === NO_SLOT) return engine.node.keyDigest(key, nowMs);
    return this.#shownAt(before, key, nowMs);
  }

  #shownAt(slot: Slot, key: ByteRange, nowMs: number): Shown {
    const { node, keys, memory } = this.#host.engine;
    const isNear = keys.expiryOf(slot) < nowMs + EXPIRY_MARGIN_MS;
    // to look at what was evicted would bring it back, and something that clients use would go for it
    if (isNear || memory.isStub(slot) || this.#isLong(slot)) return { hex: null, isSettled: false };
    return node.keyDigest(key, nowMs);
  }

  #isLong(slot: Slot): boolean {
    const { keys } = this.#host.engine;
    switch (keys.typeOf(slot)) {
      case ContentType.Hash:
        return keys.hashAt(slot).size > ELEMENTS_MAX;
      case ContentType.Set:
        return keys.setAt(slot).size > ELEMENTS_MAX;
      case ContentType.String: {
        const value = new ByteRange();
        keys.stringInto(slot, value);
        return value.length > VALUE_BYTES_MAX;
      }
      default:
        return false;
    }
  }

  // ── what is said ──

  /** Comparing writes nothing. What puts a key right goes in the stream, which a mebibyte a key may not pass by. */
  #say(message: ComparisonMessage): void {
    const { engine, messages } = this.#host;
    const { channel, text } = writtenMessage(message);
    if (message.kind === 'give' || message.kind === 'state') {
      engine.transact(engine.nowMs(this.#host.wallMs()), (tx) => tx.publish(channel, text));
    } else {
      const to = 'to' in message ? message.to : null;
      if (to !== engine.node.nodeId) messages.say(channel, text, to);
      if (to === engine.node.nodeId || message.kind === 'ask') this.heard(channel, text);
    }
    this.#host.touched();
  }

  #take(message: ComparisonMessage, monotonicMs: number): void {
    const { nodeId } = this.#host.engine.node;
    switch (message.kind) {
      case 'shows':
        if (message.from !== nodeId) this.#compare(message);
        return;
      case 'differs':
        if (message.to === nodeId) for (const [key] of message.keys) this.#confirm(message, key, monotonicMs);
        return;
      case 'ask':
        this.#vote(message, monotonicMs);
        return;
      case 'vote':
        if (message.to === nodeId) this.#inquiries.voted(message);
        return;
      case 'give':
        if (message.givers.includes(nodeId)) this.#give(message);
        return;
      case 'state':
        this.#repair(message);
    }
  }

  #compare({ from, round, keys }: ComparisonMessage & { kind: 'shows' }): void {
    const { node } = this.#host.engine;
    const differing: KeyDigestText[] = [];
    for (const [text, hex] of keys) {
      const key = latin1Range(text);
      const own = this.#shown(key);
      if (!own.isSettled) continue;
      this.figuresOf(node.classes.policy.classOf(key)).compared.regions++;
      if (own.hex !== hex) differing.push([text, own.hex]);
    }
    if (differing.length > 0) this.#say({ kind: 'differs', from: node.nodeId, to: from, round, keys: differing });
  }

  /** Another thing is settled at another node: it is not the same where the key did not change here in between. */
  #confirm({ from, round }: ComparisonMessage & { kind: 'differs' }, text: string, monotonicMs: number): void {
    const { node } = this.#host.engine;
    const key = latin1Range(text);
    if (this.#watched.hexOf(text, `round ${round}`) === undefined || !this.#shown(key).isSettled) return;
    const inquiry = this.#inquiries.begin(text, monotonicMs);
    if (inquiry === null) return;
    this.figuresOf(node.classes.policy.classOf(key)).different.regions++;
    this.#host.told('differs', text, `${from} shows something else`);
    this.#host.publish(`${CHANNEL}:differs`, text);
    this.#say({ kind: 'ask', from: node.nodeId, inquiry, key: text });
  }

  #vote({ from, inquiry, key: text }: ComparisonMessage & { kind: 'ask' }, monotonicMs: number): void {
    const { hex, isSettled } = this.#shown(latin1Range(text));
    if (isSettled) this.#watched.watch(text, hex, `${from} ${inquiry}`, monotonicMs);
    this.#say({ kind: 'vote', from: this.#host.engine.node.nodeId, to: from, inquiry, key: text, hex, isSettled });
  }

  #conclude({ id, key, votes }: Inquiry): void {
    const { node } = this.#host.engine;
    const byHex = votersByHex(votes);
    if (byHex.size < 2) return;
    const { strong } = node.classes.policy.classOfText(key);
    if (strong !== undefined) return this.#concludeDecided(key, id, strong.group, byHex);
    const all = node.peers(this.#host.wallMs()).length + 1;
    const most = [...byHex].find(([, voters]) => voters.length * 2 > all);
    const groups = most === undefined ? [...byHex] : [most];
    const givers = groups.map(([, voters]) => voters.toSorted()[0] ?? '');
    const wrong = [...byHex.keys()].filter((hex) => most === undefined || hex !== most[0]);
    const from = node.nodeId;
    this.#say({ kind: 'give', from, asker: from, inquiry: id, key, givers, isMajority: most !== undefined, wrong });
  }

  /**
   * A key of a quorum group is in no question: its log says what it is. A node has what that made of it beside what it shows, and takes it from
   * there where others show just that; nobody takes it from another node.
   */
  #concludeDecided(
    text: string,
    inquiry: number,
    group: string,
    byHex: ReadonlyMap<string | null, readonly string[]>,
  ): void {
    const { node } = this.#host.engine;
    const key = latin1Range(text);
    const own = this.#watched.hexOf(text, `${node.nodeId} ${inquiry}`);
    const decided = this.#host.states.decidedOf(key, group);
    if (own === undefined || decided === null || !this.#shown(key).isSettled) return;
    if (decided.hex !== own && byHex.has(decided.hex)) {
      this.#host.states.merge(key, decided.state, true);
      this.#noteRepaired(key, text, `by what the log of ${group} made of it here`);
      return;
    }
    const all = node.peers(this.#host.wallMs()).length + 1;
    const isMost = (byHex.get(own)?.length ?? 0) * 2 > all;
    // the node that shows something else looks at it itself
    if (isMost) return;
    this.#host.told('left', text, `the state of ${group} here is not what others made of its log: ${LEFT_HELP}`);
  }

  #noteRepaired(key: ByteRange, text: string, about: string): void {
    this.figuresOf(this.#host.engine.node.classes.policy.classOf(key)).repaired.regions++;
    this.#host.told('repaired', text, about);
    this.#host.publish(`${CHANNEL}:repaired`, text);
    this.#host.touched();
  }

  #give({ kind: _give, givers: _givers, ...repair }: ComparisonMessage & { kind: 'give' }): void {
    const { engine, states } = this.#host;
    const key = latin1Range(repair.key);
    const hex = this.#watched.hexOf(repair.key, `${repair.asker} ${repair.inquiry}`);
    if (hex === undefined || !this.#shown(key).isSettled) return;
    const state = states.stateOf(key);
    if ((state?.length ?? 0) > STATE_BYTES_MAX)
      return this.#host.told('left', repair.key, `what it holds is longer than ${STATE_BYTES_MAX} bytes`);
    this.#say({ ...repair, kind: 'state', from: engine.node.nodeId, hex, state });
  }

  #repair({
    from,
    asker,
    inquiry,
    key: text,
    hex,
    wrong,
    isMajority,
    state,
  }: ComparisonMessage & { kind: 'state' }): void {
    const { node } = this.#host.engine;
    const key = latin1Range(text);
    const own = this.#watched.hexOf(text, `${asker} ${inquiry}`);
    const keyClass = node.classes.policy.classOf(key);
    if (own === undefined || own === hex || !wrong.includes(own) || keyClass.consistency === 'strong') return;
    if (!this.#shown(key).isSettled || isSystemKey(key)) return;
    if (!this.#host.states.merge(key, state, isMajority))
      return this.#host.told('left', text, `what ${from} gave is no state`);
    this.#noteRepaired(key, text, `by what ${from} has`);
  }
}

function votersByHex(votes: ReadonlyMap<string, string | null>): ReadonlyMap<string | null, readonly string[]> {
  const byHex = new Map<string | null, string[]>();
  for (const [voter, hex] of votes) {
    const voters = byHex.get(hex);
    if (voters === undefined) byHex.set(hex, [voter]);
    else voters.push(voter);
  }
  return byHex;
}
