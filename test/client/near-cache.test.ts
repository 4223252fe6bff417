import { describe, expect, test } from 'vitest';
import type { NearSettings } from '../../src/client/client-options.ts';
import { Codecs } from '../../src/client/codec.ts';
import type { KeyVersion } from '../../src/clock/key-version.ts';
import { NearCache, type Filling } from '../../src/client/near-cache.ts';

const SETTINGS: NearSettings = { prefixes: null, ttlMs: 100, entriesMax: 4, bytesMax: 4000, serveForMs: 0 };

interface Rig {
  readonly near: NearCache;
  /** Time goes on. */
  readonly pass: (ms: number) => void;
  /** A read that is answered at once. */
  readonly fill: (key: string, value: unknown, version?: KeyVersion | null) => void;
}

function rig(settings: Partial<NearSettings> = {}): Rig {
  let nowMs = 1000;
  const near = new NearCache({ ...SETTINGS, ...settings }, new Codecs('json'), false, () => nowMs);
  near.connected();
  return {
    near,
    pass: (ms) => void (nowMs += ms),
    fill: (key, value, version = null) => near.end(near.begin(key), filling(value, version)),
  };
}

function filling(value: unknown, version: KeyVersion | null = null, leftMs = Infinity): Filling {
  return { bytes: value === null ? null : Buffer.from(JSON.stringify(value)), value, version, leftMs };
}

const version = (stamp: number, seq = 1): KeyVersion => ({ stamp, origin: 7, seq });

describe('what lies in the near cache', () => {
  test('is there for its time to live, no longer', () => {
    const { near, fill, pass } = rig();
    expect(near.get('a')).toBeUndefined();
    fill('a', 1);
    pass(99);
    expect(near.find('a')).toEqual({ value: 1, ageMs: 99, isStale: false, version: null });
    pass(1);
    expect(near.get('a')).toBeUndefined();
    expect(near.figures).toMatchObject({ hits: 1, misses: 2 });
  });

  test('is there no longer than its key', () => {
    const { near, pass } = rig();
    near.end(near.begin('a'), filling(1, null, 10));
    pass(9);
    expect(near.get('a')).toBe(1);
    pass(1);
    expect(near.get('a')).toBeUndefined();
  });

  test('is also that a key shows nothing', () => {
    const { near } = rig();
    near.end(near.begin('a'), filling(null));
    expect(near.get('a')).toBeNull();
  });

  test('is bounded by entries and by bytes, the least recently used goes', () => {
    const { near, fill } = rig();
    for (const key of ['a', 'b', 'c', 'd']) fill(key, key);
    near.get('a');
    fill('e', 'e');
    expect([near.get('a'), near.get('b'), near.figures.entries]).toEqual(['a', undefined, 4]);
    fill('long', 'x'.repeat(3600));
    expect([near.get('long'), near.figures.entries]).toEqual(['x'.repeat(3600), 1]);
    fill('too long', 'x'.repeat(5000));
    expect(near.get('too long')).toBeUndefined();
    expect(near.figures.bytes).toBeLessThanOrEqual(4000);
  });

  test('cannot be changed by who reads it, nor by what it came from', () => {
    const { near } = rig();
    const value = { deep: [{ number: 1 }] };
    near.end(near.begin('a'), filling(value));
    const shown = near.get('a') as typeof value;
    expect(() => (shown.deep[0] as { number: number }).number++).toThrow(TypeError);
    const bytes = Buffer.from('{"b":1}');
    near.end(near.begin('b'), { ...filling(0), bytes, value: new Uint8Array(bytes) });
    expect(near.get('b')).not.toBe(near.get('b'));
  });
});

describe('an older value never replaces a newer one', () => {
  test('an invalidation drops what lies there; what is answered behind it was read after it', () => {
    const { near } = rig();
    const before = near.begin('a');
    near.end(before, filling(1));
    const after = near.begin('a');
    near.invalidate('a');
    expect(near.get('a')).toBeUndefined();
    near.end(after, filling(2));
    expect(near.get('a')).toBe(2);
  });

  test('a read that left before an own write does not fill', () => {
    const { near, fill } = rig();
    fill('a', 1);
    const read = near.begin('a');
    near.written('a');
    expect(near.get('a')).toBeUndefined();
    near.end(read, filling(1));
    expect(near.get('a')).toBeUndefined();
    expect(near.figures.outdated).toBe(1);
  });

  test.each(['lost', 'connected', 'wroteAnything'] as const)('nor does one from before: %s', (event) => {
    const { near } = rig();
    const read = near.begin('a');
    near[event]();
    near.end(read, filling(1));
    expect(near.get('a')).toBeUndefined();
  });

  test('of several reads each is looked at by itself', () => {
    const { near } = rig();
    const first = near.begin('a');
    near.written('a');
    const second = near.begin('a');
    near.end(second, filling(2));
    near.end(first, filling(1));
    expect(near.get('a')).toBe(2);
  });

  test('of versions: neither by a read, nor behind an invalidation, nor over another connection', () => {
    const { near, fill } = rig();
    fill('a', 'new', version(5));
    fill('a', 'old', version(4));
    expect(near.find('a')).toMatchObject({ value: 'new', version: '5-7-1' });
    near.invalidate('a', version(6));
    fill('a', 'old', version(5, 9));
    expect(near.get('a')).toBeUndefined();
    near.lost();
    near.connected();
    fill('a', 'old', version(5, 9));
    expect(near.get('a')).toBeUndefined();
    near.invalidate('a', version(3));
    fill('a', 'old', version(5, 9));
    expect(near.get('a')).toBeUndefined();
    fill('a', 'new', version(6));
    expect(near.get('a')).toBe('new');
    expect(near.figures.outdated).toBe(4);
  });

  test('what has no order is kept as it comes', () => {
    const { near, fill } = rig();
    fill('a', 1, version(5));
    fill('a', 2, { state: '0123456789abcdef' });
    expect(near.get('a')).toBe(2);
    fill('a', 3);
    expect(near.get('a')).toBe(3);
    fill('a', 4, version(4));
    expect(near.get('a')).toBe(3);
  });

  test('all at once', () => {
    const { near, fill } = rig();
    fill('a', 1);
    fill('b', 1);
    near.invalidateAll();
    expect([near.get('a'), near.get('b')]).toEqual([undefined, undefined]);
  });
});

