import { describe, expect, it } from 'vitest';
import { accepted, append, chunk, entriesOf, Lone, vote } from './lone.ts';
import { wholeSource } from '../../src/quorum/whole-snapshot.ts';
import { TIMING } from './world.ts';
import type { SnapshotResponse } from '../../src/quorum/messages.ts';

/* 12 of what other implementations got wrong (see known-bugs.test.ts). */
describe('a bug seen in the wild', () => {
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

    // found by the simulator: the leader counted entries as on this disk that the snapshot had taken away
    it('one that waits for the disk takes nothing away that the leader appended meanwhile, and is said to be accepted', () => {
      const lone = new Lone().step(append(1, [0, 0], entriesOf([1, 1])));
      lone.isDiskHeld = true;
      lone.step(append(1, [1, 1], entriesOf([2, 1])), chunk(1, 4, 1));
      lone.step(append(1, [2, 1], entriesOf([3, 1], [4, 1], [5, 1], [6, 1])));
      lone.take('append-response');
      lone.save().save();
      expect(lone.take('append-response').at(-1)).toMatchObject({ isAccepted: true, index: 6 });
      expect(lone.disk.entries.map(({ index }) => index)).toEqual([1, 2, 3, 4, 5, 6]);
      expect(lone.installs).toEqual([]);
      expect(lone.raft).toMatchObject({ commit: 4, lastIndex: 6 });
    });

    it('one that another leader began is begun anew: its bytes may be others', () => {
      const bytes = new Uint8Array([1, 2]);
      const lone = new Lone().step(chunk(1, 5, 1, { bytes, isLast: false }));
      expect(lone.take('snapshot-response')).toMatchObject([{ received: 2, isDone: false }]);
      lone.step(chunk(2, 5, 1, { from: 3, offset: 2, bytes }));
      expect(lone.take('snapshot-response')).toMatchObject([{ received: 0, isDone: false }]);
      expect(lone.installs).toEqual([]);
      lone.step(chunk(2, 5, 1, { from: 3, bytes: new Uint8Array([3, 4, 5, 6]) }));
      expect(lone.take('snapshot-response')).toMatchObject([{ isDone: true }]);
      expect(lone.installs).toHaveLength(1);
      expect(lone.disk.aside).toEqual([3, 4, 5, 6]);
    });

    it('one that its leader begins anew is begun anew, and what is late of the one before is no part of it', () => {
      const lone = new Lone().step(chunk(1, 5, 1, { bytes: new Uint8Array([1, 2]), isLast: false }));
      lone.step(chunk(1, 5, 1, { transfer: 2, bytes: new Uint8Array([3]), isLast: false }));
      lone.step(chunk(1, 5, 1, { transfer: 1, offset: 2, bytes: new Uint8Array([9]) }));
      lone.step(chunk(1, 5, 1, { transfer: 2, offset: 1, bytes: new Uint8Array([4]) }));
      expect(lone.installs).toHaveLength(1);
      expect(lone.disk.aside).toEqual([3, 4]);
    });

    it('what is on disk is acknowledged and no more, a bounded part at a time; a restart loses it', () => {
      const lone = new Lone({ limits: { snapshotTurnBytes: 2 } });
      lone.isDiskHeld = true;
      const part = (at: number): ReturnType<typeof chunk> =>
        chunk(1, 5, 1, { offset: at, bytes: new Uint8Array([at]), isLast: at === 5 });
      for (let at = 0; at < 5; at++) lone.raft.step(part(at), lone.nowMs);
      lone.settle();
      expect(lone.take('snapshot-response')).toEqual([]);
      // first the term, with two of them
      lone.save();
      expect(lone.take('snapshot-response')).toMatchObject([{ received: 2 }]);
      lone.save();
      expect(lone.take('snapshot-response')).toMatchObject([{ received: 4 }]);
      expect(lone.raft.receivingIndex).toBe(5);
      lone.restart();
      expect(lone.raft).toMatchObject({ receivingIndex: 0, commit: 0, lastIndex: 0 });
      lone.step(part(5)).save();
      expect(lone.take('snapshot-response')).toMatchObject([{ received: 0, isDone: false }]);
      for (let at = 0; at < 6; at++) lone.step(part(at)).save();
      expect(lone.installs).toHaveLength(1);
    });

    describe('at a leader', () => {
      /** 1 leads with ten committed entries, all compacted; 2 needs a snapshot, and has been given one. */
      function sending(snapshotBytesMax: number): Lone {
        const lone = new Lone({ limits: { snapshotBytesMax, snapshotChunkBytes: 4 } }).lead();
        for (let count = 0; count < 4; count++) lone.raft.propose(new Uint8Array(1), lone.nowMs);
        lone.settle().accepts(3, 5);
        compact(lone);
        lone.step({ ...accepted(1, 0), isAccepted: false, previousIndex: 0 } as ReturnType<typeof accepted>);
        lone.tick(TIMING.heartbeatMs);
        const meta = lone.raft.snapshotMeta(5);
        if (meta === null) throw new Error('there is nothing to send');
        expect(lone.raft.sendSnapshot(2, wholeSource(meta, new Uint8Array(10)))).toBe(true);
        expect(lone.raft.sendSnapshot(3, wholeSource(meta, new Uint8Array(10)))).toBe(false);
        for (let count = 0; count < 4; count++) lone.raft.propose(new Uint8Array(1), lone.nowMs);
        lone.settle().accepts(3, 9);
        lone.snapshotsWanted.length = 0;
        return lone;
      }

      const answer = (received: number, isDone = false): SnapshotResponse => {
        const index = 5;
        return { type: 'snapshot-response', from: 2, to: 1, term: 1, transfer: 1, index, received, isDone, round: 0 };
      };

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
        lone.step(answer(10, true));
        expect(lone.raft.progress.get(2)).toMatchObject({ state: 'replicate', match: 5, next: 10 });
        expect(lone.take('append').flatMap(({ entries }) => entries.map((entry) => entry.index))).toEqual([6, 7, 8, 9]);
      });

      it('what is only slow is not sent twice, what is lost is sent again, to who is still heard', () => {
        const lone = sending(10_000);
        expect(lone.take('snapshot')).toMatchObject([
          { to: 2, offset: 0, isLast: false },
          { to: 2, offset: 4, isLast: false },
          { to: 2, offset: 8, isLast: true },
        ]);
        const beat = (isHeard: boolean): number => {
          lone.tick(TIMING.heartbeatMs);
          const chunks = lone.take('snapshot').length;
          lone.accepts(3, 9);
          if (isHeard) lone.accepts(2, 0);
          return chunks;
        };
        const beats = TIMING.electionMs / TIMING.heartbeatMs;
        const sent = Array.from({ length: 2 * beats }, () => beat(true));
        expect(sent.map((chunks, index) => [index + 1, chunks]).filter(([, chunks]) => chunks !== 0)).toEqual([
          [beats, 3],
          [2 * beats, 3],
        ]);
        for (let count = 0; count < beats; count++) beat(false);
        expect(Array.from({ length: 3 * beats }, () => beat(false)).every((chunks) => chunks === 0)).toBe(true);
        expect(lone.raft.role).toBe('leader');
      });

      it('who gets on is given more time', () => {
        const lone = sending(10_000);
        lone.take('snapshot');
        const again: number[] = [];
        for (let beat = 1; beat <= 20; beat++) {
          lone.tick(TIMING.heartbeatMs).accepts(3, 9).accepts(2, 0);
          if (beat === 5) lone.step(answer(4));
          for (const { offset } of lone.take('snapshot')) again.push(beat, offset);
        }
        const beat = 5 + TIMING.electionMs / TIMING.heartbeatMs;
        expect(again).toEqual([beat, 4, beat, 8]);
      });

      it('who lost what it said to have, and is sent no more, gets another one', () => {
        const lone = sending(10_000);
        lone.step(answer(8));
        lone.step(answer(0));
        expect(lone.raft.snapshotFor(2)).toBeNull();
        lone.take('snapshot');
        lone.accepts(2, 0).tick(TIMING.heartbeatMs);
        expect(lone.snapshotsWanted).toEqual([2]);
        const meta = lone.raft.snapshotMeta(5);
        if (meta === null) throw new Error('there is nothing to send');
        expect(lone.raft.sendSnapshot(2, wholeSource(meta, new Uint8Array(3)))).toBe(true);
        expect(lone.settle().take('snapshot')).toMatchObject([{ transfer: 2, offset: 0, isLast: true }]);
        // of the one before nothing counts any more
        lone.step(answer(10, true));
        expect(lone.raft.progress.get(2)).toMatchObject({ state: 'snapshot', match: 0 });
      });

      it('a turn makes a part of one, and asks for the next turn at once', () => {
        const lone = new Lone({ limits: { snapshotChunkBytes: 4, snapshotTurnBytes: 8, inflightBytesMax: 20 } }).lead();
        lone.settle().accepts(3, 1);
        compact(lone);
        lone.step({ ...accepted(1, 0), isAccepted: false, previousIndex: 0 } as ReturnType<typeof accepted>);
        lone.tick(TIMING.heartbeatMs);
        const meta = lone.raft.snapshotMeta(1);
        if (meta === null) throw new Error('there is nothing to send');
        lone.raft.sendSnapshot(2, wholeSource(meta, new Uint8Array(100)));
        const sent: number[] = [];
        for (let turns = 0; turns < 3; turns++) {
          expect(lone.raft.nextTickMs()).toBe(lone.nowMs);
          sent.push(lone.tick().take('snapshot').length);
        }
        expect(sent).toEqual([2, 2, 1]);
        expect(lone.raft.nextTickMs()).toBeGreaterThan(lone.nowMs);
      });

      it('none is asked for, for who is not heard', () => {
        const lone = sending(1);
        compact(lone);
        lone.accepts(2, 5);
        for (let ms = 0; ms <= TIMING.electionMs; ms += TIMING.heartbeatMs) lone.tick(TIMING.heartbeatMs).accepts(3, 9);
        lone.snapshotsWanted.length = 0;
        lone.tick(TIMING.heartbeatMs);
        expect(lone.snapshotsWanted).toEqual([]);
        lone.accepts(2, 5).tick(TIMING.heartbeatMs);
        expect(lone.snapshotsWanted).toEqual([2]);
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
});
