import { ERROR_CODES_MAX } from '../base/client-limits.ts';
import { SampledLookups } from './class-figures.ts';

/** Figures that INFO and the metrics show. CONFIG RESETSTAT sets them to zero. */
export class ServerStats {
  connectionsReceived = 0;
  connectionsRejected = 0;
  commandsProcessed = 0;
  keyspaceHits = 0;
  keyspaceMisses = 0;
  netInputBytes = 0;
  netOutputBytes = 0;
  queryBufferDisconnections = 0;
  outputBufferDisconnections = 0;
  errorReplies = 0;
  readonly lookups: SampledLookups = new SampledLookups();
  /** Expired keys that the engine had counted when the figures were reset. */
  expiredKeysAtReset = 0;
  /** Error replies by code. */
  readonly #errors: Map<string, number> = new Map();
  #rateStartMs = 0;
  #rateCommands = 0;
  #opsPerSecond = 0;

  countError(code: string): void {
    this.errorReplies++;
    const known = this.#errors.has(code) || this.#errors.size < ERROR_CODES_MAX;
    const name = known ? code : 'OTHER';
    this.#errors.set(name, (this.#errors.get(name) ?? 0) + 1);
  }

  errors(): IterableIterator<[code: string, count: number]> {
    return this.#errors.entries();
  }

  /** Looks at the rate; to be called about once a second on the monotonic clock. */
  sampleRate(monotonicMs: number): void {
    const elapsedMs = monotonicMs - this.#rateStartMs;
    if (elapsedMs <= 0) return;
    this.#opsPerSecond = ((this.commandsProcessed - this.#rateCommands) * 1000) / elapsedMs;
    this.#rateStartMs = monotonicMs;
    this.#rateCommands = this.commandsProcessed;
  }

  /** Commands a second between the last two samples. */
  get opsPerSecond(): number {
    return this.#opsPerSecond;
  }

  reset(expiredKeys: number): void {
    this.connectionsReceived = 0;
    this.connectionsRejected = 0;
    this.commandsProcessed = 0;
    this.keyspaceHits = 0;
    this.keyspaceMisses = 0;
    this.netInputBytes = 0;
    this.netOutputBytes = 0;
    this.queryBufferDisconnections = 0;
    this.outputBufferDisconnections = 0;
    this.errorReplies = 0;
    this.expiredKeysAtReset = expiredKeys;
    this.lookups.reset();
    this.#errors.clear();
    this.#rateCommands = 0;
  }
}
