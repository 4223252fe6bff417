import { latin1Range } from '../../src/base/bytes.ts';
import { plainSha256 } from '../../src/groups/audit-text.ts';
import { CommandIndex } from '../../src/commands/command-index.ts';
import { commandTable } from '../../src/commands/table.ts';
import { restoredState } from '../../src/groups/group-batch.ts';
import { GroupState } from '../../src/groups/group-state.ts';
import { EntryKind } from '../../src/quorum/messages.ts';
import { groupCodec } from '../../src/wire/group-codec.ts';
import { keptReplies } from '../../src/wire/resp/kept-reply.ts';
import { imageBytes, imageOf } from './group-images.ts';
import type { VirtualNode } from './virtual-node.ts';

const COMMANDS = new CommandIndex(commandTable);

/** A state machine as what is on a node's disk makes it. */
export interface DiskState {
  readonly state: GroupState;
  readonly applied: number;
  readonly keys: readonly string[];
  /** All of it, in one order. */
  readonly bytes: Buffer;
}

/** Takes what is stored of a group at a node, and its log up to what the node has applied. */
export function stateOnDisk(node: VirtualNode, name: string): DiskState {
  const image = node.disk.quorum.load(name);
  const status = node.core.strong.groups().find((group) => group.name === name);
  const plan = node.world.strong?.plans.find((each) => each.name === name);
  if (status === undefined || plan === undefined) throw new Error(`${node.id} has no group ${name}`);
  const state = new GroupState({
    name,
    origin: plan.origin,
    commands: COMMANDS,
    newReply: keptReplies(),
    sha256: plainSha256,
    isStored: false,
  });
  const stored = restoredState(groupCodec, image);
  if (stored !== null) state.restore(stored);
  for (const { index, kind, data } of image.log) {
    if (index <= state.applied || index > status.applied) continue;
    if (index !== state.applied + 1) throw new Error(`${node.id} lacks ${state.applied + 1} of ${name} on disk`);
    state.apply(index, kind === EntryKind.Command ? groupCodec.decodeEntry(data) : null);
  }
  const keys = imageOf(state).entries.map(([key]) => key);
  return { state, applied: state.applied, keys: keys.toSorted(), bytes: imageBytes(state) };
}

/** What a string key of a state machine is; null for none. */
export function textIn(state: GroupState, key: string): string | null {
  const words = ['GET', key].map((word) => latin1Range(word));
  const reply = Buffer.from(state.read([words], false, 3, 0)).toString('latin1');
  const match = /^\$\d+\r\n([\s\S]*)\r\n$/.exec(reply);
  return match?.[1] ?? null;
}
