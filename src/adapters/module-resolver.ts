import { hash } from 'node:crypto';
import { requireInputSize } from '../classes/built-in-resolvers.ts';
import type { ResolverModule } from '../classes/active-classes.ts';
import { ResolverFailure, type SiblingView } from '../classes/resolver.ts';
import { nodeOf } from '../clock/origin.ts';
import { ModuleThread } from './module-thread.ts';

/** After so many runs without an end in a row a module is not run for a while, then once; after one that ended its thread at once. */
const ENDLESS_MAX = 3;
const SUSPENDED_MS = 30_000;

/** What a module's `resolve` is given of each sibling. */
interface Given {
  readonly value: string;
  readonly stampMs: number;
  readonly node: string;
}

/** A resolver of the user's: a module that gets each sibling as text and gives one. */
export class ModuleResolver implements ResolverModule {
  readonly codeDigest: string;
  readonly #thread: ModuleThread;
  readonly #nodeName: (node: number) => string;
  #endless = 0;
  #suspendedUntilMs = 0;

  private constructor(thread: ModuleThread, code: string, nodeName: (node: number) => string) {
    this.#thread = thread;
    this.#nodeName = nodeName;
    this.codeDigest = hash('sha256', code);
  }

  /** Loads a module; `name` is its path as written. Throws ModuleFault. */
  static async load(code: string, name: string, nodeName: (node: number) => string): Promise<ModuleResolver> {
    return new ModuleResolver(await ModuleThread.start(code, name), code, nodeName);
  }

  readonly resolve = (siblings: readonly SiblingView[]): string => {
    requireInputSize(siblings);
    const given = siblings.map(({ value, stampMs, dot }): Given => {
      return { value: textOf(value), stampMs, node: this.#nodeName(nodeOf(dot.origin)) };
    });
    if (performance.now() < this.#suspendedUntilMs) {
      const message = `it did not end again and again, so it is not run for ${SUSPENDED_MS / 1000} s`;
      throw new ResolverFailure('suspended', message);
    }
    try {
      const text = this.#thread.resolve(JSON.stringify(given));
      this.#endless = 0;
      return Buffer.from(text).toString('latin1');
    } catch (error) {
      const isEndless = error instanceof ResolverFailure && error.kind === 'endless';
      this.#endless = isEndless ? this.#endless + 1 : 0;
      if (this.#endless >= ENDLESS_MAX || !this.#thread.isRunning)
        this.#suspendedUntilMs = performance.now() + SUSPENDED_MS;
      throw error;
    }
  };

  close(): void {
    this.#thread.close();
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function textOf(latin1: string): string {
  try {
    return utf8.decode(Buffer.from(latin1, 'latin1'));
  } catch {
    throw new ResolverFailure('shape', 'a value is not UTF-8');
  }
}
