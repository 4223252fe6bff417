import { describe, expect, test } from 'vitest';
import type { VirtualClient } from '../support/virtual-client.ts';
import { ASIA, EAST, VirtualRegions, WEST } from '../support/virtual-regions.ts';

const TURN_MS = 5;

/** Three regions whose clients load what is not there themselves. */
class World {
  readonly regions = new VirtualRegions();
  readonly #servers = [EAST, WEST, ASIA].map((region) => this.regions.connect(region).server);

  connect(region: string): VirtualClient {
    return this.regions.connect(region);
  }

  /** Time passes at all nodes, in turns. */
  pass(ms: number): void {
    for (let passed = 0; passed < ms; passed += TURN_MS) {
      this.regions.cluster.run(TURN_MS);
      for (const server of this.#servers) server.turn();
    }
  }

  answer(client: VirtualClient, line: string): string {
    client.begin(line);
    for (let passed = 0; client.answer === null; passed += TURN_MS) {
      if (passed > 20_000) throw new Error(`${line} is never answered`);
      this.pass(TURN_MS);
    }
    return client.answer;
  }

  /** A lease, asked for until there is one. */
  lease(client: VirtualClient, key: string, ms = 5000): string {
    for (let tries = 0; tries < 20; tries++) {
      const token = tokenOf(client.run(`CW.LEASE ${key} ${ms}`));
      if (token !== null) return token;
      this.answer(client, `CW.LEASEWAIT ${key} 500`);
    }
    throw new Error(`${key} is never leased`);
  }
}

const tokenOf = (answer: string | null): string | null => /^"(.+)"$/.exec(answer ?? '')?.[1] ?? null;

describe('F4: one load of clients', () => {
  test('in three regions one of all who ask loads, and the others are told when it has come', () => {
    const world = new World();
    const clients = [EAST, WEST, ASIA].flatMap((region) => Array.from({ length: 4 }, () => world.connect(region)));
    const tokens = new Map<VirtualClient, string>();
    for (let round = 0; round < 3; round++) {
      for (const client of clients) {
        const token = tokenOf(client.run('CW.LEASE k 5000'));
        if (token !== null) tokens.set(client, token);
      }
      world.pass(300);
    }
    expect(tokens.size).toBe(1);
    const [[holder, token] = []] = tokens;
    const others = clients.filter((client) => client !== holder);
    for (const client of others) client.begin('CW.LEASEWAIT k 9000');
    expect(others.map((client) => client.answer)).toEqual(others.map(() => null));
    expect(holder?.run(`CW.FILL k ${token} loaded PX 60000`)).toBe(':1');
    world.pass(400);
    expect(others.map((client) => client.answer)).toEqual(others.map(() => ':1'));
    expect(new Set(clients.map((client) => client.run('GET k')))).toEqual(new Set(['"loaded"']));
    expect(Number(others[0]?.run('PTTL k').slice(1))).toBeGreaterThan(0);
  });

  test('what is invalidated elsewhere while it is loaded is not kept in any region', () => {
    const world = new World();
    const [east, west] = [world.connect(EAST), world.connect(WEST)];
    const token = world.lease(east, 'k');
    // nobody has the key, and the loader has not heard of it when it fills
    world.regions.isolate(EAST);
    expect(west.run('CW.INVALIDATE KEY k')).toBe(':0');
    world.pass(100);
    expect(east.run(`CW.FILL k ${token} old`)).toBe(':1');
    world.regions.sync();
    expect([EAST, WEST, ASIA].map((region) => world.connect(region).run('GET k'))).toEqual(['nil', 'nil', 'nil']);
    // one that has heard of it drops it at once, by its tag too
    const [other, tagged] = [world.lease(east, 'o'), world.lease(east, 't')];
    world.answer(west, 'CW.INVALIDATE KEY o');
    world.answer(west, 'CW.INVALIDATE TAG T');
    world.pass(400);
    expect(east.run(`CW.FILL o ${other} old`)).toBe(':0');
    expect(east.run(`CW.FILL t ${tagged} old TAGS S T`)).toBe(':0');
    expect(east.run('CW.TAGS t')).toBe('[]');
  });

  test('a fill has its tags from the first moment, and the time to live of its class or its own', () => {
    const world = new World();
    const east = world.connect(EAST);
    expect(east.run(`CW.FILL k ${world.lease(east, 'k')} v TAGS a b`)).toBe(':1');
    expect(east.run('CW.TAGS k')).toBe('["a" "b"]');
    expect(world.answer(east, 'CW.INVALIDATE TAG b')).toBe(':1');
    expect(east.run('GET k')).toBe('nil');
  });

  test('a write of somebody else counts, and DEL of what is being loaded here too', () => {
    const world = new World();
    const east = world.connect(EAST);
    const token = world.lease(east, 'k');
    expect(world.connect(EAST).run('SET k written')).toBe('+OK');
    expect(east.run(`CW.FILL k ${token} loaded`)).toBe(':0');
    expect(east.run('GET k')).toBe('"written"');
    const other = world.lease(east, 'o');
    expect(world.connect(EAST).run('DEL o')).toBe(':0');
    expect(east.run(`CW.FILL o ${other} loaded`)).toBe(':0');
    expect(east.run('GET o')).toBe('nil');
  });

  test('a lease that is given back, whose client has gone, or whose time is over is another one’s', () => {
    const world = new World();
    const [east, west] = [world.connect(EAST), world.connect(WEST)];
    const token = world.lease(east, 'k');
    expect(world.answer(west, 'CW.LEASE k 5000')).toBe(':0');
    west.begin('CW.LEASEWAIT k 9000');
    world.pass(400);
    expect(west.answer).toBeNull();
    expect(east.run(`CW.FILL k ${token}`)).toBe(':0');
    world.pass(400);
    expect(west.answer, 'told to ask again').toBe(':0');
    const second = world.lease(west, 'k');
    expect(east.run(`CW.FILL k ${token} late`), 'that of before').toBe('nil');
    expect(second).not.toBe(token);
    west.server.state.leave(west.session);
    world.pass(200);
    expect(west.run(`CW.FILL k ${second} gone`)).toBe('nil');
    world.lease(east, 'o', 100);
    world.lease(world.connect(ASIA), 'o');
  });

  test('a node that decides and is not to be heard is not waited for', () => {
    const world = new World();
    const east = world.connect(EAST);
    world.regions.isolate(EAST);
    // its own among them, and others whose node does not answer
    const tokens = Array.from({ length: 8 }, (_, at) => world.lease(east, `k${at}`));
    expect(new Set(tokens).size).toBe(8);
  });

  test('within a region nobody elsewhere is asked', () => {
    const world = new World();
    const [east, west] = [world.connect(EAST), world.connect(WEST)];
    expect(tokenOf(east.run('CW.LEASE k 1000 REGION'))).not.toBeNull();
    expect(tokenOf(west.run('CW.LEASE k 1000 REGION'))).not.toBeNull();
  });

  test('a value that comes too soon after a removal is for those who have waited, and not kept', () => {
    const world = new World();
    const [east, other] = [world.connect(EAST), world.connect(EAST)];
    east.run('SET k old');
    east.run('DEL k');
    const token = world.lease(east, 'k');
    other.begin('CW.LEASEWAIT k 5000');
    expect(east.run(`CW.FILL k ${token} new`)).toBe(':0');
    world.pass(10);
    expect(other.answer).toBe('["new"]');
    expect(east.run('GET k')).toBe('nil');
  });

  test('what is there is loaded anew under a lease, and what was invalidated meanwhile stays away', () => {
    const world = new World();
    const east = world.connect(EAST);
    for (const key of ['a', 'b']) east.run(`SET ${key} old`);
    world.pass(600);
    const [a, b] = ['a', 'b'].map((key) => tokenOf(east.run(`CW.LEASE ${key} 1000 REGION REFRESH`)));
    expect(east.run('CW.LEASE a 1000 REGION REFRESH')).toBe(':0');
    expect(east.run('CW.INVALIDATE KEY b')).toBe(':1');
    expect([east.run(`CW.FILL a ${a} new`), east.run(`CW.FILL b ${b} new`)]).toEqual([':1', ':0']);
    expect([east.run('GET a'), east.run('GET b')]).toEqual(['"new"', 'nil']);
  });

  test.each([
    ['CW.LEASE k 0', /expected 1 to 600000 milliseconds/],
    ['CW.LEASE k 600001', /expected 1 to/],
    ['CW.LEASE k 1 REGIO', /syntax error/],
    ['CW.LEASE k 1 REGION x', /syntax error/],
    ['CW.LEASE k 1 REFRESH REGION', /syntax error/],
    ['CW.LEASEWAIT k 10001', /expected 1 to 10000 milliseconds/],
    ['CW.FILL k t v PX', /syntax error/],
    ['CW.FILL k t v PX 0', /invalid expire time/],
    ['CW.FILL k t v TAGS', /syntax error/],
    ['CW.FILL k t v NX', /syntax error/],
    ['CW.FILL k t v TAGS ""', /a tag is not empty/],
  ])('%s is refused', (line, why) => {
    expect(new World().connect(EAST).run(line)).toMatch(why);
  });

  test('what is no string, or is there, is not leased', () => {
    const east = new World().connect(EAST);
    east.run('HSET h f 1');
    east.run('SET s 1');
    expect(east.run('CW.LEASE h 100')).toBe(':-1');
    expect(east.run('CW.LEASE s 100')).toBe(':1');
    expect(east.run('CW.FILL s none v')).toBe('nil');
    expect(east.run('CW.LEASE h 100 REFRESH')).toBe(':-1');
  });

  test('as many loads as there may be, and no more', () => {
    const world = new World();
    const east = world.connect(EAST);
    const { leases } = east.server.state;
    for (let at = 0; at < 5_000; at++) leases.take(east.session, { key: `k${at}`, ms: 1_000, isOfRegion: true });
    expect(east.run('CW.LEASE more 1000 REGION')).toMatch(/leases-max 10000/);
    world.pass(2_500);
    expect(tokenOf(east.run('CW.LEASE k0 1000 REGION'))).not.toBeNull();
  });

  test('few loads of keys that are very long, and no more', () => {
    const world = new World();
    const east = world.connect(EAST);
    const { leases } = east.server.state;
    const key = (at: number): string => String(at).padEnd(500_000, 'k');
    // each is one that the node makes, and one that it decides about
    for (let at = 0; at < 67; at++) leases.take(east.session, { key: key(at), ms: 1_000, isOfRegion: true });
    expect(leases.grantedCount).toBe(67);
    expect(() => leases.take(east.session, { key: key(67), ms: 1_000, isOfRegion: true })).toThrow(
      /leases-bytes-max 67108864/,
    );
    world.pass(2_500);
    expect(leases.take(east.session, { key: key(67), ms: 1_000, isOfRegion: true })).not.toBeNull();
  });
});
