import { MessageChannel, receiveMessageOnPort, Worker, type MessagePort } from 'node:worker_threads';
import { ResolverFailure } from '../classes/resolver.ts';
import { ModuleFault } from './module-fault.ts';
import type { ThreadAnswer, ThreadStart } from './module-worker.ts';

/** The node waits for no run longer than this: for code that stays inside one built-in function, where no step is counted. */
const WAIT_MS_MAX = 2_000;

/**
 * A module's sandbox on a thread of its own, so that it can be ended from outside whatever it does; the caller waits for it. A thread that was ended
 * is started again, and until it has loaded the module its runs fail.
 */
export class ModuleThread {
  readonly #code: string;
  readonly #name: string;
  #running: RunningThread | null;
  #isClosed = false;

  private constructor(code: string, name: string, running: RunningThread) {
    this.#code = code;
    this.#name = name;
    this.#running = running;
  }

  /** Throws ModuleFault. */
  static async start(code: string, name: string): Promise<ModuleThread> {
    return new ModuleThread(code, name, await startThread(code, name));
  }

  /** False while it is started again. */
  get isRunning(): boolean {
    return this.#running !== null;
  }

  /** As `QuickJsSandbox.resolve`. */
  resolve(siblings: string): string {
    if (this.#running === null) {
      throw new ResolverFailure('suspended', 'it had to be ended from outside and is being started again');
    }
    const answer = this.#running.ask(siblings);
    if (answer === null) {
      this.#restart();
      throw new ResolverFailure('endless', `it did not end within ${WAIT_MS_MAX} ms and was ended from outside`);
    }
    if ('text' in answer) return answer.text;
    throw new ResolverFailure(answer.kind, answer.message);
  }

  #restart(): void {
    this.#running?.end();
    this.#running = null;
    startThread(this.#code, this.#name).then(
      (running) => {
        if (this.#isClosed) running.end();
        else this.#running = running;
      },
      // it stays away, as a module that is being started: its keys show the latest
      () => undefined,
    );
  }

  close(): void {
    this.#isClosed = true;
    this.#running?.end();
    this.#running = null;
  }
}

interface RunningThread {
  /** Null when there was no answer in time. */
  readonly ask: (siblings: string) => ThreadAnswer | null;
  readonly end: () => void;
}

/** Fulfilled once the module is loaded. Rejects with ModuleFault. */
async function startThread(code: string, name: string): Promise<RunningThread> {
  const answered = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
  const { port1: port, port2 } = new MessageChannel();
  const workerData: ThreadStart = { code, name, answered, port: port2 };
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  const worker = new Worker(new URL(`./module-worker.${extension}`, import.meta.url), {
    workerData,
    transferList: [port2],
    execArgv: [],
  });
  const loaded = await new Promise<ThreadAnswer>((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
    worker.once('exit', (exitCode) => reject(new ModuleFault(`its thread ended with ${exitCode}`, null)));
  });
  if (!('text' in loaded)) {
    await worker.terminate();
    throw new ModuleFault(loaded.message, loaded.line ?? null);
  }
  worker.removeAllListeners();
  // what ends the thread is seen by the next run, which gets no answer
  worker.on('error', () => undefined);
  worker.unref();
  port.unref();
  return { ask: (siblings) => askThread(port, answered, siblings), end: () => void worker.terminate() };
}

function askThread(port: MessagePort, answered: Int32Array, siblings: string): ThreadAnswer | null {
  Atomics.store(answered, 0, 0);
  port.postMessage(siblings);
  Atomics.wait(answered, 0, 0, WAIT_MS_MAX);
  const received: { readonly message: ThreadAnswer } | undefined = receiveMessageOnPort(port);
  return received?.message ?? null;
}
