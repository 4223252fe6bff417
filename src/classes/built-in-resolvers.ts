import { latin1Bytes } from '../base/bytes.ts';
import { parseDecimal } from '../base/decimal.ts';
import { nodeOf } from '../clock/origin.ts';
import { canonicalElements, canonicalMembers, JsonFault, objectText } from './canonical-json.ts';
import type { BuiltInResolver } from './key-class.ts';
import { RESOLVER_INPUT_CHARS_MAX } from './limits.ts';
import { ResolverFailure, type Resolver, type SiblingView } from './resolver.ts';
import { utf8Latin1, utf8Text } from './utf8.ts';

/** The value as a text. Throws ResolverFailure where its bytes are no UTF-8. */
function textOf({ value }: SiblingView): string {
  const text = utf8Text(latin1Bytes(value));
  if (text === null) throw new ResolverFailure('shape', 'a value is not UTF-8');
  return text;
}

/** Throws ResolverFailure where the siblings are more than a resolver is given. */
export function requireInputSize(siblings: readonly SiblingView[]): void {
  const chars = siblings.reduce((sum, { value }) => sum + value.length, 0);
  if (chars <= RESOLVER_INPUT_CHARS_MAX) return;
  throw new ResolverFailure(
    'shape',
    `the siblings have ${chars} bytes, above the ${RESOLVER_INPUT_CHARS_MAX} that a resolver is given`,
  );
}

/** Reads each sibling as JSON of a shape. Throws ResolverFailure where one is of another. */
function readEach<T>(siblings: readonly SiblingView[], shape: string, read: (text: string) => T): T[] {
  requireInputSize(siblings);
  return siblings.map((sibling) => {
    try {
      return read(textOf(sibling));
    } catch (error) {
      if (error instanceof JsonFault) throw new ResolverFailure('shape', `a value is not ${shape}: ${error.message}`);
      throw error;
    }
  });
}

function newestByField(siblings: readonly SiblingView[]): string {
  const merged = new Map<string, string>();
  for (const members of readEach(siblings, 'a JSON object', canonicalMembers)) {
    for (const [name, value] of members) merged.set(name, value);
  }
  return utf8Latin1(objectText(merged));
}

function union(siblings: readonly SiblingView[]): string {
  const elements = new Set(readEach(siblings, 'a JSON array', canonicalElements).flat());
  return utf8Latin1(`[${[...elements].join(',')}]`);
}

/** The text, as it was written, of the number that is ahead of the others; of equal ones the latest. */
function extreme(isAhead: (units: bigint, of: bigint) => boolean): Resolver {
  return (siblings) => {
    let best: { readonly units: bigint; readonly text: string } | null = null;
    for (const { value } of siblings) {
      const units = parseDecimal(value);
      if (units === null) throw new ResolverFailure('shape', 'a value is not a decimal number');
      if (best === null || !isAhead(best.units, units)) best = { units, text: value };
    }
    return best?.text ?? '';
  };
}

/** The sibling whose region comes first; of regions that are not named none is ahead of another, and of one region the latest is. */
export function byRegion(regions: readonly string[], regionOf: (node: number) => string): Resolver {
  const rankOf = ({ dot }: SiblingView): number => {
    const rank = regions.indexOf(regionOf(nodeOf(dot.origin)));
    return rank === -1 ? regions.length : rank;
  };
  return (siblings) => {
    let best: SiblingView | null = null;
    for (const sibling of siblings) if (best === null || rankOf(sibling) <= rankOf(best)) best = sibling;
    return best?.value ?? '';
  };
}

/** Pure functions of the siblings' values and their order. */
export const builtInResolvers: Readonly<Record<BuiltInResolver, Resolver>> = {
  'newest-by-field': newestByField,
  max: extreme((units, of) => units > of),
  min: extreme((units, of) => units < of),
  union,
};
