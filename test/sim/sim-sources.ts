import type { Dot } from '../../src/clock/dot.ts';
import { SharedLoads } from '../../src/commands/shared-loads.ts';
import { SourceFetcher, type SourceAnswer } from '../../src/commands/source-fetcher.ts';
import { SourceWrites, type StoreEnd } from '../../src/commands/source-writes.ts';
import type { StoreTask } from '../../src/commands/unstored-keys.ts';
import type { SeededRandom } from '../support/seeded-random.ts';
import type { VirtualServer } from '../support/virtual-client.ts';
import type { VirtualCluster, VirtualNode } from '../support/virtual-cluster.ts';
import type { Losses } from './losses.ts';
import { streamOf } from './streams.ts';

/** Keys that are written to the source, after and before they are answered; keys that others change there, loaded by nodes and by clients; keys that are written once. */
export const BEHIND = 'src:';
export const THROUGH = 'thr:';
export const CHANGED = 'ext:';
export const LEASED = 'led:';
export const ONCE = 'src:once';

/** Classes of these keys. What is loaded outlives a run. */
export const SOURCE_CLASSES = `
  - { match: ['${BEHIND}*'], source: { url: 'http://sim/{key}', ttl: 1h, absent: 200ms, stampede: node, write: behind, durable: true } }
  - { match: ['${THROUGH}*'], source: { url: 'http://sim/{key}', ttl: 1h, absent: 200ms, stampede: node, write: through, durable: true } }
  - { match: ['${CHANGED}*'], source: { url: 'http://sim/{key}', ttl: 1h, absent: 0s, stampede: cluster } }
`;

/** How long the source takes for what it does, and then for its answer. All of it is within the classes' timeout of 1 s. */
const QUICK_MS = 30;
const SLOW_MS = 350;
const SLOW = 0.2;
const FAILS = 0.1;

/** One source for all nodes of a run, which takes its time and fails at times, and what is known of it and asked of its keys in the end. */
export class SimSource {
  readonly values: Map<string, string> = new Map();
  readonly written: { readonly key: string; readonly value: string | null; readonly dot: Dot | null }[] = [];
  readonly invalidated: { readonly key: string; readonly version: number; readonly dot: Dot | null }[] = [];
  readonly counts = { loads: 0, stores: 0 };
  /** Whether most clocks are within the limit for all of the run: of one that is not the others know (SPEC V8, D3). */
  readonly hasClocks: boolean;
  #versions = 0;
  readonly #random: SeededRandom;

  constructor(seed: number, hasClocks: boolean) {
    this.hasClocks = hasClocks;
    this.#random = streamOf(seed, 'source');
  }

  /** Somebody else changes a key there: to `v` and a number that rises. */
  change(key: string): number {
    const version = ++this.#versions;
    this.values.set(key, `v${version}`);
    return version;
  }

  /** From asking until it is done, and from then until the answer. */
  delaysMs(): readonly [number, number] {
    const mostMs = this.#random.unit() < SLOW ? SLOW_MS : QUICK_MS;
    return [1 + this.#random.below(mostMs), 1 + this.#random.below(mostMs)];
  }

  fails(): boolean {
    return this.#random.unit() < FAILS;
  }

  unit(): number {
    return this.#random.unit();
  }
}

/** What one life of a node has of the product's own for its sources. */
interface NodeSources {
  readonly life: number;
  readonly writes: SourceWrites;
  isStarted: boolean;
}

/** Drives loads and stores of all nodes with the source of a run. */
export class SimSources {
  readonly source: SimSource;
  readonly #cluster: VirtualCluster;
  readonly #nodes: Map<VirtualNode, NodeSources> = new Map();

  constructor(seed: number, cluster: VirtualCluster, hasClocks: boolean) {
    this.source = new SimSource(seed, hasClocks);
    this.#cluster = cluster;
  }

  /** A node begins a life: what it writes from now on is seen. */
  attach(node: VirtualNode): void {
    const { core, life } = node;
    const writes = new SourceWrites({ ...this.#hostOf(node), engine: core });
    core.writes.listener = writes;
    this.#nodes.set(node, { life, writes, isStarted: false });
  }

  /** A node's life has clients: they load, and wait for what they write through. */
  serve({ node, state }: VirtualServer): void {
    const { engine } = state;
    const host = { ...this.#hostOf(node), engine };
    const { life } = node;
    const shared = new SharedLoads({
      ...host,
      after: (ms, run) => {
        let isOver = false;
        this.#later(node, life, ms, () => {
          if (!isOver) run();
        });
        return () => {
          isOver = true;
        };
      },
    });
    const fetcher = new SourceFetcher(
      {
        ...host,
        load: (_rule, key, done) => this.#load(node, key, done),
        soon: (run) => this.#later(node, life, 0, run),
      },
      shared,
    );
    state.fetching.add(fetcher);
    state.sources = fetcher;
    state.systemMessages.push((channel, message) => shared.message(channel, message, fetcher));
    state.sourceWrites = this.#nodes.get(node)?.writes ?? null;
  }

  #hostOf(node: VirtualNode): {
    wallMs(): number;
    monotonicMs(): number;
    unit(): number;
    touched(): void;
  } {
    return {
      wallMs: () => node.now().wallMs,
      monotonicMs: () => node.now().monotonicMs,
      unit: () => this.source.unit(),
      touched: () => this.#later(node, node.life, 0, () => node.settle()),
    };
  }

