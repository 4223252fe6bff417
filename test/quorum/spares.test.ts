import { describe, expect, test } from 'vitest';
import { Lone } from './lone.ts';
import { TIMING } from './world.ts';

const SPARE_MS = 40;

/** A leader of 2 and 3, who both have all there is. 2 is needed, 3 is spare. */
function leader(spareMs = SPARE_MS): Lone {
  const lone = new Lone({ timing: { spareMs } }).lead();
  for (const from of [2, 3]) lone.accepts(from, 1);
  lone.tick(TIMING.heartbeatMs);
  propose(lone);
  for (const from of [2, 3]) lone.accepts(from, 2);
  lone.take('append');
  return lone;
}

function propose(lone: Lone): void {
  lone.raft.propose(new Uint8Array(1), lone.nowMs);
  lone.settle();
}

/** To whom which entries were sent, and what was said to be committed with them; heartbeats left out. */
function sent(lone: Lone): string[] {
  const appends = lone.take('append').filter(({ entries }) => entries.length > 0);
  return appends.map(
    ({ to, entries, commit }) => `${to}: ${entries.map(({ index }) => index).join()}, committed ${commit}`,
  );
}

describe('a voter that no majority needs gets its entries later, many at a time', () => {
  test('until its time has come, which is when the machine wants time to pass', () => {
    const lone = leader();
    for (const index of [3, 4, 5]) {
      lone.pass(5);
      propose(lone);
      expect(sent(lone)).toEqual([`2: ${index}, committed ${index - 1}`]);
      lone.accepts(2, index);
      expect(lone.raft.commit).toBe(index);
    }
    lone.take('append');
    expect(lone.raft.nextTickMs()).toBe(lone.nowMs + SPARE_MS - 15);
    expect(sent(lone.tick(SPARE_MS - 16))).toEqual([]);
    expect(sent(lone.tick(1))).toEqual(['3: 3,4,5, committed 5']);
    lone.accepts(3, 5);
    propose(lone);
    expect(sent(lone)).toEqual(['2: 6, committed 5']);
  });

  test('one alone after a while goes to all', () => {
    const lone = leader();
    lone.pass(SPARE_MS);
    propose(lone);
    expect(sent(lone)).toEqual(['2: 3, committed 2', '3: 3, committed 2']);
  });

  test('without the time for it nobody is spare', () => {
    const lone = leader(0);
    propose(lone);
    expect(sent(lone)).toEqual(['2: 3, committed 2', '3: 3, committed 2']);
  });

  test('at once where a client of it waits', () => {
    const lone = leader();
    lone.raft.tellCommit(3);
    propose(lone);
    expect(sent(lone)).toEqual(['2: 3, committed 2', '3: 3, committed 2']);
  });

  test('where the needed one does not answer the spare has it in time, commits it, and takes its place', () => {
    const lone = leader();
    propose(lone);
    expect(sent(lone)).toEqual(['2: 3, committed 2']);
    expect(sent(lone.tick(SPARE_MS))).toEqual(['3: 3, committed 2']);
    lone.accepts(3, 3);
    expect(lone.raft.commit).toBe(3);
    // who did not answer is sent the rest as a spare is
    propose(lone);
    expect(sent(lone)).toEqual(['2: 4, committed 3', '3: 4, committed 3']);
    lone.accepts(3, 4);
    expect(lone.raft.commit).toBe(4);
    propose(lone);
    expect(sent(lone)).toEqual(['3: 5, committed 4']);
  });

  test('where the needed one has begun anew the spare takes its place with its next answer', () => {
    const lone = leader();
    lone.raft.restarted(2);
    propose(lone);
    lone.take('append');
    expect(sent(lone.tick(SPARE_MS))).toEqual(['3: 3, committed 2']);
    lone.accepts(3, 3);
    propose(lone);
    expect(sent(lone)).toEqual(['3: 4, committed 3']);
  });

  test('who is to lead next is not kept waiting longer than that', () => {
    const lone = leader();
    propose(lone);
    expect(sent(lone)).toEqual(['2: 3, committed 2']);
    lone.raft.transfer(3, lone.nowMs);
    expect(sent(lone.tick(SPARE_MS))).toEqual(['3: 3, committed 2']);
    lone.accepts(3, 3);
    expect(lone.take('timeout-now')).toMatchObject([{ to: 3 }]);
  });

  test('of four voters one is spare, and who only learns is not', () => {
    const learning = new Lone({
      timing: { spareMs: SPARE_MS },
      config: { voters: [1, 2, 3, 4], learners: [5] },
    }).lead();
    for (const from of [2, 3, 4, 5]) learning.accepts(from, 1);
    learning.tick(TIMING.heartbeatMs);
    learning.take('append');
    propose(learning);
    for (const from of [2, 3, 4, 5]) learning.accepts(from, 2);
    learning.take('append');
    propose(learning);
    expect(sent(learning)).toEqual(['2: 3, committed 2', '3: 3, committed 2', '5: 3, committed 2']);
  });
});
