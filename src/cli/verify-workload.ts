import type { OperationLevel } from '../verify/history.ts';
import type { RespValue } from './resp-client.ts';
import type { VerifyNode } from './verify-cluster.ts';
import type { Draws } from './verify-draws.ts';
import type { VerifyKeys } from './verify-keys.ts';
import type { Request, VerifySession } from './verify-session.ts';

/** New keys come into use this often, so that none has more operations than can be checked. */
const SLOT_MS = 5_000;
const REGISTERS = 5;
const CHAIN_REGISTERS = 3;
const CHAIN_WRITE_EVERY_MS = 60;
const STRONG_REGISTERS = 2;
const COUNTERS = 2;
/** How long keys live that expire. */
export const TTL_MS = 1_500;

/** What is written of keys that are not strong, whatever the level of the connection. */
const WRITTEN = 'causal';

/** What clients do: each is of one role for all of a chapter. */
const ROLES = ['chain', 'causal', 'strong', 'tally'] as const;
export type Role = (typeof ROLES)[number];

/** What a key of the run holds, by the letter in its name; what its clients do with it follows from that. */
export type Holding = 'register' | 'strong register' | 'counter' | 'strong counter' | 'member' | 'expiring';

/** A key that was used. */
export interface UsedKey {
  readonly holds: Holding;
  /** The key of the set that a member is of; the key itself otherwise. */
  readonly stored: string;
}

/** The clients of a chapter draw here what they do; it knows all keys that were used. */
export class Workload {
  readonly #keys: VerifyKeys;
  readonly #level: OperationLevel | null;
  readonly #nodes: readonly VerifyNode[];
  readonly #chapter: number;
  readonly #startedMs: number = performance.now();
  readonly #used: Map<string, UsedKey> = new Map();
  /** What a client read last of a strong register: what it expects there. */
  readonly #lastRead: Map<string, string | null> = new Map();
  /** Members of sets that were added, for others to remove. */
  #members: string[] = [];
  /** When a session of a chain wrote last. */
  readonly #lastLinkMs: WeakMap<VerifySession, number> = new WeakMap();
  #values = 0;

  constructor(keys: VerifyKeys, level: OperationLevel | null, nodes: readonly VerifyNode[], chapter: number) {
    this.#keys = keys;
    this.#level = level;
    this.#nodes = nodes;
    this.#chapter = chapter;
  }

  /** By the key of the history. */
  get used(): ReadonlyMap<string, UsedKey> {
    return this.#used;
  }

