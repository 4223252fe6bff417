import { expect, it } from 'vitest';
import type { GroupStatus } from '../../src/commands/strong-view.ts';
import { nextExactChange, nextVoterChange } from '../../src/groups/group-voters.ts';
import { StrongRegions } from '../support/strong-regions.ts';
import type { VirtualNode } from '../support/virtual-cluster.ts';
import { Joining } from './joining.ts';
import { Removal } from './removal.ts';

const members = (removed: readonly number[], joined: readonly number[], silent: readonly number[] = []) => ({
  isHeard: (node: number): boolean => !silent.includes(node),
  isRemoved: (node: number): boolean => removed.includes(node),
  hasJoined: (node: number): boolean => joined.includes(node),
});

it('a removed node leaves, one that joined again learns first and votes where the plan misses a voter', () => {
  const wanted = { voters: [1, 2, 3], learners: [4] };
  const next = (voters: readonly number[], learners: readonly number[], of: ReturnType<typeof members>) =>
    nextVoterChange({ voters, learners }, wanted, of);
  expect(next([1, 2, 3], [4], members([], []))).toBeNull();
  expect(next([1, 2, 3], [4], members([3], []))).toEqual({ kind: 'remove', node: 3 });
  expect(next([1, 2, 3], [4], members([4], []))).toEqual({ kind: 'remove', node: 4 });
  expect(next([1, 2], [4], members([3], []))).toBeNull();
  // an operator's own changes of nodes that were never removed stay
  expect(next([1, 2], [3, 4], members([], []))).toBeNull();
  expect(next([1, 2], [4], members([], [3]))).toEqual({ kind: 'add-learner', node: 3 });
  expect(next([1, 2], [4, 3], members([], [3]))).toEqual({ kind: 'promote', node: 3 });
  expect(next([1, 2], [4, 3], members([], [3], [3]))).toBeNull();
  expect(next([1, 2, 4], [3], members([], [3]))).toBeNull();
  expect(next([1, 2, 3], [], members([], [4]))).toEqual({ kind: 'add-learner', node: 4 });
});

it('where nobody else has a say, who is not wanted makes room for who is', () => {
  const wanted = { voters: [1, 2, 3], learners: [4] };
  const next = (voters: readonly number[], learners: readonly number[], of: ReturnType<typeof members>) =>
    nextExactChange({ voters, learners }, wanted, of);
  expect(next([1, 2, 3], [4], members([], []))).toBeNull();
  expect(next([1, 2, 4], [], members([], []))).toEqual({ kind: 'add-learner', node: 3 });
  expect(next([1, 2, 4], [3], members([], [], [3]))).toBeNull();
  expect(next([1, 2, 4], [3], members([], []))).toEqual({ kind: 'promote', node: 3 });
  expect(next([1, 2, 3, 4], [], members([], []))).toEqual({ kind: 'demote', node: 4 });
  expect(next([1, 2, 3, 4], [], members([2], []))).toEqual({ kind: 'remove', node: 2 });
});

const group = (node: VirtualNode): GroupStatus => {
  const [first] = node.core.strong.groups();
  if (first === undefined) throw new Error('there is a group');
  return first;
};

const ids = (node: VirtualNode, isVoter: boolean): string[] =>
  group(node)
    .members.filter((member) => member.isVoter === isVoter)
    .map(({ id }) => id);

it('a region that is removed counts in no quorum: the two left go on, and it learns and votes again once it joined', () => {
  const regions = new StrongRegions();
  const { cluster } = regions;
  const [east, west, asia] = cluster.nodes as [VirtualNode, VirtualNode, VirtualNode];
  cluster.kill(asia);
  expect(new Removal(cluster, asia, [east, west]).run()).toBe(true);
  const arePaired = (): boolean => [east, west].every((node) => ids(node, true).length === 2);
  expect(cluster.runUntil(arePaired, 10_000)).toBe(true);
  expect(ids(east, true)).toEqual([east.id, west.id]);
  expect(ids(east, false)).toEqual([]);

  // its disk comes back, with a log in which it votes: nobody hears it
  cluster.restart(asia);
  cluster.run(5_000);
  expect(group(east).leader).toBe(east.id);
  expect(ids(west, true)).toEqual([east.id, west.id]);
  const joining = new Joining(cluster, asia, [east, west]);
  expect(joining.run()).toBe(true);
  expect(joining.isWhole()).toBe(true);
  const votes = (): boolean => cluster.nodes.every((node) => ids(node, true).includes(asia.id));
  expect(cluster.runUntil(votes, 20_000)).toBe(true);

  // with its vote one of the others may go
  cluster.kill(west);
  const isLed = (): boolean => group(east).leader === east.id && group(asia).leader === east.id;
  expect(cluster.runUntil(isLed, 20_000)).toBe(true);
  expect(regions.connect('us-east-1').run('SET position:1 7')).toBe('+OK');
});
