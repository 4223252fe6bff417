import type { Entry, HardState, PersistBatch, SnapshotMeta } from '../../src/quorum/messages.ts';
import type { Restored } from '../../src/quorum/options.ts';
import type { MachineState } from './machine.ts';

/** What a member has on disk: changes whole batches at a time, as a transaction of a store does. */
export class Disk {
  hardState: HardState = { term: 0, votedFor: 0, commit: 0 };
  entries: Entry[] = [];
  snapshotMeta: SnapshotMeta | null = null;
  /** The state machine at the snapshot. */
  machine: MachineState | null = null;
  /** What came of a snapshot that is not whole: no part of the state, and gone with a crash. */
  aside: number[] = [];
  #isUsed = false;

  write(batch: PersistBatch, machineOf: (bytes: Uint8Array) => MachineState): void {
    this.#isUsed = true;
    for (const { offset, bytes } of batch.parts) {
      if (offset === 0) this.aside = [];
      if (offset !== this.aside.length) throw new Error(`a part at ${offset} after ${this.aside.length} bytes`);
      this.aside.push(...bytes);
    }
    if (batch.hardState !== null) this.hardState = batch.hardState;
    if (batch.snapshot !== null) {
      this.snapshotMeta = batch.snapshot.meta;
      this.machine = machineOf(new Uint8Array(this.aside));
      this.entries = [];
    }
    const from = Math.min(batch.truncateFrom ?? Infinity, batch.entries[0]?.index ?? Infinity);
    this.entries = this.entries.filter((entry) => entry.index < from);
    this.entries.push(...batch.entries);
  }

  /** The state machine saved itself. */
  saveMachine(meta: SnapshotMeta, machine: MachineState): void {
    this.snapshotMeta = meta;
    this.machine = machine;
  }

  discard(upTo: number): void {
    this.entries = this.entries.filter((entry) => entry.index > upTo);
  }

  get lastIndex(): number {
    return this.entries.at(-1)?.index ?? this.snapshotMeta?.index ?? 0;
  }

  get lastTerm(): number {
    return this.entries.at(-1)?.term ?? this.snapshotMeta?.term ?? 0;
  }

  /** Null where the entry is not here as one of its own. */
  termAt(index: number): number | null {
    const first = this.entries[0];
    if (first !== undefined && index >= first.index) return this.entries[index - first.index]?.term ?? null;
    return this.snapshotMeta?.index === index ? this.snapshotMeta.term : null;
  }

  restored(): Restored | null {
    this.aside = [];
    if (!this.#isUsed && this.snapshotMeta === null) return null;
    const { hardState, entries, snapshotMeta } = this;
    return { hardState, entries: [...entries], snapshotMeta, applied: snapshotMeta?.index ?? 0 };
  }
}
