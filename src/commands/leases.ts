import { latin1Range, type ByteRange } from '../base/bytes.ts';
import { LEASES_BYTES_MAX, LEASES_MAX } from '../base/client-limits.ts';
import { NameMap } from '../base/measured-names.ts';
import { systemKey } from '../base/system-keys.ts';
import type { Engine, Load } from './engine.ts';
import { END_OF_PART, ownerOf } from './key-owner.ts';
import { overLimit } from './refusals.ts';
import type { ServerTime } from './server-state.ts';
import type { Session } from './session.ts';

/** To the node that decides for a key: a client of another one wants to load it, for so long. */
const ASK: string = systemKey('lease', 'ask');
/** Its answers. */
const GRANT: string = systemKey('lease', 'grant');
const HELD: string = systemKey('lease', 'held');
/** To all: a load of a client brought nothing that is kept. */
const FREE: string = systemKey('lease', 'free');

/** A node that decides and says nothing for so long is not waited for. */
const SILENT_MS = 1_000;
/** How often the node that decides is asked anew whether another's load is over: that may have died. */
const ASK_AGAIN_MS = 250;
/** How often leases whose time is over are looked for. */
const SWEEP_MS = 1_000;

/** A load that a client of this node makes. */
export interface Lease {
  readonly token: string;
  readonly key: string;
  readonly load: Load;
}

interface GrantedLease extends Lease {
  readonly session: Session;
  readonly untilMs: number;
}

/** A key of which another node decides, as far as it was asked. */
interface Asked {
  state: 'asked' | 'held' | 'granted';
  sinceMs: number;
  untilMs: number;
}

/** What a client that waited is told: to look at the key, to ask again, or a value that came and is not kept. */
type WaitEnd = 'look' | 'again' | Uint8Array;

/** A client that waits for the load of another one. */
export interface LeaseWait {
  readonly key: string;
  end: WaitEnd | null;
}

/** What a client that asks for a lease says. */
export interface LeaseRequest {
  /** Latin1. */
  readonly key: string;
  readonly ms: number;
  /** One load in its region will do; else in all. */
  readonly isOfRegion: boolean;
}

/**
 * One load of a key at a time among the clients of all nodes, or of those of a region (SPEC F4): each key has one node that decides who loads it (`ownerOf`), which others ask by messages in their streams of transactions.
 * What ends a lease: its fill, which all see come; being given back; its time; the end of its client's connection. It is no lock: where nodes do not see the same members, or one is silent, there are
 * two loads, and V8 decides.
 */
export class Leases {
  readonly #engine: Engine;
  readonly #time: ServerTime;
  /** The loads of this node's clients, by key and by session. */
  readonly #granted: NameMap<GrantedLease> = new NameMap();
  readonly #bySession: Map<Session, Set<GrantedLease>> = new Map();
  /** Of the keys that this node decides about: who loads, and until when. */
  readonly #held: NameMap<{ readonly node: string; readonly untilMs: number }> = new NameMap();
  readonly #asked: NameMap<Asked> = new NameMap();
  readonly #waits: Map<string, Set<LeaseWait>> = new Map();
  /** Messages of this turn. */
  readonly #outbox: { readonly channel: string; readonly text: string }[] = [];
  #count = 0;
  #sweepAtMs = 0;

  constructor(engine: Engine, time: ServerTime) {
    this.#engine = engine;
    this.#time = time;
  }

  /** Whether changes of keys are to be told. */
  get isActive(): boolean {
    return this.#held.size > 0 || this.#asked.size > 0 || this.#waits.size > 0;
  }

  /** Loads of this node's clients. */
  get grantedCount(): number {
    return this.#granted.size;
  }

  /** Whether it is known here that somebody loads the key. */
  isLeased(key: ByteRange): boolean {
    if (this.#granted.size === 0 && !this.isActive) return false;
    return this.#isKnown(key.toLatin1());
  }

  #isKnown(key: string): boolean {
    return this.#granted.has(key) || this.#held.has(key) || this.#asked.has(key);
  }