  /** Where the node still lives by then; a paused one does it when it goes on. */
  #later(node: VirtualNode, life: number, delayMs: number, run: () => void): void {
    this.#cluster.at(delayMs, () => {
      if (node.life !== life || !node.isRunning) return;
      if (node.isPaused) node.waiting.push(run);
      else run();
    });
  }

  #load(node: VirtualNode, key: string, done: (answer: SourceAnswer) => void): void {
    const { life } = node;
    const [doneMs, answerMs] = this.source.delaysMs();
    this.source.counts.loads++;
    this.#cluster.at(doneMs, () => {
      const value = this.source.values.get(key);
      const answer: SourceAnswer = this.source.fails()
        ? { kind: 'failed', message: 'away' }
        : value === undefined
          ? { kind: 'absent' }
          : { kind: 'value', value: new Uint8Array(Buffer.from(value, 'latin1')) };
      this.#later(node, life, answerMs, () => {
        done(answer);
        node.settle();
      });
    });
  }

  /** What it was given the source does, whatever becomes of the node. */
  #store(node: VirtualNode, writes: SourceWrites, task: StoreTask): void {
    const { life } = node;
    const [doneMs, answerMs] = this.source.delaysMs();
    this.#cluster.at(doneMs, () => {
      const ends = task.entries.map(({ entry, content }): StoreEnd => {
        const isDone = !this.source.fails();
        if (isDone || this.source.unit() < 0.5) this.#put(entry.key, content.value);
        return isDone ? { kind: 'stored' } : { kind: 'failed', reason: 'away', isAsked: true };
      });
      this.#later(node, life, answerMs, () => {
        writes.ended(task, ends);
        node.settle();
      });
    });
  }

  #put(key: string, value: Uint8Array | null): void {
    this.source.counts.stores++;
    if (value === null) this.source.values.delete(key);
    else this.source.values.set(key, Buffer.from(value).toString('latin1'));
  }

  /** Turns of the nodes end. */
  step(): void {
    for (const [node, sources] of this.#nodes) {
      if (!node.isRunning || node.isPaused || sources.life !== node.life) continue;
      if (!sources.isStarted) {
        if (!node.isWritable) continue;
        sources.isStarted = true;
        sources.writes.start();
      }
      sources.writes.turnEnded();
      for (let task = sources.writes.next(); task !== null; task = sources.writes.next())
        this.#store(node, sources.writes, task);
    }
  }

  /** Why what is written is not all in the source; empty when it is. */
  unrest(): string {
    for (const [node, { isStarted, writes }] of this.#nodes)
      if (!isStarted || writes.size > 0) return `${node.id} has ${writes.size} keys that are not stored`;
    return '';
  }

  /** What is there at rest, for `judgeSources`; of what was lost with its node, as may be, nothing is asked. */
  run(losses: Losses): SourceRun {
    const isKept = ({ dot }: { readonly dot: Dot | null }): boolean =>
      dot !== null && !losses.isLost(dot.origin, dot.seq);
    const { values, written, invalidated } = this.source;
    const keys = new Set([...values.keys(), ...written.map(({ key }) => key)]);
    for (const prefix of [BEHIND, THROUGH, CHANGED]) for (let at = 0; at < 3; at++) keys.add(`${prefix}${at}`);
    const shown = this.#cluster.nodes.flatMap((node) =>
      [...keys].map((key) => ({ node: node.id, key, value: node.get(key) })),
    );
    return { shown, values, written: written.filter(isKept), invalidated: invalidated.filter(isKept) };
  }
}

/** What nodes show and the source has when nothing is on its way any more, and what clients were told. */
export interface SourceRun {
  readonly shown: readonly { readonly node: string; readonly key: string; readonly value: string | null }[];
  readonly values: ReadonlyMap<string, string>;
  /** Of keys that are written once: what they have after the last write that was answered; null for a removal. */
  readonly written: readonly { readonly key: string; readonly value: string | null }[];
  /** Of keys that are changed in the source: each had at least this version when an invalidation of it began that was answered. */
  readonly invalidated: readonly { readonly key: string; readonly version: number }[];
}

export const versionOf = (value: string): number => Number(value.slice(1));

/** What a run allows to be asked of its sources. */
export interface SourceOrder {
  /** Every clock was within the limit, and nothing was lost. */
  readonly ofWrites: boolean;
  /** `SimSource.hasClocks` */
  readonly ofFills: boolean;
}

/** What must hold of a source at rest (SPEC F5, V8). */
export function judgeSources({ shown, values, written, invalidated }: SourceRun, order: SourceOrder): string[] {
  const wrong: string[] = [];
  for (const { node, key, value } of shown) {
    const isWritten = key.startsWith(BEHIND) || key.startsWith(THROUGH);
    const inSource = values.get(key) ?? null;
    if (order.ofWrites && isWritten && value !== null && value !== inSource)
      wrong.push(`F5: ${node} shows ${key} ${value}, and the source has ${inSource}`);
  }
  const last = new Map(written.map((write) => [write.key, write.value]));
  for (const [key, value] of last) {
    const inSource = values.get(key) ?? null;
    if (inSource !== value) wrong.push(`F5: ${key} was answered as ${value}, and the source has ${inSource}`);
  }
  for (const { key, version } of order.ofFills ? invalidated : [])
    for (const { node, value } of shown.filter((each) => each.key === key))
      if (value !== null && versionOf(value) < version)
        wrong.push(`V8: ${node} shows ${key} ${value}, which was invalidated at v${version}`);
  return wrong;
}
