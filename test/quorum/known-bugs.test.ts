import { describe, expect, it } from 'vitest';
import { EntryKind } from '../../src/quorum/messages.ts';
import { encodeConfig } from '../../src/quorum/group-config.ts';
import { accepted, append, chunk, entriesOf, Lone, vote } from './lone.ts';
import { TIMING, World } from './world.ts';

/*
 * What other implementations got wrong (RELIABILITY.md, section 3), by its number there. Of other layers are: 13 (applied
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

  describe('12: snapshots', () => {
    it('the term of the last entry is kept when all is compacted, also over a restart', () => {
      const lone = new Lone().step(append(3, [0, 0], entriesOf([1, 2], [2, 3]), { commit: 2 }));
      const meta = lone.raft.snapshotMeta(2);
      expect(meta).toMatchObject({ index: 2, term: 3 });
      if (meta === null) return;
      lone.disk.saveMachine(meta, { index: 2, digest: 0, values: [] });
      lone.raft.compacted(meta);
      lone.settle();
      expect(lone.disk.entries).toEqual([]);
      for (const restart of [false, true]) {
        if (restart) lone.restart();
        expect([lone.raft.lastIndex, lone.raft.termAt(2), lone.raft.entryAt(2)]).toEqual([2, 3, undefined]);
        lone.forget();
        lone.raft.campaign(lone.nowMs);
        expect(lone.settle().take('vote')).toMatchObject([
          { lastIndex: 2, lastTerm: 3 },
          { lastIndex: 2, lastTerm: 3 },
        ]);
        // A log that ends in an older term does not win, however long it is.
        lone.step(vote(lone.raft.term + 1, { lastIndex: 50, lastTerm: 2 }));
        expect(lone.take('vote-response')).toMatchObject([{ isGranted: false }]);
      }
    });

    it('one that is older than what is committed changes nothing', () => {
      const lone = new Lone().step(append(1, [0, 0], entriesOf([1, 1], [2, 1], [3, 1]), { commit: 3 }));
      lone.take('append-response');
      lone.step(chunk(1, 2, 1));
      expect(lone.installs).toEqual([]);
      expect(lone.terms).toEqual([1, 1, 1]);
      expect(lone.take('append-response')).toMatchObject([{ isAccepted: true, index: 3 }]);
    });

    it('one that is older than what is compacted changes nothing either', () => {
      const lone = new Lone().step(chunk(1, 5, 1), chunk(1, 3, 1));
      expect(lone.installs.map(({ meta }) => meta.index)).toEqual([5]);
      expect(lone.raft).toMatchObject({ commit: 5, lastIndex: 5 });
    });

    it('one is acknowledged when it is on disk, in the middle of a term too', () => {
      const lone = new Lone().step(append(1, [0, 0], entriesOf([1, 1])));
      lone.isDiskHeld = true;
      lone.step(chunk(1, 5, 1));
      expect(lone.take('snapshot-response')).toEqual([]);
      lone.save();
      expect(lone.take('snapshot-response')).toMatchObject([{ index: 5 }]);
    });

    it('until one is on disk only what was committed is said to match: the old log may contradict the leader', () => {
      const lone = new Lone().step(append(1, [0, 0], entriesOf([1, 1], [2, 1], [3, 1]), { commit: 1 }));
      lone.isDiskHeld = true;
      lone.step(chunk(1, 9, 1));
      lone.take('append-response');
      lone.step(append(1, [0, 0], []));
      expect(lone.take('append-response')).toMatchObject([{ isAccepted: true, index: 1 }]);
    });

    it('one that comes in the same turn as a commit: what it holds is not handed out twice', () => {
      const lone = new Lone().step(append(1, [0, 0], entriesOf([1, 1], [2, 1])));
      lone.raft.step(append(1, [2, 1], [], { commit: 2 }), lone.nowMs);
      lone.raft.step(chunk(1, 9, 1), lone.nowMs);
      lone.settle();
      expect(lone.committed).toEqual([]);
      expect(lone.installs).toHaveLength(1);
    });

    it('one that another leader began is begun anew: its bytes may be others', () => {
      const bytes = new Uint8Array([1, 2]);
      const lone = new Lone().step(chunk(1, 5, 1, { bytes, totalBytes: 4 }));
      expect(lone.take('snapshot-response')).toMatchObject([{ received: 2 }]);
      lone.step(chunk(2, 5, 1, { from: 3, offset: 2, bytes, totalBytes: 4 }));
      expect(lone.take('snapshot-response')).toMatchObject([{ received: 0 }]);
      lone.step(chunk(2, 5, 1, { from: 3, bytes: new Uint8Array([3, 4, 5, 6]), totalBytes: 4 }));
      expect(lone.installs.map((install) => [...install.bytes])).toEqual([[3, 4, 5, 6]]);
    });

    describe('at a leader', () => {
      /** 1 leads with ten committed entries, all compacted; 2 needs a snapshot, and has been given one. */
      function sending(snapshotBytesMax: number): Lone {
        const lone = new Lone({ limits: { snapshotBytesMax } }).lead();
        for (let count = 0; count < 4; count++) lone.raft.propose(new Uint8Array(1), lone.nowMs);
        lone.settle().accepts(3, 5);
        compact(lone);
        lone.step({ ...accepted(1, 0), isAccepted: false, previousIndex: 0 } as ReturnType<typeof accepted>);
        lone.tick(TIMING.heartbeatMs);
        const meta = lone.raft.snapshotMeta(5);
        if (meta === null) throw new Error('there is nothing to send');
        const read = (_: number, length: number): Uint8Array => new Uint8Array(length);
        expect(lone.raft.sendSnapshot(2, { meta, totalBytes: 10, read })).toBe(true);
        expect(lone.raft.sendSnapshot(3, { meta, totalBytes: 10, read })).toBe(false);
        for (let count = 0; count < 4; count++) lone.raft.propose(new Uint8Array(1), lone.nowMs);
        lone.settle().accepts(3, 9);
        lone.snapshotsWanted.length = 0;
        return lone;
      }

      function compact(lone: Lone): void {
        const meta = lone.raft.snapshotMeta(lone.committed.at(-1)?.index ?? 0);
        if (meta !== null) lone.raft.compacted(meta);
        lone.settle();
      }

      it('what goes on behind it stays while it is on its way', () => {
        const lone = sending(10_000);
        compact(lone);
        expect(lone.raft.termAt(5)).toBe(1);
        expect(lone.raft.termAt(4)).toBeNull();
        lone.take('append');
        lone.step({ type: 'snapshot-response', from: 2, to: 1, term: 1, index: 5, received: 10, round: 0 });
        expect(lone.raft.progress.get(2)).toMatchObject({ state: 'replicate', match: 5, next: 10 });
        expect(lone.take('append').flatMap(({ entries }) => entries.map((entry) => entry.index))).toEqual([6, 7, 8, 9]);
      });

      it('but not for ever: who has it then needs a newer one', () => {
        const lone = sending(1);
        compact(lone);
        expect(lone.raft.termAt(5)).toBeNull();
        lone.accepts(2, 5);
        lone.tick(TIMING.heartbeatMs);
        expect(lone.snapshotsWanted).toEqual([2]);
      });
    });

    it('one that the log has the last entry of keeps the entries behind it', () => {
      const lone = new Lone().step(append(1, [0, 0], entriesOf([1, 1], [2, 1], [3, 1])));
      lone.step(chunk(1, 2, 1));
      expect(lone.installs).toEqual([]);
      expect(lone.raft.commit).toBe(2);
      expect(lone.raft.lastIndex).toBe(3);
    });

    it('one that contradicts the log replaces all of it, with its configuration, in one batch', () => {
      const lone = new Lone().step(append(1, [0, 0], entriesOf([1, 1], [2, 1], [3, 1])));
      lone.isDiskHeld = true;
      const meta = { index: 2, term: 2, config: { voters: [1, 2, 3, 4], learners: [5] }, configIndex: 1 };
      lone.step(chunk(2, 2, 2, { meta }));
      expect(lone.raft).toMatchObject({ lastIndex: 2, commit: 2, config: meta.config, configIndex: 1 });
      // Nothing is said, handed out or installed before the disk has it; a crash leaves the old log.
      expect([lone.said.filter((each) => each.type === 'snapshot-response'), lone.installs, lone.committed]).toEqual([
        [],
        [],
        [],
      ]);
      expect(lone.disk.entries).toHaveLength(3);
      lone.step(append(2, [2, 2], entriesOf([3, 2]), { commit: 3 }));
      expect(lone.committed).toEqual([]);
      lone.save();
      expect(lone.installs).toHaveLength(1);
      expect(lone.disk.entries.filter((entry) => entry.term === 1)).toEqual([]);
      expect(lone.take('snapshot-response')).toMatchObject([{ index: 2 }]);
      lone.save();
      expect(lone.committed.map((entry) => entry.index)).toEqual([3]);
      lone.restart();
      expect(lone.raft).toMatchObject({ lastIndex: 3, config: meta.config, configIndex: 1 });
    });

    it('an append that begins before what is compacted matches there', () => {
      const lone = new Lone().step(chunk(1, 5, 1));
      lone.step(append(1, [3, 1], entriesOf([4, 1], [5, 1], [6, 1])), append(1, [2, 1], []));
      expect(lone.raft.lastIndex).toBe(6);
      expect(lone.take('append-response')).toMatchObject([
        { isAccepted: true, index: 6 },
        { isAccepted: true, index: 5 },
      ]);
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
