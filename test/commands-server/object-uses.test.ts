import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/adapters/system-clock.ts';
import type { RawClient } from './raw-client.ts';
import { Rig } from './rig.ts';

let rig: Rig;
let client: RawClient;

beforeEach(async () => {
  rig = await Rig.start();
  client = await rig.client();
});

afterEach(async () => {
  await rig.stop();
});

async function ask(...words: string[]): Promise<string> {
  return (await client.text(...words)).replace(/^:/, '');
}

/** Lets the node see that time passed. */
function pass(ms: number): void {
  rig.node.tick({ wallMs: systemClock.wallMs() + ms, monotonicMs: systemClock.monotonicMs() + ms });
}

describe('OBJECT IDLETIME and FREQ', () => {
  it('tell what was used, by reads and writes and TOUCH, and not by questions', async () => {
    for (const key of ['read', 'asked', 'touched', 'written', 'counted']) await ask('SET', key, '1');
    await ask('HSET', 'hash', 'f', 'v');
    await ask('SET', 'written', '2');
    await ask('INCR', 'counted');
    for (const key of ['written', 'counted']) expect([key, await ask('OBJECT', 'FREQ', key)]).toEqual([key, '1']);
    pass(30_000);
    await ask('GET', 'read');
    await ask('TOUCH', 'touched');
    await ask('HGET', 'hash', 'f');
    for (const question of [['EXISTS'], ['TTL'], ['TYPE'], ['PTTL'], ['OBJECT', 'ENCODING'], ['OBJECT', 'FREQ']])
      await ask(...question, 'asked');
    for (const key of ['read', 'touched', 'hash'])
      expect([key, await ask('OBJECT', 'IDLETIME', key)]).toEqual([key, '0']);
    expect(Number(await ask('OBJECT', 'IDLETIME', 'asked'))).toBeGreaterThanOrEqual(29);
    expect(await ask('OBJECT', 'FREQ', 'asked')).toBe('0');
    expect(await ask('OBJECT', 'FREQ', 'read')).toBe('1');
    for (let read = 0; read < 5; read++) await ask('GET', 'read');
    expect(await ask('OBJECT', 'FREQ', 'read')).toBe('3');
    expect(await ask('OBJECT', 'IDLETIME', 'nothing')).toBe('$-1');
  });
});
