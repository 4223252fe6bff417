import type { ByteRange } from '../base/bytes.ts';
import type { Codec } from '../causal/peer-frames.ts';
import { VersionVector } from '../clock/version-vector.ts';
import type { DecidedState, KeyStates } from '../commands/consistency-monitor.ts';
import type { EntryState } from '../crdt/entry.ts';
import { Update, UpdateKind } from '../crdt/update.ts';
import { digestOfKey } from '../keyspace/digest.ts';
import { NO_SLOT } from '../keyspace/keyspace.ts';
import type { SlabKeyspace } from '../keyspace/slab-keyspace.ts';

/** Nobody has seen anything. */
const NOTHING: VersionVector = new VersionVector();

/** What keys hold, to be shown to other nodes and put right by what those have (SPEC S10). */
export class NodeKeyStates implements KeyStates {
  readonly #keyspace: SlabKeyspace;
  readonly #codec: Codec;
  readonly #vector: () => VersionVector;
  readonly #groups: (group: string) => SlabKeyspace | null;
  readonly #merged: Update = new Update();

  constructor(
    keyspace: SlabKeyspace,
    codec: Codec,
    vector: () => VersionVector,
    groups: (group: string) => SlabKeyspace | null,
  ) {
    this.#keyspace = keyspace;
    this.#codec = codec;
    this.#vector = vector;
    this.#groups = groups;
  }

  stateOf(key: ByteRange): Uint8Array | null {
    return this.#stateIn(this.#keyspace, key);
  }

  #stateIn(keyspace: SlabKeyspace, key: ByteRange): Uint8Array | null {
    const entry = keyspace.entryOf(key);
    return entry === undefined || entry.isEmpty ? null : this.#codec.encodeState(entry.toState());
  }

  decidedOf(key: ByteRange, group: string): DecidedState | null {
    const keyspace = this.#groups(group);
    if (keyspace === null) return null;
    // what has expired goes by the log, not by a clock
    const slot = keyspace.find(key, keyspace.hashOf(key), 0);
    const hex = slot === NO_SLOT ? null : digestOfKey(key.toLatin1(), keyspace.entryAt(slot));
    return { hex, state: this.#stateIn(keyspace, key) };
  }

  /** As a snapshot's entry is merged (RULES D6), by a node that says of itself that it has seen nothing: what it has lost comes back. */
  merge(key: ByteRange, state: Uint8Array | null, isWhole: boolean): boolean {
    let theirs: EntryState | null;
    try {
      theirs = state === null ? null : this.#codec.decodeState(state);
    } catch {
      return false;
    }
    this.#keyspace.mergeKey(key.toLatin1(), theirs, { local: NOTHING, remote: isWhole ? this.#vector() : NOTHING });
    this.#merged.kind = UpdateKind.Set;
    this.#merged.key.setFrom(key);
    this.#keyspace.onChange(key, this.#merged);
    return true;
  }
}
