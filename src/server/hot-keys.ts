import { canBeListed } from '../adapters/key-list-file.ts';
import { ByteRange } from '../base/bytes.ts';
import type { KeyspaceReader } from '../keyspace/keyspace.ts';

/** Slots that are looked at in a step: about a millisecond. */
const SLOTS_A_STEP = 10_000;
/** The most that is recorded. */
const HOT_KEYS_MAX = 50_000;
const HOT_BYTES_MAX: number = 8 * 1024 * 1024;
/** What was used less of late is not hot, but what was hot before may be used once: after a start nothing has been used more. */
const HOT_USES = 2;
/** How often it was used is not told apart beyond this. */
const MOST_USES = 3;
/** What was not used for so long is not hot. */
const HOT_IDLE_SECONDS = 3_600;

/** Finds the keys that were used most of late, a part of the keyspace a step. */
export class HotKeys {
  readonly #keys: KeyspaceReader;
  readonly #key: ByteRange = new ByteRange();
  #cursor = 0;
  #most: Uint8Array[] = [];
  #others: Uint8Array[] = [];
  #bytes = 0;
  /** What was found in the round before, latin1. */
  #before: ReadonlySet<string> = new Set();

  constructor(keys: KeyspaceReader) {
    this.#keys = keys;
  }

  /** What was found by the node that ran before. */
  began(keys: readonly Uint8Array[]): void {
    this.#before = new Set(keys.map((key) => new ByteRange(key).toLatin1()));
  }

  /** Looks at some more; the keys, the most used first, when it has been round, else null. */
  step(nowMs: number): readonly Uint8Array[] | null {
    this.#cursor = this.#keys.scan(this.#cursor, SLOTS_A_STEP, nowMs, (slot) => this.#visit(slot));
    if (this.#cursor !== 0) return null;
    const found = [...this.#most, ...this.#others];
    this.#most = [];
    this.#others = [];
    this.#bytes = 0;
    this.began(found);
    return found;
  }

  #visit(slot: number): void {
    const { access } = this.#keys;
    const uses = access.uses(slot);
    if (uses === 0 || access.idleSeconds(slot) > HOT_IDLE_SECONDS) return;
    if (this.#most.length + this.#others.length >= HOT_KEYS_MAX) return;
    this.#keys.keyInto(slot, this.#key);
    if (this.#bytes + this.#key.length > HOT_BYTES_MAX) return;
    if (uses < HOT_USES && !this.#before.has(this.#key.toLatin1())) return;
    const key = this.#key.toBytes();
    if (!canBeListed(key)) return;
    this.#bytes += key.length;
    (uses >= MOST_USES ? this.#most : this.#others).push(key);
  }
}
