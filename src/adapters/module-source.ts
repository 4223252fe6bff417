import { Worker } from 'node:worker_threads';
import { unlessAway, type KeySource, type SourceWrite, type StoreVerdict } from './key-source.ts';
import { ModuleFault } from './module-fault.ts';
import type { ModuleRole, SourceAsk, SourceThreadStart, SourceTold } from './source-worker.ts';

/** Keys that are given to `loadMany` at once. */
const KEYS_TOGETHER_MAX = 100;
/** How long a module has to be loaded. */
const START_MS_MAX = 10_000;
/** Loads that are over their time, with no word from the thread meanwhile, until it is ended and started again. */
const SILENT_MAX = 3;

interface Waiting {
  readonly key: Uint8Array;
  readonly resolve: (value: Uint8Array | null) => void;
  readonly reject: (error: Error) => void;
}

/** Something that the thread was asked. */
interface Asked {
  readonly told: (told: SourceTold) => void;
  readonly failed: (error: Error) => void;
}

/**
 * A module of the user's that loads and stores values, on a thread of its own: whatever it does, the node goes on. It is trusted code (SECURITY.md): the thread
 * keeps it from blocking, not from harm. One that no longer answers is ended and started again.
 */
export class ModuleSource implements KeySource {
  readonly #module: string;
  readonly #timeoutMs: number;
  readonly #role: ModuleRole;
  #thread: Worker | null;
  #collected: Waiting[] = [];
  readonly #asked: Map<number, Asked> = new Map();
  #nextId = 1;
  #silent = 0;
  #isClosed = false;

  readonly canStore: boolean;

  private constructor(module: string, timeoutMs: number, role: ModuleRole, { thread, stores }: Started) {
    this.#module = module;
    this.#role = role;
    this.#timeoutMs = timeoutMs;
    this.canStore = stores;
    this.#thread = thread;
    this.#listen(thread);
  }

  /** `module` is a file URL. Rejects with ModuleFault. */
  static async start(module: string, timeoutMs: number, role: ModuleRole = 'source'): Promise<ModuleSource> {
    return new ModuleSource(module, timeoutMs, role, await startThread(module, role));
  }

  load(key: Uint8Array): Promise<Uint8Array | null> {
    return new Promise((resolve, reject) => {
      if (this.#thread === null) {
        reject(new Error('the module did not answer and is being started again'));
        return;
      }
      this.#collected.push({ key, resolve, reject });
      // what comes in the same turn goes together
      if (this.#collected.length === 1) queueMicrotask(() => this.#send());
    });
  }

  #send(): void {
    const collected = this.#collected;
    this.#collected = [];
    for (let from = 0; from < collected.length; from += KEYS_TOGETHER_MAX)
      this.#ask(collected.slice(from, from + KEYS_TOGETHER_MAX));
  }

  #ask(waiting: readonly Waiting[]): void {
    this.#post((id) => ({ id, keys: waiting.map(({ key }) => key) }), {
      told: (told) => {
        if (!('values' in told)) return;
        for (const [at, { resolve }] of waiting.entries()) resolve(told.values[at] ?? null);
      },
      failed: (error) => {
        for (const { reject } of waiting) reject(error);
      },
    });
  }

  async storeMany(writes: readonly SourceWrite[]): Promise<readonly StoreVerdict[]> {
    if (this.#thread === null) throw new Error('the module did not answer and is being started again');
    const verdicts = await new Promise<readonly StoreVerdict[]>((resolve, reject) => {
      this.#post((id) => ({ id, writes }), {
        told: (told) => {
          if ('verdicts' in told) resolve(told.verdicts);
        },
        failed: reject,
      });
    });
    return unlessAway(verdicts);
  }

  #post(ask: (id: number) => SourceAsk, asked: Asked): void {
    const id = this.#nextId++;
    this.#asked.set(id, asked);
    this.#thread?.postMessage(ask(id));
    const timer = setTimeout(() => this.#late(id), this.#timeoutMs);
    timer.unref();
  }

  #late(id: number): void {
    const asked = this.#asked.get(id);
    if (asked === undefined) return;
    this.#asked.delete(id);
    asked.failed(new Error(`the module did not answer within ${this.#timeoutMs} ms`));
    if (++this.#silent >= SILENT_MAX) this.#restart();
  }

  #listen(thread: Worker): void {
    thread.on('message', (told: SourceTold) => {
      this.#silent = 0;
      const asked = this.#asked.get(told.id);
      this.#asked.delete(told.id);
      if ('error' in told) asked?.failed(new Error(told.error));
      else asked?.told(told);
    });
    thread.on('error', () => undefined);
    thread.on('exit', () => {
      if (thread === this.#thread) this.#restart();
    });
    thread.unref();
  }

  #restart(): void {
    const thread = this.#thread;
    this.#thread = null;
    this.#silent = 0;
    void thread?.terminate();
    for (const { failed } of this.#asked.values()) failed(new Error('the thread of the module ended'));
    this.#asked.clear();
    if (this.#isClosed) return;
    startThread(this.#module, this.#role).then(
      ({ thread: started }) => {
        if (this.#isClosed) {
          void started.terminate();
          return;
        }
        this.#thread = started;
        this.#listen(started);
      },
      // its loads fail until it can be started
      () => {
        const timer = setTimeout(() => this.#restart(), this.#timeoutMs);
        timer.unref();
      },
    );
  }

  close(): void {
    this.#isClosed = true;
    const thread = this.#thread;
    this.#thread = null;
    void thread?.terminate();
  }
}

interface Started {
  readonly thread: Worker;
  readonly stores: boolean;
}

/** Fulfilled once the module is loaded. Rejects with ModuleFault. */
async function startThread(module: string, role: ModuleRole): Promise<Started> {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  const workerData: SourceThreadStart = { module, role };
  const worker = new Worker(new URL(`./source-worker.${extension}`, import.meta.url), { workerData, execArgv: [] });
  let stores = false;
  try {
    const told = await new Promise<SourceTold>((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new ModuleFault(`is not loaded after ${START_MS_MAX} ms`, null)),
        START_MS_MAX,
      );
      worker.once('message', (first: SourceTold) => {
        clearTimeout(timer);
        resolve(first);
      });
      worker.once('error', reject);
      worker.once('exit', (code) => reject(new ModuleFault(`its thread ended with ${code}`, null)));
    });
    if ('error' in told) throw new ModuleFault(told.error, null);
    stores = 'stores' in told && told.stores;
  } catch (error) {
    await worker.terminate();
    throw error;
  }
  // not those of `message`: without any its port is closed
  worker.removeAllListeners('error');
  worker.removeAllListeners('exit');
  return { thread: worker, stores };
}
