import type { Origin } from './origin.ts';
import { incarnationOf, nodeOf } from './origin.ts';

/** The identity of one transaction: the `seq`-th of `origin`, from 1. */
export interface Dot {
  readonly origin: Origin;
  readonly seq: number;
}

/** Names nodes for people. `undefined` when the number is unknown. */
export type NodeNames = (node: number) => string | undefined;

/** `us-east-1/a#3` */
export function originText(origin: Origin, names: NodeNames): string {
  const node = nodeOf(origin);
  return `${names(node) ?? `node${node}`}#${incarnationOf(origin)}`;
}

/** `us-east-1/a#3:17` */
export function dotText(origin: Origin, seq: number, names: NodeNames): string {
  return `${originText(origin, names)}:${seq}`;
}
