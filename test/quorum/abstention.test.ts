import { describe, expect, it } from 'vitest';
import { encodeConfig } from '../../src/quorum/group-config.ts';
import { EntryKind } from '../../src/quorum/messages.ts';
import { append, entriesOf, Lone, vote } from './lone.ts';
import { TIMING } from './world.ts';

/** Member 1 of three, whose disk was lost and who was told so. */
function forgetful(): Lone {
  const lone = new Lone().forget();
  lone.raft.abstain();
  lone.settle();
  return lone;
}

describe('a voter that lost its disk', () => {
  it('gives no vote away a second time: not in the term it may have voted in, nor in later ones, nor to an heir', () => {
    const lone = forgetful();
    for (const term of [1, 5, 9]) {
      lone.step(vote(term));
      lone.step(vote(term, { isPreVote: true }));
      lone.step(vote(term, { isTransfer: true }));
    }
    expect(lone.take('vote-response')).toEqual([]);
  });

  it('does not campaign, also when it is told to', () => {
    const lone = forgetful();
    expect(lone.raft.campaign(lone.nowMs)).toBe(false);
    lone.pass(TIMING.electionMs * 10);
    lone.raft.tick(lone.nowMs);
    lone.settle();
    lone.step({ type: 'timeout-now', from: 2, to: 1, term: lone.raft.term });
    expect(lone.raft.role).toBe('follower');
    expect(lone.take('vote')).toEqual([]);
  });

  it('goes on so after a restart, in every term, and takes entries all the same', () => {
    const lone = forgetful();
    lone.step(append(3, [0, 0], entriesOf([1, 3])));
    lone.restart();
    expect(lone.raft.abstains).toBe(true);
    expect(lone.raft.term).toBe(3);
    lone.forget().step(vote(7, { lastIndex: 9, lastTerm: 6 }));
    expect(lone.take('vote-response')).toEqual([]);
    lone.step(append(8, [1, 3], entriesOf([2, 8])));
    expect(lone.take('append-response')).toMatchObject([{ isAccepted: true, index: 2 }]);
    expect(lone.raft.abstains).toBe(true);
  });

  it('votes again once it was taken out and made a voter anew', () => {
    const lone = forgetful();
    const out = encodeConfig({ voters: [2, 3], learners: [1] });
    const back = encodeConfig({ voters: [1, 2, 3], learners: [] });
    const config = (index: number, data: Uint8Array) => ({ index, term: 2, kind: EntryKind.Config, data });
    lone.step(append(2, [0, 0], [config(1, out)]));
    expect(lone.raft.abstains).toBe(true);
    lone.step(append(2, [1, 2], [config(2, back)], { commit: 1 }));
    expect(lone.raft.abstains).toBe(false);
    lone.forget().step(vote(4, { lastIndex: 2, lastTerm: 2 }));
    expect(lone.take('vote-response')).toMatchObject([{ term: 4, isGranted: true }]);
  });
});
