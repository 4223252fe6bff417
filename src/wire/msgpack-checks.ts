import { Packr } from 'msgpackr';
import type { VectorEntries } from '../causal/peer-frames.ts';
import {
  INCARNATION_MAX,
  incarnationOf,
  isNodeNumber,
  isOrigin,
  type NodeNumber,
  type Origin,
} from '../clock/origin.ts';
import { isStamp, type Stamp } from '../clock/stamp.ts';
import { CausewayError } from '../errors.ts';
import { checkShape } from './msgpack-shape.ts';

export const ORIGINS_MAX = 4_096;
export const NODES_MAX = 1_024;
/** Parts of the longest frame, and room for those that a later version adds. */
const FRAME_PARTS_MAX = 64;

/** Encodes lists, numbers, texts and bytes; nothing else is sent. */
export const packr: Packr = new Packr({
  useRecords: false,
  mapsAsObjects: false,
  int64AsType: 'number',
  moreTypes: false,
});

export const refuse = (what: string): never => {
  throw new CausewayError('PROTOCOL', `frame refused: ${what}`);
};

export function unpack(bytes: Uint8Array): readonly unknown[] {
  checkShape(bytes);
  let value: unknown;
  try {
    value = packr.unpack(bytes);
  } catch (error) {
    throw new CausewayError('PROTOCOL', 'frame refused: it is no msgpack', { cause: error });
  }
  return array(value, FRAME_PARTS_MAX, 'a frame');
}

/** A list of at most so many parts; throws PROTOCOL for whatever else the bytes are. */
export function list(bytes: Uint8Array, parts: number, what: string): readonly unknown[] {
  checkShape(bytes);
  let value: unknown;
  try {
    value = packr.unpack(bytes);
  } catch (error) {
    throw new CausewayError('PROTOCOL', `frame refused: ${what} is no msgpack`, { cause: error });
  }
  return array(value, parts, what);
}

export function array(value: unknown, lengthMax: number, what: string): readonly unknown[] {
  if (!Array.isArray(value)) return refuse(`${what} is no list`);
  if (value.length > lengthMax) refuse(`${what} has ${value.length} parts, at most ${lengthMax}`);
  return value as readonly unknown[];
}

export function count(value: unknown, what: string): number {
  return Number.isSafeInteger(value) && (value as number) >= 0 ? (value as number) : refuse(`${what} is no count`);
}

export function finite(value: unknown, what: string): number {
  return typeof value === 'number' && Number.isFinite(value) ? value : refuse(`${what} is no number`);
}

export function text(value: unknown, what: string): string {
  return typeof value === 'string' && value.length <= 1_024 ? value : refuse(`${what} is no short text`);
}

export function blob(value: unknown, what: string): Uint8Array {
  return value instanceof Uint8Array ? value : refuse(`${what} is no bytes`);
}

export function origin(value: unknown): Origin {
  return isOrigin(value) ? value : refuse('an origin is none');
}

export function stamp(value: unknown): Stamp {
  return isStamp(value) ? value : refuse('a stamp is none');
}

export function node(value: unknown): NodeNumber {
  return isNodeNumber(value) ? value : refuse('a node number is none');
}

export function incarnation(value: unknown): number {
  const number = count(value, 'an incarnation');
  return number >= 1 && number <= INCARNATION_MAX ? number : refuse(`incarnation ${number} is none`);
}

export function flag(value: unknown, what: string): boolean {
  return value === 0 || value === 1 ? value === 1 : refuse(`${what} is neither 0 nor 1`);
}

export function numbers(value: unknown, lengthMax: number, what: string): readonly number[] {
  const parts = array(value, lengthMax, what);
  for (const part of parts) if (!Number.isSafeInteger(part)) refuse(`${what} has a part that is no number`);
  return parts as readonly number[];
}

/** A vector travels flat: origin, sequence, origin, sequence … */
export const flat = (pairs: VectorEntries): number[] => pairs.flatMap(([from, seq]) => [from, seq]);

export function vector(value: unknown, originsMax: number = ORIGINS_MAX): VectorEntries {
  const parts = numbers(value, originsMax * 2, 'a vector');
  if (parts.length % 2 !== 0) refuse('a vector is no list of pairs');
  const pairs: [Origin, number][] = [];
  for (let at = 0; at < parts.length; at += 2) {
    const from = origin(parts[at]);
    const seq = count(parts[at + 1], 'a sequence');
    pairs.push([from, incarnationOf(from) === 0 ? incarnation(seq) : seq]);
  }
  return pairs;
}
