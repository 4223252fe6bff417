import { ByteRange, latin1Bytes } from '../base/bytes.ts';
import { formatJson } from '../crdt/document-json.ts';
import { ContentType, type KeyspaceReader, type Slot } from '../keyspace/keyspace.ts';
import type { SecondLevelKind } from '../ports.ts';

/** What a key shows, as a Redis has it. */
export interface KeyImage {
  readonly kind: SecondLevelKind;
  readonly parts: readonly Uint8Array[];
  readonly bytes: number;
}

export const GONE: KeyImage = { kind: 'gone', parts: [], bytes: 0 };

/** Reads what a slot shows: counters and documents as text. Null where it is longer than `bytesMax`. */
export function imageOf(keys: KeyspaceReader, slot: Slot, bytesMax: number): KeyImage | null {
  switch (keys.typeOf(slot)) {
    case ContentType.None:
      return GONE;
    case ContentType.String: {
      const value = new ByteRange();
      keys.stringInto(slot, value);
      return value.length > bytesMax ? null : image('string', [value.toBytes()]);
    }
    case ContentType.Document:
      return within(image('string', [latin1Bytes(formatJson(keys.documentAt(slot).toJson()))]), bytesMax);
    case ContentType.Hash:
      return hashImage(keys, slot, bytesMax);
    case ContentType.Set:
      return setImage(keys, slot, bytesMax);
  }
}

function hashImage(keys: KeyspaceReader, slot: Slot, bytesMax: number): KeyImage | null {
  const hash = keys.hashAt(slot);
  const [field, value] = [new ByteRange(), new ByteRange()];
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for (let at = 0; at < hash.size; at++) {
    hash.at(at, field, value);
    bytes += field.length + value.length;
    if (bytes > bytesMax) return null;
    parts.push(field.toBytes(), value.toBytes());
  }
  return image('hash', parts);
}

function setImage(keys: KeyspaceReader, slot: Slot, bytesMax: number): KeyImage | null {
  const set = keys.setAt(slot);
  const member = new ByteRange();
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for (let at = 0; at < set.size; at++) {
    set.at(at, member);
    bytes += member.length;
    if (bytes > bytesMax) return null;
    parts.push(member.toBytes());
  }
  return image('set', parts);
}

function image(kind: SecondLevelKind, parts: readonly Uint8Array[]): KeyImage {
  return { kind, parts, bytes: parts.reduce((sum, part) => sum + part.length, 0) };
}

function within(made: KeyImage, bytesMax: number): KeyImage | null {
  return made.bytes > bytesMax ? null : made;
}
