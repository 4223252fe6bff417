import { describe, expect, test } from 'vitest';
import { ActiveClasses } from '../../src/classes/active-classes.ts';
import { readClasses } from '../../src/classes/read-classes.ts';
import type { VirtualClient } from '../support/virtual-client.ts';
import { ASIA, EAST, VirtualRegions } from '../support/virtual-regions.ts';

/** The classes of the tests. */
function classes(): ActiveClasses {
  const { policy } = readClasses(`classes:
  - match: ["prefs:*"]
    consistency: session
  - match: ["quote:*"]
    consistency: eventual
`);
  if (policy === null) throw new Error('the classes are wrong');
  return new ActiveClasses({ policy });
}

/** A region that lacks `key`, the token of who wrote it, and a connection to each. */
function apart(): { regions: VirtualRegions; token: string; asia: VirtualClient } {
  const regions = new VirtualRegions();
  regions.isolate(ASIA);
  const east = regions.connect(EAST);
  east.run('SET key mine');
  return { regions, token: east.token(), asia: regions.connect(ASIA) };
}

describe('CW.LEVEL', () => {
  test('is what the classes say at first, is what it was set to, and refuses what there is not', () => {
    const client = new VirtualRegions().connect(EAST);
    expect(client.run('CW.LEVEL')).toBe('"class"');
    for (const level of ['weak', 'eventual', 'causal', 'strong', 'class', 'SESSION']) {
      expect(client.run(`CW.LEVEL ${level}`)).toBe('+OK');
      expect(client.run('CW.LEVEL')).toBe(`"${level.toLowerCase()}"`);
    }
    expect(client.run('CW.LEVEL strict')).toBe(
      "-ERR unknown level 'strict', one of weak, eventual, causal, session, strong, class",
    );
    expect(client.run('CW.LEVEL causal session')).toBe('-ERR syntax error');
    expect(client.run('CW.LEVEL')).toBe('"session"');
  });

  test.each(['weak', 'eventual'])('%s carries what is written and not what is read', (level) => {
    const regions = new VirtualRegions();
    regions.isolate(ASIA);
    regions.connect(EAST).run('SET read 1');
    const client = regions.connect(EAST);
    const empty = client.token();
    client.run(`CW.LEVEL ${level}`);
    expect(client.run('GET read')).toBe('"1"');
    expect(client.token()).toBe(empty);
    client.run('SET written 1');
    expect(client.token()).not.toBe(empty);
  });

  test.each(['causal', 'eventual', 'class'])(
    '%s: after CW.ATTACH was in vain, reads are answered as if it had not been',
    (level) => {
      const { token, asia } = apart();
      asia.run(`CW.LEVEL ${level}`);
      const empty = asia.token();
      expect(asia.run(`CW.ATTACH ${token} TIMEOUT 50`)).toContain('-BEHIND');
      expect(asia.begin('GET key').answer).toBe('nil');
      expect(asia.token()).toBe(empty);
    },
  );

  test.each(['GET key', 'SET other 1', 'DBSIZE', 'EXEC', 'WATCH key', 'PUBLISH channel message'])(
    'session: after CW.ATTACH was in vain, %s waits and is BEHIND',
    (line) => {
      const { regions, token, asia } = apart();
      asia.run('CW.LEVEL session');
      expect(asia.run(`CW.ATTACH ${token} TIMEOUT 50`)).toContain('-BEHIND');
      if (line === 'EXEC') {
        for (const queued of ['MULTI', 'GET key']) expect(asia.begin(queued).answer).not.toBeNull();
      }
      const before = regions.cluster.timeMs;
      expect(asia.run(line)).toMatch(
        /BEHIND ap-southeast-1\/a does not have us-east-1\/a#1:\d+ of the session after 50 ms$/,
      );
      expect(regions.cluster.timeMs - before).toBeGreaterThanOrEqual(50);
      // and so does the next
      expect(asia.begin('GET key').answer).toBeNull();
    },
  );

  test('session: a request that waits is run once, as soon as the node has it; a PING does not wait', () => {
    const { regions, token, asia } = apart();
    asia.run('CW.LEVEL session');
    // the floor keeps the patience of the CW.ATTACH that raised it
    expect(asia.run(`CW.ATTACH ${token} TIMEOUT 5000`)).toContain('after 5000 ms');
    expect(asia.begin('PING').answer).toBe('+PONG');
    asia.begin('APPEND key !');
    regions.cluster.run(1_000);
    asia.server.turn();
    expect(asia.answer).toBeNull();
    regions.cluster.healAll();
    const healedMs = regions.cluster.timeMs;
    expect(asia.answered()).toBe(':5');
    expect(regions.cluster.timeMs - healedMs).toBeLessThan(3_000);
    expect(asia.session.floor).toBeNull();
    expect(asia.begin('GET key').answer).toBe('"mine!"');
  });

  test('session: a CW.ATTACH that comes in time ends the floor', () => {
    const { regions, token, asia } = apart();
    asia.run('CW.LEVEL session');
    expect(asia.run(`CW.ATTACH ${token} TIMEOUT 0`)).toContain('-BEHIND');
    asia.begin(`CW.ATTACH ${token} TIMEOUT 30000`);
    regions.cluster.healAll();
    expect(asia.answered()).toBe('+OK');
    expect(asia.begin('GET key').answer).toBe('"mine"');
  });

  test('session: CLIENT UNBLOCK ends the wait of a read', () => {
    const { token, asia } = apart();
    asia.run('CW.LEVEL session');
    asia.run(`CW.ATTACH ${token} TIMEOUT 30`);
    const other = asia.server.connect();
    expect(asia.begin('GET key').answer).toBeNull();
    expect(other.run(`CLIENT UNBLOCK ${asia.session.id} ERROR`)).toBe(':1');
    expect(asia.answer).toContain('-UNBLOCKED');
    expect(asia.begin('GET key').answer).toBeNull();
    expect(other.run(`CLIENT UNBLOCK ${asia.session.id}`)).toBe(':1');
    expect(asia.answer).toContain('-BEHIND');
  });

  test('a lower level gives the floor up; RESET clears the session, HELLO does not', () => {
    const { token, asia } = apart();
    const empty = asia.token();
    asia.run('SET here 1');
    const own = asia.token();
    expect(own).not.toBe(empty);
    expect(asia.run('HELLO 3')).toContain('"proto"');
    expect(asia.token()).toBe(own);
    asia.run('CW.LEVEL session');
    asia.run(`CW.ATTACH ${token} TIMEOUT 0`);
    // who moves on from here still asks for what it could not have here
    expect(asia.token().length).toBeGreaterThan(own.length);
    expect(asia.run('CW.LEVEL causal')).toBe('+OK');
    expect(asia.token()).toBe(own);
    expect(asia.begin('GET key').answer).toBe('nil');
    expect(asia.run('RESET')).toBe('+RESET');
    expect(asia.token()).toBe(empty);
  });

  test('inside MULTI there is no waiting, so sessions are not spoken of there', () => {
    const { token, asia } = apart();
    for (const line of [`CW.ATTACH ${token}`, 'CW.TOKEN', 'CW.LEVEL session']) {
      asia.run('MULTI');
      expect(asia.run(line)).toBe('-ERR Command not allowed inside a transaction');
      expect(asia.run('EXEC')).toContain('-EXECABORT');
    }
  });
});

