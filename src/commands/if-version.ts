import { NO_VERSION_TEXT, parseVersion, versionText } from '../clock/key-version.ts';
import { NO_SLOT, type Slot } from '../keyspace/keyspace.ts';
import type { CommandSpec } from './command-spec.ts';
import type { CommandContext } from './context.ts';
import { refuse, syntaxError } from './refusals.ts';

/** Whether a key has the version that an argument names; `0` is that of a key that shows nothing. Throws ERR for what is no version, and where strong keys are asked for. */
export function hasVersion({ args, isInLog, keys }: CommandContext, slot: Slot, index: number): boolean {
  if (isInLog) throw refuse('IFVERSION is not for strong keys: CW.IFVERSION is');
  const wanted = args.text(index);
  if (wanted !== NO_VERSION_TEXT && parseVersion(wanted) === null) throw refuse('invalid version');
  if (slot !== NO_SLOT) return wanted === versionText(keys.versions.at(slot));
  const removal = keys.versions.floorOf(args.range(1), keys.hashOf(args.range(1)));
  // CW.READ gives of a key that is gone the version of what took it away
  return wanted === NO_VERSION_TEXT || (removal !== null && wanted === versionText(removal));
}

/** CW.DEL key IFVERSION version: 1, or 0 where it has another one. */
function deleteIfVersion(context: CommandContext): void {
  const { args, keys, nowMs, reply, tx } = context;
  if (args.word(2) !== 'IFVERSION') throw syntaxError();
  const key = args.range(1);
  const hash = keys.hashOf(key);
  const slot = keys.find(key, hash, nowMs);
  const isDeleted = hasVersion(context, slot, 3) && slot !== NO_SLOT;
  if (isDeleted) {
    tx.delete(key, hash);
    context.notify('g', 'del', key);
  }
  reply.integer(isDeleted ? 1 : 0);
}

/** Removals that depend on a version (SPEC E3). */
export const ifVersionCommands: readonly CommandSpec[] = [
  {
    name: 'cw.del',
    arity: 4,
    flags: ['write', 'fast'],
    keys: [1, 1, 1],
    group: 'generic',
    summary: 'Delete a key if it still has a version',
    run: deleteIfVersion,
  },
];
