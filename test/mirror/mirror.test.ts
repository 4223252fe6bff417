import { describe, expect, it } from 'vitest';
import { latin1Range } from '../../src/base/bytes.ts';
import { versionText } from '../../src/clock/key-version.ts';
import { MIRROR_LIMITS, type MirrorLimits } from '../../src/mirror/limits.ts';
import { Mirror, type MirrorStep } from '../../src/mirror/mirror.ts';
import { Harness } from '../commands-data/harness.ts';
import { MemoryLevelState, MemorySecondLevel } from '../support/memory-second-level.ts';

/** A node with the keys `m:*` mirrored, and a second level that answers when it is told to. */
class Rig {
  readonly node: Harness = new Harness();
  readonly level: MemorySecondLevel;
  readonly mirror: Mirror;
  readonly evicted: Set<string> = new Set();
  timeMs = 0;
  readonly steps: MirrorStep['kind'][] = [];

  constructor(state: MemoryLevelState, holder = 'a', limits: Partial<MirrorLimits> = {}) {
    this.level = new MemorySecondLevel(state, holder);
    const { keyspace } = this.node;
    this.mirror = new Mirror(
      {
        nodeId: `us-east-1/${holder}`,
        keys: keyspace,
        nowMs: () => this.node.nowMs,
        isMirrored: (key) => key.toLatin1().startsWith('m:'),
        versionOf: (slot) => {
          const version = keyspace.versions.at(slot);
          return 'state' in version ? '' : versionText(version);
        },
        isEvicted: (key) => this.evicted.has(key.toLatin1()),
      },
      { ...MIRROR_LIMITS, ...limits },
      true,
    );
    keyspace.onChange = (key) => this.mirror.changed(key);
  }

  /** Begins the next step, if there is one; its call waits in `level.calls`. */
  begin(): MirrorStep | null {
    const { mirror, level } = this;
    const step = mirror.next(this.timeMs);
    if (step === null) return null;
    this.steps.push(step.kind);
    const told =
      <T>(took: (result: T) => void) =>
      (error: unknown, result: T | null): void =>
        error !== null || result === null ? mirror.failed(this.timeMs) : took(result);
    if (step.kind === 'hold')
      level.hold(
        step.epochMin,
        told((lease) => mirror.held(lease, this.timeMs)),
      );
    else if (step.kind === 'write')
      level.write(
        step.writes,
        step.lease,
        step.isPass,
        told((verdicts) => mirror.wrote(verdicts, this.timeMs)),
      );
    else if (step.kind === 'scan')
      level.scan(
        step.cursor,
        2,
        told(({ keys, next }) => mirror.scanned(keys, next, this.timeMs)),
      );
    else
      level.publish(
        '',
        step.message,
        told(() => mirror.published()),
      );
    return step;
  }

  /** Everything that is to be done, answered at once, for as long as there is something. */
  run(): void {
    for (let quiet = 0; quiet < 3;) {
      quiet = this.begin() === null ? quiet + 1 : 0;
      this.level.settle();
      this.timeMs += 100;
    }
  }

  shown(key: string): string | undefined {
    return this.level.state.values.get(key)?.parts.join(' ');
  }
}

const running = (limits: Partial<MirrorLimits> = {}): Rig => {
  const rig = new Rig(new MemoryLevelState(), 'a', limits);
  rig.run();
  return rig;
};

