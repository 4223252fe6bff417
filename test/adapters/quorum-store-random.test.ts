import { asyncProperty, assert, constantFrom, integer, oneof, record, array, constant, tuple } from 'fast-check';
import { expect, test } from 'vitest';
import { LmdbQuorumStore } from '../../src/adapters/lmdb-quorum-store.ts';
import { MemoryQuorumDisk, MemoryQuorumStore } from '../../src/adapters/memory-quorum-store.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import { closedQuorum, groupHeld, saved } from './quorum-batches.ts';
import { copied, temporaryFolder, witnessAt } from './quorum-folders.ts';
import { PART_KINDS, SCRIPT_GROUPS, ScriptedGroup } from './quorum-script.ts';

const commits = record({
  step: constant('commit' as const),
  kinds: tuple(constantFrom(...PART_KINDS, null), constantFrom(...PART_KINDS, null)),
  bytesMax: constantFrom(100, 100, 100, 100, 3000, 3000, 20_000, 20_000, 1_000_000),
});
const others = record({ step: constantFrom('wait' as const, 'reopen' as const, 'crash' as const) });
const scripts = record({
  seed: integer(),
  syncBytesMax: constantFrom(0, 1e9),
  steps: array(oneof({ weight: 8, arbitrary: commits }, { weight: 2, arbitrary: others }), { maxLength: 40 }),
});

/** With less in it than this the journal is left alone. */
const TREE_BYTES = 1_000_000;

/** On a disk of its own, with another one in memory beside it that is told the same. */
class Twins {
  readonly #random: SeededRandom;
  readonly #syncBytesMax: number;
  readonly #disk: MemoryQuorumDisk = new MemoryQuorumDisk();
  readonly #witness = witnessAt(0);
  readonly #left: LmdbQuorumStore[] = [];
  #folder = temporaryFolder();
  #store: LmdbQuorumStore;
  #twin: MemoryQuorumStore = new MemoryQuorumStore(this.#disk);
  readonly #groups: readonly ScriptedGroup[];
  #number = 0;
  #bytes = 0;
  readonly #waiting: Promise<unknown>[] = [];

  constructor(seed: number, syncBytesMax: number) {
    this.#random = new SeededRandom(seed);
    this.#syncBytesMax = syncBytesMax;
    this.#store = new LmdbQuorumStore(this.#folder, this.#witness, { syncBytesMax });
    this.#groups = SCRIPT_GROUPS.map((name) => new ScriptedGroup(name, this.#twin, this.#random));
  }

  commit(kinds: readonly ((typeof PART_KINDS)[number] | null)[], bytesMax: number): void {
    this.#number += 1;
    const parts = this.#groups.flatMap((group, at) => {
      const kind = kinds[at] ?? null;
      return kind === null ? [] : [group.part(kind, this.#number, bytesMax)];
    });
    for (const { entries } of parts) for (const { data } of entries) this.#bytes += data.length + 1024;
    for (const store of [this.#store, this.#twin]) this.#waiting.push(saved(store, ...parts));
  }

  async wait(): Promise<void> {
    for (const error of await Promise.all(this.#waiting.splice(0))) expect(error).toBeNull();
  }

  async reopen(): Promise<void> {
    const waiting = this.wait();
    await closedQuorum(this.#store);
    await waiting;
    this.#begin();
  }

  /** As after kill -9 when all was acknowledged: the files as they are then. */
  async crash(): Promise<void> {
    await this.wait();
    // the tree is brought up to date on its way: until then its file is not as a crash leaves it
    if (this.#bytes > TREE_BYTES) {
      this.commit(['state', null], 0);
      await this.wait();
    }
    this.#left.push(this.#store);
    this.#folder = copied(this.#folder);
    this.#begin();
  }

  compare(): void {
    const [held, twin] = [this.#store, this.#twin].map((store) =>
      SCRIPT_GROUPS.map((group) => [groupHeld(store, group), [...store.audit(group, 0)].length]),
    );
    expect(held).toEqual(twin);
  }

  async close(): Promise<void> {
    await this.wait();
    for (const store of [...this.#left, this.#store]) await closedQuorum(store);
  }

  #begin(): void {
    this.#bytes = 0;
    this.#store = new LmdbQuorumStore(this.#folder, this.#witness, { syncBytesMax: this.#syncBytesMax });
    this.#twin = new MemoryQuorumStore(this.#disk);
    this.compare();
  }
}

test('whatever is committed, on the loop or on the thread, closed or crashed in between, is as in memory', async () => {
  await assert(
    asyncProperty(scripts, async ({ seed, syncBytesMax, steps }) => {
      const twins = new Twins(seed, syncBytesMax);
      try {
        for (const each of steps) {
          if (each.step === 'commit') twins.commit(each.kinds, each.bytesMax);
          else await twins[each.step]();
        }
        await twins.crash();
      } finally {
        await twins.close();
      }
    }),
    { numRuns: 25 },
  );
});
