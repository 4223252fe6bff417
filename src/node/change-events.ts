import { latin1Of } from '../base/bytes.ts';
import { msOfStamp } from '../clock/stamp.ts';
import type { ChangeEvent } from '../commands/engine.ts';
import type { Operation } from '../crdt/document-edits.ts';
import { UpdateKind, type Update, type UpdateContext } from '../crdt/update.ts';
import { isGroupOrigin } from '../groups/group-plan.ts';
import type { SlabKeyspace } from '../keyspace/slab-keyspace.ts';

const event = (classLetter: string, name: string): ChangeEvent => ({ classLetter, event: name });

const EDIT_EVENTS: ReadonlyMap<string, ChangeEvent> = new Map<Operation[0], ChangeEvent>([
  ['set', event('d', 'json.set')],
  ['remove', event('d', 'json.del')],
  ['add', event('d', 'json.numincrby')],
  ['append', event('d', 'json.strappend')],
  ['insert', event('d', 'json.arrappend')],
  ['take', event('d', 'json.arrpop')],
]);

/** Where the first step's name is: `[origin,seq,[["set",`. */
const FIRST_STEP = /^\[\d+,\d+,\[\["(\w+)"/;
const FIRST_STEP_BYTES_MAX = 64;

/** An edit is called by its first step. */
function eventOfEdit({ field: { buf, start, end } }: Update): ChangeEvent | null {
  const [, name = ''] = FIRST_STEP.exec(latin1Of(buf, start, Math.min(end, start + FIRST_STEP_BYTES_MAX))) ?? [];
  return EDIT_EVENTS.get(name) ?? null;
}

/** The notification that an update of another node causes here, as the command that made it would have. */
export function eventOf(update: Update): ChangeEvent | null {
  switch (update.kind) {
    case UpdateKind.Set:
    case UpdateKind.Fill:
      return event('$', 'set');
    case UpdateKind.Delete:
    case UpdateKind.DeleteString:
      return event('g', 'del');
    case UpdateKind.Increment:
      return event('$', 'incrby');
    case UpdateKind.Expire:
      return event('g', 'expire');
    case UpdateKind.HashSet:
      return event('h', 'hset');
    case UpdateKind.HashDelete:
      return event('h', 'hdel');
    case UpdateKind.HashIncrement:
      return event('h', 'hincrby');
    case UpdateKind.SetAdd:
      return event('s', 'sadd');
    case UpdateKind.SetRemove:
      return event('s', 'srem');
    case UpdateKind.DocumentSet:
      return event('d', 'json.set');
    case UpdateKind.DocumentEdit:
      return eventOfEdit(update);
    case UpdateKind.DeleteDocument:
      return event('g', 'del');
    case UpdateKind.DocumentGeneration:
    case UpdateKind.FlushAll:
    case UpdateKind.Publish:
    case UpdateKind.CloseIncarnations:
      return null;
  }
}

/** Whether an update, not applied yet, is a group's log taking away a key whose time is over (RULES D9). */
export function isExpiry({ kind, key }: Update, { origin, stamp }: UpdateContext, keys: SlabKeyspace): boolean {
  if (kind !== UpdateKind.Delete && kind !== UpdateKind.DeleteString && kind !== UpdateKind.DeleteDocument)
    return false;
  return isGroupOrigin(origin) && (keys.entryOf(key)?.expiryMs ?? Infinity) <= msOfStamp(stamp);
}

export const EXPIRED: ChangeEvent = event('x', 'expired');
export const EVICTED: ChangeEvent = event('e', 'evicted');
