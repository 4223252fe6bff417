import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { latin1Range } from '../../src/base/bytes.ts';
import { nodeNumber, originOf, type Origin } from '../../src/clock/origin.ts';
import { stampOfMs, type Stamp } from '../../src/clock/stamp.ts';
import { VersionVector } from '../../src/clock/version-vector.ts';
import { Update, UpdateKind } from '../../src/crdt/update.ts';
import { START_MS } from '../properties/values/virtual-replica.ts';
import { runs } from '../support/fast-check-runs.ts';
import { MirroredKeyspace } from '../support/mirrored-keyspace.ts';

const ORIGINS: readonly Origin[] = [64, 128, 192].map((node) => originOf(nodeNumber(node), 1));
const [HERE] = ORIGINS as readonly [Origin];
/** A fill's counter (SPEC V8). */
const FILL_COUNTER = 4095;
const LIFE_MS = 20;

const write = fc.record({
  key: fc.constantFrom('a', 'b', '__causeway__:a'),
  kind: fc.constantFrom(UpdateKind.Set, UpdateKind.Set, UpdateKind.Set, UpdateKind.Set, UpdateKind.DeleteString),
  value: fc.constantFrom('x', 'y', 'a longer one that is in another block of memory'),
  expires: fc.boolean(),
});

/** A transaction of one of three nodes, which has heard of all or of nothing new of the others; and then time passes. */
const step = fc.record({
  by: fc.nat(2),
  hears: fc.constantFrom(false, false, false, true),
  behindMs: fc.constantFrom(0, 1, 3, 2 * LIFE_MS),
  isFill: fc.constantFrom(false, false, false, true),
  writes: fc.array(write, { minLength: 1, maxLength: 3 }),
  passMs: fc.constantFrom(0, 0, 1, LIFE_MS),
  settles: fc.constantFrom(false, false, false, true),
});

type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

/** Three nodes whose transactions all come here, each as soon as it is made. */
class Writers {
  readonly applied: VersionVector = new VersionVector();
  readonly #seen: readonly VersionVector[] = ORIGINS.map(() => new VersionVector());
  readonly #lastStamps: number[] = [0, 0, 0];
  readonly #keyspace: MirroredKeyspace;
  readonly #update: Update = new Update();

  constructor(keyspace: MirroredKeyspace) {
    this.#keyspace = keyspace;
  }

  run({ by, hears, behindMs, isFill, writes }: Step, nowMs: number): void {
    const origin = ORIGINS[by] as Origin;
    const deps = this.#seen[by] as VersionVector;
    // what is made here has seen all that is here
    const isOwn = origin === HERE;
    if (hears || isOwn) for (const [other, last] of this.applied.dots()) deps.raise(other, last);
    const seq = this.applied.get(origin) + 1;
    const heard = hears || isOwn ? Math.max(...this.#lastStamps) : 0;
    const atMs = stampOfMs(nowMs - (isOwn ? 0 : behindMs));
    const least = Math.max(this.#lastStamps[by] ?? 0, heard) + 1;
    const stamp = Math.max(least, isFill ? atMs + FILL_COUNTER : atMs) as Stamp;
    this.#lastStamps[by] = stamp;
    const update = this.#update;
    for (const { key, kind, value, expires } of writes) {
      update.kind = kind;
      update.key.setFrom(latin1Range(key));
      update.hash = this.#keyspace.hashOf(update.key);
      update.value.setFrom(latin1Range(kind === UpdateKind.Set ? value : ''));
      update.atMs = kind === UpdateKind.Set && expires ? nowMs + LIFE_MS : Infinity;
      this.#keyspace.apply(update, { origin, seq, stamp, deps: deps.clone() });
    }
    this.applied.raise(origin, seq);
    deps.raise(origin, seq);
  }

  /** All have all. */
  settle(): void {
    for (const seen of this.#seen) for (const [origin, last] of this.applied.dots()) seen.raise(origin, last);
    this.#keyspace.forgetStable(this.applied, this.applied, 100);
  }
}

describe('V2, S4: strings of one write meet unseen ones as they do by way of objects', () => {
  it('step by step, with what is told, listed and counted', { timeout: runs(60_000) }, () => {
    const found = { conflicts: 0, expired: 0 };
    const host = {
      origin: HERE,
      nowMs: () => START_MS,
      count: (_key: string, conflicts: number) => {
        found.conflicts += conflicts;
        return { className: 'default', stringRule: 'lww', tellsLost: true };
      },
    };
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const keyspace = new MirroredKeyspace({}, host);
        const writers = new Writers(keyspace);
        let nowMs = START_MS;
        for (const each of steps) {
          writers.run(each, nowMs);
          expect(keyspace.conflicts.takeLostHere()).toEqual(keyspace.twin.conflicts.takeLostHere());
          nowMs += each.passMs;
          keyspace.expireDue(nowMs, 10, () => found.expired++);
          if (each.settles) writers.settle();
          keyspace.compare(nowMs);
        }
      }),
      { numRuns: runs(80) },
    );
    expect(found.conflicts).toBeGreaterThan(20);
    expect(found.expired).toBeGreaterThan(20);
  });
});
