import type { QuorumBatch } from '../../src/ports.ts';
import { EntryKind } from '../../src/quorum/messages.ts';
import { groupCodec } from '../../src/wire/group-codec.ts';
import type { VirtualNode } from '../support/virtual-node.ts';

/** What a leader takes into the log and does not show the causes of (SPEC T1): a group would wait for them, everywhere. */
export function takenTooEarly(node: VirtualNode, { groups }: QuorumBatch): string[] {
  return groups.flatMap(({ group, entries }) => {
    const status = node.core.strong.groups().find(({ name }) => name === group);
    if (status?.role !== 'leader') return [];
    const own = entries.filter(({ term, kind }) => term === status.term && kind === EntryKind.Command);
    return own.flatMap(({ index, data }) => {
      const entry = groupCodec.decodeEntry(data);
      const deps = entry.kind === 'commands' ? entry.deps : [];
      // what is beyond the cut of a closed incarnation counts as had (SPEC D7, D8)
      const lacks = deps.filter((dep) => !node.core.sessions.has([dep]));
      return lacks.map(
        ([origin, seq]) => `T1: ${node.id} takes ${group}:${index} and does not have ${seq} of ${origin} before it`,
      );
    });
  });
}
