import { describe, expect, it } from 'vitest';
import { World } from './world.ts';

describe('a group of three', () => {
  it('elects, replicates, commits, persists and restarts', () => {
    const world = new World({ voters: [1, 2, 3] });
    const leader = world.elect();
    expect(leader.propose('a')).toEqual({ term: leader.raft?.term, index: 2 });
    world.run(500);
    expect(world.all.map((member) => member.machine.values)).toEqual([['a'], ['a'], ['a']]);
    for (const member of world.all) member.crash();
    for (const member of world.all) member.start();
    const next = world.elect();
    next.propose('b');
    world.run(500);
    expect(world.all.map((member) => member.machine.values)).toEqual([
      ['a', 'b'],
      ['a', 'b'],
      ['a', 'b'],
    ]);
  });
});
