import { expect, test } from 'vitest';
import { ASIA, EAST, VirtualRegions } from '../support/virtual-regions.ts';

test.each([
  ['SET k text', 'INCR k', 'not an integer'],
  ['SET k 9223372036854775807', 'INCR k', 'would overflow'],
  ['SET k text', 'HSET k f v', 'WRONGTYPE'],
  ['SET k text', 'SADD k m', 'WRONGTYPE'],
  ['SADD k m', 'INCR k', 'WRONGTYPE'],
])('S1: after %s the refusal of %s has told what is there: it is part of the session', (write, refused, why) => {
  const regions = new VirtualRegions();
  regions.sync();
  regions.isolate(ASIA);
  regions.connect(EAST).run(write);
  const session = regions.connect(EAST);
  const before = session.token();
  expect(session.run(refused)).toContain(why);
  expect(session.token()).not.toBe(before);
});