  /** A lease of the key for a client; null while another one loads. Throws ERR past the limit. */
  take(session: Session, request: LeaseRequest): Lease | null {
    const { key } = request;
    const nowMs = this.#time.monotonicMs();
    const own = this.#granted.get(key);
    if (own !== undefined && own.untilMs > nowMs) return null;
    if (own !== undefined) this.#drop(own);
    this.#checkRoom(key);
    const untilMs = nowMs + request.ms;
    const { node } = this.#engine;
    const owner = ownerOf(node, key, request.isOfRegion, this.#time.wallMs());
    if (owner === node.nodeId) {
      if (this.#isHeldByOther(key, node.nodeId, nowMs)) return null;
      this.#held.set(key, { node: node.nodeId, untilMs });
      return this.#grant(session, key, untilMs);
    }
    return this.#mayLoad(request, owner, nowMs) ? this.#grant(session, key, untilMs) : null;
  }

  /** Whether the node that decides has said yes, or says nothing. */
  #mayLoad({ key, ms }: LeaseRequest, owner: string, nowMs: number): boolean {
    const asked = this.#asked.get(key);
    const isOver = asked?.state === 'granted' && asked.untilMs <= nowMs;
    if (asked === undefined || isOver) {
      this.#asked.set(key, { state: 'asked', sinceMs: nowMs, untilMs: nowMs + ms });
      this.#ask(owner, key, ms);
      return false;
    }
    const isSilent = asked.state === 'asked' && nowMs - asked.sinceMs >= SILENT_MS;
    if (asked.state === 'granted' || isSilent) return this.#asked.delete(key);
    if (asked.state === 'held' && nowMs - asked.sinceMs >= ASK_AGAIN_MS) {
      Object.assign(asked, { state: 'asked', sinceMs: nowMs });
      this.#ask(owner, key, ms);
    }
    return false;
  }

  #ask(owner: string, key: string, ms: number): void {
    this.#say(ASK, owner, this.#engine.node.nodeId, String(ms), key);
  }

