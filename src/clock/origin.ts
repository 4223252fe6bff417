import { assert } from '../base/assert.ts';

/**
 * A source of one ordered stream of transactions: a node in one incarnation. One safe integer,
 * `nodeNumber × 2^32 + incarnation`, the same on every node, so that it is compared, sent and stored without a table.
 */
export type Origin = number & { readonly __brand: 'Origin' };

/** A node's number: `regionNumber × 64 + letter index`, from the topology; 1 … 2^20 − 1. */
export type NodeNumber = number & { readonly __brand: 'NodeNumber' };

const INCARNATIONS = 2 ** 32;
const NODE_NUMBER_MAX = 2 ** 20 - 1;

/** The highest incarnation there can be. */
export const INCARNATION_MAX: number = INCARNATIONS - 1;

export function nodeNumber(value: number): NodeNumber {
  assert(isNodeNumber(value), `node number ${value} is within 1..${NODE_NUMBER_MAX}`);
  return value;
}

export function isNodeNumber(value: unknown): value is NodeNumber {
  return Number.isInteger(value) && (value as number) >= 1 && (value as number) <= NODE_NUMBER_MAX;
}

/** The origin of a node's incarnation (1 … 2^32 − 1). Incarnation 0 names no stream: see `floorOf`. */
export function originOf(node: NodeNumber, incarnation: number): Origin {
  assert(
    Number.isInteger(incarnation) && incarnation >= 0 && incarnation < INCARNATIONS,
    'incarnation is a 32-bit number',
  );
  return (node * INCARNATIONS + incarnation) as Origin;
}

export function nodeOf(origin: Origin): NodeNumber {
  return Math.floor(origin / INCARNATIONS) as NodeNumber;
}

export function incarnationOf(origin: Origin): number {
  // by a power of two this is exact, and a third of what the remainder of two doubles takes
  return origin - Math.floor(origin / INCARNATIONS) * INCARNATIONS;
}

/** The vector entry that holds a node's floor: the lowest incarnation that is not retired yet (SPEC, D8). */
export function floorOf(origin: Origin): Origin {
  return (origin - incarnationOf(origin)) as Origin;
}

/** Whether a number from outside can be an origin or a floor entry. */
export function isOrigin(value: unknown): value is Origin {
  return Number.isSafeInteger(value) && isNodeNumber(Math.floor((value as number) / INCARNATIONS));
}
