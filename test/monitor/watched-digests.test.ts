import { describe, expect, it } from 'vitest';
import { latin1Range } from '../../src/base/bytes.ts';
import { WatchedDigests } from '../../src/commands/watched-digests.ts';

/** Many of them, and keys whose last bytes are the same share a place. */
const KEYS = Array.from({ length: 2_000 }, (_unused, at) => `${at % 2 === 0 ? 'a' : 'b'}:same-end:${at >> 1}`);

describe('keys that are watched (S10)', () => {
  it('are known until they change, each by itself', () => {
    const watched = new WatchedDigests();
    for (const [at, key] of KEYS.entries()) watched.watch(key, String(at), 'round', at);
    for (let at = 0; at < KEYS.length; at += 4) watched.changed(latin1Range(KEYS[at] as string));
    const known = KEYS.map((key) => watched.hexOf(key, 'round'));
    expect(known).toEqual(KEYS.map((_key, at) => (at % 4 === 0 ? undefined : String(at))));
  });

  it('are found again after others at their place went', () => {
    const watched = new WatchedDigests();
    for (const key of ['a:same-end:1', 'b:same-end:1']) watched.watch(key, 'x', 'round', 0);
    watched.watch('a:same-end:1', 'y', 'round', 0);
    watched.changed(latin1Range('b:same-end:1'));
    expect(watched.hexOf('a:same-end:1', 'round')).toBe('y');
    watched.changed(latin1Range('a:same-end:1'));
    expect(watched.hexOf('a:same-end:1', 'round')).toBeUndefined();
    watched.watch('a:same-end:1', 'z', 'round', 0);
    watched.changed(null);
    expect(watched.hexOf('a:same-end:1', 'round')).toBeUndefined();
  });
});