describe('what is mirrored', () => {
  it('values of all types, as a Redis has them, and no others', () => {
    const rig = running();
    for (const line of [
      'SET m:s text',
      'INCRBY m:c 41',
      'HSET m:h f 1 g 2',
      'SADD m:set x',
      'SET other text',
      'SET m:gone x',
    ])
      rig.node.run(line);
    rig.node.run('DEL m:gone');
    rig.run();
    expect([...rig.level.state.values.keys()].sort()).toEqual(['m:c', 'm:h', 'm:s', 'm:set']);
    expect(['m:s', 'm:c', 'm:h', 'm:set'].map((key) => rig.shown(key))).toEqual(['text', '41', 'f 1 g 2', 'x']);
    rig.node.run('HDEL m:h f');
    rig.node.run('DEL m:s');
    rig.run();
    expect([rig.shown('m:h'), rig.shown('m:s')]).toEqual(['g 2', undefined]);
  });

  it('a key that changed many times is written once, as it is then', () => {
    const rig = running();
    for (let count = 0; count < 50; count++) rig.node.run(`SET m:k ${count}`);
    rig.run();
    expect(rig.shown('m:k')).toBe('49');
    expect(rig.mirror.counts.verdicts.written).toBe(1);
  });

  it('the expiry goes along, and what has expired goes', () => {
    const rig = running();
    rig.node.run('SET m:k x PX 5000');
    rig.run();
    expect(rig.level.state.versions.get('m:k')?.write.expiresAtMs).toBe(rig.node.nowMs + 5000);
    rig.node.nowMs += 5001;
    rig.mirror.changed(latin1Range('m:k'));
    rig.run();
    expect(rig.shown('m:k')).toBeUndefined();
  });

  it('a value that is too long is taken away there: an older one must not stay', () => {
    const rig = running({ mirrorValueBytesMax: 10 });
    rig.node.run('SET m:k short');
    rig.run();
    rig.node.run('SET m:k 0123456789A');
    rig.run();
    expect(rig.shown('m:k')).toBeUndefined();
    expect(rig.mirror.counts.tooLong).toBe(1);
  });

  it('what is evicted here stays there', () => {
    const rig = running();
    rig.node.run('SET m:k x');
    rig.run();
    rig.evicted.add('m:k');
    rig.node.run('DEL m:k');
    rig.run();
    rig.mirror.compareAll();
    rig.run();
    expect(rig.shown('m:k')).toBe('x');
  });
});

describe('L2: an older value never replaces a newer one', () => {
  it('a write that timed out and is done after the one that came later', () => {
    const rig = running();
    rig.node.run('SET m:k old');
    rig.begin();
    const [late] = rig.level.calls.splice(0);
    late?.fail();
    rig.node.run('SET m:k new');
    rig.timeMs += 10_000;
    rig.run();
    expect(rig.shown('m:k')).toBe('new');
    // what was in the stopped process's socket all the while
    const { mirror } = rig;
    expect(() => late?.run()).toThrow('a step is on its way');
    expect(rig.shown('m:k')).toBe('new');
    expect(mirror.waiting).toBe(0);
  });

  it('a key that changes while it is written is written again', () => {
    const rig = running();
    rig.node.run('SET m:k 1');
    rig.begin();
    rig.node.run('SET m:k 2');
    expect(rig.mirror.isPending('m:k')).toBe(true);
    rig.level.settle();
    expect([rig.shown('m:k'), rig.mirror.isPending('m:k')]).toEqual(['1', true]);
    rig.run();
    expect([rig.shown('m:k'), rig.mirror.isPending('m:k')]).toEqual(['2', false]);
  });

  it('of two nodes one writes; the next compares everything, and what the first had sent comes too late', () => {
    const state = new MemoryLevelState();
    const [a, b] = [new Rig(state, 'a'), new Rig(state, 'b')];
    a.run();
    b.run();
    for (const rig of [a, b]) rig.node.run('SET m:k 1');
    for (const rig of [a, b]) rig.node.run('SET m:gone 1');
    a.run();
    b.run();
    expect([a.mirror.isHolder, b.mirror.isHolder]).toEqual([true, false]);
    // a is cut off with a write on its way; the others go on without it
    a.node.run('SET m:k 2');
    a.node.run('SET m:gone 2');
    a.begin();
    const [late] = a.level.calls.splice(0);
    for (const line of ['SET m:k 2', 'SET m:k 3', 'DEL m:gone']) b.node.run(line);
    state.nowMs += 60_000;
    b.timeMs += 60_000;
    b.run();
    expect([b.mirror.isHolder, b.shown('m:k'), b.shown('m:gone')]).toEqual([true, '3', undefined]);
    late?.run();
    expect([b.shown('m:k'), b.shown('m:gone')]).toEqual(['3', undefined]);
    a.timeMs += 10_000;
    a.run();
    expect(a.mirror.isHolder).toBe(false);
  });
});

