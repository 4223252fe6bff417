import { ByteRange, latin1Range } from '../../../src/base/bytes.ts';
import { ContentType } from '../../../src/crdt/entry.ts';
import type { SlabKeyspace } from '../../../src/keyspace/slab-keyspace.ts';
import { declaredValue } from './declared-value.ts';
import { shownOfSeveral } from './keyspaces.ts';
import type { Transaction } from './transaction.ts';

/** What keys show, one text a key: `string "5"`, `hash f=1 g=2 until 17`. Keys that show nothing are left out. */
export type ShownKeys = Readonly<Record<string, string>>;

const FIELD = new ByteRange();
const VALUE = new ByteRange();

/** What a keyspace shows at a time, read as commands read it. */
export function shownKeys(keyspace: SlabKeyspace, keys: readonly string[], nowMs: number): ShownKeys {
  const shown: Record<string, string> = {};
  for (const key of keys) {
    const text = shownKey(keyspace, key, nowMs);
    if (text !== null) shown[key] = text;
  }
  return shown;
}

function shownKey(keyspace: SlabKeyspace, key: string, nowMs: number): string | null {
  const slot = keyspace.find(latin1Range(key), keyspace.hashOf(latin1Range(key)), nowMs);
  if (slot < 0) return null;
  const expiryMs = keyspace.expiryOf(slot);
  switch (keyspace.typeOf(slot)) {
    case ContentType.String: {
      const { siblings, shown } = keyspace.siblingsAt(slot);
      if (siblings.length > 1) {
        const values = siblings.map(({ value }) => value);
        return keyText('siblings', siblingsText(values, shown.text), expiryMs);
      }
      keyspace.stringInto(slot, VALUE);
      return keyText('string', JSON.stringify(VALUE.toLatin1()), expiryMs);
    }
    case ContentType.Hash: {
      const hash = keyspace.hashAt(slot);
      const fields = Array.from({ length: hash.size }, (_unused, index) => {
        hash.at(index, FIELD, VALUE);
        return `${FIELD.toLatin1()}=${VALUE.toLatin1()}`;
      });
      return keyText('hash', fields.sort().join(' '), expiryMs);
    }
    case ContentType.Set: {
      const set = keyspace.setAt(slot);
      const members = Array.from({ length: set.size }, (_unused, index) => {
        set.at(index, FIELD);
        return FIELD.toLatin1();
      });
      return keyText('set', members.sort().join(' '), expiryMs);
    }
    default:
      throw new Error(`${key} is visible and shows nothing that is declared here`);
  }
}

/** What a set of transactions has to show at a time, by declaration. */
export function declaredKeys(history: Iterable<Transaction>, keys: readonly string[], nowMs: number): ShownKeys {
  const transactions = [...history];
  const shown: Record<string, string> = {};
  for (const key of keys) {
    const declared = declaredValue(transactions, key);
    if (declared === null || declared.expiryMs <= nowMs) continue;
    const { type, value } = declared;
    const text =
      type === 'siblings'
        ? siblingsText(value, shownOfSeveral(value))
        : typeof value === 'string'
          ? JSON.stringify(value)
          : value.join(' ');
    shown[key] = keyText(type, text, declared.expiryMs);
  }
  return shown;
}

/** `"1" "2" as "3"`, the latest last. */
function siblingsText(values: readonly string[], shown: string): string {
  return `${values.map((value) => JSON.stringify(value)).join(' ')} as ${JSON.stringify(shown)}`;
}

function keyText(type: string, value: string, expiryMs: number): string {
  return expiryMs === Infinity ? `${type} ${value}` : `${type} ${value} until ${expiryMs}`;
}
