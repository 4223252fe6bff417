import { describe, expect, it } from 'vitest';
import { latin1Range } from '../../src/base/bytes.ts';
import type { WriteVersion } from '../../src/clock/key-version.ts';
import { stampOfMs } from '../../src/clock/stamp.ts';
import { MIRROR_LIMITS, WARM_FAILURES_MAX } from '../../src/mirror/limits.ts';
import { WarmStart } from '../../src/mirror/warm-start.ts';
import type { SecondLevelValue } from '../../src/ports.ts';
import { Harness } from '../commands-data/harness.ts';

const BEFORE_MS = 1_690_000_000_000;

/** An empty node, and what a second level has of its keys `m:*` from another life. */
class Rig {
  readonly node: Harness = new Harness();
  readonly there: Map<string, SecondLevelValue> = new Map();
  readonly applied: Set<number> = new Set();
  readonly filled: string[] = [];
  invalidated = '';
  readonly warm: WarmStart;
  timeMs = 0;

  constructor(limits = MIRROR_LIMITS) {
    const { keyspace } = this.node;
    this.warm = new WarmStart(
      {
        keys: keyspace,
        nowMs: () => this.node.nowMs,
        isTaken: (key) => key.toLatin1().startsWith('m:'),
        hasApplied: ({ seq }: WriteVersion) => this.applied.has(seq),
        isOld: (_stamp, key) => key === this.invalidated,
        fill: (key, value, _expiresAtMs, stamp) => {
          expect(stamp).toBeLessThan(stampOfMs(BEFORE_MS));
          this.filled.push(`${key.toLatin1()}=${Buffer.from(value).toString('latin1')}`);
        },
      },
      limits,
    );
    keyspace.onChange = (key) => this.warm.changed(key);
  }

  has(key: string, seq: number, expiresAtMs = Infinity): void {
    const version = `${stampOfMs(BEFORE_MS)}-274877906945-${seq}`;
    this.there.set(key, { value: Buffer.from(`v${seq}`), version, expiresAtMs });
  }

  /** One step, answered at once; says whether there was one. */
  step(): boolean {
    this.timeMs += 1_000;
    const step = this.warm.next(this.timeMs);
    if (step?.kind === 'scan') this.warm.scanned([...this.there.keys()], null, this.timeMs);
    else if (step?.kind === 'read') this.warm.read(step.keys.map((key) => this.there.get(key) ?? null));
    return step !== null;
  }

  run(): readonly string[] {
    while (this.step());
    return this.filled;
  }
}

describe('L4: a warm start', () => {
  it('takes what never came here, at a place in the order that is long over', () => {
    const rig = new Rig();
    for (let seq = 1; seq <= 250; seq++) rig.has(`m:${seq}`, seq);
    rig.has('other', 300);
    expect(rig.run()).toHaveLength(250);
    expect(rig.warm.progress).toEqual({ isOver: true, looked: 251, taken: 250, askedFor: 0, gaveUp: '' });
  });

  it('takes nothing that came here and does not show: it was removed, or has expired', () => {
    const rig = new Rig();
    rig.has('m:removed', 7);
    rig.applied.add(7);
    rig.has('m:lost', 8);
    rig.has('m:over', 9, rig.node.nowMs);
    expect(rig.run()).toEqual(['m:lost=v8']);
  });

  it('takes nothing that shows here, or was removed here meanwhile, though nothing of that is known any more', () => {
    const rig = new Rig();
    for (const [at, key] of ['m:here', 'm:gone', 'm:absent', 'm:lost'].entries()) rig.has(key, at);
    rig.node.run('SET m:here x');
    rig.node.run('SET m:gone x');
    rig.node.run('DEL m:gone');
    rig.warm.changed(latin1Range('m:absent'));
    expect(rig.run()).toEqual(['m:lost=v3']);
  });

  it('takes nothing that was invalidated since by who had not seen it', () => {
    const rig = new Rig();
    rig.has('m:k', 1);
    rig.has('m:old', 2);
    rig.invalidated = 'm:old';
    expect(rig.run()).toEqual(['m:k=v1']);
  });

  it('takes what a request names before its turn, by the same rules and once', () => {
    const rig = new Rig();
    for (const [at, key] of ['m:1', 'm:2', 'm:gone', 'other'].entries()) rig.has(key, at);
    rig.warm.changed(latin1Range('m:gone'));
    const mayHave = ['m:1', 'm:gone', 'other'].map((key) => rig.warm.mayHave(latin1Range(key)));
    expect(mayHave).toEqual([true, false, false]);
    for (const key of ['m:1', 'm:gone']) rig.warm.readAhead(key, rig.there.get(key) ?? null);
    rig.node.run('SET m:1 v0');
    expect(rig.warm.mayHave(latin1Range('m:1'))).toBe(false);
    expect(rig.run()).toEqual(['m:1=v0', 'm:2=v1']);
    expect(rig.warm.progress).toMatchObject({ isOver: true, taken: 2, askedFor: 1 });
    expect(rig.warm.mayHave(latin1Range('m:2'))).toBe(false);
    rig.warm.readAhead('m:2', rig.there.get('m:2') ?? null);
    expect(rig.filled).toHaveLength(2);
  });

  it('a key that is removed while its value is on its way stays away', () => {
    const rig = new Rig();
    rig.has('m:k', 1);
    rig.step();
    expect(rig.warm.next((rig.timeMs += 1_000))?.kind).toBe('read');
    rig.warm.changed(latin1Range('m:k'));
    rig.warm.read([rig.there.get('m:k') ?? null]);
    expect([rig.filled, rig.warm.isOver]).toEqual([[], true]);
  });

  it('a removal that is still known and later decides', () => {
    const rig = new Rig();
    rig.node.run('SET m:k x');
    rig.node.run('DEL m:k');
    const late = new Rig();
    late.has('m:k', 1);
    const { keyspace } = rig.node;
    const warm = new WarmStart(
      {
        keys: keyspace,
        nowMs: () => rig.node.nowMs,
        isTaken: () => true,
        hasApplied: () => false,
        isOld: () => false,
        fill: () => rig.filled.push('taken'),
      },
      MIRROR_LIMITS,
    );
    warm.next(0);
    warm.scanned(['m:k'], null, 0);
    warm.next(1_000);
    warm.read([late.there.get('m:k') ?? null]);
    expect(rig.filled).toEqual([]);
  });

  it('ends early, with the reason, where too much changes or nobody answers', () => {
    const flushed = new Rig();
    flushed.has('m:k', 1);
    flushed.warm.changed(null);
    expect([flushed.run(), flushed.warm.progress.gaveUp]).toEqual([[], 'all keys changed here meanwhile']);
    const busy = new Rig({ ...MIRROR_LIMITS, mirrorChangedKeysMax: 2 });
    for (const key of ['m:1', 'm:2', 'm:3']) busy.node.run(`SET ${key} x`);
    expect(busy.warm.progress.gaveUp).toBe('too many keys changed here meanwhile');
    const away = new Rig();
    for (let failure = 0; failure <= WARM_FAILURES_MAX; failure++) {
      expect(away.warm.next((away.timeMs += 10_000))?.kind).toBe('scan');
      away.warm.failed(away.timeMs);
    }
    expect(away.warm.progress.gaveUp).toBe('it does not answer');
  });
});
