import { describe, expect, it } from 'vitest';
import { TurnPace } from '../../src/server/turn-pace.ts';

/** What a turn takes after so many of them, where a whole one takes `wholeMs`. */
function turnMs(pace: TurnPace, wholeMs: number, turns: number): number {
  for (let turn = 0; turn < turns; turn++) pace.took(pace.share * wholeMs);
  return pace.share * wholeMs;
}

describe('the pace of turns', () => {
  it('begins with a part, and comes to all where a turn of all is short', () => {
    const pace = new TurnPace();
    expect(pace.share).toBeLessThan(0.5);
    expect(turnMs(pace, 1.5, 20)).toBe(1.5);
  });

  it('keeps a turn at some milliseconds, whatever a whole one takes', () => {
    for (const wholeMs of [5, 10, 20, 30]) {
      const pace = new TurnPace();
      turnMs(pace, 1, 20);
      // from the turn after the first long one on
      for (let turn = 1; turn < 100; turn++) expect(turnMs(pace, wholeMs, 1)).toBeLessThanOrEqual(4);
      expect(turnMs(pace, wholeMs, 1)).toBeGreaterThanOrEqual(2);
    }
  });

  it('never falls to nothing, and comes back', () => {
    const pace = new TurnPace();
    turnMs(pace, 10_000, 10);
    expect(pace.share).toBe(1 / 8);
    expect(turnMs(pace, 1, 20)).toBe(1);
  });
});
