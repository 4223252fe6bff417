import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { loadConfig, parseConfig, requireLinkUrls } from '../../src/server/config.ts';
import { ENVIRONMENT_TABLE } from '../../src/server/config-table.ts';
import { dials, loadTopology, nodeNameOf, parseRoundTrips } from '../../src/server/topology.ts';

const topology = loadTopology('regions');
const NO_ENVIRONMENT = {};

const FILE = `
clusterId: test
region: us-east-1
nodes:
  a: { resp: "127.0.0.1:6400", http: "127.0.0.1:6425", peer: "127.0.0.1:7400", dataDir: null }
  b: { resp: "[::1]:0", http: "127.0.0.1:0", peer: "127.0.0.1:7410", dataDir: /tmp/b }
members:
  eu-west-1/a: ws://127.0.0.1:7401
`;

function parse(text: string, node = 'a', environment: Record<string, string> = NO_ENVIRONMENT) {
  return parseConfig(text, { node, topology, environment, source: 'file.yaml' });
}

describe('what is read at the start', () => {
  test('is nothing by itself; a section with nothing in it reads what was used most', () => {
    expect(parse(FILE).warm).toBeUndefined();
    expect(parse(`${FILE}warm: {}\n`).warm).toEqual({ hot: true, recordEveryMs: 60_000, keysFile: null, waitMs: 0 });
  });

  test('is said in a section of its own', () => {
    const { warm } = parse(`${FILE}warm: { hot: false, record: 5m, keys: /etc/keys.txt, wait: 30s }\n`);
    expect(warm).toEqual({ hot: false, recordEveryMs: 300_000, keysFile: '/etc/keys.txt', waitMs: 30_000 });
    expect(() => parse(`${FILE}warm: { wait: 30 }\n`)).toThrow(/warm.wait: expected a duration with its unit/);
    expect(() => parse(`${FILE}warm: { cold: true }\n`)).toThrow(/warm.*cold/);
  });
});

describe('topology', () => {
  test('has 19 regions with numbers of their own and a round trip for every directed pair', () => {
    const regions = [...topology.regions.values()];
    expect(regions.map((region) => region.number).toSorted((a, b) => a - b)).toEqual(
      Array.from({ length: 19 }, (_, i) => i + 1),
    );
    for (const from of regions) {
      for (const to of regions) expect(topology.oneWayMs(from.name, to.name)).toBeGreaterThan(0);
    }
  });

  test('one way is half of the mean round trip that was measured', () => {
    expect(topology.oneWayMs('us-east-1', 'eu-west-1')).toBe(70.508 / 2);
    expect(topology.oneWayMs('eu-west-1', 'us-east-1')).toBe(70.501 / 2);
    expect(topology.jitterMs('us-east-1', 'ap-southeast-1')).toBe(4.843 / 2);
  });

  test('numbers that are in dots already stay as they are', () => {
    expect(nodeNameOf(topology, 'us-east-1/a').nodeNumber).toBe(64);
    expect(nodeNameOf(topology, 'ap-southeast-1/c').nodeNumber).toBe(3 * 64 + 2);
    expect(nodeNameOf(topology, 'af-south-1/z').nodeNumber).toBe(19 * 64 + 25);
  });

  test('the lower node number dials', () => {
    const [low, high] = [nodeNameOf(topology, 'us-east-1/b'), nodeNameOf(topology, 'eu-west-1/a')];
    expect([dials(low, high), dials(high, low)]).toEqual([true, false]);
  });

  test.each(['us-east-1', 'us-east-1/aa', 'us-east-1/A', '/a', 'us-east-1/'])('refuses the node name %j', (id) => {
    expect(() => nodeNameOf(topology, id)).toThrow('region/letter');
  });

  test('an unknown region is answered with those that exist', () => {
    expect(() => nodeNameOf(topology, 'mars/a')).toThrow(
      /unknown region "mars"; the topology has us-east-1, eu-west-1/,
    );
  });

  test('a broken row of round trips is named by its line', () => {
    expect(() => parseRoundTrips('from,to,a,b\nx,y,1,far\n', 'rtt.csv')).toThrow('rtt.csv:2: expected from,to');
  });
});

