import { describe, expect, test } from 'vitest';
import type { VirtualClient } from '../support/virtual-client.ts';
import { ASIA, EAST, VirtualRegions, WEST } from '../support/virtual-regions.ts';

/** The dot of what a client wrote last, as errors name it. */
const lastWrite = (client: VirtualClient): string => `${client.server.node.id}#1:${client.session.lastWriteSeq}`;

/** One-way 100 ms between all of them. */
const slow = (): VirtualRegions => new VirtualRegions({ delayMs: () => 100 });

describe('S1: a session that moves', () => {
  test('reads what it wrote and read in the other region with its token; without, it may not', () => {
    const regions = slow();
    const east = regions.connect(EAST);
    expect(east.run('SET written mine')).toBe('+OK');
    expect(east.run('GET written')).toBe('"mine"');
    const token = east.token();

    expect(regions.connect(ASIA).run('GET written')).toBe('nil');
    const asia = regions.connect(ASIA);
    const before = regions.cluster.timeMs;
    expect(asia.run(`CW.ATTACH ${token}`)).toBe('+OK');
    expect(asia.run('GET written')).toBe('"mine"');
    expect(regions.cluster.timeMs - before).toBeGreaterThan(50);
  });

  test('waits for what it only read, and for nothing else', () => {
    const regions = slow();
    const writer = regions.connect(EAST);
    writer.run('SET read 1');
    const reader = regions.connect(EAST);
    expect(reader.run('GET read')).toBe('"1"');
    const token = reader.token();
    const first = lastWrite(writer);
    writer.run('SET other 1');
    regions.cluster.cut(EAST, ASIA);
    regions.cluster.cut(EAST, WEST);

    // what it read has not left us-east-1, so nobody else has it
    const behind = regions.connect(ASIA).run(`CW.ATTACH ${token} TIMEOUT 300`);
    expect(behind).toBe(`-BEHIND ap-southeast-1/a does not have ${first} of the session after 300 ms`);
    // a session that read something else waits for nothing, though the node that it comes from is ahead
    const idle = regions.connect(EAST);
    expect(idle.run('GET nothing')).toBe('nil');
    expect(regions.connect(ASIA).run(`CW.ATTACH ${idle.token()} TIMEOUT 0`)).toBe('+OK');
  });

  test('that saw a key gone does not see it again where the removal has not come', () => {
    const regions = slow();
    const west = regions.connect(WEST);
    west.run('SET key old');
    regions.cluster.runUntil(() => regions.node(ASIA).get('key') === 'old');
    regions.cluster.cut(EAST, ASIA);
    regions.cluster.cut(WEST, ASIA);
    const east = regions.connect(EAST);
    west.run('DEL key');
    regions.cluster.runUntil(() => regions.node(EAST).get('key') === null);
    expect(east.run('GET key')).toBe('nil');
    expect(regions.connect(ASIA).run('GET key')).toBe('"old"');

    const asia = regions.connect(ASIA);
    asia.begin(`CW.ATTACH ${east.token()} TIMEOUT 60000`);
    regions.cluster.run(1_000);
    asia.server.turn();
    expect(asia.answer).toBeNull();
    regions.cluster.healAll();
    expect(asia.answered()).toBe('+OK');
    expect(asia.run('GET key')).toBe('nil');
  });

  test.each([
    ['EXISTS key', ':0'],
    ['TYPE key', '+none'],
    ['TTL key', ':-2'],
    ['STRLEN key', ':0'],
    ['MGET other key', '[nil nil]'],
    ['SCAN 0', '["0" []]'],
    ['KEYS *', '[]'],
    ['DBSIZE', ':0'],
    ['RANDOMKEY', 'nil'],
    ['WATCH key', '+OK'],
    ['SET key x XX', 'nil'],
  ])('carries a removal that it saw by %s', (line, answer) => {
    const regions = new VirtualRegions();
    regions.connect(EAST).run('SET key old');
    regions.sync();
    regions.isolate(EAST);
    regions.connect(EAST).run('DEL key');
    const reader = regions.connect(EAST);
    expect(reader.run(line)).toBe(answer);
    expect(regions.connect(ASIA).run(`CW.ATTACH ${reader.token()} TIMEOUT 100`)).toContain('-BEHIND');
  });

  test('carries FLUSHALL that it saw by any key', () => {
    const regions = new VirtualRegions();
    regions.isolate(EAST);
    const writer = regions.connect(EAST);
    expect(writer.run('FLUSHALL')).toBe('+OK');
    const reader = regions.connect(EAST);
    expect(reader.run('GET never')).toBe('nil');
    expect(regions.connect(WEST).run(`CW.ATTACH ${reader.token()} TIMEOUT 100`)).toContain('-BEHIND');
  });

  test('carries what a transaction of it read and wrote', () => {
    const regions = new VirtualRegions();
    regions.isolate(EAST);
    const writer = regions.connect(EAST);
    writer.run('SET read 1');
    const client = regions.connect(EAST);
    for (const line of ['MULTI', 'GET read']) client.run(line);
    expect(client.run('EXEC')).toBe('["1"]');
    expect(regions.connect(WEST).run(`CW.ATTACH ${client.token()} TIMEOUT 0`)).toContain(`${lastWrite(writer)} of`);
    for (const line of ['MULTI', 'SET written 1']) client.run(line);
    client.run('EXEC');
    expect(regions.connect(WEST).run(`CW.ATTACH ${client.token()} TIMEOUT 0`)).toContain(`${lastWrite(client)} of`);
  });

  test('between two nodes of one region is the same', () => {
    const regions = new VirtualRegions({ nodesPerRegion: 2, delayMs: () => 20 });
    const first = regions.connect(`${EAST}/a`);
    first.run('SET key mine');
    const second = regions.connect(`${EAST}/b`);
    expect(second.run('GET key')).toBe('nil');
    expect(second.run(`CW.ATTACH ${first.token()}`)).toBe('+OK');
    expect(second.run('GET key')).toBe('"mine"');
  });

  test('carries on: what it attached is in its next token', () => {
    const regions = new VirtualRegions();
    regions.cluster.cut(EAST, ASIA);
    regions.cluster.cut(WEST, ASIA);
    const east = regions.connect(EAST);
    east.run('SET key mine');
    const west = regions.connect(WEST);
    expect(west.run(`CW.ATTACH ${east.token()}`)).toBe('+OK');
    expect(regions.connect(ASIA).run(`CW.ATTACH ${west.token()} TIMEOUT 100`)).toContain(lastWrite(east));
  });
});

