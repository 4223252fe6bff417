import { describe, expect, it } from 'vitest';
import { append, entriesOf, Lone, vote } from './lone.ts';
import { TIMING, World } from './world.ts';

/* Reads and leases: 6 to 9 of what other implementations got wrong (see known-bugs.test.ts). */
describe('a bug seen in the wild', () => {
  it('6: a leader that was replaced answers a read', () => {
    const world = new World({ voters: [1, 2, 3] });
    const old = world.elect();
    old.propose('old');
    world.run(500);
    world.isolate(old.id);
    world.until(() => world.leader !== old && world.leader !== undefined);
    world.elect().propose('new');
    world.run(100);
    old.read(1);
    world.run(5_000);
    expect(old.readsDone).toEqual([{ id: 1, index: null }]);
    expect(world.all.filter((member) => member.machine.values.includes('new'))).toHaveLength(2);
  });

  it('7: a new leader answers a read before it has committed an entry of its term', () => {
    const lone = new Lone().step(append(1, [0, 0], entriesOf([1, 1], [2, 1]), { commit: 1 }));
    lone.lead();
    lone.raft.readIndex(1, lone.nowMs);
    lone.settle().tick(TIMING.heartbeatMs);
    const round = lone.take('append').at(-1)?.round ?? 0;
    lone.accepts(2, 2, round);
    expect(lone.reads).toEqual([]);
    lone.accepts(2, 3, round);
    const later = lone.take('append').at(-1)?.round ?? 0;
    expect(later).toBeGreaterThan(round);
    lone.accepts(2, 3, later);
    expect(lone.reads).toEqual([{ id: 1, index: 3 }]);
  });

  describe('8: an old echo confirms a new read', () => {
    // found by the simulator: a node that leads again began its rounds anew, and was told of one of an earlier term
    it('who is told that its term is over is told of no round: it may lead again by then', () => {
      const lone = new Lone().step(append(4, [0, 0], []));
      lone.take('append-response');
      lone.step(append(3, [0, 0], [], { round: 59 }));
      expect(lone.take('append-response')).toMatchObject([{ term: 4, isAccepted: false, round: 0 }]);
    });

    it('a read waits for a round that began after it', () => {
      const lone = new Lone({ timing: { leaseMs: 0 } }).lead().accepts(2, 1);
      lone.tick(TIMING.heartbeatMs);
      const before = lone.take('append').at(-1)?.round ?? 0;
      lone.raft.readIndex(1, lone.nowMs);
      lone.settle();
      const own = lone.take('append').at(-1)?.round ?? 0;
      expect(own).toBeGreaterThan(before);
      lone.accepts(2, 1, before).accepts(3, 1, before);
      expect(lone.reads).toEqual([]);
      lone.accepts(2, 1, own);
      expect(lone.reads).toEqual([{ id: 1, index: 1 }]);
    });

    it('a follower that asks again has a new number: the answer to the first question does not fit', () => {
      const lone = new Lone().step(append(1, [0, 0], entriesOf([1, 1])));
      lone.raft.readIndex(7, lone.nowMs);
      const [first] = lone.settle().take('read-index');
      lone.tick(TIMING.electionMs);
      expect(lone.reads).toEqual([{ id: 7, index: null }]);
      lone.step(append(1, [1, 1], []));
      lone.raft.readIndex(7, lone.nowMs);
      const [second] = lone.settle().take('read-index');
      const answer = { type: 'read-index-response', from: 2, to: 1, term: 1, index: 1 } as const;
      lone.step({ ...answer, id: first?.id ?? 0 });
      expect(lone.reads).toHaveLength(1);
      lone.step({ ...answer, id: second?.id ?? 0 });
      expect(lone.reads.at(-1)).toEqual({ id: 7, index: 1 });
      lone.step({ ...answer, id: second?.id ?? 0, index: 9 });
      expect(lone.reads).toHaveLength(2);
    });

    it('an answer to an earlier life fits no question of this one', () => {
      const lone = new Lone().step(append(1, [0, 0], entriesOf([1, 1])));
      lone.raft.readIndex(7, lone.nowMs);
      const [first] = lone.settle().take('read-index');
      lone.restart();
      lone.step(append(1, [1, 1], []));
      lone.raft.readIndex(8, lone.nowMs);
      lone.settle();
      lone.step({ type: 'read-index-response', from: 2, to: 1, term: 1, index: 1, id: first?.id ?? 0 });
      expect(lone.reads).toEqual([]);
    });

    it('who follows another leader now does not wait for the old one', () => {
      const lone = new Lone().step(append(1, [0, 0], entriesOf([1, 1])));
      lone.raft.readIndex(7, lone.nowMs);
      lone.settle().step(append(2, [1, 1], [], { from: 3 }));
      expect(lone.reads).toEqual([{ id: 7, index: null }]);
    });
  });

  describe('9: a lease that others do not keep', () => {
    function leading(): { lone: Lone; round: number } {
      const lone = new Lone().lead().accepts(2, 1);
      lone.tick(TIMING.heartbeatMs);
      return { lone, round: lone.take('append').at(-1)?.round ?? 0 };
    }

    it('counts from the time of sending, not of the echo', () => {
      const { lone, round } = leading();
      const sentMs = lone.nowMs;
      lone.pass(300).accepts(2, 1, round);
      expect(lone.raft.leaseUntilMs).toBe(sentMs + TIMING.leaseMs);
    });

    it('is void after a pause, until a round that began after it is echoed', () => {
      const { lone, round } = leading();
      lone.accepts(2, 1, round);
      expect(lone.raft.hasLease(lone.nowMs)).toBe(true);
      expect(lone.raft.hasLease(lone.nowMs + TIMING.pauseMs + 1)).toBe(false);
      lone.pass(TIMING.pauseMs + 1).accepts(2, 1, round);
      expect(lone.raft.hasLease(lone.nowMs)).toBe(false);
      lone.tick();
      lone.accepts(2, 1, lone.take('append').at(-1)?.round);
      expect(lone.raft.hasLease(lone.nowMs)).toBe(true);
    });

    it('a round that was sent before a pause gives none after it', () => {
      const { lone, round } = leading();
      lone.pass(TIMING.pauseMs + 1).accepts(2, 1, round);
      expect(lone.raft.hasLease(lone.nowMs)).toBe(false);
    });

    it('time does not go back', () => {
      const { lone, round } = leading();
      lone.accepts(2, 1, round);
      for (let ms = 0; ms <= TIMING.leaseMs; ms += 100) lone.raft.hasLease(lone.nowMs + ms);
      expect(lone.raft.hasLease(lone.nowMs)).toBe(false);
    });

    it('there is none while a transfer waits for the other to catch up, whatever is echoed', () => {
      const { lone } = leading();
      lone.raft.transfer(3, lone.nowMs);
      lone.tick(TIMING.heartbeatMs);
      const round = lone.take('append').at(-1)?.round;
      lone.accepts(2, 1, round);
      expect(lone.said.filter((message) => message.type === 'timeout-now')).toEqual([]);
      expect(lone.raft.hasLease(lone.nowMs)).toBe(false);
      // It was not told: when that is given up the lease comes back, with a round from then on.
      for (let ms = 0; ms < TIMING.electionMs; ms += TIMING.heartbeatMs)
        lone.tick(TIMING.heartbeatMs).accepts(2, 1, round);
      expect(lone.raft.transferringTo).toBe(0);
      lone.tick(TIMING.heartbeatMs);
      lone.accepts(2, 1, lone.take('append').at(-1)?.round);
      expect(lone.raft.hasLease(lone.nowMs)).toBe(true);
    });

    it('an old word to campaign is not obeyed in a later term of the same leader', () => {
      const lone = new Lone().step(append(1, [0, 0], entriesOf([1, 1])), append(3, [1, 1], []));
      lone.step({ type: 'timeout-now', from: 2, to: 1, term: 1 });
      lone.step({ type: 'timeout-now', from: 3, to: 1, term: 3 });
      expect(lone.raft).toMatchObject({ role: 'follower', term: 3 });
      lone.step({ type: 'timeout-now', from: 2, to: 1, term: 3 });
      expect(lone.raft).toMatchObject({ role: 'candidate', term: 4 });
    });

    it('a transfer revokes it before anybody is told, and for the rest of the term', () => {
      const { lone, round } = leading();
      lone.accepts(2, 1, round).accepts(3, 1, round);
      expect(lone.raft.hasLease(lone.nowMs)).toBe(true);
      expect(lone.raft.transfer(3, lone.nowMs)).toBeNull();
      expect(lone.raft.hasLease(lone.nowMs)).toBe(false);
      expect(lone.settle().take('timeout-now')).toMatchObject([{ to: 3 }]);
      for (let passed = 0; passed < 3 * TIMING.electionMs; passed += TIMING.heartbeatMs) {
        lone.tick(TIMING.heartbeatMs);
        lone.accepts(2, 1, lone.take('append').at(-1)?.round);
        expect(lone.raft.hasLease(lone.nowMs)).toBe(false);
      }
      expect(lone.raft.role).toBe('leader');
      expect(lone.raft.transferringTo).toBe(0);
    });

    it('a voter that hears a leader votes for no other, but for one that the leader sent', () => {
      const lone = new Lone().step(append(1, [0, 0], entriesOf([1, 1])));
      const ask = { from: 3, lastIndex: 9, lastTerm: 1 };
      lone.pass(TIMING.electionMs - 1).step(vote(2, ask), vote(2, { ...ask, isPreVote: true }));
      expect(lone.take('vote-response')).toEqual([]);
      expect(lone.raft.term).toBe(1);
      lone.step(vote(2, { ...ask, isTransfer: true }));
      expect(lone.take('vote-response')).toMatchObject([{ isGranted: true }]);
      const other = new Lone().step(append(1, [0, 0], entriesOf([1, 1])));
      other.pass(TIMING.electionMs).step(vote(2, ask));
      expect(other.take('vote-response')).toMatchObject([{ isGranted: true }]);
    });

    it('nor does it campaign itself then', () => {
      const lone = new Lone().step(append(1, [0, 0], entriesOf([1, 1])));
      expect(lone.raft.campaign(lone.nowMs + TIMING.electionMs - 1)).toBe(false);
      expect(lone.raft.campaign(lone.nowMs + TIMING.electionMs)).toBe(true);
    });

    it('a voter that restarts waits out a lease that its echoes may have given', () => {
      const lone = new Lone().step(append(1, [0, 0], entriesOf([1, 1])));
      lone.restart();
      const ask = vote(2, { from: 3, lastIndex: 9, lastTerm: 1 });
      lone.pass(TIMING.leaseMs - 1).step(ask);
      expect(lone.said).toEqual([]);
      lone.pass(1).step(ask);
      expect(lone.take('vote-response')).toMatchObject([{ isGranted: true }]);
    });
  });
});