describe('config', () => {
  test('gives a node all it needs, neighbours included', () => {
    expect(parse(FILE, 'b')).toEqual({
      clusterId: 'test',
      region: 'us-east-1',
      nodeId: 'us-east-1/b',
      nodeNumber: 65,
      resp: { host: '::1', port: 0 },
      http: { host: '127.0.0.1', port: 0 },
      peer: { host: '127.0.0.1', port: 7410 },
      dataDir: '/tmp/b',
      members: [
        { id: 'us-east-1/a', region: 'us-east-1', nodeNumber: 64, url: 'ws://127.0.0.1:7400' },
        { id: 'eu-west-1/a', region: 'eu-west-1', nodeNumber: 128, url: 'ws://127.0.0.1:7401' },
      ],
      limits: {},
      doors: { requirepass: null, protectedMode: true, peerSecret: null, isPeerPortOpen: false },
      log: { level: 'info', format: 'json' },
    });
  });

  test('each region file of the project is right and names all three regions', () => {
    for (const region of ['us-east-1', 'eu-west-1', 'ap-southeast-1']) {
      const config = loadConfig(`regions/${region}.yaml`, { node: 'a', topology, environment: NO_ENVIRONMENT });
      requireLinkUrls(config);
      expect(new Set([config.region, ...config.members.map((member) => member.region)]).size).toBe(3);
    }
  });

  test('the region files agree on who listens where', () => {
    const configs = ['us-east-1', 'eu-west-1', 'ap-southeast-1'].map((region) =>
      loadConfig(`regions/${region}.yaml`, { node: 'a', topology, environment: NO_ENVIRONMENT }),
    );
    const seen = configs.flatMap((config) => config.members.map((member) => [member.id, member.url]));
    const real = configs.map((config) => [config.nodeId, `ws://${config.peer.host}:${config.peer.port}`]);
    expect(new Set(seen.map(String))).toEqual(new Set(real.map(String)));
  });

  test.each([
    [
      'resp: "127.0.0.1:6400"',
      'resp: "6400"',
      'file.yaml: nodes.a.resp: expected "host:port" with a port of 0 to 65535, got "6400"',
    ],
    ['resp: "127.0.0.1:6400"', 'resp: "h:65536"', 'file.yaml: nodes.a.resp: expected "host:port"'],
    ['dataDir: null', 'dataDir: 7', 'file.yaml: nodes.a.dataDir: expected string, got 7'],
    ['http: "127.0.0.1:6425", ', '', 'file.yaml: nodes.a.http: missing, expected string'],
    [
      'ws://127.0.0.1:7401',
      'http://127.0.0.1:7401',
      'file.yaml: members.eu-west-1/a: expected ws://host:port or wss://host:port, got "http',
    ],
    ['ws://127.0.0.1:7401', 'ws://h:1/path', 'file.yaml: members.eu-west-1/a: expected ws://host:port'],
    ['eu-west-1/a', 'mars/a', 'file.yaml: unknown region "mars"'],
    [
      'eu-west-1/a',
      'us-east-1/c',
      'file.yaml: members.us-east-1/c: a node of region us-east-1 itself belongs under nodes',
    ],
    ['region: us-east-1', 'region: mars', 'file.yaml: unknown region "mars"; the topology has us-east-1'],
    ['clusterId: test', 'clusterId: "a b"', 'file.yaml: clusterId: expected 1 to 64'],
    ['clusterId: test', 'clusterId: test\nspeed: 1', 'file.yaml: unknown key "speed"'],
    [
      'clusterId: test',
      'clusterId: test\nlog: { level: loud }',
      'file.yaml: log.level: expected one of trace, debug, info',
    ],
    ['clusterId: test', 'clusterId: test\nclusterId: twice', 'file.yaml: Map keys must be unique at line 3'],
    ['  b:', '  bb:', 'file.yaml: nodes.bb: expected a node letter, a to z'],
  ])('%j as %j is refused with %j', (from, to, message) => {
    expect(() => parse(FILE.replace(from, to))).toThrow(message);
  });

  test('a node that is not there is answered with those that are', () => {
    expect(() => parse(FILE, 'c')).toThrow('file.yaml: no node "c"; region us-east-1 has a, b');
    expect(() => parse(FILE, '__proto__')).toThrow('no node "__proto__"');
  });

  test('the environment overrides the file, checked alike', () => {
    const config = parse(FILE, 'a', {
      CAUSEWAY_RESP: '0.0.0.0:6379',
      CAUSEWAY_DATA_DIR: '/data',
      CAUSEWAY_LINKS: 'eu-west-1/a=ws://wan:7001,ap-southeast-1/a=ws://wan:7002',
      CAUSEWAY_LIMITS: 'keyBytesMax=100',
      CAUSEWAY_LOG_FORMAT: 'text',
    });
    expect(config.resp).toEqual({ host: '0.0.0.0', port: 6379 });
    expect(config.dataDir).toBe('/data');
    expect(config.members.map((member) => member.url)).toEqual([
      'ws://127.0.0.1:7410',
      'ws://wan:7001',
      'ws://wan:7002',
    ]);
    expect(config.limits).toEqual({ keyBytesMax: 100 });
    expect(config.log).toEqual({ level: 'info', format: 'text' });
    expect(parse(FILE, 'b', { CAUSEWAY_DATA_DIR: '' }).dataDir).toBeNull();
  });

  test.each([
    ['CAUSEWAY_RESP', '6379', 'CAUSEWAY_RESP: expected "host:port"'],
    ['CAUSEWAY_LOG_LEVEL', 'loud', 'CAUSEWAY_LOG_LEVEL: expected one of trace'],
    ['CAUSEWAY_LINKS', 'eu-west-1/a', 'CAUSEWAY_LINKS: expected region/letter=ws://host:port'],
    ['CAUSEWAY_LIMITS', 'keyBytesMax=many', 'file.yaml: limits.keyBytesMax: expected'],
  ])('%s=%s is refused', (name, value, message) => {
    expect(() => parse(FILE, 'a', { [name]: value })).toThrow(message);
  });

  test('a node that must dial another without a URL says which', () => {
    const config = parse(FILE.replace('ws://127.0.0.1:7401', 'null'));
    expect(() => requireLinkUrls(config)).toThrow('us-east-1/a dials eu-west-1/a, and has no URL for it');
  });

  test('each row of the environment table is named in each region file', () => {
    for (const region of ['us-east-1', 'eu-west-1', 'ap-southeast-1']) {
      const text = readFileSync(`regions/${region}.yaml`, 'utf8');
      for (const row of ENVIRONMENT_TABLE) expect(text).toContain(row.name);
    }
  });
});