describe('while no node is connected', () => {
  test('nothing is served, unless said', () => {
    const { near, fill } = rig();
    fill('a', 1);
    near.lost();
    expect(near.get('a')).toBeUndefined();
  });

  test('what was filled lately is served as stale for as long as said, and goes when a node is there again', () => {
    const { near, fill, pass } = rig({ serveForMs: 5000 });
    fill('a', 1);
    pass(1000);
    expect(near.get('a')).toBeUndefined();
    near.lost();
    expect(near.find('a')).toEqual({ value: 1, ageMs: 1000, isStale: true, version: null });
    expect(near.figures.staleHits).toBe(1);
    pass(3999);
    expect(near.get('a')).toBe(1);
    pass(1);
    expect(near.get('a')).toBeUndefined();
    fill('b', 1);
    near.connected();
    expect(near.get('b')).toBeUndefined();
  });
});

describe('parts of hashes and documents', () => {
  test('are there by their names for their time to live, and go with their key', () => {
    const { near, fill, pass } = rig();
    near.endParts(near.begin('h'), [{ name: 'a', value: { x: [1] } }], 10);
    pass(50);
    near.endParts(near.begin('h'), [{ name: 'b', value: undefined }], 10);
    expect(near.part('h', 'a')?.value).toEqual({ x: [1] });
    const { value } = near.part('h', 'a') ?? {};
    expect([Object.isFrozen(value), Object.values(value ?? {}).every(Object.isFrozen)]).toEqual([true, true]);
    expect(near.part('h', 'b'), 'that there is nothing is known').toMatchObject({ value: undefined });
    expect([near.part('h', 'c'), near.get('h'), near.find('h')]).toEqual([null, undefined, null]);
    pass(50);
    expect([near.part('h', 'a'), near.part('h', 'b')?.value]).toEqual([null, undefined]);
    expect(near.part('h', 'b')).not.toBeNull();
    expect(near.figures).toMatchObject({ entries: 1, hits: 5, misses: 4 });
    near.invalidate('h');
    expect(near.part('h', 'b')).toBeNull();
    near.endParts(near.begin('h'), [{ name: 'a', value: 1 }], 10);
    fill('h', 'text');
    expect([near.part('h', 'a'), near.get('h')]).toEqual([null, 'text']);
    near.endParts(near.begin('h'), [{ name: 'a', value: 1 }], 10);
    expect([near.part('h', 'a')?.value, near.get('h')]).toEqual([1, undefined]);
  });

  test('are not kept of a read that a write, an invalidation or the loss of the connection has passed', () => {
    const { near } = rig();
    for (const passing of [
      () => near.written('h'),
      () => near.lost(),
      () => near.connected(),
      () => near.wroteAnything(),
    ]) {
      const fill = near.begin('h');
      passing();
      near.endParts(fill, [{ name: 'a', value: 1 }], 10);
      expect(near.part('h', 'a')).toBeNull();
    }
  });

  test('count against the bound, and what cannot be frozen is not kept', () => {
    const { near } = rig({ bytesMax: 1_000 });
    near.endParts(near.begin('h'), [{ name: 'bytes', value: new Uint8Array(2) }], 2);
    expect(near.part('h', 'bytes')).toBeNull();
    near.endParts(near.begin('h'), [{ name: 'f0', value: 0 }], 10);
    const { bytes } = near.figures;
    for (let times = 0; times < 10; times++) near.endParts(near.begin('h'), [{ name: 'f0', value: 0 }], 10);
    expect(near.figures.bytes, 'what is read again takes no more').toBe(bytes);
    for (let at = 1; at < 10; at++) {
      near.endParts(near.begin('h'), [{ name: `f${at}`, value: at }], 10);
      expect(near.figures.bytes).toBeLessThanOrEqual(1_000);
    }
    expect(near.part('h', 'f0')).toBeNull();
  });
});
