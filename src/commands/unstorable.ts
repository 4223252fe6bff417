import type { ByteRange } from '../base/bytes.ts';
import type { KeyClass } from '../classes/key-class.ts';
import { CausewayError } from '../errors.ts';
import { ContentType, NO_SLOT } from '../keyspace/keyspace.ts';
import { keyPositions } from './command-facts.ts';
import type { CommandEntry } from './command-index.ts';
import type { CommandGroup } from './command-spec.ts';
import type { Args } from './context.ts';
import type { ServerState } from './server-state.ts';
import type { Session } from './session.ts';
import { writtenRule } from './source-writes.ts';

/** Families whose commands leave what a source has no place for: it has one string a key. */
const OTHER_TYPES: ReadonlySet<CommandGroup> = new Set(['hash', 'set', 'json']);
/** They make a key what another one is. */
const MADE_OF_OTHERS: ReadonlySet<string> = new Set(['copy', 'rename', 'renamenx']);
/** Nothing of what they do is stored. */
const NOT_STORED: ReadonlySet<string> = new Set([
  'expire',
  'expireat',
  'pexpire',
  'pexpireat',
  'persist',
  'cw.tag',
  'cw.untag',
  'cw.depend',
]);

/**
 * Why a request that writes is not run: a key is of a class that is written to its source, and what the command makes could not be stored there, or not now.
 * Null where it may be run. What MULTI queues is looked at when it comes, as far as its types go, and when EXEC does.
 */
export function refuseUnstorable(
  server: ServerState,
  session: Session,
  entry: CommandEntry,
  args: Args,
): CausewayError | null {
  if (session.queue === null || entry.fullName !== 'exec') {
    const isQueued = session.queue !== null;
    return refuseOne(server, entry, args, isQueued);
  }
  for (const queued of session.queue) {
    const refusal = refuseOne(server, queued.entry, queued.args, false);
    if (refusal !== null) return refusal;
  }
  return null;
}

function refuseOne(server: ServerState, entry: CommandEntry, args: Args, isQueued: boolean): CausewayError | null {
  if (!entry.writes) return null;
  const { policy } = server.engine.node.classes;
  const positions = keyPositions(entry, args, 0) ?? [];
  const written = positions.filter((position) => writtenRule(policy.classOf(args.range(position))) !== null);
  for (const position of written) {
    const key = args.range(position);
    const keyClass = policy.classOf(key);
    if (OTHER_TYPES.has(entry.spec.group)) return noPlace(keyClass);
    if (MADE_OF_OTHERS.has(entry.fullName) && positions.some((at) => isOther(server, args.range(at))))
      return noPlace(keyClass);
    const refusal = isQueued || NOT_STORED.has(entry.fullName) ? null : refuseNow(server, key, keyClass);
    if (refusal !== null) return refusal;
  }
  return null;
}

function isOther({ engine, time }: ServerState, key: ByteRange): boolean {
  const { keys } = engine;
  const slot = keys.find(key, keys.hashOf(key), engine.nowMs(time.wallMs()));
  return slot !== NO_SLOT && keys.typeOf(slot) !== ContentType.String;
}

function refuseNow(server: ServerState, key: ByteRange, keyClass: KeyClass): CausewayError | null {
  const { source } = keyClass;
  // nobody sees a write that the source will not take
  if (source?.write?.mode === 'through' && server.isSourceLeftAlone(source))
    return new CausewayError('UNAVAILABLE', `${keyClass.name}: the source failed and is left alone for a while`, {
      retry: 'later',
    });
  return server.sourceWrites?.refusalOf(key, keyClass) ?? null;
}

function noPlace({ name }: KeyClass): CausewayError {
  return new CausewayError('WRONGTYPE', `keys of ${name} are written to its source, which takes strings only`);
}
