import { quantile } from './support/figures.ts';
import { encode, LoadConnection } from './support/load-connection.ts';

/** A connection that has one write under way at a time. */
export interface Writer {
  /** Writes, and calls back when the server says that it is done. Throws on any other answer. */
  put(key: string, value: string, done: () => void): void;
  close(): void;
}

/** What a round of writes came to. */
export interface Round {
  readonly writes: number;
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** CPU time of this process, the client, a write. */
  readonly clientCpuUs: number;
}

const OK = '+OK\r\n';
const KEYS_PER_WRITER = 100;

/** SET over RESP. */
export async function respWriter(address: string): Promise<Writer> {
  const connection = await LoadConnection.open(address);
  let received = '';
  let waiting: (() => void) | null = null;
  connection.onData((bytes) => {
    received += bytes.toString('latin1');
    if (received.length < OK.length) return;
    if (received !== OK) throw new Error(`a SET was answered ${received}`);
    received = '';
    waiting?.();
  });
  return {
    put(key, value, done) {
      waiting = done;
      connection.send(encode(['SET', key, value]));
    },
    close: () => connection.close(),
  };
}

/** Keys that a set of writers overwrites, a hundred each, and which write of each was acknowledged last. */
export class WrittenKeys {
  readonly prefix: string;
  readonly #valueBytes: number;
  readonly #acknowledged: Map<string, string> = new Map();
  #serial = 0;

  constructor(prefix: string, valueBytes: number) {
    this.prefix = prefix;
    this.#valueBytes = valueBytes;
  }

  /** Every writer writes, waits, and writes again, for so many milliseconds. */
  async run(writers: readonly Writer[], forMs: number): Promise<Round> {
    const latenciesMs: number[] = [];
    const cpuAtStart = process.cpuUsage();
    const startedMs = performance.now();
    await Promise.all(
      writers.map(async (writer, at) => await this.#overwrite(writer, at, startedMs + forMs, latenciesMs)),
    );
    const seconds = (performance.now() - startedMs) / 1_000;
    const { user, system } = process.cpuUsage(cpuAtStart);
    const writes = latenciesMs.length;
    return {
      writes,
      perSecond: writes / seconds,
      p50Ms: quantile(latenciesMs, 0.5),
      p99Ms: quantile(latenciesMs, 0.99),
      clientCpuUs: (user + system) / writes,
    };
  }

  async #overwrite(writer: Writer, at: number, endMs: number, latenciesMs: number[]): Promise<void> {
    await new Promise<void>((resolve) => {
      const next = (): void => {
        const serial = ++this.#serial;
        const key = `${this.prefix}${at}:${serial % KEYS_PER_WRITER}`;
        const value = String(serial).padEnd(this.#valueBytes, '.');
        const sentMs = performance.now();
        writer.put(key, value, () => {
          const nowMs = performance.now();
          latenciesMs.push(nowMs - sentMs);
          this.#acknowledged.set(key, value);
          if (nowMs < endMs) next();
          else resolve();
        });
      };
      next();
    });
  }

  /** Keys that do not have the value that was acknowledged last. */
  missing(read: ReadonlyMap<string, string>): number {
    let missing = 0;
    for (const [key, value] of this.#acknowledged) if (read.get(key) !== value) missing++;
    return missing;
  }

  get keys(): readonly string[] {
    return [...this.#acknowledged.keys()];
  }
}
