import { expect, test } from 'vitest';
import { twoRegions } from '../classes/class-rig.ts';

test('I6: programs hear of invalidations in every region, by pattern', async () => {
  const { here, there, rigs } = await twoRegions('classes: []\n');
  const heard: string[][] = [];
  for (const rig of rigs) {
    const messages: string[] = [];
    heard.push(messages);
    const listener = rig.client();
    listener.on('pmessage', (_pattern: string, channel: string, message: string) =>
      messages.push(`${channel.replace('__causeway__:invalidate', '')} ${message}`),
    );
    await listener.psubscribe('__causeway__:invalidate*');
  }
  await here.mset('p:1', 'v', 'p:2', 'v', 'page', 'v', '__proto__', 'v');
  await here.call('CW.TAG', 'p:1', 'T');
  await here.call('CW.TAG', '__proto__', '__proto__');
  await here.call('CW.DEPEND', 'page', 'ON', 'p:2');
  await expect.poll(() => there.call('CW.DEPENDENTS', 'p:2')).toEqual(['page', 'invalidations']);
  expect(await there.call('CW.INVALIDATE', 'TAG', 'T')).toBe(1);
  expect(await there.call('CW.INVALIDATE', 'KEY', 'p:2')).toBe(2);
  expect(await there.call('CW.INVALIDATE', 'TAG', '__proto__')).toBe(1);
  const expected = [
    ':tag:T tag T',
    ':key:p:1 tag T',
    ':key:p:2 key p:2',
    ':key:page key p:2',
    ':tag:__proto__ tag __proto__',
    ':key:__proto__ tag __proto__',
  ];
  for (const messages of heard) await expect.poll(() => messages).toEqual(expected);
  await expect(here.publish('__causeway__:invalidate:key:x', 'key x')).rejects.toThrow("are Causeway's own");
});
