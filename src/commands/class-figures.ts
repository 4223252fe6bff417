import type { ByteRange } from '../base/bytes.ts';
import type { ClassPolicy } from '../classes/class-policy.ts';
import type { ClassSample } from '../keyspace/class-sample.ts';
import type { ServerState } from './server-state.ts';

/** One of so many look-ups is counted by class. No power of two and prime: requests seldom come in rounds of it. */
export const LOOKUPS_A_SAMPLE = 61;

/** Which part of reads finds its key, by class: from a sample, so that no read pays for finding its class. */
export class SampledLookups {
  #policy: ClassPolicy | null = null;
  #hits: number[] = [];
  #misses: number[] = [];
  #untilNext = LOOKUPS_A_SAMPLE;

  /** A read looked for a key. */
  note(key: ByteRange, isHit: boolean, server: ServerState): void {
    if (--this.#untilNext > 0) return;
    this.#untilNext = LOOKUPS_A_SAMPLE;
    const { policy } = server.engine.node.classes;
    this.#follow(policy);
    const { index } = policy.classOf(key);
    const counts = isHit ? this.#hits : this.#misses;
    counts[index] = (counts[index] ?? 0) + 1;
  }

  /** Hits and misses in the sample of a class of `policy`. */
  of(policy: ClassPolicy, index: number): { readonly hits: number; readonly misses: number } {
    this.#follow(policy);
    return { hits: this.#hits[index] ?? 0, misses: this.#misses[index] ?? 0 };
  }

  /** Other classes: what was counted is no longer theirs. */
  #follow(policy: ClassPolicy): void {
    if (policy === this.#policy) return;
    this.#policy = policy;
    this.#hits = [];
    this.#misses = [];
  }

  reset(): void {
    this.#hits = [];
    this.#misses = [];
  }
}

/** How keys of a class do at this node. */
export interface ClassFigures extends Readonly<ClassSample> {
  readonly name: string;
  /** The class's own limit in bytes, null for none. */
  readonly maxBytes: number | null;
  /** Of the look-ups in the sample, since the start or CONFIG RESETSTAT. */
  readonly hits: number;
  readonly misses: number;
}

export function classFigures({ engine, stats, time }: Pick<ServerState, 'engine' | 'stats' | 'time'>): ClassFigures[] {
  const { policy } = engine.node.classes;
  const nowMs = engine.nowMs(time.wallMs());
  const samples = engine.memory.sample(policy.classes.length, (key) => policy.classOf(key).index, nowMs);
  return policy.classes.flatMap(({ name, index, evict }) => {
    const sample = samples[index];
    if (sample === undefined) return [];
    const { keys, bytes, stubs, ageMs, changed } = sample;
    const maxBytes = evict?.maxBytes ?? null;
    return [{ name, maxBytes, keys, bytes, stubs, ageMs, changed, ...stats.lookups.of(policy, index) }];
  });
}
