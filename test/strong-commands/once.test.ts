import { describe, expect, test } from 'vitest';
import { ONCE_AHEAD_MS, ONCE_KEPT_MS } from '../../src/groups/request-table.ts';
import { StrongRegions } from '../support/strong-regions.ts';
import { VIRTUAL_START_MS } from '../support/virtual-cluster.ts';
import { ASIA, EAST, WEST } from '../support/virtual-regions.ts';

describe('CW.ONCE', () => {
  test('a retry with the same id happens once, also through another node', () => {
    const regions = new StrongRegions();
    const issuedMs = VIRTUAL_START_MS;
    const [east, asia] = [regions.connect(EAST), regions.connect(ASIA)];
    expect(asia.run(`CW.ONCE order-1 ${issuedMs} INCRBY position:1 5`)).toBe(':5');
    expect(asia.run(`CW.ONCE order-1 ${issuedMs} INCRBY position:1 5`)).toBe(':5');
    expect(east.run(`CW.ONCE order-1 ${issuedMs} INCRBY position:1 5`)).toBe(':5');
    expect(east.run(`CW.ONCE order-2 ${issuedMs} INCRBY position:1 5`)).toBe(':10');
    expect(asia.run('GET position:1')).toBe('"10"');
  });

  test('across a leader change, after an answer that was lost with the leader', () => {
    const regions = new StrongRegions();
    const { cluster } = regions;
    const request = `CW.ONCE order-1 ${VIRTUAL_START_MS} INCR position:1`;
    const west = regions.node(WEST);
    const lastAtWest = (): number => west.core.strong.groups().reduce((sum, { lastIndex }) => sum + lastIndex, 0);
    const before = lastAtWest();
    const east = regions.connect(EAST).begin(request);
    // committed once the leader hears of it, and the client has heard nothing
    const isAtWest = (): boolean => lastAtWest() > before;
    expect(cluster.runUntil(isAtWest)).toBe(true);
    expect(east.answer).toBeNull();
    cluster.kill(regions.node(EAST));
    const isLedElsewhere = (): boolean =>
      west.core.strong.groups().every(({ leader }) => leader !== null && leader !== 'us-east-1/a');
    expect(cluster.runUntil(isLedElsewhere)).toBe(true);
    const asia = regions.connect(ASIA);
    expect(asia.run('GET position:1')).toBe('"1"');
    expect(asia.run(request)).toBe(':1');
    expect(asia.run(request)).toBe(':1');
    expect(asia.run('GET position:1')).toBe('"1"');
  });

  test('an id that is too old is refused, so that what was forgotten is not run again', () => {
    const regions = new StrongRegions();
    const east = regions.connect(EAST);
    const issuedMs = regions.node(EAST).now().wallMs - ONCE_KEPT_MS + 5_000;
    const request = `CW.ONCE order-1 ${issuedMs} INCR position:1`;
    expect(east.run(request)).toBe(':1');
    expect(east.run(request)).toBe(':1');
    regions.cluster.run(6_000);
    expect(east.run(request)).toMatch(/^-ERR request id 'order-1' was issued more than 600 s ago/);
    expect(east.run('GET position:1')).toBe('"1"');
  });

  test('an id of the future is refused', () => {
    const regions = new StrongRegions();
    const east = regions.connect(EAST);
    const issuedMs = VIRTUAL_START_MS + 2 * ONCE_AHEAD_MS;
    expect(east.run(`CW.ONCE order-1 ${issuedMs} INCR position:1`)).toMatch(/^-ERR .* in the future/);
    expect(east.run('GET position:1')).toBe('nil');
  });

  test('the error of a command is its answer too', () => {
    const regions = new StrongRegions();
    const east = regions.connect(EAST);
    east.run('SET position:1 a');
    const request = `CW.ONCE order-1 ${VIRTUAL_START_MS} INCR position:1`;
    expect(east.run(request)).toBe('-ERR value is not an integer or out of range');
    east.run('SET position:1 1');
    expect(east.run(request)).toBe('-ERR value is not an integer or out of range');
    expect(east.run('GET position:1')).toBe('"1"');
  });

  test('with CW.IFVERSION: the retry gets the first answer though the version is another by now', () => {
    const regions = new StrongRegions();
    const [east, asia] = [regions.connect(EAST), regions.connect(ASIA)];
    const request = `CW.ONCE order-1 ${VIRTUAL_START_MS} CW.IFVERSION position:1 0 SET position:1 7`;
    expect(asia.run(request)).toBe('+OK');
    expect(east.run(request)).toBe('+OK');
    expect(east.run(`CW.ONCE order-2 ${VIRTUAL_START_MS} CW.IFVERSION position:1 0 SET position:1 8`)).toBe('nil');
    expect(east.run('GET position:1')).toBe('"7"');
  });

  test('names an EXEC: asked again on another connection it happens once, whatever is watched by then', () => {
    const regions = new StrongRegions();
    const [east, asia] = [regions.connect(EAST), regions.connect(ASIA)];
    east.run('SET risk:cash 10');
    const order = (client: typeof east, id: string): string => {
      client.run('WATCH risk:cash');
      client.run('MULTI');
      expect(client.run(`CW.ONCE ${id} ${VIRTUAL_START_MS}`)).toBe('+OK');
      expect(client.run('DECRBY risk:cash 4')).toBe('+QUEUED');
      expect(client.run('HSET position:order side buy')).toBe('+QUEUED');
      return client.run('EXEC');
    };
    expect(order(asia, 'order-1')).toBe('[:6 :1]');
    expect(order(east, 'order-1')).toBe('[:6 :1]');
    expect(order(asia, 'order-1')).toBe('[:6 :1]');
    expect(order(east, 'order-2')).toBe('[:2 :0]');
    expect(asia.run('GET risk:cash')).toBe('"2"');
  });

  test('an EXEC whose watch failed did not happen under its name, and does not later', () => {
    const regions = new StrongRegions();
    const [east, asia] = [regions.connect(EAST), regions.connect(ASIA)];
    asia.run('WATCH risk:cash');
    east.run('SET risk:cash 10');
    for (let attempt = 0; attempt < 2; attempt++) {
      asia.run('MULTI');
      asia.run(`CW.ONCE order-1 ${VIRTUAL_START_MS}`);
      asia.run('INCR risk:cash');
      expect(asia.run('EXEC')).toBe('nil');
    }
    expect(asia.run('GET risk:cash')).toBe('"10"');
  });

  test('names no EXEC that is not on strong keys, and none after a mistake', () => {
    const regions = new StrongRegions();
    const east = regions.connect(EAST);
    const [at, name] = [VIRTUAL_START_MS, `CW.ONCE a ${VIRTUAL_START_MS}`];
    for (const [request, end] of [
      [`CW.ONCE a ${at} INCR risk:cash`, /^-EXECABORT /],
      ['CW.ONCE "" 1', /^-EXECABORT /],
      ['CW.ONCE a soon', /^-EXECABORT /],
    ] as const) {
      east.run('MULTI');
      expect(east.run(request)).toMatch(/^-ERR /);
      east.run('INCR risk:cash');
      expect(east.run('EXEC')).toMatch(end);
    }
    east.run('MULTI');
    expect(east.run(name)).toBe('+OK');
    east.run('INCR quote:1');
    expect(east.run('EXEC')).toMatch(/^-EXECABORT .*CROSSCLASS CW.ONCE is for strong keys/);
    east.run('MULTI');
    east.run('NOPE');
    expect(east.run(name)).toBe('+OK');
    expect(east.run('EXEC')).toMatch(/^-EXECABORT /);
    // the name went with its transaction
    east.run('MULTI');
    east.run('INCR quote:1');
    expect(east.run('EXEC')).toBe('[:1]');
    expect(east.run(name)).toMatch(/^-ERR wrong number of arguments/);
  });

  test('refuses what it cannot name or run', () => {
    const east = new StrongRegions().connect(EAST);
    const at = VIRTUAL_START_MS;
    expect(east.run(`CW.ONCE "" ${at} INCR position:1`)).toBe('-ERR a request id is not empty');
    expect(east.run(`CW.ONCE ${'x'.repeat(129)} ${at} INCR position:1`)).toMatch(/limit once-id-bytes-max 128/);
    expect(east.run('CW.ONCE a soon INCR position:1')).toBe('-ERR issued-ms is not an integer or out of range');
    expect(east.run(`CW.ONCE a ${at} NOPE position:1`)).toMatch(/^-ERR unknown command 'NOPE'/);
    expect(east.run(`CW.ONCE a ${at} INCR`)).toBe("-ERR wrong number of arguments for 'incr' command");
    expect(east.run(`CW.ONCE a ${at} MSET position:1 1 plan:1 1`)).toMatch(/^-CROSSCLASS /);
    expect(east.run(`CW.ONCE a ${at} CW.ONCE b ${at} INCR position:1`)).toMatch(/^-ERR .*not of a class/);
    expect(east.run(`CW.ONCE a ${at} PING x`)).toMatch(/^-ERR .*not of a class/);
  });
});
