import { parentPort, workerData, type MessagePort } from 'node:worker_threads';
import { ResolverFailure, type FailureKind } from '../classes/resolver.ts';
import { ModuleFault } from './module-fault.ts';
import { QuickJsSandbox } from './quickjs-sandbox.ts';

/** What a module's thread is started with. */
export interface ThreadStart {
  readonly code: string;
  /** What errors call the module. */
  readonly name: string;
  /** Becomes 1, and wakes who waits for it, when an answer is in the port. */
  readonly answered: Int32Array;
  readonly port: MessagePort;
}

/** What it says when it has loaded the module, and then to each text that it is given. */
export type ThreadAnswer =
  | { readonly text: string }
  | { readonly kind: FailureKind; readonly message: string; readonly line?: number | null };

const { code, name, answered, port } = workerData as ThreadStart;

function answer(run: () => string): ThreadAnswer {
  try {
    return { text: run() };
  } catch (error) {
    if (error instanceof ResolverFailure) return { kind: error.kind, message: error.message };
    throw error;
  }
}

try {
  const sandbox = await QuickJsSandbox.load(code, name);
  port.on('message', (siblings: string) => {
    port.postMessage(answer(() => sandbox.resolve(siblings)));
    Atomics.store(answered, 0, 1);
    Atomics.notify(answered, 0);
  });
  parentPort?.postMessage({ text: '' } satisfies ThreadAnswer);
} catch (error) {
  if (!(error instanceof ModuleFault)) throw error;
  parentPort?.postMessage({ kind: 'threw', message: error.message, line: error.line } satisfies ThreadAnswer);
}
