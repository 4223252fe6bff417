import { beforeEach, describe, expect, test } from 'vitest';
import { compareVersions, parseVersion } from '../../src/clock/key-version.ts';
import { TRACKING_OUTPUT_BYTES_MAX } from '../../src/base/client-limits.ts';
import { HeldArgs } from '../../src/commands/copied-args.ts';
import { latin1Range } from '../../src/base/bytes.ts';
import { StrongRegions } from '../support/strong-regions.ts';
import type { VirtualClient } from '../support/virtual-client.ts';
import { ASIA, EAST, VirtualRegions, WEST } from '../support/virtual-regions.ts';

const invalidate = (...keys: string[]): string => `>["invalidate" [${keys.map((key) => `"${key}"`).join(' ')}]]`;

function tracking(regions: VirtualRegions, region: string, ...lines: readonly string[]): VirtualClient {
  const client = regions.connect(region);
  for (const line of ['HELLO 3', ...(lines.length > 0 ? lines : ['CLIENT TRACKING on'])]) client.run(line);
  return client;
}

function order(left: string, right: string): number | null {
  const [first, second] = [parseVersion(left), parseVersion(right)];
  if (first === null || second === null) throw new Error(`no versions: ${left} ${right}`);
  return compareVersions(first, second);
}

describe('invalidations across regions (S6)', () => {
  let regions: VirtualRegions;
  beforeEach(() => {
    regions = new VirtualRegions();
  });

  test('a write of another region is told where it shows, once, also to who wants none of its own', () => {
    const asia = tracking(regions, ASIA, 'CLIENT TRACKING on NOLOOP');
    const west = regions.connect(WEST);
    west.run('SET quote:1 a');
    regions.sync();
    asia.run('GET quote:1');
    west.run('SET quote:1 b');
    west.run('SET quote:1 c');
    regions.sync();
    expect(asia.takePushes()).toEqual([invalidate('quote:1')]);
    asia.run('GET quote:1');
    asia.run('SET quote:1 d');
    expect(asia.takePushes()).toEqual([]);
  });

  test('every change of a transaction is told, and FLUSHALL as everything', () => {
    const asia = tracking(regions, ASIA, 'CLIENT TRACKING on BCAST');
    const west = regions.connect(WEST);
    west.run('MULTI');
    for (const line of ['SET a 1', 'HSET h f v', 'SADD s m', 'INCR n', 'EXEC']) west.run(line);
    regions.sync();
    asia.server.turn();
    expect(asia.takePushes()).toEqual([invalidate('a', 'h', 's', 'n')]);
    west.run('EXPIRE a 100');
    west.run('DEL h');
    regions.sync();
    asia.server.turn();
    expect(asia.takePushes()).toEqual([invalidate('a', 'h')]);
    west.run('FLUSHALL');
    regions.sync();
    expect(asia.takePushes()).toEqual(['>["invalidate" nil]']);
  });

  test('an expiry is told in each region by its own clock', () => {
    const asia = tracking(regions, ASIA);
    regions.connect(WEST).run('SET quote:1 a PX 500');
    regions.cluster.run(100);
    expect(asia.run('GET quote:1')).toBe('"a"');
    regions.cluster.run(1_000);
    expect(asia.takePushes()).toEqual([invalidate('quote:1')]);
  });

  test('with versions a client that comes to a node which is behind knows it', () => {
    const asia = tracking(regions, ASIA, 'CLIENT TRACKING on', 'CW.TRACKING VERSIONS on');
    const east = regions.connect(EAST);
    east.run('SET quote:1 a');
    regions.sync();
    const [, first = ''] = /"a" "([^"]+)"/.exec(asia.run('CW.READ quote:1')) ?? [];
    regions.isolate(WEST);
    east.run('SET quote:1 b');
    regions.cluster.run(1_000);
    const [push = ''] = asia.takePushes();
    const [, told = ''] = /^>\["invalidate" \["quote:1"\] \["([^"]+)"\]\]$/.exec(push) ?? [];
    expect(order(told, first)).toBeGreaterThan(0);
    expect(asia.run('CW.READ quote:1')).toBe(`[["b" "${told}" :-1]]`);
    const [, behind = ''] = /"a" "([^"]+)"/.exec(regions.connect(WEST).run('CW.READ quote:1')) ?? [];
    expect(order(behind, told)).toBeLessThan(0);
    // the removal has a version above all that it took away
    asia.takePushes();
    east.run('DEL quote:1');
    regions.cluster.run(1_000);
    const [, removal = ''] = /\["quote:1"\] \["([^"]+)"\]\]$/.exec(asia.takePushes().join()) ?? [];
    expect(order(removal, told)).toBeGreaterThan(0);
  });

  test('what has no order has no version in a push', () => {
    const asia = tracking(regions, ASIA, 'CLIENT TRACKING on BCAST', 'CW.TRACKING VERSIONS on');
    const east = regions.connect(EAST);
    east.run('HSET h f v');
    regions.sync();
    asia.server.turn();
    expect(asia.takePushes()).toEqual(['>["invalidate" ["h"] [nil]]']);
    east.run('FLUSHALL');
    regions.sync();
    expect(asia.takePushes()).toEqual(['>["invalidate" nil nil]']);
  });

  test('a client that takes nothing is told of everything when it takes again', () => {
    const asia = tracking(regions, ASIA);
    const east = regions.connect(EAST);
    asia.run('MGET a b');
    asia.untakenBytes = TRACKING_OUTPUT_BYTES_MAX + 1;
    east.run('MSET a 1 b 2');
    regions.sync();
    asia.server.turn();
    expect(asia.takePushes()).toEqual([]);
    asia.untakenBytes = 0;
    asia.server.turn();
    expect(asia.takePushes()).toEqual(['>["invalidate" nil]']);
  });
});