describe('S1: what no longer matters', () => {
  test('leaves the token once it is stable', () => {
    const regions = new VirtualRegions();
    const empty = regions.connect(EAST).token();
    const client = regions.connect(EAST);
    client.run('SET key 1');
    client.run('GET key');
    expect(client.token()).not.toBe(empty);
    regions.sync();
    expect(client.token()).toBe(empty);
    const reader = regions.connect(WEST);
    expect(reader.run('GET key')).toBe('"1"');
    expect(reader.token()).toBe(empty);
    for (const node of regions.cluster.nodes) {
      expect(node.core.telemetry(0)).toMatchObject({ recentChanges: 0, recentChangesBytes: 0 });
    }
  });

  test('a dot that is lost ends in BEHIND at its time, and is satisfied once its incarnation is retired', () => {
    const regions = new VirtualRegions();
    regions.isolate(EAST);
    const east = regions.connect(EAST);
    east.run('SET lost 1');
    const token = east.token();
    // killed before anything was on disk or sent
    regions.cluster.kill(regions.node(EAST));
    regions.cluster.run(10);
    const west = regions.connect(WEST);
    const from = regions.cluster.timeMs;
    expect(west.run(`CW.ATTACH ${token} TIMEOUT 2500`)).toBe(
      `-BEHIND eu-west-1/a does not have ${lastWrite(east)} of the session after 2500 ms`,
    );
    expect(regions.cluster.timeMs - from).toBeLessThan(2_600);
    regions.cluster.healAll();
    regions.cluster.restart(regions.node(EAST), { emptyDisk: true });
    regions.ready();
    // the new life closes the one before: what nobody has of it is void
    regions.connect(EAST).run('SET again 1');
    regions.sync();
    expect(regions.connect(WEST).run(`CW.ATTACH ${token} TIMEOUT 0`)).toBe('+OK');
    expect(regions.connect(EAST).run(`CW.ATTACH ${token} TIMEOUT 0`)).toBe('+OK');
  });

  test('a node that was started again asks for what it may have shown before', () => {
    const regions = new VirtualRegions();
    const west = regions.connect(WEST);
    west.run('SET key old');
    regions.sync();
    regions.isolate(ASIA);
    west.run('DEL key');
    regions.cluster.runUntil(() => regions.node(EAST).get('key') === null);
    // until the removal is on its disk
    regions.cluster.run(500);
    regions.restart(EAST);
    const reader = regions.connect(EAST);
    expect(reader.run('GET key')).toBe('nil');
    expect(regions.connect(ASIA).run('GET key')).toBe('"old"');
    expect(regions.connect(ASIA).run(`CW.ATTACH ${reader.token()} TIMEOUT 100`)).toContain(lastWrite(west));
  });

  test('a node that took a snapshot asks for what that may have removed', () => {
    const regions = new VirtualRegions({ limits: { logBytesMax: 1 } });
    const west = regions.connect(WEST);
    west.run('SET key old');
    regions.sync();
    regions.isolate(EAST);
    regions.cluster.cut(ASIA, WEST);
    west.run('DEL key');
    west.run('SET another 1');
    // west's log is fenced, so east needs a snapshot
    regions.cluster.run(5_000);
    regions.cluster.heal(EAST, WEST);
    expect(regions.cluster.runUntil(() => regions.node(EAST).get('key') === null)).toBe(true);
    expect(regions.node(EAST).core.telemetry(0).snapshotsReceivedTotal).toBe(1);
    const reader = regions.connect(EAST);
    expect(reader.run('GET key')).toBe('nil');
    expect(regions.connect(ASIA).run(`CW.ATTACH ${reader.token()} TIMEOUT 100`)).toContain(lastWrite(west));
  });
});
