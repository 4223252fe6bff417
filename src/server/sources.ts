import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { HttpSource } from '../adapters/http-source.ts';
import { STORED, type KeySource, type SourceWrite, type StoreVerdict } from '../adapters/key-source.ts';
import { ModuleSource } from '../adapters/module-source.ts';
import { NotAsked, SourceBreaker } from '../adapters/source-breaker.ts';
import { systemClock } from '../adapters/system-clock.ts';
import { latin1Range } from '../base/bytes.ts';
import type { ClassPolicy } from '../classes/class-policy.ts';
import { sourceName, type CompensateRule, type SourceRule } from '../classes/key-class.ts';
import type { ServerState } from '../commands/server-state.ts';
import { SharedLoads } from '../commands/shared-loads.ts';
import { SourceFetcher, type SourceAnswer } from '../commands/source-fetcher.ts';
import type { StoreEnd } from '../commands/source-writes.ts';
import { CausewayError } from '../errors.ts';
import type { Entropy } from '../ports.ts';

/** A source with what keeps it from being asked in vain. */
interface GuardedSource {
  readonly source: KeySource;
  readonly breaker: SourceBreaker;
}

/** The sources that the classes name: an address or a module with its time each. */
export class Sources {
  readonly #folder: string;
  readonly #open: Map<string, GuardedSource> = new Map();
  readonly #hooks: Map<string, ModuleSource> = new Map();

  private constructor(folder: string) {
    this.#folder = folder;
  }

  /** Starts the modules that the policy names, whose file is given. Throws CONFIG for those that cannot be used. */
  static async open(policy: ClassPolicy, file: string): Promise<Sources> {
    const sources = new Sources(dirname(file));
    try {
      for (const { source, compensate } of policy.classes) {
        if (source !== undefined) await sources.#start(source);
        if (compensate !== undefined && compensate.module !== null) await sources.#hookOf(compensate);
      }
    } catch (error) {
      sources.close();
      throw error;
    }
    return sources;
  }

  async #start(rule: SourceRule): Promise<GuardedSource> {
    const name = sourceName(rule);
    const known = this.#open.get(name);
    if (known !== undefined) return known;
    const guarded = { source: await this.#sourceOf(rule), breaker: new SourceBreaker(rule.failuresMax, rule.pauseMs) };
    this.#open.set(name, guarded);
    return guarded;
  }

  async #sourceOf({ url, module, timeoutMs, write }: SourceRule): Promise<KeySource> {
    if (url !== null) return new HttpSource(url, timeoutMs);
    const path = join(this.#folder, module ?? '');
    let source: ModuleSource;
    try {
      source = await ModuleSource.start(pathToFileURL(path).href, timeoutMs);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      throw new CausewayError('CONFIG', `${path}: the source ${why}`);
    }
    if (write === null || source.canStore) return source;
    source.close();
    throw new CausewayError('CONFIG', `${path}: the source exports neither store nor storeMany, and is to be written`);
  }

  async #hookOf({ module, withinMs }: CompensateRule): Promise<ModuleSource> {
    const path = join(this.#folder, module ?? '');
    const name = `${path} ${withinMs}`;
    const known = this.#hooks.get(name);
    if (known !== undefined) return known;
    try {
      const hook = await ModuleSource.start(pathToFileURL(path).href, withinMs, 'hook');
      this.#hooks.set(name, hook);
      return hook;
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      throw new CausewayError('CONFIG', `${path}: the hook ${why}`);
    }
  }

  /** Tells the module of a class of a lost write, as JSON. Never rejected. */
  async tellHook(rule: CompensateRule, id: string, body: string): Promise<StoreVerdict> {
    try {
      const hook = await this.#hookOf(rule);
      const write = { key: Buffer.from(id), value: Buffer.from(body), version: id };
      const [verdict] = await hook.storeMany([write]);
      return verdict ?? STORED;
    } catch (error) {
      return { kind: 'failed', reason: error instanceof Error ? error.message : String(error) };
    }
  }

  /** Those that are not asked for now. */
  get openBreakers(): number {
    return [...this.#open.values()].filter(({ breaker }) => breaker.isOpen).length;
  }

  async load(rule: SourceRule, key: string): Promise<SourceAnswer> {
    try {
      const { source, breaker } = await this.#start(rule);
      const value = await breaker.run(() => source.load(latin1Range(key).toBytes()));
      return value === null ? { kind: 'absent' } : { kind: 'value', value };
    } catch (error) {
      return { kind: 'failed', message: error instanceof Error ? error.message : String(error) };
    }
  }

  /** Whether a source is not asked now, because it failed. */
  isLeftAlone(rule: SourceRule): boolean {
    return this.#open.get(sourceName(rule))?.breaker.isOpen === true;
  }

  /** Stores writes; what became of each, in their order. Never rejected. */
  async store(rule: SourceRule, writes: readonly SourceWrite[]): Promise<readonly StoreEnd[]> {
    try {
      const { source, breaker } = await this.#start(rule);
      const verdicts = await breaker.run(() => source.storeMany(writes));
      return verdicts.map((verdict) => (verdict.kind === 'failed' ? { ...verdict, isAsked: true } : verdict));
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      return writes.map(() => ({ kind: 'failed', reason, isAsked: !(error instanceof NotAsked) }));
    }
  }

  close(): void {
    for (const { source } of this.#open.values()) source.close();
    for (const hook of this.#hooks.values()) hook.close();
  }
}

/** What a node needs to load from sources. */
export interface SourcesHost {
  readonly state: ServerState;
  readonly entropy: Entropy;
  readonly touched: () => void;
  /** Does work as a turn of the server's own. */
  readonly guarded: (work: () => void) => void;
}

/** Lets a server load what is not here. */
export function useSources(sources: Sources, { state, entropy, touched, guarded }: SourcesHost): void {
  const { engine } = state;
  const after = (ms: number, run: () => void): (() => void) => {
    const timer = setTimeout(() => guarded(run), ms);
    timer.unref();
    return () => clearTimeout(timer);
  };
  const wallMs = (): number => systemClock.wallMs();
  const shared = new SharedLoads({ engine, wallMs, after, touched });
  const fetcher = new SourceFetcher(
    {
      engine,
      wallMs,
      monotonicMs: () => systemClock.monotonicMs(),
      unit: () => entropy.unit(),
      load: (rule, key, take) => void sources.load(rule, key).then((answer) => guarded(() => take(answer))),
      soon: (run) => void setImmediate(() => guarded(run)),
      touched,
    },
    shared,
  );
  state.fetching.add(fetcher);
  state.sources = fetcher;
  state.systemMessages.push((channel, message) => shared.message(channel, message, fetcher));
}