describe('invalidations of strong keys (S6)', () => {
  test('a read that the leader answers elsewhere is tracked: by the write that it has seen, and by the next', () => {
    const regions = new StrongRegions();
    const [east, asia] = [regions.connect(EAST), tracking(regions, ASIA)];
    expect(asia.run('GET position:1')).toBe('nil');
    east.run('SET position:1 100');
    regions.sync();
    expect(asia.takePushes()).toEqual([invalidate('position:1')]);
    expect(asia.run('GET position:1')).toBe('"100"');
    regions.sync();
    asia.takePushes();
    expect(asia.run('CW.READ position:1')).toMatch(/"100"/);
    east.run('SET position:1 200');
    regions.sync();
    expect(asia.takePushes()).toContain(invalidate('position:1'));
    // the reads of an EXEC too
    for (const line of ['MULTI', 'GET position:1', 'INCR position:2', 'EXEC']) asia.run(line);
    east.run('DEL position:1');
    regions.sync();
    expect(asia.takePushes()).toContain(invalidate('position:1'));
  });

  test('an answer that the copy here has passed already is told at once', () => {
    const regions = new StrongRegions();
    const [east, asia] = [regions.connect(EAST), tracking(regions, ASIA)];
    east.run('SET position:1 100');
    regions.sync();
    const { session, server } = asia;
    const args = new HeldArgs(['GET', 'position:1'].map((word) => latin1Range(word)));
    const entry = server.state.commands.findRequest(args);
    if (entry === undefined) throw new Error('GET is a command');
    const origin = server.node.core.strong.originOf('us-east-1/region');
    if (origin === null) throw new Error('the group has an origin');
    const seq = server.node.core.vector().get(origin);
    server.state.tracking.asks(session, [[entry, args]])?.({ origin, seq });
    expect(asia.takePushes()).toEqual([]);
    server.state.tracking.asks(session, [[entry, args]])?.({ origin, seq: seq - 1 });
    expect(asia.takePushes()).toEqual([invalidate('position:1')]);
  });

  test('OPTIN counts for a request that is answered elsewhere', () => {
    const regions = new StrongRegions();
    const [east, asia] = [regions.connect(EAST), tracking(regions, ASIA, 'CLIENT TRACKING on OPTIN')];
    const after = (line: string): string[] => {
      asia.run(line);
      east.run('INCR position:1');
      regions.sync();
      return asia.takePushes();
    };
    asia.run('CLIENT CACHING yes');
    expect(after('GET position:1')).toEqual([invalidate('position:1')]);
    expect(after('GET position:1')).toEqual([]);
  });
});
