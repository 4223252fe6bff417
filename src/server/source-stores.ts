import type { Log } from '../adapters/pino-log.ts';
import { systemClock } from '../adapters/system-clock.ts';
import { latin1Bytes } from '../base/bytes.ts';
import type { ServerState } from '../commands/server-state.ts';
import { SourceWrites } from '../commands/source-writes.ts';
import type { StoreTask } from '../commands/unstored-keys.ts';
import type { Entropy } from '../ports.ts';
import type { Sources } from './sources.ts';

export interface SourceStoresOptions {
  readonly sources: Sources;
  readonly state: ServerState;
  readonly entropy: Entropy;
  readonly log: Log;
  /** Something was written: the node is to be flushed. */
  readonly touched: () => void;
  /** Does work as a turn of the server's own. */
  readonly guarded: (work: () => void) => void;
}

/** Writes that a source will never take are logged so often at most. */
const TOLD_EVERY_MS = 1_000;

/** Drives what is written to sources: begins what is due, and says when it has ended. */
export class SourceStores {
  readonly #options: SourceStoresOptions;
  readonly #writes: SourceWrites;
  #timer: NodeJS.Timeout | null = null;
  #isStarted = false;
  #isClosed = false;
  #toldAtMs = -Infinity;
  #whenEnded: (() => void) | null = null;

  constructor(options: SourceStoresOptions) {
    const { state, sources, entropy, touched } = options;
    this.#options = options;
    this.#writes = new SourceWrites({
      engine: state.engine,
      wallMs: () => systemClock.wallMs(),
      monotonicMs: () => systemClock.monotonicMs(),
      unit: () => entropy.unit(),
      touched,
    });
    state.engine.writes.listener = this.#writes;
    state.sourceWrites = this.#writes;
    state.isSourceLeftAlone = (rule) => sources.isLeftAlone(rule);
  }

  /** Goes on with what an earlier life of this node did not get stored: once its keys are here. */
  start(): void {
    this.#isStarted = true;
    this.#options.guarded(() => this.#writes.start());
    this.#look();
  }

  turnEnded(): void {
    if (!this.#writes.isActive && this.#writes.size === 0) return;
    this.#writes.turnEnded();
    this.#look();
  }

  #look(): void {
    if (!this.#isStarted || this.#isClosed) return;
    for (let task = this.#writes.next(); task !== null; task = this.#writes.next()) this.#store(task);
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    const dueMs = this.#writes.dueInMs();
    if (dueMs === Infinity) return;
    this.#timer = setTimeout(() => this.#options.guarded(() => this.#look()), dueMs);
    this.#timer.unref();
  }

  #store(task: StoreTask): void {
    const { sources, guarded, log } = this.#options;
    const writes = task.entries.map(({ entry: { key }, content: { value, version } }) => {
      return { key: latin1Bytes(key), value, version };
    });
    void sources.store(task.rule, writes).then((ends) => {
      guarded(() => {
        this.#writes.ended(task, ends);
        const refused = ends.find(({ kind }) => kind === 'refused');
        const nowMs = systemClock.monotonicMs();
        if (refused?.kind === 'refused' && nowMs - this.#toldAtMs >= TOLD_EVERY_MS) {
          this.#toldAtMs = nowMs;
          log.error('a source refused a write; its key is loaded anew', { reason: refused.reason });
        }
        this.#look();
      });
      this.#whenEnded?.();
    });
  }

  /** Stores what waits, as far as that is done in time; says in the log how many keys are left. */
  async close(withinMs: number): Promise<void> {
    const untilMs = systemClock.monotonicMs() + withinMs;
    for (;;) {
      const leftMs = untilMs - systemClock.monotonicMs();
      if (this.#writes.size === 0 || leftMs <= 0) break;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, Math.min(leftMs, LOOK_MS));
        this.#whenEnded = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    this.#isClosed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    const left = this.#writes.size;
    if (left > 0)
      this.#options.log.error('writes are left that their sources did not take', {
        keys: left,
        durable: this.#writes.durableCount,
      });
  }
}

/** How often a stop looks whether all is stored, beside when something was. */
const LOOK_MS = 50;