  /** The roles that these keys allow. */
  get roles(): readonly Role[] {
    return ROLES.filter((role) => (role === 'strong' ? this.#keys.strong.length > 0 : this.#keys.causal !== null));
  }

  /** One thing that a client of the role does. */
  async step(role: Role, session: VerifySession, draws: Draws): Promise<void> {
    if (role === 'chain') await this.#chainStep(session, draws);
    else if (role === 'causal') await this.#causalStep(session, draws);
    else if (role === 'strong') await this.#strongStep(session, draws);
    else await this.#tallyStep(session, draws);
  }

  /** Looks without a pause, and answers whatever is new with a write: so effects follow their causes as fast as they can. */
  async #chainStep(session: VerifySession, draws: Draws): Promise<void> {
    const level = this.#causalLevel;
    const keys = Array.from({ length: CHAIN_REGISTERS }, (_, at) => this.#causalKey('register', `q${at}`));
    const isNew = await session.readTogether(keys, level);
    const nowMs = performance.now();
    const mayWrite = nowMs - (this.#lastLinkMs.get(session) ?? 0) > CHAIN_WRITE_EVERY_MS;
    if (!mayWrite || !(isNew || draws.isOneIn(CHAIN_REGISTERS))) return;
    this.#lastLinkMs.set(session, nowMs);
    const key = draws.pick(keys);
    const value = this.#unique('q');
    await session.perform({ op: 'write', key, value, level: WRITTEN, args: ['SET', key, value] });
  }

  async #causalStep(session: VerifySession, draws: Draws): Promise<void> {
    const draw = draws.below(100);
    const isStrongToo = this.#keys.strong.length > 0;
    if (draw < 3) {
      await this.#move(session, draws, draw > 0 && this.#carriesReads);
    } else if (draw < 9 && isStrongToo) await session.perform(this.#strongWrite(draws, 'm'));
    else if (draw < 18 && isStrongToo) await session.perform(this.#strongRead(draws, 'm', draws.isOneIn(2)));
    else if (draw < 50) await this.#writeRegister(session, draws);
    else await this.#readRegisters(session);
  }

  /** With something written at the last moment, and looked for at once. */
  async #move(session: VerifySession, draws: Draws, hasToken: boolean): Promise<void> {
    const others = this.#nodes.filter((node) => node !== session.node);
    if (others.length === 0) return;
    await this.#writeRegister(session, draws);
    await session.move(draws.pick(others), hasToken);
    await this.#readRegisters(session);
  }

  async #writeRegister(session: VerifySession, draws: Draws): Promise<void> {
    const key = this.#causalKey('register', `r${draws.below(REGISTERS)}`);
    const value = this.#unique('v');
    await session.perform({ op: 'write', key, value, level: WRITTEN, args: ['SET', key, value] });
  }

  async #readRegisters(session: VerifySession): Promise<void> {
    const keys = Array.from({ length: REGISTERS }, (_, at) => this.#causalKey('register', `r${at}`));
    await session.readTogether(keys, this.#causalLevel);
  }

  async #strongStep(session: VerifySession, draws: Draws): Promise<void> {
    const draw = draws.below(100);
    if (draw < 35) {
      const request = this.#strongRead(draws, 's', false);
      const answer = await session.perform(request);
      if (answer?.ok === true) this.#lastRead.set(request.key, firstOf(answer.reply));
    } else if (draw < 55) await session.perform(this.#strongWrite(draws, 's'));
    else if (draw < 75) await this.#swap(session, draws);
    else if (draw < 79) {
      const key = this.#strongKey(draws, 's', 'strong register');
      await session.perform({ op: 'del', key, value: null, level: 'strong', args: ['DEL', key] });
    } else {
      const key = this.#strongKey(draws, 'n', 'strong counter');
      const value = String(1 + draws.below(9));
      const add = { op: 'incr', key, value, level: 'strong' } as const;
      if (draw < 88) await session.perform({ ...add, args: ['INCRBY', key, value] });
      // Asked again until there is an answer: it must have happened once.
      else await session.performOnce({ ...add, args: ['INCRBY', key, value] }, this.#unique('once'));
    }
  }

  async #swap(session: VerifySession, draws: Draws): Promise<void> {
    const key = this.#strongKey(draws, 's', 'strong register');
    const expected = this.#lastRead.get(key) ?? null;
    const value = this.#unique('w');
    const args = expected === null ? ['SET', key, value, 'NX'] : ['CW.CAS', key, expected, value];
    await session.perform({ op: 'cas', key, value, expected, level: 'strong', args });
  }

  async #tallyStep(session: VerifySession, draws: Draws): Promise<void> {
    const level = this.#causalLevel;
    const draw = draws.below(100);
    if (draw < 10) {
      const key = this.#causalKey('counter', `c${draws.below(COUNTERS)}`);
      await session.perform({ op: 'read', key, value: null, level, args: ['GET', key] });
    } else if (draw < 40) {
      const key = this.#causalKey('counter', `c${draws.below(COUNTERS)}`);
      const value = String(1 + draws.below(9));
      await session.perform({ op: 'incr', key, value, level: WRITTEN, args: ['INCRBY', key, value] });
    } else if (draw < 60) {
      const set = this.#name(this.#keys.causal ?? '', 'e0');
      const member = this.#unique('e');
      const key = `${set}/${member}`;
      this.#used.set(key, { holds: 'member', stored: set });
      await session.perform({ op: 'write', key, value: member, level: WRITTEN, args: ['SADD', set, member] });
      // The latest are enough to draw from.
      this.#members = [...this.#members.slice(-31), key];
    } else if (draw < 80) {
      if (this.#members.length > 0) await this.#lookAtMember(session, draws.pick(this.#members), draws);
    } else if (draw < 90) {
      const key = this.#causalKey('expiring', `x${draws.below(REGISTERS)}`);
      const value = this.#unique('x');
      const args = ['SET', key, value, 'PX', TTL_MS];
      await session.perform({ op: 'write', key, value, level: WRITTEN, args, ttlMs: TTL_MS });
    } else {
      const key = this.#causalKey('expiring', `x${draws.below(REGISTERS)}`);
      await session.perform({ op: 'read', key, value: null, level, args: ['GET', key] });
    }
  }

  /** Reads it, and now and then removes what it saw. */
  async #lookAtMember(session: VerifySession, key: string, draws: Draws): Promise<void> {
    const level = this.#causalLevel;
    const set = this.#used.get(key)?.stored ?? key;
    const member = key.slice(set.length + 1);
    const found = (reply: RespValue): string | null => (reply === 1 ? member : null);
    const answer = await session.perform({
      op: 'read',
      key,
      value: null,
      level,
      found,
      args: ['SISMEMBER', set, member],
    });
    if (answer?.reply !== 1 || draws.isOneIn(2)) return;
    await session.perform({ op: 'del', key, value: null, level: WRITTEN, args: ['SREM', set, member] });
  }

  #strongWrite(draws: Draws, letter: string): Request {
    const key = this.#strongKey(draws, letter, 'strong register');
    const value = this.#unique('w');
    return { op: 'write', key, value, level: 'strong', args: ['SET', key, value] };
  }

  #strongRead(draws: Draws, letter: string, isLocal: boolean): Request {
    const key = this.#strongKey(draws, letter, 'strong register');
    const level = isLocal ? 'session' : (this.#level ?? 'strong');
    return { op: 'read', key, value: null, level, found: firstOf, args: ['CW.GET', key, 'LEVEL', level] };
  }

  /** What reads of keys that are not strong get. */
  get #causalLevel(): OperationLevel {
    return this.#level === 'strong' ? 'session' : (this.#level ?? 'causal');
  }

  /** Whether a token holds what was read. */
  get #carriesReads(): boolean {
    return this.#level !== 'weak' && this.#level !== 'eventual';
  }

  #causalKey(holds: Holding, name: string): string {
    return this.#use(holds, this.#name(this.#keys.causal ?? '', name));
  }

  #strongKey(draws: Draws, letter: string, holds: Holding): string {
    const { prefix } = draws.pick(this.#keys.strong);
    return this.#use(holds, this.#name(prefix, `${letter}${draws.below(STRONG_REGISTERS)}`));
  }

  #use(holds: Holding, key: string): string {
    this.#used.set(key, { holds, stored: key });
    return key;
  }

  #name(prefix: string, name: string): string {
    const slot = Math.floor((performance.now() - this.#startedMs) / SLOT_MS);
    return `${prefix}${this.#chapter}.${slot}${name}`;
  }

  #unique(letter: string): string {
    this.#values++;
    return `${letter}${this.#chapter}.${this.#values}`;
  }
}

/** The value in a reply of CW.GET. */
export function firstOf(reply: RespValue): string | null {
  const value = Array.isArray(reply) ? (reply as readonly RespValue[])[0] : reply;
  return value === null || value === undefined ? null : String(value);
}