describe('L1: catching up', () => {
  it('what changed while it was away is written when it is back, in the order of nothing but the last value', () => {
    const rig = running();
    rig.node.run('SET m:k 1');
    rig.run();
    for (let round = 0; round < 4; round++) {
      rig.node.run(`SET m:k ${round}`);
      rig.node.run(`SET m:${round} x`);
      rig.begin();
      for (const call of rig.level.calls.splice(0)) call.fail();
      rig.timeMs += 5_000;
    }
    rig.node.run('DEL m:0');
    rig.run();
    expect([rig.shown('m:k'), rig.shown('m:0'), rig.shown('m:3')]).toEqual(['3', undefined, 'x']);
    expect(rig.mirror.counts.passes).toBe(1);
  });

  it('more changes than are remembered: everything is compared, what is gone included', () => {
    const rig = running({ mirrorChangedKeysMax: 10 });
    for (let at = 0; at < 30; at++) {
      rig.node.run(`SET m:${at} before`);
      rig.run();
    }
    for (let at = 0; at < 30; at++) rig.node.run(at % 2 === 0 ? `SET m:${at} after` : `DEL m:${at}`);
    expect([rig.mirror.waiting, rig.mirror.isComparing, rig.mirror.isPending('m:1')]).toEqual([0, true, true]);
    rig.run();
    expect(rig.mirror.counts.overflows).toBe(1);
    expect(rig.level.state.values.size).toBe(15);
    expect([...rig.level.state.values.values()].every(({ parts }) => parts[0] === 'after')).toBe(true);
  });

  it('another process that holds nothing answers: everything is written', () => {
    const rig = running();
    for (let at = 0; at < 30; at++) rig.node.run(`SET m:${at} x`);
    rig.run();
    rig.level.state.restart();
    rig.timeMs += 10_000;
    rig.run();
    expect(rig.level.state.values.size).toBe(30);
  });

  it('a comparison puts right what others changed, and takes away what is not here', () => {
    const rig = running();
    for (let at = 0; at < 5; at++) rig.node.run(`SET m:${at} x`);
    rig.run();
    const { values } = rig.level.state;
    values.set('m:1', { kind: 'string', parts: ['theirs'] });
    values.delete('m:2');
    values.set('m:alone', { kind: 'string', parts: ['theirs'] });
    const { written } = rig.mirror.counts.verdicts;
    rig.mirror.compareAll();
    rig.run();
    expect([rig.shown('m:1'), rig.shown('m:2'), rig.shown('m:alone')]).toEqual(['x', 'x', 'theirs']);
    expect(rig.mirror.counts.verdicts.written - written).toBe(2);
  });

  it('changes and a long comparison take turns', () => {
    const rig = running();
    for (let at = 0; at < 2_000; at++) rig.node.run(`SET m:${at} x`);
    rig.mirror.compareAll();
    rig.node.run('SET m:now 1');
    rig.steps.length = 0;
    for (let step = 0; step < 4 && rig.shown('m:now') === undefined; step++) {
      rig.begin();
      rig.level.settle();
    }
    expect([rig.shown('m:now'), rig.mirror.isComparing]).toEqual(['1', true]);
  });
});

describe('invalidations', () => {
  it('keys are named when they are written, many in one message; after a gap one says that any may have changed', () => {
    const rig = running();
    const { published } = rig.level.state;
    expect(published.splice(0)).toEqual(['{"node":"us-east-1/a","all":true}']);
    rig.node.run('SET m:1 x');
    rig.node.run('SET m:2 x');
    rig.node.reply('SET', 'm:\xff', 'x');
    rig.run();
    expect(published.splice(0)).toEqual(['{"node":"us-east-1/a","keys":["m:1","m:2"],"binary":["bTr_"]}']);
    rig.node.run('SET m:1 y');
    rig.begin();
    rig.level.settle();
    rig.begin();
    for (const call of rig.level.calls.splice(0)) call.fail();
    rig.timeMs += 10_000;
    rig.run();
    expect(published).toEqual(['{"node":"us-east-1/a","all":true}']);
  });
});
