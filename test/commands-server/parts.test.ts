import { describe, expect, test } from 'vitest';
import { CommandIndex } from '../../src/commands/command-index.ts';
import type { CommandSpec } from '../../src/commands/command-spec.ts';
import { LatencyHistogram } from '../../src/commands/latency-histogram.ts';
import { notificationClassesText, parseNotificationClasses } from '../../src/commands/notification-classes.ts';
import { parseMemory } from '../../src/base/memory-size.ts';
import { latin1Range } from '../../src/base/bytes.ts';
import { OutputGuard } from '../../src/server/output-guard.ts';
import { RespTurns } from '../../src/server/resp-turns.ts';

describe('output guard', () => {
  const limit = { hardBytes: 100, softBytes: 50, softSeconds: 10 };

  test('is over the hard limit at once', () => {
    expect(new OutputGuard().excess(100, limit, 0)).toBeNull();
    expect(new OutputGuard().excess(101, limit, 0)).toBe('output of 101 bytes is over the hard limit of 100');
  });

  test('is over the soft limit after its time on end', () => {
    const guard = new OutputGuard();
    expect(guard.excess(60, limit, 0)).toBeNull();
    expect(guard.excess(60, limit, 9_999)).toBeNull();
    expect(guard.excess(50, limit, 10_000)).toBeNull();
    expect(guard.excess(60, limit, 10_001)).toBeNull();
    expect(guard.excess(60, limit, 20_001)).toBe('output of 60 bytes is over the soft limit of 50 for 10 s');
  });

  test('zero is no limit', () => {
    const none = { hardBytes: 0, softBytes: 0, softSeconds: 0 };
    expect(new OutputGuard().excess(2 ** 40, none, 0)).toBeNull();
  });
});

test('a latency histogram counts by powers of two and knows its quantiles', () => {
  const histogram = new LatencyHistogram();
  for (const usec of [0.4, 1, 3, 3.5, 1000, 1e12]) histogram.add(usec);
  expect(histogram.count).toBe(6);
  expect(histogram.cumulative().find((row) => row.belowUsec === 1)?.count).toBe(1);
  expect(histogram.cumulative().find((row) => row.belowUsec === 4)?.count).toBe(4);
  expect(histogram.cumulative().at(-1)).toEqual({ belowUsec: Infinity, count: 6 });
  expect(histogram.quantileUsec(0.5)).toBe(4);
  histogram.clear();
  expect([histogram.count, histogram.sumUsec, histogram.cumulative()]).toEqual([0, 0, []]);
});

describe('command index', () => {
  function spec(name: string, subcommands: readonly CommandSpec[] = []): CommandSpec {
    return { name, arity: -1, flags: [], group: 'server', summary: name, run: () => undefined, subcommands };
  }
  const index = new CommandIndex([spec('get'), spec('config', [spec('config|get')]), spec('cw.node')]);

  test('finds names in any case, and only those', () => {
    for (const name of ['get', 'GET', 'gEt']) expect(index.find(latin1Range(name))?.fullName).toBe('get');
    expect(index.find(latin1Range('CW.NODE'))?.fullName).toBe('cw.node');
    // What differs from a name only in the bit that tells cases apart is no name.
    for (const name of ['ge', 'gett', '', 'cw\x0enode', 'G\x05T', '__proto__']) {
      expect(index.find(latin1Range(name))).toBeUndefined();
    }
  });

  test('finds subcommands by full name', () => {
    expect(index.findFullName('CONFIG|GET')?.fullName).toBe('config|get');
    expect(index.findFullName('config|nosuch')).toBeUndefined();
    expect(index.findFullName('get|get')).toBeUndefined();
  });

  test('refuses a name that is there twice', () => {
    expect(() => new CommandIndex([spec('a'), spec('a')])).toThrow('command a is in the table once');
  });
});

test('notification classes read back as they are written', () => {
  for (const [given, shown] of [
    ['', ''],
    ['KEA', 'AKE'],
    ['g$lshzxetd', 'A'],
    ['EKgm', 'gKEm'],
    ['nE', 'nE'],
  ] as const) {
    const classes = parseNotificationClasses(given);
    expect(classes === null ? null : notificationClassesText(classes)).toBe(shown);
  }
  expect(parseNotificationClasses('KQ')).toBeNull();
});

test('memory values', () => {
  expect(['1', '1b', '1k', '1kb', '2MB', '1gb'].map(parseMemory)).toEqual([1, 1, 1000, 1024, 2 * 1024 ** 2, 1024 ** 3]);
  expect(['', 'x', '-1', '1tb', '1 mb', '99999999999999999999'].map(parseMemory)).toEqual([
    null,
    null,
    null,
    null,
    null,
    null,
  ]);
});

describe('turns', () => {
  test('what a turn causes is done at its end, once', () => {
    const turns = new RespTurns(() => undefined);
    const did: string[] = [];
    const participant = { flush: () => void did.push('flush'), continueRequests: () => void did.push('continue') };
    turns.run(() => {
      turns.flushLater(participant);
      turns.flushLater(participant);
      turns.run(() => turns.continueLater(participant));
      did.push('work');
    });
    expect(did).toEqual(['work', 'continue', 'flush']);
  });

  test('outside a turn it is done soon, and a failure is told', async () => {
    const thrown = new Error('broken');
    const failure = await new Promise((resolve) => {
      const turns = new RespTurns(resolve);
      turns.flushLater({
        flush: () => {
          throw thrown;
        },
        continueRequests: () => undefined,
      });
    });
    expect(failure).toBe(thrown);
  });

  test('one that is dropped does nothing more', () => {
    const turns = new RespTurns(() => undefined);
    const did: string[] = [];
    const participant = { flush: () => void did.push('flush'), continueRequests: () => void did.push('continue') };
    turns.run(() => {
      turns.flushLater(participant);
      turns.continueLater(participant);
      turns.drop(participant);
    });
    expect(did).toEqual([]);
  });
});
