import type { ByteRange } from './bytes.ts';

/**
 * Counters are exact: integers are `bigint`, fractions are `bigint` in units of 10^-17 (the digits that Redis keeps after
 * the point). Sums are therefore the same in whatever order they are made (RULES V4), which sums of doubles are not.
 */
const FRACTION_DIGITS = 17;
export const FRACTION_UNIT: bigint = 10n ** 17n;

export const INT64_MIN: bigint = -(2n ** 63n);
export const INT64_MAX: bigint = 2n ** 63n - 1n;

/** Largest count of digits of a decimal: beyond it a number is refused as Redis refuses infinities. */
const DECIMAL_CHARS_MAX = 400;

const MINUS = 45;
const ZERO = 48;
/** Digits of a number that is exact as a double, whatever they are. */
const EXACT_DIGITS = 15;

/** A strict integer (`parseInteger`) of few digits as a number; null for all else. */
export function parseExactInteger({ buf, start, end }: ByteRange): number | null {
  const from = start < end && buf[start] === MINUS ? start + 1 : start;
  if (from >= end || end - from > EXACT_DIGITS) return null;
  if (buf[from] === ZERO) return end - start === 1 ? 0 : null;
  let value = 0;
  for (let at = from; at < end; at++) {
    const digit = (buf[at] as number) - ZERO;
    if (digit < 0 || digit > 9) return null;
    value = value * 10 + digit;
  }
  return from === start ? value : -value;
}

/** A strict integer as Redis reads one: an optional minus, no leading zeros, no spaces, within 64 bits; else null. */
export function parseInteger(range: ByteRange): bigint | null {
  const { buf, start, end } = range;
  const length = end - start;
  if (length === 0 || length > 20) return null;
  const from = buf[start] === MINUS ? start + 1 : start;
  if (end - from <= EXACT_DIGITS) {
    const value = parseExactInteger(range);
    return value === null ? null : BigInt(value);
  }
  if (buf[from] === ZERO) return null;
  for (let i = from; i < end; i++) {
    const digit = (buf[i] as number) - ZERO;
    if (digit < 0 || digit > 9) return null;
  }
  const value = BigInt(range.toLatin1());
  return value < INT64_MIN || value > INT64_MAX ? null : value;
}

const DECIMAL = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE]([+-]?\d{1,4}))?$/;

/**
 * A decimal number in units of 10^-17, rounded half away from zero; null when it is not a finite decimal number
 * (NaN and infinities are refused) or has an absurd size.
 */
export function parseDecimal(text: string): bigint | null {
  if (text.length === 0 || text.length > DECIMAL_CHARS_MAX) return null;
  const match = DECIMAL.exec(text);
  if (match === null) return null;
  const exponent = Number(match[1] ?? '0');
  if (Math.abs(exponent) > DECIMAL_CHARS_MAX) return null;
  const negative = text.startsWith('-');
  const mantissa = text.replace(/^[+-]/, '').replace(/[eE].*$/, '');
  const point = mantissa.indexOf('.');
  const digits = mantissa.replace('.', '');
  const decimals = point < 0 ? 0 : mantissa.length - point - 1;
  const shift = exponent - decimals + FRACTION_DIGITS;
  const units =
    shift >= 0 ? BigInt(digits) * 10n ** BigInt(shift) : roundedDivide(BigInt(digits), 10n ** BigInt(-shift));
  return negative ? -units : units;
}

function roundedDivide(value: bigint, by: bigint): bigint {
  return (value * 2n + by) / (by * 2n);
}

/** A value in units of 10^-17 as text, without trailing zeros: `10.6`, `3`, `-0.5`. */
export function formatDecimal(units: bigint): string {
  const negative = units < 0n;
  const text = (negative ? -units : units).toString().padStart(FRACTION_DIGITS + 1, '0');
  const whole = text.slice(0, -FRACTION_DIGITS);
  const fraction = text.slice(-FRACTION_DIGITS).replace(/0+$/, '');
  const body = fraction === '' ? whole : `${whole}.${fraction}`;
  return negative ? `-${body}` : body;
}
