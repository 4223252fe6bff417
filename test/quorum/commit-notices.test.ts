import { describe, expect, test } from 'vitest';
import { append, entriesOf, Lone } from './lone.ts';
import { TIMING } from './world.ts';

describe('an append that only tells how far the log is committed', () => {
  test('commits, and is not answered', () => {
    const lone = new Lone().step(append(1, [0, 0], entriesOf([1, 1], [2, 1])));
    lone.take('append-response');
    lone.step(append(1, [2, 1], [], { commit: 2, round: 0 }));
    expect(lone.committed.map((entry) => entry.index)).toEqual([1, 2]);
    expect(lone.take('append-response')).toEqual([]);
  });

  test('is refused where what comes before is missing, so that the leader sends it', () => {
    const lone = new Lone().step(append(1, [0, 0], entriesOf([1, 1])));
    lone.take('append-response');
    lone.step(append(1, [3, 1], [], { commit: 3, round: 0 }));
    expect(lone.committed).toEqual([]);
    expect(lone.take('append-response')).toMatchObject([{ isAccepted: false, previousIndex: 3, index: 1 }]);
  });

  test('one of a round is answered: the lease counts on it', () => {
    const lone = new Lone().step(append(1, [0, 0], entriesOf([1, 1])));
    lone.take('append-response');
    lone.step(append(1, [1, 1], [], { commit: 1, round: 7 }));
    expect(lone.take('append-response')).toMatchObject([{ isAccepted: true, index: 1, round: 7 }]);
  });
});

describe('what is committed where the leader may keep it to itself for a while', () => {
  const NOTE_MS = 40;

  /** A leader of 2 and 3, both up to date, whose second entry was just committed. */
  function afterCommit(): Lone {
    const lone = new Lone({ timing: { commitNoteMs: NOTE_MS } }).lead();
    for (const from of [2, 3]) lone.accepts(from, 1);
    lone.pass(NOTE_MS).settle();
    lone.raft.propose(new Uint8Array([1]), lone.nowMs);
    lone.settle().take('append');
    lone.accepts(2, 2);
    expect(lone.raft.commit).toBe(2);
    return lone;
  }

  test('the next entries bring it along', () => {
    const lone = afterCommit();
    expect(lone.take('append')).toEqual([]);
    lone.raft.propose(new Uint8Array([2]), lone.nowMs);
    expect(lone.settle().take('append')).toMatchObject([
      { to: 2, commit: 2, entries: [{ index: 3 }] },
      { to: 3, commit: 2, entries: [{ index: 3 }] },
    ]);
    expect(lone.tick(NOTE_MS).take('append')).toEqual([]);
  });

  test('it is told alone when the while is over, and that is when the machine wants time to pass', () => {
    const lone = afterCommit();
    expect(lone.raft.nextTickMs()).toBe(lone.nowMs + NOTE_MS);
    expect(lone.tick(NOTE_MS - 1).take('append')).toEqual([]);
    expect(lone.tick(1).take('append')).toMatchObject([
      { to: 2, commit: 2, entries: [], round: 0 },
      { to: 3, commit: 2, entries: [], round: 0 },
    ]);
    expect(lone.raft.nextTickMs()).toBeGreaterThan(lone.nowMs);
  });

  test('who waits for it is told at once, and nobody else', () => {
    const lone = afterCommit();
    lone.take('append');
    lone.raft.tellCommit(3);
    expect(lone.settle().take('append')).toMatchObject([{ to: 3, commit: 2, entries: [] }]);
    lone.raft.tellCommit(3);
    expect(lone.settle().take('append')).toEqual([]);
    expect(lone.raft.nextTickMs()).toBe(lone.nowMs + NOTE_MS);
  });

  test('a member that asks for an index to read at is told with the answer', () => {
    const lone = afterCommit();
    lone.take('append');
    // a lease, so that the index is said at once
    lone.tick(TIMING.heartbeatMs).accepts(2, 2, lone.take('append')[0]?.round ?? 0);
    lone.raft.propose(new Uint8Array([2]), lone.nowMs);
    lone.settle().accepts(2, 3).take('append');
    lone.step({ type: 'read-index', from: 3, to: 1, term: lone.raft.term, id: 9 });
    expect(lone.said).toMatchObject([
      { type: 'read-index-response', to: 3, index: 3 },
      { type: 'append', to: 3, commit: 3, entries: [] },
    ]);
  });
});