describe('the level of a key by its class', () => {
  const withClasses = (): VirtualRegions => {
    const regions = new VirtualRegions({ classes: classes() });
    regions.isolate(ASIA);
    return regions;
  };

  test('session: its reads and writes wait for what CW.ATTACH named, others do not', () => {
    const regions = withClasses();
    const east = regions.connect(EAST);
    east.run('SET prefs:1 mine');
    const asia = regions.connect(ASIA);
    expect(asia.begin('GET prefs:1').answer).toBe('nil');
    expect(asia.run(`CW.ATTACH ${east.token()} TIMEOUT 3000`)).toContain('-BEHIND');
    expect(asia.begin('GET other').answer).toBe('nil');
    expect(asia.begin('DBSIZE').answer).toBe(':0');
    for (const line of [
      'GET prefs:1',
      'MGET other prefs:1',
      'SET prefs:2 x',
      'WATCH prefs:1',
      'SINTERCARD 1 prefs:3',
    ]) {
      expect(asia.run(line)).toContain('-BEHIND');
    }
    for (const line of ['MULTI', 'GET prefs:1']) asia.run(line);
    expect(asia.run('EXEC')).toContain('EXECABORT');
    asia.begin('GET prefs:1');
    regions.cluster.healAll();
    expect(asia.answered()).toBe('"mine"');
  });

  test('eventual: what is read of it is not carried, unless the connection asks for it', () => {
    const regions = withClasses();
    const writer = regions.connect(EAST);
    writer.run('SET quote:1 17');
    const reader = regions.connect(EAST);
    const empty = reader.token();
    expect(reader.run('GET quote:1')).toBe('"17"');
    expect(reader.token()).toBe(empty);
    reader.run('CW.LEVEL causal');
    expect(reader.run('GET quote:1')).toBe('"17"');
    expect(reader.token()).not.toBe(empty);
    writer.run('SET plain 1');
    const other = regions.connect(EAST);
    expect(other.run('GET plain')).toBe('"1"');
    expect(other.token()).not.toBe(empty);
  });

  test('the level of the connection stands above it', () => {
    const regions = withClasses();
    const east = regions.connect(EAST);
    east.run('SET prefs:1 mine');
    const asia = regions.connect(ASIA);
    asia.run('CW.LEVEL eventual');
    expect(asia.run(`CW.ATTACH ${east.token()} TIMEOUT 0`)).toContain('-BEHIND');
    expect(asia.begin('GET prefs:1').answer).toBe('nil');
  });
});
