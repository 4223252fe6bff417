import type { Join, Removal } from '../causal/membership-record.ts';
import { INCARNATION_MAX } from '../clock/origin.ts';
import { array, count, flat, incarnation, node, NODES_MAX, refuse, vector } from './msgpack-checks.ts';

export const flatRemovals = (gone: readonly Removal[]): unknown[] =>
  gone.map(({ node: of, epoch, incarnation: life, cut }) => [of, epoch, life, flat(cut)]);

export const flatJoins = (again: readonly Join[]): unknown[] =>
  again.map(({ node: of, epoch, incarnation: life, cut }) => [of, epoch, life, flat(cut)]);

export function removals(value: unknown): Removal[] {
  return array(value, NODES_MAX, 'removals').map((removal) => {
    const [of, epoch, life, cut] = array(removal, 4, 'a removal');
    const newest = count(life, 'an incarnation');
    if (newest > INCARNATION_MAX) refuse(`incarnation ${newest} is none`);
    return { node: node(of), epoch: count(epoch, 'an epoch'), incarnation: newest, cut: vector(cut) };
  });
}

export function joins(value: unknown): Join[] {
  return array(value, NODES_MAX, 'joins').map((join) => {
    const [of, epoch, life, cut] = array(join, 4, 'a join');
    return { node: node(of), epoch: count(epoch, 'an epoch'), incarnation: incarnation(life), cut: vector(cut) };
  });
}
