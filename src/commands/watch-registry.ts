import type { ByteRange } from '../base/bytes.ts';
import type { Session } from './session.ts';

/**
 * Which sessions watch which keys. A change of a key, here or by another node, breaks the watches on it. A key that expires
 * meanwhile breaks them too, which EXEC finds out by the expiry that was noted when the watch began.
 */
export class WatchRegistry {
  readonly #watchers: Map<string, Set<Session>> = new Map();

  get keyCount(): number {
    return this.#watchers.size;
  }

  /** `expireAtMs` says how the key is now: its expiry, Infinity for none, NaN when there is no such key. */
  watch(session: Session, key: string, expireAtMs: number): void {
    if (session.watched.has(key)) return;
    session.watched.set(key, expireAtMs);
    const watchers = this.#watchers.get(key);
    if (watchers === undefined) this.#watchers.set(key, new Set([session]));
    else watchers.add(session);
  }

  /** Ends all watches of a session; whether they were broken is forgotten with them. */
  unwatchAll(session: Session): void {
    this.#leave(session);
    session.strongWatches.clear();
    session.watchBroken = false;
  }

  #leave(session: Session): void {
    for (const key of session.watched.keys()) {
      const watchers = this.#watchers.get(key);
      watchers?.delete(session);
      if (watchers?.size === 0) this.#watchers.delete(key);
    }
    session.watched.clear();
  }

  /** A key has changed. */
  touch(key: ByteRange): void {
    if (this.#watchers.size === 0) return;
    const watchers = this.#watchers.get(key.toLatin1());
    if (watchers === undefined) return;
    for (const session of [...watchers]) this.#break(session);
  }

  /** All keys are gone: those that were there when they were watched have changed, the others have not. */
  touchAll(): void {
    if (this.#watchers.size === 0) return;
    const touched = new Set<Session>();
    for (const watchers of this.#watchers.values()) for (const session of watchers) touched.add(session);
    for (const session of touched) {
      for (const expireAtMs of session.watched.values()) {
        if (Number.isNaN(expireAtMs)) continue;
        this.#break(session);
        break;
      }
    }
  }

  #break(session: Session): void {
    session.watchBroken = true;
    // Nothing more can happen to them until EXEC, DISCARD or UNWATCH.
    this.#leave(session);
  }

  /** Whether what the session watches is as it was, at a time. */
  holds(session: Session, nowMs: number): boolean {
    if (session.watchBroken) return false;
    for (const expireAtMs of session.watched.values()) if (expireAtMs <= nowMs) return false;
    return true;
  }
}
