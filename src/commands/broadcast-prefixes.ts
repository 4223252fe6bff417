import { PrefixTable } from '../base/prefix-table.ts';
import type { Session } from './session.ts';

/** Keys of one prefix that changed in a turn and are told each; more are told as all of them. */
const CHANGED_KEYS_MAX = 65_536;

interface Prefix {
  readonly sessions: Set<Session>;
  /** What changed in this turn, with who changed it last; null for nobody of this node's clients. */
  readonly changed: Map<string, Session | null>;
  isOverflown: boolean;
}

/** Prefixes of keys whose every change is told to whoever asked for it (CLIENT TRACKING … BCAST), once a turn. */
export class BroadcastPrefixes {
  readonly #prefixes: PrefixTable<Prefix> = new PrefixTable();
  readonly #changed: Set<Prefix> = new Set();

  get size(): number {
    return this.#prefixes.size;
  }

  /** Whether something is to be told. */
  get isChanged(): boolean {
    return this.#changed.size > 0;
  }

  add(text: string, session: Session): void {
    let prefix = this.#prefixes.get(text);
    if (prefix === undefined) {
      prefix = { sessions: new Set(), changed: new Map(), isOverflown: false };
      this.#prefixes.set(text, prefix);
    }
    prefix.sessions.add(session);
  }

  remove(text: string, session: Session): void {
    const prefix = this.#prefixes.get(text);
    if (prefix === undefined || !prefix.sessions.delete(session) || prefix.sessions.size > 0) return;
    this.#prefixes.delete(text);
    this.#changed.delete(prefix);
  }

  note(key: string, writer: Session | null): void {
    this.#prefixes.each(key, (prefix) => {
      this.#changed.add(prefix);
      if (prefix.changed.size < CHANGED_KEYS_MAX || prefix.changed.has(key)) prefix.changed.set(key, writer);
      else prefix.isOverflown = true;
    });
  }

  /** Hands out what changed, prefix by prefix: keys, null for all of them. A session that wants none of its own changes is not told of those. */
  take(tell: (session: Session, keys: readonly string[] | null) => void): void {
    for (const prefix of this.#changed) {
      const changed = [...prefix.changed];
      const keys = prefix.isOverflown ? null : changed.map(([key]) => key);
      prefix.changed.clear();
      prefix.isOverflown = false;
      for (const session of [...prefix.sessions]) {
        const isNoLoop = keys !== null && session.tracking?.isNoLoop === true;
        const wanted = isNoLoop ? changed.flatMap(([key, writer]) => (writer === session ? [] : [key])) : keys;
        if (wanted === null || wanted.length > 0) tell(session, wanted);
      }
    }
    this.#changed.clear();
  }
}
