import { latin1Bytes, latin1Of } from '../base/bytes.ts';
import type {
  QuorumBatch,
  QuorumGroupBatch,
  QuorumImage,
  QuorumStore,
  StoredAside,
  StoredHardState,
  StoredLogEntry,
  StoredSnapshot,
  StoredStateChange,
} from '../ports.ts';
import { MemoryCommits, type MemoryStoreOptions } from './memory-commits.ts';
import { followLog, type LogBounds } from './quorum-log-bounds.ts';

/** What is kept of one group. */
class MemoryGroup {
  hardState: StoredHardState | null = null;
  readonly bounds: LogBounds = { firstIndex: 1, lastIndex: 0 };
  /** By index; removal and addition keep them in order. */
  readonly log: Map<number, StoredLogEntry> = new Map();
  snapshot: StoredSnapshot | null = null;
  /** By the key as a latin1 string. */
  state: Map<string, Uint8Array> = new Map();
  rows: Map<string, Uint8Array> = new Map();
  /** What is kept aside of a state that is coming in. */
  aside: Pick<MemoryGroup, 'state' | 'rows'> = { state: new Map(), rows: new Map() };
  stateMeta: Uint8Array | null = null;
  readonly audit: (readonly [index: number, record: Uint8Array])[] = [];
}

/** What survives a crash of the process: the disk of a `MemoryQuorumStore`. */
export class MemoryQuorumDisk {
  readonly groups: Map<string, MemoryGroup> = new Map();
}

/**
 * A `QuorumStore` in memory: for a node that keeps nothing over a restart, and for tests, which hand the disk of a crashed
 * store to the next one.
 */
export class MemoryQuorumStore extends MemoryCommits<QuorumBatch> implements QuorumStore {
  readonly #disk: MemoryQuorumDisk;
  /** Of the groups' logs once all that waits is done. */
  readonly #bounds: Map<string, LogBounds> = new Map();

  constructor(disk: MemoryQuorumDisk = new MemoryQuorumDisk(), options: MemoryStoreOptions = {}) {
    super(options);
    this.#disk = disk;
  }

  groups(): readonly string[] {
    this.refuseIfOver();
    return [...this.#disk.groups.keys()].toSorted();
  }

  load(name: string): QuorumImage {
    this.refuseIfOver();
    const group = this.#disk.groups.get(name) ?? new MemoryGroup();
    return {
      hardState: group.hardState,
      log: [...group.log.values()],
      snapshot: group.snapshot,
      state: pairsOf(group.state),
      rows: pairsOf(group.rows),
      stateMeta: group.stateMeta,
      lastAudit: group.audit.at(-1) ?? null,
    };
  }

  audit(name: string, fromIndex: number): Iterable<readonly [index: number, record: Uint8Array]> {
    this.refuseIfOver();
    return (this.#disk.groups.get(name)?.audit ?? []).filter(([index]) => index >= fromIndex);
  }

  protected override taken(batch: QuorumBatch): QuorumBatch {
    for (const group of batch.groups) followLog(this.#boundsOf(group.group), group, UNCHANGED);
    return copyOf(batch);
  }

  protected override apply({ groups }: QuorumBatch): void {
    for (const group of groups) this.#apply(group);
  }

  #apply(batch: QuorumGroupBatch): void {
    const group = this.#disk.groups.get(batch.group) ?? new MemoryGroup();
    this.#disk.groups.set(batch.group, group);
    applyBatch(group, batch);
  }

  #boundsOf(name: string): LogBounds {
    const bounds = this.#bounds.get(name) ?? { firstIndex: 1, lastIndex: 0, ...this.#disk.groups.get(name)?.bounds };
    this.#bounds.set(name, bounds);
    return bounds;
  }
}

const UNCHANGED = { removed: (): void => undefined, added: (): void => undefined };

function applyBatch(group: MemoryGroup, batch: QuorumGroupBatch): void {
  if (batch.hardState !== null) group.hardState = batch.hardState;
  if (batch.snapshot !== null) group.snapshot = batch.snapshot;
  followLog(group.bounds, batch, {
    removed: (index) => group.log.delete(index),
    added: (entry) => group.log.set(entry.index, entry),
  });
  if (batch.aside !== null) applyAside(group, batch.aside);
  if (batch.state !== null) applyState(group, batch.state);
  for (const [index, record] of batch.audit) {
    if (index > (group.audit.at(-1)?.[0] ?? 0)) group.audit.push([index, record]);
  }
}

function applyAside(group: MemoryGroup, { begins, entries, rows }: StoredAside): void {
  if (begins) group.aside = { state: new Map(), rows: new Map() };
  putPairs(group.aside.state, entries);
  putPairs(group.aside.rows, rows);
}

function applyState(group: MemoryGroup, { takesAside, entries, rows, meta }: StoredStateChange): void {
  if (takesAside) {
    Object.assign(group, group.aside);
    group.aside = { state: new Map(), rows: new Map() };
  }
  putPairs(group.state, entries);
  putPairs(group.rows, rows);
  group.stateMeta = meta;
}

type Pairs = StoredStateChange['entries'];

function putPairs(into: Map<string, Uint8Array>, pairs: Pairs): void {
  for (const [key, value] of pairs) {
    const name = latin1Of(key, 0, key.length);
    if (value === null) into.delete(name);
    else into.set(name, value);
  }
}

function pairsOf(map: ReadonlyMap<string, Uint8Array>): (readonly [key: Uint8Array, value: Uint8Array])[] {
  return [...map].map(([key, value]) => [latin1Bytes(key), value] as const);
}

type Pair<Value> = readonly [key: Uint8Array, value: Value];

function copyOfPairs<Value extends Uint8Array | null>(pairs: readonly Pair<Value>[]): readonly Pair<Value>[] {
  return pairs.map(([key, value]) => [key.slice(), (value?.slice() ?? null) as Value] as const);
}

function copyOf({ groups }: QuorumBatch): QuorumBatch {
  return { groups: groups.map(copyOfGroup) };
}

function copyOfGroup(batch: QuorumGroupBatch): QuorumGroupBatch {
  const { aside, snapshot, state } = batch;
  return {
    ...batch,
    entries: batch.entries.map((entry) => ({ ...entry, data: entry.data.slice() })),
    snapshot: snapshot === null ? null : { ...snapshot, meta: snapshot.meta.slice() },
    aside:
      aside === null
        ? null
        : { begins: aside.begins, entries: copyOfPairs(aside.entries), rows: copyOfPairs(aside.rows) },
    state:
      state === null
        ? null
        : {
            takesAside: state.takesAside,
            entries: copyOfPairs(state.entries),
            rows: copyOfPairs(state.rows),
            meta: state.meta.slice(),
          },
    audit: batch.audit.map(([index, record]) => [index, record.slice()] as const),
  };
}
