import { describe, expect, test } from 'vitest';
import type { RespValue } from '../../src/cli/resp-client.ts';
import { Deck, Draws } from '../../src/cli/verify-draws.ts';
import { ChapterKeys } from '../../src/cli/verify-chapter-keys.ts';
import { findKeys } from '../../src/cli/verify-keys.ts';
import { Progress } from '../../src/cli/verify-progress.ts';
import { Report } from '../../src/cli/verify-report.ts';
import { Recorder } from '../../src/cli/verify-recorder.ts';
import type { Terminal } from '../../src/cli/usage.ts';
import type { ChapterResult } from '../../src/cli/verify-chapter.ts';
import { printOperation, type Operation } from '../../src/verify/history.ts';

/** What a node is asked between two times, in seconds. */
function operation(
  op: Operation['op'],
  value: string,
  start: number,
  end: number,
  level: Operation['level'] = 'causal',
): Operation {
  return { client: 'c1', region: 'here', op, key: 'k', value, start: start * 1e9, end: end * 1e9, ok: true, level };
}

/** What is recorded of them once the node `a` was killed up to the 11th second, when all it had answered before 9.9 was on its disk. */
function recorded(...operations: readonly (readonly [node: string, Operation])[]): {
  outcomes: unknown[];
  lostWrites: number;
} {
  const recorder = new Recorder(performance.now());
  recorder.noteEnd({ node: 'a', savedNs: 9.9e9, toNs: 11e9 });
  for (const [node, each] of operations) recorder.add(node, each);
  const { lostWrites, operations: finished } = recorder.finish();
  return { outcomes: finished.map(({ ok }) => ok), lostWrites };
}

describe('what a node may take with it (R1)', () => {
  test('a write that was not on its disk and that nobody saw again is of unknown outcome, and so is who read it there', () => {
    const write = ['a', operation('write', 'v', 9.92, 9.95)] as const;
    const read = ['a', operation('read', 'v', 9.96, 9.97)] as const;
    expect(recorded(write, read)).toEqual({ outcomes: [null, null], lostWrites: 1 });
  });

  test('not one that somebody saw elsewhere, or there after that', () => {
    const write = ['a', operation('write', 'v', 9.92, 9.95)] as const;
    expect(recorded(write, ['b', operation('read', 'v', 9.96, 9.97)])).toEqual({
      outcomes: [true, true],
      lostWrites: 0,
    });
    expect(recorded(write, ['a', operation('read', 'v', 12, 13)])).toEqual({ outcomes: [true, true], lostWrites: 0 });
  });

  test('not one that was on its disk, of another node, or strong', () => {
    expect(recorded(['a', operation('write', 'v', 9.7, 9.8)]).outcomes).toEqual([true]);
    expect(recorded(['b', operation('write', 'v', 9.92, 9.95)]).outcomes).toEqual([true]);
    expect(recorded(['a', operation('write', 'v', 9.92, 9.95, 'strong')]).outcomes).toEqual([true]);
    expect(recorded(['a', operation('write', 'v', 11, 11.1)]).outcomes).toEqual([true]);
  });

  test('increments of that time may or may not be there', () => {
    expect(recorded(['a', operation('incr', '3', 9.92, 9.95)])).toEqual({ outcomes: [null], lostWrites: 1 });
    expect(recorded(['a', operation('incr', '3', 9.92, 9.95, 'strong')])).toEqual({ outcomes: [true], lostWrites: 0 });
  });
});

describe('names of keys', () => {
  /** What is found where CW.CLASSES answers these: patterns (none for the default), consistency, and what differs from the usual. */
  const found = async (
    ...classes: readonly (readonly [
      patterns: readonly string[],
      consistency: string,
      conflict?: string,
      ttlMs?: number,
    ])[]
  ) =>
    findKeys(
      {
        async send(command, word): Promise<RespValue> {
          if (command === 'CW.HOME')
            return ['home', 'home/a', String(word).startsWith('other:') ? 'other/zone' : 'home/region'];
          if (word === 'EXPLAIN') return ['audit', 'none'];
          return classes.map(([patterns, consistency, conflict = 'lww', ttlMs = null]) => {
            const name = patterns[0] ?? 'default';
            return [
              'class',
              name,
              'patterns',
              patterns,
              'consistency',
              consistency,
              'ttl-ms',
              ttlMs,
              'conflict',
              conflict,
            ];
          });
        },
      },
      'test',
    );
  const strong = (prefix: string, group = 'home/region') => ({
    prefix: `${prefix}causeway-verify:test:`,
    group,
    isAudited: false,
  });

  test('are of the default class where that is causal, and of a prefix of each group of strong keys', async () => {
    expect(await found([['position:*', 'risk:*'], 'strong'], [['other:*'], 'strong'], [[], 'causal'])).toEqual({
      run: 'test',
      causal: 'causeway-verify:test:',
      strong: [strong('position:'), strong('other:', 'other/zone')],
    });
  });

  test('are of a class that is as wanted, where the default is not', async () => {
    expect(await found([['quote:*'], 'causal', 'lww', 5_000], [['prefs:*'], 'session'], [[], 'weak'])).toEqual({
      run: 'test',
      causal: 'prefs:causeway-verify:test:',
      strong: [],
    });
  });

  test('are none where nothing is as wanted: siblings, a pattern that is no prefix, one that an earlier pattern hides', async () => {
    expect(await found([['*'], 'causal', 'siblings'], [['late:*'], 'strong'], [[], 'causal'])).toEqual({
      run: 'test',
      causal: null,
      strong: [],
    });
    expect(await found([['a?c*'], 'strong'], [[], 'eventual'])).toEqual({
      run: 'test',
      causal: 'causeway-verify:test:',
      strong: [],
    });
  });
});

