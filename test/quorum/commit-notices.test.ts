import { describe, expect, test } from 'vitest';
import { append, entriesOf, Lone } from './lone.ts';

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
