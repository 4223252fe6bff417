import { describe, expect, it } from 'vitest';
import { EntryKind } from '../../src/quorum/messages.ts';
import { encodeConfig } from '../../src/quorum/group-config.ts';
import { accepted, append, chunk, entriesOf, Lone, vote } from './lone.ts';
import { TIMING, World } from './world.ts';

/*
 * What other implementations got wrong (RELIABILITY.md, section 3), by its number there. 6 to 9 are in
 * known-read-bugs.test.ts, 12 in known-snapshot-bugs.test.ts. Of other layers are: 13 (applied
 * index and data saved together), 14 (a retry happens once), 19 (what is applied is the same everywhere) and 20 (a failed
 * fsync ends the node); of 4 the map of waiting clients and of 11 that node numbers are never used again.
 */
describe('a bug seen in the wild', () => {
  describe('1: a vote is given before it is on disk', () => {
    it('no answer leaves before the disk has it, and after a restart another candidate of the term is refused', () => {
      const lone = new Lone().forget();
      lone.isDiskHeld = true;
      lone.step(vote(5));
      expect(lone.take('vote-response')).toEqual([]);
      lone.save();
      expect(lone.take('vote-response')).toMatchObject([{ to: 2, term: 5, isGranted: true }]);
      lone.restart();
      lone.forget().step(vote(5, { from: 3 }));
      expect(lone.take('vote-response')).toMatchObject([{ to: 3, term: 5, isGranted: false }]);
    });

    it('a vote that was not on disk at a crash was never given', () => {
      const lone = new Lone().forget();
      lone.isDiskHeld = true;
      lone.step(vote(5));
      lone.restart();
      expect(lone.raft.votedFor).toBe(0);
      expect(lone.said).toEqual([]);
    });

    it('who has found a leader before its own vote was on disk asks nobody any more', () => {
      const lone = new Lone().forget();
      lone.isDiskHeld = true;
      lone.raft.campaign(lone.nowMs);
      lone.settle();
      lone.step({ type: 'vote-response', from: 2, to: 1, term: 1, isPreVote: true, isGranted: true });
      expect(lone.raft.role).toBe('candidate');
      lone.step(append(1, [0, 0], entriesOf([1, 1])));
      lone.take('vote');
      lone.save().save();
      expect(lone.raft.durableIndex).toBe(1);
      expect(lone.take('vote')).toEqual([]);
    });

    it('a candidate asks for votes, and counts its own, once its own is on disk', () => {
      const lone = new Lone({ config: { voters: [1], learners: [] } }).forget();
      lone.isDiskHeld = true;
      lone.raft.campaign(lone.nowMs);
      lone.settle();
      expect(lone.raft.role).toBe('candidate');
      lone.save();
      expect(lone.raft.role).toBe('leader');
      const three = new Lone().forget();
      three.isDiskHeld = true;
      three.raft.campaign(three.nowMs);
      three.settle().take('vote');
      three.step({ type: 'vote-response', from: 2, to: 1, term: 1, isPreVote: true, isGranted: true });
      expect(three.take('vote')).toEqual([]);
      three.step({ type: 'vote-response', from: 2, to: 1, term: 1, isPreVote: false, isGranted: true });
      expect(three.raft.role).toBe('candidate');
      three.save();
      expect(three.raft.role).toBe('leader');
    });
  });

  it('2: an entry of an old term is committed by counting', () => {
    const lone = new Lone().step(append(1, [0, 0], entriesOf([1, 1], [2, 1])));
    lone.lead();
    lone.accepts(2, 2).accepts(3, 2);
    expect(lone.raft.commit).toBe(0);
    lone.accepts(2, 3);
    expect(lone.raft.commit).toBe(3);
  });

  it('3: a late append takes away what came after it', () => {
    const lone = new Lone().step(
      append(1, [0, 0], entriesOf([1, 1], [2, 1], [3, 1])),
      append(1, [0, 0], entriesOf([1, 1])),
      append(1, [1, 1], entriesOf([2, 1])),
      append(1, [2, 1], []),
    );
    expect(lone.terms).toEqual([1, 1, 1]);
    lone.step(append(2, [1, 1], entriesOf([2, 2])));
    expect(lone.terms).toEqual([1, 2]);
  });

  describe('4: a truncation is not seen by what remembers the log', () => {
    it('a batch under way makes nothing durable that was truncated meanwhile', () => {
      const lone = new Lone();
      lone.isDiskHeld = true;
      lone.step(append(1, [0, 0], entriesOf([1, 1], [2, 1], [3, 1])));
      lone.step(append(2, [1, 1], entriesOf([2, 2])));
      lone.save();
      expect(lone.raft.durableIndex).toBe(1);
      // The answer to the first append is not true any more.
      expect(lone.take('append-response').filter((response) => response.term === 1)).toEqual([]);
      lone.save();
      expect(lone.raft.durableIndex).toBe(2);
      expect(lone.disk.entries.map((entry) => entry.term)).toEqual([1, 2]);
    });

    it('what goes from the disk is said with the batch', () => {
      const lone = new Lone().step(append(1, [0, 0], entriesOf([1, 1], [2, 1], [3, 1])));
      lone.step(append(2, [1, 1], entriesOf([2, 2])));
      expect(lone.batches.map((batch) => [batch.truncateFrom, batch.entries.map((entry) => entry.index)])).toEqual([
        [null, [1, 2, 3]],
        [2, [2]],
      ]);
    });

    it('a configuration goes with its entry', () => {
      const four = { voters: [1, 2, 3, 4], learners: [] };
      const entry = { index: 1, term: 1, kind: EntryKind.Config, data: encodeConfig(four) };
      const lone = new Lone().step(append(1, [0, 0], [entry]));
      expect(lone.raft.config).toEqual(four);
      lone.step(append(2, [0, 0], entriesOf([1, 2])));
      expect(lone.raft.config.voters).toEqual([1, 2, 3]);
    });

    it('nothing that is committed is ever taken away', () => {
      const lone = new Lone().step(append(1, [0, 0], entriesOf([1, 1], [2, 1]), { commit: 2 }));
      lone.step(append(2, [0, 0], entriesOf([1, 2])), append(2, [1, 1], entriesOf([2, 2])));
      expect(lone.terms).toEqual([1, 1]);
    });
  });

  it('5: a follower commits beyond what the message showed to match', () => {
    const lone = new Lone().step(append(1, [0, 0], entriesOf([1, 1], [2, 1], [3, 1])));
    lone.step(append(2, [0, 0], [], { commit: 3 }));
    expect(lone.raft.commit).toBe(0);
    lone.step(append(2, [1, 1], [], { commit: 3 }));
    expect(lone.raft.commit).toBe(1);
    lone.step(append(2, [1, 1], entriesOf([2, 2]), { commit: 3 }));
    expect(lone.raft.commit).toBe(2);
  });

  it('10: a configuration of a new leader before an entry of its term is committed, or two at once', () => {
    const lone = new Lone({ config: { voters: [1, 2, 3], learners: [4] } }).lead();
    expect(lone.raft.proposeConfig({ kind: 'remove', node: 3 }, lone.nowMs)).toBe('not-ready');
    lone.accepts(2, 1);
    expect(lone.raft.proposeConfig({ kind: 'remove', node: 3 }, lone.nowMs)).toEqual({ term: 1, index: 2 });
    expect(lone.raft.config.voters).toEqual([1, 2]);
    expect(lone.raft.proposeConfig({ kind: 'remove', node: 4 }, lone.nowMs)).toBe('pending');
    lone.settle().accepts(2, 2);
    expect(lone.raft.proposeConfig({ kind: 'remove', node: 4 }, lone.nowMs)).toEqual({ term: 1, index: 3 });
  });

  describe('11: a removed member disturbs, a removed leader counts itself', () => {
    it('a removed leader commits with a majority of the others only, then steps down', () => {
      const lone = new Lone().lead().accepts(2, 1);
      lone.raft.proposeConfig({ kind: 'remove', node: 1 }, lone.nowMs);
      lone.settle().accepts(2, 2);
      expect(lone.raft.commit).toBe(1);
      expect(lone.raft.role).toBe('leader');
      lone.take('append');
      lone.accepts(3, 2);
      expect(lone.raft.role).toBe('follower');
      expect(
        lone
          .take('append')
          .filter((message) => message.commit === 2)
          .map((message) => message.to),
      ).toEqual([2, 3]);
    });

    it('its answers, also of a higher term, are nothing to the leader', () => {
      const lone = new Lone({ config: { voters: [1, 2, 3, 4], learners: [] } }).lead().accepts(2, 1).accepts(3, 1);
      lone.raft.proposeConfig({ kind: 'remove', node: 4 }, lone.nowMs);
      lone.settle().step(accepted(9, 1, { from: 4 }), { ...vote(9, { from: 4, lastIndex: 99, lastTerm: 8 }) });
      lone.step({ type: 'vote-response', from: 4, to: 1, term: 9, isPreVote: false, isGranted: false });
      expect(lone.raft).toMatchObject({ role: 'leader', term: 1 });
    });
  });

  describe('15: an answer for what another leader overwrote', () => {
    function deposed(): Lone {
      const lone = new Lone().lead();
      lone.raft.propose(new Uint8Array([1]), lone.nowMs);
      lone.raft.propose(new Uint8Array([2]), lone.nowMs);
      lone.settle().accepts(2, 1);
      return lone;
    }

    it('is said with the term; truncation alone decides nothing', () => {
      const lone = deposed().step(append(2, [1, 1], entriesOf([2, 2])));
      expect(lone.overwritten).toEqual([]);
      lone.step(append(2, [2, 2], [], { commit: 2 }));
      expect(lone.overwritten).toEqual([
        { term: 1, index: 2 },
        { term: 1, index: 3 },
      ]);
      expect(lone.committed.map(({ index, term }) => [index, term])).toEqual([
        [1, 1],
        [2, 2],
      ]);
    });

    it('what a later leader commits of it happened', () => {
      const lone = deposed().step(append(2, [2, 1], entriesOf([3, 2]), { commit: 3 }));
      expect(lone.overwritten).toEqual([{ term: 1, index: 3 }]);
      expect(lone.committed.map(({ index, term }) => [index, term])).toEqual([
        [1, 1],
        [2, 1],
        [3, 2],
      ]);
    });

    it('under a snapshot only what its term excludes is certain', () => {
      const lone = deposed();
      lone.step(chunk(2, 9, 1));
      expect(lone.overwritten).toEqual([]);
      const other = deposed();
      other.step(chunk(3, 2, 2));
      expect(other.overwritten).toEqual([{ term: 1, index: 3 }]);
    });
  });

  it('16: the same candidate asks twice and is refused, or is counted twice', () => {
    const lone = new Lone().forget().step(vote(1), vote(1), vote(1, { from: 3 }));
    const answers = lone.take('vote-response').map(({ to, isGranted }) => [to, isGranted]);
    expect(answers).toEqual([
      [2, true],
      [2, true],
      [3, false],
    ]);
    const five = new Lone({ config: { voters: [1, 2, 3, 4, 5], learners: [] } }).forget();
    five.raft.campaign(five.nowMs);
    five.settle();
    const granted = { type: 'vote-response', from: 2, to: 1, term: 1, isPreVote: true, isGranted: true } as const;
    five.step(granted, granted, granted);
    expect(five.raft.role).toBe('pre-candidate');
    five.step({ ...granted, from: 9 });
    expect(five.raft.role).toBe('pre-candidate');
    five.step({ ...granted, from: 3 });
    expect(five.raft.role).toBe('candidate');
  });

  describe('17: election timers', () => {
    it('each wait is random, never shorter than the election time', () => {
      const world = new World({ voters: [1, 2, 3] });
      const leader = world.elect();
      const followers = world.all.filter((member) => member !== leader);
      const waits = new Set<number>();
      for (let round = 0; round < 20; round++) {
        const heard = world.steps;
        world.until(() => world.steps > heard + 40);
        for (const follower of followers) {
          const waitMs = (follower.raft?.nextTickMs() ?? 0) - follower.localMs;
          waits.add(waitMs);
          expect(waitMs).toBeGreaterThan(TIMING.electionMs - 2 * TIMING.heartbeatMs);
        }
      }
      expect(waits.size).toBeGreaterThan(20);
    });

    it('they begin anew for a vote given and a leader heard, for nothing else', () => {
      const lone = new Lone().forget();
      const dueMs = lone.raft.nextTickMs();
      lone.pass(10).step(vote(2, { isPreVote: true }), accepted(1, 0), append(5, [9, 4], []));
      expect(lone.raft.nextTickMs()).toBeGreaterThan(dueMs);
      const heardMs = lone.raft.nextTickMs();
      lone
        .pass(10)
        .step(vote(5, { from: 3 }), append(4, [0, 0], []), vote(6, { from: 3, isTransfer: true, lastIndex: 0 }));
      expect(lone.raft.nextTickMs()).toBeGreaterThan(heardMs);
      const grantedMs = lone.raft.nextTickMs();
      lone
        .pass(10)
        .step(vote(6, { from: 2, isTransfer: true }), append(5, [0, 0], []), { ...vote(2, { isPreVote: true }) });
      expect(lone.raft.nextTickMs()).toBe(grantedMs);
    });

    it('a lease as long as the shortest election is refused', () => {
      expect(() => new Lone({ timing: { leaseMs: TIMING.electionMs } })).toThrow('shorter');
    });
  });

  it('18: a leader of an old term is not told, and goes on for ever', () => {
    const lone = new Lone().forget().step(vote(5));
    lone.take('vote-response');
    lone.step(append(2, [0, 0], [], { from: 3 }), chunk(2, 1, 1, { from: 3 }));
    expect(lone.take('append-response')).toMatchObject([
      { to: 3, term: 5, isAccepted: false },
      { to: 3, term: 5, isAccepted: false },
    ]);
    const leader = new Lone().lead();
    leader.step({ ...accepted(7, 0), isAccepted: false } as ReturnType<typeof accepted>);
    expect(leader.raft).toMatchObject({ role: 'follower', term: 7 });
  });
});
