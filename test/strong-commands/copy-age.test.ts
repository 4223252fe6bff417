import { describe, expect, test } from 'vitest';
import { CopyAge } from '../../src/groups/copy-age.ts';

describe('T4 the age of a copy', () => {
  test('counts from when the question was sent, once what was committed then is shown', () => {
    const age = new CopyAge();
    expect(age.ageMs(100, 1_000)).toBeNull();
    age.ask(1, 1_000);
    expect(age.answered(1, 10)).toBe(true);
    expect(age.ageMs(9, 1_300)).toBeNull();
    expect(age.ageMs(10, 1_300)).toBe(300);
    age.ask(2, 1_400);
    age.answered(2, 12);
    // shown up to 11: the later question says nothing yet
    expect(age.ageMs(11, 1_700)).toBe(700);
    expect(age.ageMs(12, 1_700)).toBe(300);
    expect(age.ageMs(12, 5_000)).toBe(3_600);
  });

  test('a question without an answer, and one of somebody else, say nothing', () => {
    const age = new CopyAge();
    age.ask(1, 1_000);
    expect(age.answered(1, null)).toBe(true);
    expect(age.answered(1, 5)).toBe(false);
    expect(age.answered(7, 5)).toBe(false);
    expect(age.ageMs(100, 1_100)).toBeNull();
  });

  test('of answers that overtake each other the later question counts', () => {
    const age = new CopyAge();
    age.ask(1, 1_000);
    age.ask(2, 1_200);
    age.answered(2, 10);
    age.answered(1, 10);
    expect(age.ageMs(10, 1_500)).toBe(300);
  });

  test('stays small and true where nothing is shown for long', () => {
    const age = new CopyAge();
    for (let index = 1; index <= 1_000; index++) {
      age.ask(index, index * 200);
      age.answered(index, index);
    }
    expect(age.ageMs(0, 200_000)).toBeNull();
    expect(age.ageMs(1, 200_000)).toBe(199_800);
    expect(age.ageMs(1_000, 200_000)).toBe(0);
  });
});
