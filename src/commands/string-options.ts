import { INT64_MAX, parseInteger } from '../base/decimal.ts';
import type { ByteRange } from '../base/bytes.ts';
import type { Args } from './context.ts';
import { invalidExpireTime, notAnInteger, syntaxError } from './refusals.ts';

/** How an expiry is written: `EX` seconds from now, `PX` milliseconds, `EXAT` and `PXAT` a Unix time. */
export type ExpiryForm = 'EX' | 'PX' | 'EXAT' | 'PXAT';

/** The options of SET and GETEX. */
export interface StringOptions {
  /** `IFEQ`: the key is there with that value; `IFNE`: it is not there, or with another one (Redis 8.4); `IFVERSION`: it has that version. */
  condition: 'NX' | 'XX' | 'IFEQ' | 'IFNE' | 'IFVERSION' | null;
  /** The argument that the last three compare with; meaningless without them. */
  comparedIndex: number;
  get: boolean;
  keepTtl: boolean;
  persist: boolean;
  expiry: ExpiryForm | null;
  /** The argument with the expiry's number; meaningless without `expiry`. */
  expiryIndex: number;
}

/** Reads options from argument `from` on. As in Redis the same option may come twice (the last number counts), two different expiries may not. */
export function parseStringOptions(args: Args, from: number, command: 'set' | 'getex'): StringOptions {
  const options: StringOptions = {
    condition: null,
    comparedIndex: 0,
    get: false,
    keepTtl: false,
    persist: false,
    expiry: null,
    expiryIndex: 0,
  };
  for (let index = from; index < args.count; index++) {
    if (takeFlag(options, args.word(index), command)) continue;
    const value = index + 1;
    if (value >= args.count) throw syntaxError();
    const word = args.word(index);
    if (!(command === 'set' && takeComparison(options, word, value)) && !takeExpiry(options, word, value))
      throw syntaxError();
    index++;
  }
  return options;
}

function takeFlag(options: StringOptions, word: string, command: 'set' | 'getex'): boolean {
  if (command === 'getex') {
    if (word !== 'PERSIST' || options.expiry !== null) return false;
    options.persist = true;
    return true;
  }
  switch (word) {
    case 'NX':
    case 'XX':
      if (options.condition !== null && options.condition !== word) return false;
      options.condition = word;
      return true;
    case 'GET':
      options.get = true;
      return true;
    case 'KEEPTTL':
      if (options.expiry !== null) return false;
      options.keepTtl = true;
      return true;
    default:
      return false;
  }
}

/** Of all conditions there may be one. */
function takeComparison(options: StringOptions, word: string, index: number): boolean {
  if ((word !== 'IFEQ' && word !== 'IFNE' && word !== 'IFVERSION') || options.condition !== null) return false;
  options.condition = word;
  options.comparedIndex = index;
  return true;
}

function takeExpiry(options: StringOptions, word: string, index: number): boolean {
  if (word !== 'EX' && word !== 'PX' && word !== 'EXAT' && word !== 'PXAT') return false;
  if (options.keepTtl || options.persist) return false;
  if (options.expiry !== null && options.expiry !== word) return false;
  options.expiry = word;
  options.expiryIndex = index;
  return true;
}

/**
 * The Unix millisecond that an expiry option means. It must be positive and fit in 64 bits; beyond 2^53 it is rounded, which
 * is beyond the year 280,000.
 */
export function expiryOptionMs(number: ByteRange, form: ExpiryForm, nowMs: number, commandName: string): number {
  let ms = parseInteger(number);
  if (ms === null) throw notAnInteger();
  if (ms <= 0n) throw invalidExpireTime(commandName);
  if (form === 'EX' || form === 'EXAT') ms *= 1000n;
  if (form === 'EX' || form === 'PX') ms += BigInt(nowMs);
  if (ms > INT64_MAX) throw invalidExpireTime(commandName);
  return Number(ms);
}
