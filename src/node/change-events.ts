import type { ChangeEvent } from '../commands/engine.ts';
import { UpdateKind } from '../crdt/update.ts';

const event = (classLetter: string, name: string): ChangeEvent => ({ classLetter, event: name });

/** The notification that an update of another node causes here, as the command that made it would have. */
export function eventOf(kind: UpdateKind): ChangeEvent | null {
  switch (kind) {
    case UpdateKind.Set:
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
    case UpdateKind.DocumentEdit:
      return event('d', 'json.set');
    case UpdateKind.DeleteDocument:
      return event('g', 'del');
    case UpdateKind.DocumentGeneration:
    case UpdateKind.FlushAll:
    case UpdateKind.Publish:
    case UpdateKind.CloseIncarnations:
      return null;
  }
}

export const EXPIRED: ChangeEvent = event('x', 'expired');
