import { setTimeout as delay } from 'node:timers/promises';
import type { OperationLevel } from '../verify/history.ts';
import type { RespValue } from './resp-client.ts';
import type { VerifyNode } from './verify-cluster.ts';
import type { Draws } from './verify-draws.ts';
import type { Request, VerifySession } from './verify-session.ts';
import type { StrongWork } from './verify-strong-work.ts';
import type { WorkContext } from './verify-workload.ts';

const REGISTERS = 5;
const CHAIN_REGISTERS = 3;
const CHAIN_WRITE_EVERY_MS = 60;
/** Registers that are removed now and then. */
const REMOVED_REGISTERS = 2;
const COUNTERS = 2;
/** How long keys live that expire. */
export const TTL_MS = 1_500;
/** Of others: they must not be gone before a chapter is over. */
const LONG_TTL_MS = 600_000;
/** What has been written is elsewhere by then, mostly. */
const SPREAD_MS = 300;
/** The latest are enough to draw from. */
const MEMBERS_KEPT = 32;

/** What is written of keys that are not strong, whatever the level of the connection. */
const WRITTEN = 'causal';

/** What clients do with causal keys. */
export class CausalWork {
  readonly #context: WorkContext;
  readonly #strong: StrongWork;
  /** Members of sets that were added, with their sets, for others to remove. */
  #members: { readonly key: string; readonly set: string; readonly member: string }[] = [];
  /** When a session of a chain wrote last. */
  readonly #lastLinkMs: WeakMap<VerifySession, number> = new WeakMap();

  constructor(context: WorkContext, strong: StrongWork) {
    this.#context = context;
    this.#strong = strong;
  }

  /** Looks without a pause, and answers whatever is new with a write: so effects follow their causes as fast as they can. */
  async chainStep(session: VerifySession, draws: Draws): Promise<void> {
    const { causalLevel, keys } = this.#context;
    const links = Array.from({ length: CHAIN_REGISTERS }, (_, at) => keys.causal('register', `q${at}`));
    const isNew = await session.readTogether(links, causalLevel);
    const nowMs = performance.now();
    const mayWrite = nowMs - (this.#lastLinkMs.get(session) ?? 0) > CHAIN_WRITE_EVERY_MS;
    if (!mayWrite || !(isNew || draws.isOneIn(CHAIN_REGISTERS))) return;
    this.#lastLinkMs.set(session, nowMs);
    await this.#write(session, draws.pick(links), 'q');
  }

  async step(session: VerifySession, draws: Draws): Promise<void> {
    const { causalLevel: level, keys } = this.#context;
    const draw = draws.below(100);
    const isStrongToo = keys.hasStrong;
    if (draw < 3) await this.#move(session, draws, draw > 0 && this.#context.carriesReads);
    else if (draw < 9 && isStrongToo) await session.perform(this.#strong.write(draws, 'm'));
    else if (draw < 18 && isStrongToo) await session.perform(this.#strong.read(draws, 'm', draws.isOneIn(2)));
    else if (draw < 26) await this.#removedRegister(session, draws);
    else if (draw < 34)
      await session.perform(pairRequest(keys.pair('p'), draws.isOneIn(3) ? keys.unique('p') : null, level));
    else if (draw < 60) await this.#writeRegister(session, draws);
    else await this.#readRegisters(session);
  }

  async tallyStep(session: VerifySession, draws: Draws): Promise<void> {
    const { causalLevel: level, keys } = this.#context;
    const draw = draws.below(100);
    if (draw < 40) {
      const key = keys.causal('counter', `c${draws.below(COUNTERS)}`);
      if (draw < 10) {
        await session.perform({ op: 'read', key, value: null, level, args: ['GET', key] });
        return;
      }
      const value = String(1 + draws.below(9));
      await session.perform({ op: 'incr', key, value, level: WRITTEN, args: ['INCRBY', key, value] });
    } else if (draw < 60) {
      const set = keys.set('e0');
      const member = keys.unique('e');
      const key = keys.member(set, member);
      await session.perform({ op: 'write', key, value: member, level: WRITTEN, args: ['SADD', set, member] });
      this.#members = [...this.#members.slice(1 - MEMBERS_KEPT), { key, set, member }];
    } else if (draw < 80) {
      if (this.#members.length > 0) await this.#lookAtMember(session, draws.pick(this.#members), draws);
    } else {
      const at = draws.below(REGISTERS);
      const key = keys.causal('expiring', `x${at}`);
      if (draw < 90) {
        const value = keys.unique('x');
        const ttlMs = at % 2 === 0 ? TTL_MS : LONG_TTL_MS;
        await session.perform({
          op: 'write',
          key,
          value,
          level: WRITTEN,
          args: ['SET', key, value, 'PX', ttlMs],
          ttlMs,
        });
      } else await session.perform({ op: 'read', key, value: null, level, args: ['GET', key] });
    }
  }

  /** With something written at the last moment, and looked for at once. */
  async #move(session: VerifySession, draws: Draws, hasToken: boolean): Promise<void> {
    const others = this.#context.nodes.filter((node) => node !== session.node);
    if (others.length === 0) return;
    const to = draws.pick(others);
    if (draws.isOneIn(3)) return this.#moveFromRemoved(session, draws, to, hasToken);
    await this.#writeRegister(session, draws);
    await session.move(to, hasToken);
    await this.#readRegisters(session);
  }

  /** With something that the session has seen, and seen gone by somebody else's doing, just before: it must not see it again. */
  async #moveFromRemoved(session: VerifySession, draws: Draws, to: VerifyNode, hasToken: boolean): Promise<void> {
    const { causalLevel: level, keys } = this.#context;
    const key = keys.freshRegister('y');
    const read: Request = { op: 'read', key, value: null, level, args: ['GET', key] };
    await this.#write(session, key, 'y');
    await delay(draws.between(SPREAD_MS / 2, SPREAD_MS));
    const other = session.another();
    await other.perform({ op: 'del', key, value: null, level: WRITTEN, args: ['DEL', key] });
    other.close();
    await session.perform(read);
    await session.move(to, hasToken);
    await session.perform(read);
  }

  async #writeRegister(session: VerifySession, draws: Draws): Promise<void> {
    await this.#write(session, this.#context.keys.causal('register', `r${draws.below(REGISTERS)}`), 'v');
  }

  async #readRegisters(session: VerifySession): Promise<void> {
    const { causalLevel, keys } = this.#context;
    const registers = Array.from({ length: REGISTERS }, (_, at) => keys.causal('register', `r${at}`));
    await session.readTogether(registers, causalLevel);
  }

