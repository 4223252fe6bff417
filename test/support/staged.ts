import type { EntryState } from '../../src/crdt/entry.ts';
import type { SlabKeyspace } from '../../src/keyspace/slab-keyspace.ts';

/** A snapshot with these entries, as it lies beside the keyspace that is to take it in. */
export function stagedFor(keyspace: SlabKeyspace, entries: ReadonlyMap<string, EntryState>): SlabKeyspace {
  const staged = keyspace.staging();
  for (const [key, state] of entries) staged.restore(key, state);
  return staged;
}
