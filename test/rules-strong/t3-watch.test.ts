import { describe, expect, test } from 'vitest';
import { Stall } from '../support/strong-stall.ts';
import { StrongRegions } from '../support/strong-regions.ts';
import type { VirtualClient } from '../support/virtual-client.ts';
import { ASIA, EAST, WEST } from '../support/virtual-regions.ts';

/** SET in a transaction of a connection that watches. */
function setWatched(client: VirtualClient, key: string, value: string): string {
  client.run('MULTI');
  client.run(`SET ${key} ${value}`);
  return client.run('EXEC');
}

describe('T3: WATCH', () => {
  test('a copy older than the watch is not read: no update is lost', () => {
    const regions = new StrongRegions();
    const [east, asia] = [regions.connect(EAST), regions.connect(ASIA)];
    east.run('SET position:1 old');
    regions.sync();
    const west = regions.connect(WEST);
    const stalls = [WEST, EAST].map((from) => new Stall(regions.cluster, regions.node(from), regions.node(ASIA)));
    west.run('SET note:1 cause');
    west.run('SET position:1 new');
    regions.cluster.run(500);
    expect(regions.node(ASIA).get('position:1')).toBe('old');
    expect(asia.run('WATCH position:1')).toBe('+OK');
    asia.run('CW.LEVEL causal');
    asia.begin('GET position:1');
    regions.cluster.run(300);
    expect(asia.answer).toBeNull();
    for (const stall of stalls.toReversed()) stall.end();
    expect(asia.answered()).toBe('"new"');
    expect(setWatched(asia, 'position:1', 'newer')).toBe('[+OK]');
  });

  test('what changes after the watch, before or after the read, lets nothing run', () => {
    const regions = new StrongRegions();
    const [east, asia] = [regions.connect(EAST), regions.connect(ASIA)];
    for (const change of [
      'SET position:1 v',
      'DEL position:1',
      'SET position:1 w',
      'EXPIRE position:1 100',
      'APPEND position:1 x',
    ]) {
      asia.run('WATCH position:1');
      east.run(change);
      asia.run('GET position:1');
      expect(setWatched(asia, 'position:1', 'lost')).toBe('nil');
    }
    asia.run('WATCH position:1');
    east.run('SET position:other v');
    expect(setWatched(asia, 'position:1', 'won')).toBe('[+OK]');
  });

  test('a key that was absent, made, read and removed again is another one', () => {
    const regions = new StrongRegions();
    const [east, asia] = [regions.connect(EAST), regions.connect(ASIA)];
    for (const [make, remove] of [
      ['SET position:1 seen', 'DEL position:1'],
      ['SADD position:1 m', 'SREM position:1 m'],
      ['SET position:1 seen', 'RENAME position:1 position:2'],
      ['SET position:1 seen PX 50', 'GET position:1'],
    ] as const) {
      asia.run('WATCH position:1');
      east.run(make);
      asia.run('EXISTS position:1');
      east.run(remove);
      regions.cluster.run(500);
      expect(asia.run('EXISTS position:1')).toBe(':0');
      expect(setWatched(asia, 'position:1', 'lost')).toBe('nil');
    }
    asia.run('WATCH position:1');
    expect(setWatched(asia, 'position:1', 'won')).toBe('[+OK]');
    expect(east.run('CW.VERSION position:none')).toBe(':0');
  });

  test('versions hold over a restart of every node and in a snapshot', () => {
    const regions = new StrongRegions({ raftLimits: { slackBytesMax: 1 } });
    const client = regions.connect(EAST);
    client.run('SET position:1 v');
    client.run('SET position:2 v');
    client.run('DEL position:2');
    const version = client.run('CW.VERSION position:1');
    regions.cluster.run(3_000);
    for (const region of [EAST, WEST, ASIA]) regions.restart(region);
    regions.led();
    expect(regions.connect(ASIA).run('CW.VERSION position:1')).toBe(version);
    const [east, asia] = [regions.connect(EAST), regions.connect(ASIA)];
    asia.run('WATCH position:2');
    expect(setWatched(asia, 'position:2', 'won')).toBe('[+OK]');
    asia.run('WATCH position:1');
    east.run('INCR position:3');
    expect(setWatched(asia, 'position:1', 'won')).toBe('[+OK]');
  });

  test.each(['UNWATCH', 'DISCARD', 'RESET', 'EXEC'])('%s forgets what was watched', (how) => {
    const regions = new StrongRegions();
    const [east, asia] = [regions.connect(EAST), regions.connect(ASIA)];
    asia.run('WATCH position:1');
    if (how === 'DISCARD' || how === 'EXEC') {
      asia.run('MULTI');
      asia.run('GET position:1');
    }
    asia.run(how);
    east.run('SET position:1 v');
    expect(setWatched(asia, 'position:1', 'won')).toBe('[+OK]');
  });

  test('a watch of a key of the log beside another, or of another group, is refused', () => {
    const regions = new StrongRegions();
    const client = regions.connect(EAST);
    expect(client.run('WATCH position:1 note:1')).toMatch(/^-CROSSCLASS/);
    expect(client.run('WATCH position:1 plan:1')).toMatch(/^-CROSSCLASS/);
    client.run('WATCH plan:1');
    expect(setWatched(client, 'position:1', 'v')).toMatch(/^-EXECABORT .*CROSSCLASS/);
    client.run('WATCH plan:1');
    expect(setWatched(client, 'note:1', 'v')).toMatch(/^-EXECABORT .*CROSSCLASS/);
    client.run('WATCH note:1');
    expect(setWatched(client, 'position:1', 'v')).toMatch(/^-EXECABORT .*CROSSCLASS/);
  });
});
