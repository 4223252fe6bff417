import { describe, expect, test } from 'vitest';
import { StrongRegions, type StrongRegionsOptions } from '../support/strong-regions.ts';
import type { VirtualClient } from '../support/virtual-client.ts';
import { ASIA, EAST, WEST } from '../support/virtual-regions.ts';

const REGIONS = [EAST, WEST, ASIA];

/** Three regions with what each tells its subscribers of strong keys, as `event key`. */
class Told {
  readonly regions: StrongRegions;
  readonly clients: ReadonlyMap<string, VirtualClient>;
  readonly #heard: Map<string, string[]> = new Map();

  constructor(options: StrongRegionsOptions = {}) {
    this.regions = new StrongRegions(options);
    this.clients = new Map(REGIONS.map((region) => [region, this.regions.connect(region)]));
    for (const region of REGIONS) {
      const heard: string[] = [];
      this.#heard.set(region, heard);
      this.regions.node(region).core.listen({
        keyChanged: (key, event) => {
          if (event !== null) heard.push(`${event.event} ${key.toLatin1()}`);
        },
        flushed: () => heard.push('flushed'),
        message: () => undefined,
      });
    }
  }

  /** What every region was told of since the last call: the same in all. */
  after(region: string, ...lines: readonly string[]): string[] {
    const replies = lines.map((line) => this.clients.get(region)?.run(line));
    expect(replies.filter((reply) => reply?.startsWith('-'))).toEqual([]);
    return this.take();
  }

  take(): string[] {
    this.regions.sync();
    const [first = [], ...others] = REGIONS.map((region) => this.#heard.get(region)?.splice(0) ?? []);
    for (const other of others) expect(other).toEqual(first);
    return first;
  }
}

describe('keyspace notifications of strong keys', () => {
  test.each(REGIONS)('of writes from %s come once in every region, where they show', (region) => {
    const told = new Told();
    const after = (...lines: readonly string[]): string[] => told.after(region, ...lines);
    expect(after('SET position:1 v')).toEqual(['set position:1']);
    expect(after('INCR position:2')).toEqual(['incrby position:2']);
    expect(after('APPEND position:1 w')).toEqual(['set position:1']);
    expect(after('HSET risk:h f v')).toEqual(['hset risk:h']);
    expect(after('HINCRBY risk:h n 2')).toEqual(['hincrby risk:h']);
    expect(after('HDEL risk:h f')).toEqual(['hdel risk:h']);
    expect(after('SADD risk:s a')).toEqual(['sadd risk:s']);
    expect(after('SREM risk:s a')).toEqual(['srem risk:s']);
    expect(after('JSON.SET risk:j $ [1]')).toEqual(['json.set risk:j']);
    expect(after('JSON.NUMINCRBY risk:j $[0] 1')).toEqual(['json.numincrby risk:j']);
    expect(after('PEXPIRE position:1 90000')).toEqual(['expire position:1']);
    expect(after('SET plan:1 v')).toEqual(['set plan:1']);
    // what changed nothing tells nothing
    expect(after('SET position:1 x NX', 'DEL position:none', 'SREM risk:s none', 'GET position:1')).toEqual([]);
    expect(after('DEL position:1 risk:h')).toEqual(['del position:1', 'del risk:h']);
    expect(after('RENAME position:2 position:3')).toEqual(['set position:3', 'del position:2']);
    expect(after('CW.ONCE id-1 1800000000000 SET position:4 v').length).toBe(1);
    expect(after('CW.ONCE id-1 1800000000000 SET position:4 v')).toEqual([]);
  });

  test.each(REGIONS)('of an EXEC from %s come in its order, and none where a watch did not hold', (region) => {
    const told = new Told();
    const exec = ['MULTI', 'SET position:1 v', 'INCR position:2', 'HSET risk:h f v', 'DEL position:1', 'EXEC'];
    expect(told.after(region, ...exec)).toEqual([
      'set position:1',
      'incrby position:2',
      'hset risk:h',
      'del position:1',
    ]);
    expect(told.after(region, 'WATCH position:2', 'MULTI', 'SET position:2 w')).toEqual([]);
    const other = told.regions.connect(region);
    expect(other.run('INCR position:2')).toBe(':2');
    expect(told.after(region, 'EXEC')).toEqual(['incrby position:2']);
  });

  test('an expiry is told as such, when the log takes the key away; a write that comes before it tells of itself', () => {
    const told = new Told();
    expect(
      told.after(ASIA, 'SET position:1 v PX 100', 'SET position:2 v').filter((each) => !each.endsWith(':2')),
    ).toEqual(['set position:1', 'expired position:1']);
    expect(told.after(WEST, 'HSET risk:h f v', 'PEXPIRE risk:h 50')).toEqual([
      'hset risk:h',
      'expire risk:h',
      'expired risk:h',
    ]);
    expect(told.after(WEST, 'JSON.SET risk:j $ 1', 'PEXPIRE risk:j 50')).toEqual([
      'json.set risk:j',
      'expire risk:j',
      'expired risk:j',
    ]);
    expect(told.after(EAST, 'SET position:3 v PX 60000', 'DEL position:3')).toEqual([
      'set position:3',
      'del position:3',
    ]);
  });

  test('a request that is not passed on tells of nothing anywhere; at home it does', () => {
    const told = new Told({ forward: false });
    expect(told.clients.get(ASIA)?.run('SET position:1 v')).toMatch(/^-HOMEREGION /);
    expect(told.take()).toEqual([]);
    expect(told.after(EAST, 'SET position:1 v')).toEqual(['set position:1']);
  });
});

describe('CW.EXPLAIN of a strong key', () => {
  test('says that the log decides, and no rule of merging', () => {
    const regions = new StrongRegions();
    const client = regions.connect(WEST);
    for (const line of [
      'SET position:1 v',
      'HSET risk:h f v',
      'SADD risk:s m',
      'JSON.SET risk:j $ {}',
      'PEXPIRE risk:j 9000',
    ])
      client.run(line);
    regions.sync();
    for (const key of ['position:1', 'risk:h', 'risk:s', 'risk:j', 'position:none']) {
      const text = client.run(`CW.EXPLAIN ${key}`);
      expect(text.match(/"rule"|rule /g)).toHaveLength(1);
      expect(text).toContain(
        "as the last entry in the log of group us-east-1/region left it; what is here is this node's copy",
      );
      expect(text).not.toMatch(/wins|merge;|add up/);
    }
    expect(client.run('CW.EXPLAIN position:1')).toContain('by us-east-1/region#1:');
    client.run('SET note:1 v');
    expect(client.run('CW.EXPLAIN note:1')).toContain('the latest write by (stamp, origin) wins');
  });
});