  #isHeldByOther(key: string, node: string, nowMs: number): boolean {
    const held = this.#held.get(key);
    return held !== undefined && held.node !== node && held.untilMs > nowMs;
  }

  #checkRoom(key: string): void {
    const all = [this.#granted, this.#held, this.#asked];
    const count = all.reduce((sum, { size }) => sum + size, 0);
    if (count >= LEASES_MAX) throw overLimit('too many keys are being loaded by clients', 'leases-max', LEASES_MAX);
    const bytes = all.reduce((sum, { chars }) => sum + chars, key.length);
    if (bytes > LEASES_BYTES_MAX)
      throw overLimit('the keys that clients are loading are too long together', 'leases-bytes-max', LEASES_BYTES_MAX);
  }

  #grant(session: Session, key: string, untilMs: number): Lease {
    const engine = this.#engine;
    // with the origin's incarnation no token of an earlier life is one of this
    const token = `${engine.origin}.${++this.#count}`;
    const load = engine.loads.begin(latin1Range(key), engine.nowMs(this.#time.wallMs()));
    const lease = { token, key, load, session, untilMs };
    this.#granted.set(key, lease);
    const others = this.#bySession.get(session);
    if (others === undefined) this.#bySession.set(session, new Set([lease]));
    else others.add(lease);
    return lease;
  }

  // ── its end ──

  /** The lease, which ends with this; null where it is over already. */
  claim(key: string, token: string): Lease | null {
    const lease = this.#granted.get(key);
    if (lease === undefined || lease.token !== token) return null;
    this.#forget(lease);
    return lease;
  }

  /** A claimed lease brought nothing that is kept: the next one may load. `value` is for those who have waited here, null for none. */
  broughtNothing({ key }: Lease, value: Uint8Array | null): void {
    if (value !== null) this.#endWaits(key, value);
    this.#say(FREE, this.#engine.node.nodeId, key);
  }

  #forget(lease: GrantedLease): void {
    this.#granted.delete(lease.key);
    const others = this.#bySession.get(lease.session);
    others?.delete(lease);
    if (others?.size === 0) this.#bySession.delete(lease.session);
  }

  /** Its client will not end it. */
  #drop(lease: GrantedLease): void {
    this.#forget(lease);
    this.#engine.loads.end(lease.load, null, 0, this.#engine.nowMs(this.#time.wallMs()));
    this.broughtNothing(lease, null);
  }

  /** A client has gone. */
  leave(session: Session): void {
    for (const lease of this.#bySession.get(session) ?? []) this.#drop(lease);
  }

  // ── those who wait ──

  /** Null where nobody is known to load the key, or this node may: asking for a lease says what is. */
  wait(key: string): LeaseWait | null {
    if (!this.#isKnown(key) || this.#asked.get(key)?.state === 'granted') return null;
    const wait: LeaseWait = { key, end: null };
    const others = this.#waits.get(key);
    if (others === undefined) this.#waits.set(key, new Set([wait]));
    else others.add(wait);
    return wait;
  }

  /** Waits no more. */
  stopWaiting(wait: LeaseWait): void {
    const others = this.#waits.get(wait.key);
    others?.delete(wait);
    if (others?.size === 0) this.#waits.delete(wait.key);
  }

  #endWaits(key: string, end: WaitEnd): void {
    for (const wait of this.#waits.get(key) ?? []) wait.end ??= end;
  }

  /** One of those who wait may ask again; the others would ask for what it gets. */
  #wakeOne(key: string): void {
    for (const wait of this.#waits.get(key) ?? []) {
      if (wait.end !== null) continue;
      wait.end = 'again';
      return;
    }
  }

  /** A key was changed, here or by another node (null for all): whoever waits for it is to look. */
  keyChanged(key: ByteRange | null): void {
    if (key === null) {
      this.#held.clear();
      this.#asked.clear();
      for (const text of this.#waits.keys()) this.#endWaits(text, 'look');
      return;
    }
    const text = key.toLatin1();
    this.#held.delete(text);
    this.#asked.delete(text);
    this.#endWaits(text, 'look');
  }

  // ── among nodes ──

  #say(channel: string, ...parts: readonly string[]): void {
    this.#outbox.push({ channel, text: parts.join(END_OF_PART) });
  }

  /** Whether there is something for `flush` to do. */
  get isDue(): boolean {
    if (this.#outbox.length > 0) return true;
    return (this.#granted.size > 0 || this.isActive) && this.#time.monotonicMs() >= this.#sweepAtMs;
  }

  /** At the end of a turn: says what is to be said, and ends what is too old. */
  flush(): void {
    const nowMs = this.#time.monotonicMs();
    if (nowMs >= this.#sweepAtMs) this.#sweep(nowMs);
    const engine = this.#engine;
    const outbox = this.#outbox.splice(0);
    // where nothing may be written those who ask are not answered, and help themselves
    if (outbox.length === 0 || engine.refusal(true, false) !== null) return;
    engine.transact(engine.nowMs(this.#time.wallMs()), (tx) => {
      for (const { channel, text } of outbox) tx.publish(latin1Range(channel), latin1Range(text));
    });
  }

  #sweep(nowMs: number): void {
    this.#sweepAtMs = nowMs + SWEEP_MS;
    for (const lease of this.#granted.values()) if (lease.untilMs <= nowMs) this.#drop(lease);
    for (const map of [this.#held, this.#asked])
      for (const [key, { untilMs }] of map) if (untilMs <= nowMs) map.delete(key);
  }

  /** A message of a member, or of this node, on a channel of the product's own. Says whether it was one of these. */
  message(channel: ByteRange, message: ByteRange): boolean {
    const { nodeId } = this.#engine.node;
    const [to = '', ...rest] = message.toLatin1().split(END_OF_PART);
    const key = (parts: readonly string[]): string => parts.join(END_OF_PART);
    switch (channel.toLatin1()) {
      case ASK: {
        const [from = '', ms = '', ...name] = rest;
        if (to === nodeId) this.#asks(from, Number(ms), key(name));
        return true;
      }
      case GRANT:
      case HELD:
        if (to === nodeId) this.#answered(key(rest), channel.toLatin1() === GRANT);
        return true;
      case FREE: {
        const name = key(rest);
        if (this.#held.get(name)?.node === to) this.#held.delete(name);
        if (this.#asked.get(name)?.state === 'held') this.#asked.delete(name);
        this.#wakeOne(name);
        return true;
      }
      default:
        return false;
    }
  }

  #asks(from: string, ms: number, key: string): void {
    const nowMs = this.#time.monotonicMs();
    if (this.#isHeldByOther(key, from, nowMs)) return this.#say(HELD, from, key);
    // too many: whoever asked helps itself
    if (this.#held.size >= LEASES_MAX || this.#held.chars + key.length > LEASES_BYTES_MAX) return;
    this.#held.set(key, { node: from, untilMs: nowMs + ms });
    this.#say(GRANT, from, key);
  }

  #answered(key: string, isGranted: boolean): void {
    const asked = this.#asked.get(key);
    if (asked === undefined) return;
    asked.state = isGranted ? 'granted' : 'held';
    if (isGranted) this.#wakeOne(key);
  }
}
