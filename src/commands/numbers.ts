import type { ByteRange } from '../base/bytes.ts';
import { formatDecimal, INT64_MAX, INT64_MIN, parseDecimal, parseInteger } from '../base/decimal.ts';
import { DECIMAL_CHARS_MAX } from '../base/limits.ts';
import type { Args } from './context.ts';
import { notAnInteger, refuse } from './refusals.ts';

/** Redis's `long` and `long long` are both 64 bits wide here. */
export function integerArgument(args: Args, index: number, message?: string): bigint {
  const value = parseInteger(args.range(index));
  if (value === null) throw message === undefined ? notAnInteger() : refuse(message);
  return value;
}

/** An integer between `least` and `most`; `message` replaces Redis's general texts. */
export function integerArgumentWithin(
  args: Args,
  index: number,
  least: bigint,
  most: bigint,
  message?: string,
): bigint {
  const value = integerArgument(args, index, message);
  if (value >= least && value <= most) return value;
  throw refuse(message ?? `value is out of range, value must between ${least} and ${most}`);
}

/** A count that Redis wants positive or zero. */
export function positiveArgument(
  args: Args,
  index: number,
  message = 'value is out of range, must be positive',
): bigint {
  return integerArgumentWithin(args, index, 0n, INT64_MAX, message);
}

/** A 64-bit integer as a number no larger than `most` and no smaller than `-most`. */
export function clamped(value: bigint, most: number): number {
  if (value > BigInt(most)) return most;
  return value < BigInt(-most) ? -most : Number(value);
}

export function isInt64(value: bigint): boolean {
  return value >= INT64_MIN && value <= INT64_MAX;
}

const INFINITE = /^[+-]?inf(?:inity)?$/i;

/**
 * A number as Redis's float commands read it, in units of 10^-17 (`base/decimal.ts`): `infinite` for an infinity, null for what
 * is not a number (hexadecimal floats, which Redis takes, are not). Only short text is looked at.
 */
export function decimalOf(range: ByteRange): bigint | 'infinite' | null {
  if (range.end - range.start > DECIMAL_CHARS_MAX) return null;
  const text = range.toLatin1();
  return parseDecimal(text) ?? (INFINITE.test(text) ? 'infinite' : null);
}

/** The sum of two decimals where it is finite as far as we count, else null. */
export function decimalSum(left: bigint | 'infinite', right: bigint | 'infinite'): bigint | null {
  if (left === 'infinite' || right === 'infinite') return null;
  const sum = left + right;
  return formatDecimal(sum).length > DECIMAL_CHARS_MAX ? null : sum;
}
