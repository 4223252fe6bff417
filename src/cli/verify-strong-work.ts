import { setTimeout as delay } from 'node:timers/promises';
import type { OperationLevel } from '../verify/history.ts';
import type { RespValue } from './resp-client.ts';
import type { Draws } from './verify-draws.ts';
import type { Request, VerifySession } from './verify-session.ts';
import { pairRequest } from './verify-causal-work.ts';
import type { WorkContext } from './verify-workload.ts';

const REGISTERS = 2;
/** Causal registers that are written just before strong ones. */
const LINK_REGISTERS = 3;
const LINK_WRITE_EVERY_MS = 150;
/** Between what is watched and what is made of it: others must have time to write. */
const WATCH_MS_MAX = 60;

/** What clients do with strong keys. */
export class StrongWork {
  readonly #context: WorkContext;
  /** What a client read last of a strong register: what it expects there. */
  readonly #lastRead: Map<string, string | null> = new Map();
  /** When a session wrote a cause and its effect last. */
  readonly #lastLinkMs: WeakMap<VerifySession, number> = new WeakMap();

  constructor(context: WorkContext) {
    this.#context = context;
  }

  async step(session: VerifySession, draws: Draws): Promise<void> {
    const draw = draws.below(100);
    if (draw < 6) {
      const isWrite = draws.isOneIn(3);
      const level = isWrite ? 'strong' : this.#context.strongLevel;
      const { keys } = this.#context;
      await session.perform(pairRequest(keys.strongPair('p', draws), isWrite ? keys.unique('p') : null, level));
    } else if (draw < 36) {
      const request = this.read(draws, 's', false);
      const answer = await session.perform(request);
      if (answer?.ok === true) this.#lastRead.set(request.key, firstOf(answer.reply));
    } else if (draw < 52) await session.perform(this.write(draws, 's'));
    else if (draw < 67) await this.#swap(session, draws);
    else if (draw < 75) await this.#swapWatched(session, draws);
    else if (draw < 79) {
      const key = this.#register(draws, 's');
      await session.perform({ op: 'del', key, value: null, level: 'strong', args: ['DEL', key] });
    } else {
      const key = this.#context.keys.strong('strong counter', `n${draws.below(REGISTERS)}`, draws);
      const value = String(1 + draws.below(9));
      const add = { op: 'incr', key, value, level: 'strong', args: ['INCRBY', key, value] } as const;
      if (draw < 90) await session.perform(add);
      // Asked again until there is an answer, at any node: it must have happened once.
      else
        await session.performOnce(
          add,
          this.#context.keys.requestId(),
          draws.shuffled(this.#context.nodes),
          draws.isOneIn(3),
        );
    }
  }

  /** Effects on strong keys right behind their causes on others, and looks at both in one go, so that nothing has time to arrive between. */
  async linkStep(session: VerifySession, draws: Draws): Promise<void> {
    const { causalLevel, keys } = this.#context;
    const nowMs = performance.now();
    const mayWrite = nowMs - (this.#lastLinkMs.get(session) ?? 0) > LINK_WRITE_EVERY_MS;
    const links = Array.from({ length: LINK_REGISTERS }, (_, at) => keys.causal('register', `l${at}`));
    if (mayWrite) this.#lastLinkMs.set(session, nowMs);
    if (mayWrite && draws.isOneIn(4)) await session.performAll([this.write(draws, 'q'), this.read(draws, 'q', true)]);
    else if (mayWrite) {
      const key = draws.pick(links);
      const value = keys.unique('l');
      const cause: Request = { op: 'write', key, value, level: 'causal', args: ['SET', key, value] };
      await session.performAll([cause, this.write(draws, 'q')]);
    } else await session.readTogether(links, causalLevel, this.read(draws, 'q', draws.isOneIn(2)));
  }

  write(draws: Draws, letter: string): Request {
    const key = this.#register(draws, letter);
    const value = this.#context.keys.unique('w');
    return { op: 'write', key, value, level: 'strong', args: ['SET', key, value] };
  }

  /** Of the copy on the node where `isLocal`. */
  read(draws: Draws, letter: string, isLocal: boolean): Request {
    return this.#readAt(this.#register(draws, letter), isLocal ? 'session' : this.#context.strongLevel);
  }

  #readAt(key: string, level: OperationLevel): Request {
    return { op: 'read', key, value: null, level, found: firstOf, args: ['CW.GET', key, 'LEVEL', level] };
  }

  async #swap(session: VerifySession, draws: Draws): Promise<void> {
    const key = this.#register(draws, 's');
    const expected = this.#lastRead.get(key) ?? null;
    const value = this.#context.keys.unique('w');
    const args = expected === null ? ['SET', key, value, 'NX'] : ['CW.CAS', key, expected, value];
    await session.perform({ op: 'cas', key, value, expected, level: 'strong', args });
  }

  /** WATCH, a look, and a write that only counts where nobody has written since. */
  async #swapWatched(session: VerifySession, draws: Draws): Promise<void> {
    const key = this.#register(draws, 's');
    const value = this.#context.keys.unique('w');
    await session.watching(key, async (exec) => {
      const answer = await session.perform(this.#readAt(key, this.#context.strongLevel));
      if (answer?.ok !== true) return;
      await delay(draws.between(0, WATCH_MS_MAX));
      const expected = firstOf(answer.reply);
      await exec({ op: 'cas', key, value, expected, level: 'strong', args: ['SET', key, value] });
    });
  }

  #register(draws: Draws, letter: string): string {
    return this.#context.keys.strong('strong register', `${letter}${draws.below(REGISTERS)}`, draws);
  }
}

/** The value in a reply of CW.GET. */
export function firstOf(reply: RespValue): string | null {
  const value = Array.isArray(reply) ? (reply as readonly RespValue[])[0] : reply;
  return value === null || value === undefined ? null : String(value);
}
