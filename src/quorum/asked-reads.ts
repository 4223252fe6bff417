interface AskedRead {
  readonly id: number;
  readonly askedMs: number;
}

/** Reads that this node asked a leader for. Their numbers are never used twice, so that no old answer fits a new question. */
export class AskedReads {
  #nextSerial: number;
  readonly #asked: Map<number, AskedRead> = new Map();

  /** Begins at a random number: an answer to an earlier life of this node must not fit. */
  constructor(random: () => number) {
    this.#nextSerial = Math.floor(random() * 2 ** 48);
  }

  get size(): number {
    return this.#asked.size;
  }

  /** The number to ask with. */
  ask(id: number, nowMs: number): number {
    const serial = this.#nextSerial;
    this.#nextSerial += 1;
    this.#asked.set(serial, { id, askedMs: nowMs });
    return serial;
  }

  /** The read that `serial` was given to; null where it was answered or given up. */
  take(serial: number): number | null {
    const asked = this.#asked.get(serial);
    this.#asked.delete(serial);
    return asked?.id ?? null;
  }

  /** Reads asked at `beforeMs` or before are given up. */
  expire(beforeMs: number): number[] {
    const expired: number[] = [];
    for (const [serial, { id, askedMs }] of this.#asked) {
      if (askedMs > beforeMs) break;
      this.#asked.delete(serial);
      expired.push(id);
    }
    return expired;
  }

  /** When the oldest was asked; Infinity for none. */
  get oldestMs(): number {
    for (const { askedMs } of this.#asked.values()) return askedMs;
    return Infinity;
  }
}
