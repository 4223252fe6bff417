import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseConfig, type Environment } from '../../src/server/config.ts';
import type { NodeConfig } from '../../src/server/node-config.ts';
import { loadTopology } from '../../src/server/topology.ts';

const REGIONS = join(import.meta.dirname, '..', '..', 'regions');
const FILE = readFileSync(join(REGIONS, 'us-east-1.yaml'), 'utf8');

function parsed(redis: string, environment: Environment = {}): NodeConfig {
  const text = FILE.replace(/^redis: null.*$/m, `redis: ${redis}`);
  return parseConfig(text, {
    node: 'a',
    topology: loadTopology(REGIONS),
    environment,
    source: 'us-east-1.yaml',
  });
}

function problem(redis: string, environment: Environment = {}): string {
  try {
    parsed(redis, environment);
  } catch (error) {
    return error instanceof Error ? error.message : '';
  }
  return '';
}

describe('redis: of a region', () => {
  it('is none unless it is said', () => {
    expect(parsed('null').redis).toBeUndefined();
  });

  it.each([
    ['redis://10.0.0.7:6379', { kind: 'single', places: [{ host: '10.0.0.7', port: 6379 }], database: 0 }],
    ['redis://r.example:6380/3', { kind: 'single', database: 3, isEncrypted: false }],
    ['rediss://r.example:6380/3', { kind: 'single', database: 3, isEncrypted: true }],
    [
      'redis-sentinel://a:1,b:2/desk',
      {
        kind: 'sentinel',
        masterName: 'desk',
        places: [
          { host: 'a', port: 1 },
          { host: 'b', port: 2 },
        ],
      },
    ],
    [
      'rediss-cluster://[::1]:7000,b:7001',
      {
        kind: 'cluster',
        isEncrypted: true,
        places: [
          { host: '::1', port: 7000 },
          { host: 'b', port: 7001 },
        ],
      },
    ],
  ])('%s', (url, expected) => {
    expect(parsed(`{ url: '${url}' }`).redis).toMatchObject(expected);
  });

  it.each([
    'http://a:1',
    'redis://',
    'redis://a',
    'redis://a:0',
    'redis://a:1,b:2',
    'redis://a:1/x',
    'redis-sentinel://a:1',
    'redis-cluster://a:1/2',
  ])('%s is refused, with what was expected', (url) => {
    expect(problem(`{ url: '${url}' }`)).toContain('redis.url: expected redis://host:port/database');
  });

  it('a password has a place of its own, and is in no message', () => {
    expect(problem("{ url: 'redis://user:hunter2@a:1' }")).toMatch(
      /a password belongs under password or passwordFile$/,
    );
    expect(problem("{ url: 'redis://user:hunter2@a:1' }")).not.toContain('hunter2');
    expect(problem("{ url: 'redis://a:1', password: [hunter2] }")).not.toContain('hunter2');
    expect(problem("{ url: 'redis://a:1', password: x, passwordFile: y }")).toContain('expected one of them');
  });

  it("names that are the versions' own, and settings that there are not", () => {
    expect(problem("{ url: 'redis://a:1', prefix: 'cw:' }")).toContain('do not begin with cw:');
    expect(problem("{ url: 'redis://a:1', warm: maybe }")).toContain('redis.warm');
    expect(problem("{ url: 'redis://a:1', prefx: 'x' }")).toContain('unknown key "prefx"');
    expect(problem("{ prefix: 'x' }")).toContain('redis.url');
  });

  it('the environment takes the place of what is there, also of nothing', () => {
    const environment = { CAUSEWAY_REDIS: 'redis://b:2', CAUSEWAY_REDIS_PASSWORD: 'secret' };
    expect(parsed('null', environment).redis).toMatchObject({ url: 'redis://b:2', password: 'secret' });
    expect(parsed("{ url: 'redis://a:1', prefix: 'eu:' }", environment).redis).toMatchObject({
      prefix: 'eu:',
      places: [{ host: 'b', port: 2 }],
    });
  });
});
