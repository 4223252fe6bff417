import { ByteRange } from '../base/bytes.ts';
import { KEY_BYTES_MAX } from '../base/limits.ts';
import { NO_SLOT, type ContentType, type Slot } from '../keyspace/keyspace.ts';
import type { CommandContext } from './context.ts';
import { overLimit, wrongType } from './refusals.ts';

/** The hash of a request's first key, which argument 1 is. */
export function hashOfKey({ args, keys }: CommandContext): number {
  return args.keyHash === 0 ? keys.hashOf(args.range(1)) : args.keyHash;
}

/** The entry of a key for a command that reads: a use of the key, and a hit; or a miss, which is told to those who listen for `keymiss`. */
export function lookupForRead(context: CommandContext, key: ByteRange, hash: number = context.keys.hashOf(key)): Slot {
  const slot = lookupUnused(context, key, hash);
  if (slot !== NO_SLOT) context.keys.access.touch(slot);
  return slot;
}

/** As `lookupForRead`, for a command that only asks about the key, as whether it is there: that is no use of it. */
export function lookupUnused(context: CommandContext, key: ByteRange, hash: number = context.keys.hashOf(key)): Slot {
  const slot = context.keys.find(key, hash, context.nowMs);
  context.countLookup(key, slot !== NO_SLOT);
  if (slot === NO_SLOT) context.notify('m', 'keymiss', key);
  return slot;
}

/** As `lookupForRead`, for a command that only goes on with one type. */
export function lookupTypeForRead(
  context: CommandContext,
  key: ByteRange,
  type: ContentType,
  hash: number = context.keys.hashOf(key),
): Slot {
  const slot = lookupForRead(context, key, hash);
  if (slot !== NO_SLOT && context.keys.typeOf(slot) !== type) throw wrongType();
  return slot;
}

/** The entry of a key that a command means to change, NO_SLOT for none; throws when it has another type. */
export function lookupTypeForWrite(context: CommandContext, key: ByteRange, hash: number, type: ContentType): Slot {
  const slot = context.keys.find(key, hash, context.nowMs);
  if (slot === NO_SLOT) return slot;
  if (context.keys.typeOf(slot) !== type) throw wrongType();
  context.keys.access.touch(slot);
  return slot;
}

/** As `lookupTypeForWrite`, for a command that does nothing but refuse, or write. */
export function lookupTypeToWrite(context: CommandContext, key: ByteRange, hash: number, type: ContentType): Slot {
  const { keys, nowMs } = context;
  const slot = keys.findToWrite(key, hash, nowMs);
  if (slot === NO_SLOT) return slot;
  // a refusal tells of what is there
  if (keys.typeOf(slot) !== type) return lookupTypeForWrite(context, key, hash, type);
  keys.access.touch(slot);
  return slot;
}

export function exists(context: CommandContext, key: ByteRange, hash: number): boolean {
  return context.keys.find(key, hash, context.nowMs) !== NO_SLOT;
}

/** Refuses a key that is too long to be stored. */
export function checkKey(key: ByteRange): void {
  if (key.end - key.start > KEY_BYTES_MAX) throw overLimit('key is too long', 'key-bytes-max', KEY_BYTES_MAX);
}

/**
 * A copy of bytes that a reader handed out, for writing while reading. One growable buffer a use, not one a copy.
 */
export class HeldBytes {
  readonly range: ByteRange = new ByteRange();
  #buf: Uint8Array = new Uint8Array(64);

  hold(bytes: ByteRange): ByteRange {
    const length = bytes.end - bytes.start;
    if (length > this.#buf.length) this.#buf = new Uint8Array(Math.max(length, this.#buf.length * 2));
    this.#buf.set(bytes.buf.subarray(bytes.start, bytes.end));
    return this.range.set(this.#buf, 0, length);
  }
}

/** Tells that a container which lost its last element is gone, as Redis does; says whether it is. */
export function notifyIfGone(context: CommandContext, key: ByteRange, hash: number): boolean {
  if (exists(context, key, hash)) return false;
  context.notify('g', 'del', key);
  return true;
}
