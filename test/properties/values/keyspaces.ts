import { formatDecimal, parseDecimal } from '../../../src/base/decimal.ts';
import { SlabKeyspace } from '../../../src/keyspace/slab-keyspace.ts';

/** Which keys of histories and schedules keep siblings (SPEC V5): those that say so. */
export const keepsSiblings = (key: string): boolean => key.startsWith('sib');

/**
 * What such a key shows of several values: their sum where all are numbers, else all of them. Whatever is lost or counted twice
 * shows in it.
 */
export function shownOfSeveral(values: readonly string[]): string {
  const units = values.map(parseDecimal);
  return units.every((part) => part !== null)
    ? formatDecimal(units.reduce((sum, part) => sum + part, 0n))
    : values.join('+');
}

/** A keyspace with both kinds of keys. */
export function newKeyspace(): SlabKeyspace {
  const keyspace = new SlabKeyspace();
  keyspace.kinds.keepsSiblings = (key) => keepsSiblings(key.toLatin1());
  keyspace.showSiblings = (_key, siblings) => ({
    text: shownOfSeveral(siblings.map(({ value }) => value)),
    error: null,
  });
  return keyspace;
}
