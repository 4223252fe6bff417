import { ByteRange, latin1Range } from '../base/bytes.ts';
import { assert } from '../base/assert.ts';
import { formatJson } from '../crdt/document-json.ts';
import { ContentType, NO_SLOT, type Slot } from '../keyspace/keyspace.ts';
import type { CommandContext } from './context.ts';
import { checkJsonText } from './json-access.ts';
import { HeldBytes } from './lookup.ts';

/** A key of a request with the keyspace's hash of it. */
export interface HashedKey {
  readonly key: ByteRange;
  readonly hash: number;
}

/**
 * Writes what `source` shows, expiry included, to `target`, replacing what that shows. The effects are a removal and writes, so
 * that what others write to either key meanwhile merges as it does with any other writes. Element by element, so nothing
 * of the size of the value is held.
 */
export function copyContent(context: CommandContext, source: HashedKey, target: HashedKey): void {
  const { keys, tx } = context;
  const slot = visible(context, source);
  const type = keys.typeOf(slot);
  const expireAtMs = keys.expiryOf(slot);
  if (type === ContentType.String) {
    const view = new ByteRange();
    keys.stringInto(slot, view);
    tx.set(target.key, target.hash, new HeldBytes().hold(view), expireAtMs);
    return;
  }
  const json =
    type === ContentType.Document ? latin1Range(checkJsonText(formatJson(keys.documentAt(slot).toJson()))) : null;
  if (keys.find(target.key, target.hash, context.nowMs) !== NO_SLOT) tx.delete(target.key, target.hash);
  if (json !== null) tx.documentSet(target.key, target.hash, json);
  else if (type === ContentType.Hash) copyHash(context, source, target);
  else copySet(context, source, target);
  if (expireAtMs !== Infinity) tx.expire(target.key, target.hash, expireAtMs);
}

/** A slot is good until the next update only, so it is looked up again for every element. */
function visible(context: CommandContext, source: HashedKey): Slot {
  const slot = context.keys.find(source.key, source.hash, context.nowMs);
  assert(slot !== NO_SLOT, 'a key that is copied stays visible while its copy is written');
  return slot;
}

function copyHash(context: CommandContext, source: HashedKey, target: HashedKey): void {
  const { keys, tx } = context;
  const field = new ByteRange();
  const value = new ByteRange();
  const heldField = new HeldBytes();
  const heldValue = new HeldBytes();
  const size = keys.hashAt(visible(context, source)).size;
  for (let index = 0; index < size; index++) {
    keys.hashAt(visible(context, source)).at(index, field, value);
    tx.hashSet(target.key, target.hash, heldField.hold(field), heldValue.hold(value));
  }
}

function copySet(context: CommandContext, source: HashedKey, target: HashedKey): void {
  const { keys, tx } = context;
  const member = new ByteRange();
  const held = new HeldBytes();
  const size = keys.setAt(visible(context, source)).size;
  for (let index = 0; index < size; index++) {
    keys.setAt(visible(context, source)).at(index, member);
    tx.setAdd(target.key, target.hash, held.hold(member));
  }
}