  /** Written, read or removed, with a removal on its way as often as a write. */
  async #removedRegister(session: VerifySession, draws: Draws): Promise<void> {
    const { causalLevel: level, keys } = this.#context;
    const key = keys.causal('register', `d${draws.below(REMOVED_REGISTERS)}`);
    const draw = draws.below(10);
    if (draw < 4) await this.#write(session, key, 'd');
    else if (draw < 7) await session.perform({ op: 'del', key, value: null, level: WRITTEN, args: ['DEL', key] });
    else await session.perform({ op: 'read', key, value: null, level, args: ['GET', key] });
  }

  async #write(session: VerifySession, key: string, letter: string): Promise<void> {
    const value = this.#context.keys.unique(letter);
    await session.perform({ op: 'write', key, value, level: WRITTEN, args: ['SET', key, value] });
  }

  /** Reads it, and now and then removes what it saw. */
  async #lookAtMember(
    session: VerifySession,
    { key, set, member }: { readonly key: string; readonly set: string; readonly member: string },
    draws: Draws,
  ): Promise<void> {
    const found = (reply: RespValue): string | null => (reply === 1 ? member : null);
    const args = ['SISMEMBER', set, member];
    const answer = await session.perform({
      op: 'read',
      key,
      value: null,
      level: this.#context.causalLevel,
      found,
      args,
    });
    if (answer?.reply !== 1 || draws.isOneIn(2)) return;
    await session.perform({ op: 'del', key, value: null, level: WRITTEN, args: ['SREM', set, member] });
  }
}

/** Two keys that hold the same, as one register of the history: both are written at once, or read at once where there is no value. */
export function pairRequest(pair: readonly [string, string], value: string | null, level: OperationLevel): Request {
  const [key, other] = pair;
  if (value === null) return { op: 'read', key, value, level, found: wholeOf, args: ['MGET', key, other] };
  const written = level === 'strong' ? 'strong' : WRITTEN;
  return { op: 'write', key, value, level: written, args: ['MSET', key, value, other, value] };
}

/** What both show; a text that nobody wrote where they differ, for then half of a write was seen. */
function wholeOf(reply: RespValue): string | null {
  const [one, other] = (Array.isArray(reply) ? (reply as readonly RespValue[]) : []).map((part) =>
    part === null ? null : String(part),
  );
  return one === other ? (one ?? null) : `half of a write: ${one ?? 'nothing'} and ${other ?? 'nothing'}`;
}