test('what is to happen once in one run is not what happened in a run before it, whose ids the groups still know', () => {
  const idsOf = (run: string): string[] => {
    const keys = new ChapterKeys({ run, causal: null, strong: [] }, 0);
    return [keys.requestId(), keys.requestId()];
  };
  expect(new Set([...idsOf('one'), ...idsOf('other')]).size).toBe(4);
});

describe('the report', () => {
  const terminal: Terminal = { isTty: false, hasColor: false, columns: () => 80, write: () => undefined };
  const chapter = (operations: readonly Operation[]): ChapterResult => {
    const settled = { finals: [], finalsAt: 0, failures: [], unchecked: [], marks: [] };
    return { operations, settled, lostWrites: 0, lostBeforeMs: 0, faults: [], left: null };
  };
  const strong = (key: string, at: number, ...[op, value]: [op: Operation['op'], value: string | null]): Operation => {
    return { client: 'c1', region: 'here', op, key, value, start: at, end: at + 1, ok: true, level: 'strong' };
  };

  test('names what is wrong by the lines of the whole file, also in a later chapter', () => {
    const report = new Report();
    report.add(chapter([strong('a', 1, 'write', 'v'), strong('a', 3, 'read', 'v')]));
    expect(report.isBroken).toBe(false);
    const stale = strong('b', 7, 'read', null);
    report.add(chapter([strong('b', 5, 'write', 'w'), stale]));
    expect(report.isBroken).toBe(true);
    const text = report.text(terminal, 'file');
    expect(text).toMatch(/^ {2}BROKEN +linearizable: 1 violation in 4 /m);
    expect(text).toMatch(/in 4 strong operations on 2 keys$/m);
    expect(text).toContain(`    4: ${printOperation(stale)}`);
    expect(text).toMatch(/\(operation 4\)|operation 3/);
    expect(text).not.toMatch(/operation [12]\b/);
    expect(text).toMatch(/Broken: .*linearizable/);
  });

  test('adds up what each chapter has of its own, and not the nodes, which are the same', () => {
    const report = new Report();
    const finals = ['a', 'b', 'c'].map((node) => ({ node, values: new Map([['k', null]]) }));
    for (const at of [1, 2]) {
      const { settled, ...rest } = chapter([strong(`k${at}`, at, 'write', 'v')]);
      report.add({ ...rest, settled: { ...settled, finals } });
    }
    expect(report.text(terminal, 'file')).toMatch(/convergence: .*; 2 keys on 3 nodes$/m);
    expect(report.text(terminal, 'file')).toMatch(/linearizable: .*; 2 strong operations on 2 keys$/m);
  });

  test('says so where nothing tells anything, or nodes did not come back', () => {
    const report = new Report();
    report.add(chapter([]));
    expect(report.isEmpty).toBe(true);
    expect(report.text(terminal, 'file')).toContain('Nothing happened that could be judged.');
    const { settled, ...rest } = chapter([]);
    report.add({ ...rest, settled: { ...settled, failures: ['us-east-1/a is stopped and does not run again'] } });
    expect(report.isBroken).toBe(true);
    expect(report.text(terminal, 'file')).toContain('NotSettled: us-east-1/a is stopped and does not run again');
  });
});

describe('progress', () => {
  const shownOn = (isTty: boolean, use: (progress: Progress) => void): string => {
    let text = '';
    const terminal: Terminal = { isTty, hasColor: false, columns: () => 40, write: (more) => (text += more) };
    use(new Progress(terminal));
    return text;
  };

  test('is one line that is rewritten on a terminal, never wider than it, and makes room for what stays', () => {
    const text = shownOn(true, (progress) => {
      progress.show(0.5, 'half of a long way');
      progress.say('a line');
      progress.clear();
    });
    expect(text).toBe('\r\u001b[K[############------------]  50 %  half \r\u001b[Ka line\n');
  });

  test('is a plain line now and then elsewhere', () => {
    const text = shownOn(false, (progress) => {
      progress.show(0.1, 'first');
      progress.show(0.2, 'too soon');
      progress.say('stays');
    });
    expect(text).toBe(' 10 %  first\nstays\n');
  });
});

test('the same seed draws the same, and what a branch draws shifts nothing', () => {
  const drawn = (seed: number, fromBranch: number): number[] => {
    const draws = new Draws(seed);
    const branch = draws.branch();
    for (let count = 0; count < fromBranch; count++) branch.unit();
    return [draws.below(1000), draws.below(1000), ...draws.shuffled([1, 2, 3])];
  };
  expect(drawn(7, 0)).toEqual(drawn(7, 5));
  expect(drawn(7, 0)).not.toEqual(drawn(8, 0));
});

test('a deck has all of it by turns, in orders of its own', () => {
  const deck = new Deck(['a', 'b', 'c'], new Draws(1));
  const turns = Array.from({ length: 20 }, () => [deck.next(), deck.next(), deck.next()]);
  for (const turn of turns) expect(turn.toSorted()).toEqual(['a', 'b', 'c']);
  expect(new Set(turns.map((turn) => turn.join(''))).size).toBeGreaterThan(1);
});
