import { describe, expect, test } from 'vitest';
import type { Asked, NodeFacts } from '../../src/cli/doctor-facts.ts';
import { findingsOf, type Finding } from '../../src/cli/doctor-findings.ts';
import { compareKeys, findingOfKeys } from '../../src/cli/doctor-keys.ts';
import type { GroupAnswer } from '../../src/cli/group-answers.ts';
import type { RespValue } from '../../src/cli/resp-client.ts';
import { REAL, runToEnd } from './programs.ts';
import { configOf } from '../server/peer-rig.ts';
import { introduceServers, ServerRig } from '../server/server-rig.ts';

const GROUP: GroupAnswer = {
  name: 'us-east-1/region',
  home: 'us-east-1',
  survive: 'region',
  role: 'leader',
  term: 3,
  leader: 'us-east-1/a',
  commit: 9,
  applied: 9,
  visible: 9,
  lease: 1,
  'age-ms': null,
  'leaderless-ms': 0,
  members: [{ id: 'eu-west-1/a', role: 'voter', matched: 9, lag: 0, 'silent-ms': 20 }],
};

const EAST: NodeFacts = {
  id: 'us-east-1/a',
  version: '1',
  isReady: true,
  reasons: '',
  degraded: '',
  keys: 1,
  rules: 'r',
  classes: 'c',
  peers: [{ id: 'eu-west-1/a', isConnected: true, lagMs: 40, lagTransactions: 2 }],
  groups: [GROUP],
  clockMs: 5,
  clockErrorMs: 2,
  info: new Map(),
};
const WEST: NodeFacts = {
  ...EAST,
  id: 'eu-west-1/a',
  peers: [{ id: 'us-east-1/a', isConnected: true, lagMs: 0, lagTransactions: 0 }],
  groups: [{ ...GROUP, role: 'follower', members: [] }],
};

const resp = { host: '127.0.0.1', port: 1 };
const answered = (facts: NodeFacts): Asked =>
  ({ node: { id: facts.id, region: '', resp, isRunning: true }, facts }) as unknown as Asked;
const found = (...facts: NodeFacts[]): Finding[] => findingsOf(facts.map(answered));
const bad = (findings: readonly Finding[]): Finding[] => findings.filter(({ level }) => level !== 'good');

describe('what doctor finds', () => {
  test('of a cluster that is well, each check says so', () => {
    expect(found(EAST, WEST)).toEqual([
      { level: 'good', text: 'all 2 nodes answer and are ready' },
      { level: 'good', text: 'clocks are within 0 ms (measured to 2 ms)' },
      { level: 'good', text: 'all nodes have the same version and the same classes' },
      { level: 'good', text: 'every node is connected to every other; none is more than 0.0 s behind' },
      { level: 'good', text: 'the quorum group has a leader and its voters' },
      { level: 'good', text: 'the nodes compared 0 keys since they started; none differed' },
    ]);
  });

  test('what the nodes themselves found, and that they do not look', () => {
    const line = (counts: string): Map<string, string> =>
      new Map([
        ['monitor_on', '1'],
        ['compared0', `name="quote:*,redis=9",regions=70,redis=20,source=10,${counts},age_ms=5,lag_ms=`],
      ]);
    const none = 'different_regions=0,different_redis=0,different_source=0,repaired_regions=0,repaired_redis=0';
    const well = found({ ...EAST, info: line(`${none},repaired_source=0`) }, WEST);
    expect(well.at(-1)?.text).toBe('the nodes compared 100 keys since they started; none differed');
    const differed = 'different_regions=3,different_redis=0,different_source=2,repaired_regions=1,repaired_redis=0';
    expect(bad(found({ ...EAST, info: line(`${differed},repaired_source=2`) }, WEST))).toEqual([
      {
        level: 'problem',
        text: 'us-east-1/a found keys of "quote:*,redis=9" that differed from other regions: 3 times, and put right 1; its log names them; report this',
      },
      {
        level: 'warning',
        text: 'us-east-1/a found keys of "quote:*,redis=9" that differed from the source: 2 times, and put right 2',
      },
    ]);
    const off = new Map([['monitor_on', '0']]);
    expect(found({ ...EAST, info: off }, { ...WEST, info: off }).at(-1)).toEqual({
      level: 'good',
      text: 'nodes compare no keys by themselves: limits.monitorKeysPerSecond is 0',
    });
  });

  const link = EAST.peers[0] as NodeFacts['peers'][number];
  test.each<[string, Finding['level'], NodeFacts, string]>([
    ['is not ready', 'problem', { ...WEST, isReady: false, reasons: 'LOADING' }, 'eu-west-1/a is not ready: LOADING'],
    ['is degraded', 'warning', { ...WEST, degraded: 'no leader' }, 'cannot serve all that it should: no leader'],
    ['has a fast clock', 'warning', { ...WEST, clockMs: 60_005 }, "eu-west-1/a's clock is 60.0 s ahead of the others"],
    ['is of another version', 'warning', { ...WEST, version: '2' }, '1 at us-east-1/a; 2 at eu-west-1/a'],
    ['has other rules', 'problem', { ...WEST, rules: 'q' }, 'do not agree on the rules of keys'],
    ['has another ttl', 'warning', { ...WEST, classes: 'd' }, 'ttl or levels of classes differ'],
    [
      'is cut off',
      'problem',
      { ...WEST, peers: [{ ...link, id: 'us-east-1/a', isConnected: false, lagMs: 2_000, lagTransactions: 7 }] },
      'eu-west-1/a has no connection to us-east-1/a: 7 transactions of the last 2.0 s are not known to be there',
    ],
    [
      'is behind',
      'warning',
      { ...WEST, peers: [{ ...link, id: 'us-east-1/a', lagMs: 6_000, lagTransactions: 7 }] },
      'us-east-1/a is behind eu-west-1/a: 7 transactions',
    ],
    [
      'is far behind',
      'problem',
      { ...WEST, peers: [{ ...link, id: 'us-east-1/a', lagMs: 61_000, lagTransactions: 7 }] },
      'us-east-1/a is far behind eu-west-1/a',
    ],
    [
      'takes itself for the leader',
      'problem',
      { ...WEST, groups: [{ ...GROUP, leader: 'eu-west-1/a' }] },
      'several leaders in term 3: us-east-1/a, eu-west-1/a',
    ],
    [
      'knows of a later term without a leader',
      'problem',
      { ...WEST, groups: [{ ...GROUP, role: 'candidate', term: 4, leader: null }] },
      'group us-east-1/region has no leader',
    ],
  ])('where a node %s: a %s', (_, level, west, text) => {
    const findings = bad(found(EAST, west));
    expect(findings).toHaveLength(1);
    expect(findings[0]).toMatchObject({ level, text: expect.stringContaining(text) });
  });

  test('where a voter is silent, and where a node is', () => {
    const members = GROUP.members.map((member) => ({ ...member, 'silent-ms': 7_000 }));
    expect(bad(found({ ...EAST, groups: [{ ...GROUP, members }] }, WEST))).toMatchObject([
      {
        level: 'warning',
        text: expect.stringContaining('eu-west-1/a, which votes, was not heard by us-east-1/a for 7.0 s'),
      },
    ]);
    const silent: Asked = { node: { id: 'eu-west-1/a', region: '', resp, isRunning: true }, silence: 'no reply' };
    expect(bad(findingsOf([answered(EAST), silent]))).toEqual([
      { level: 'problem', text: 'eu-west-1/a does not answer: no reply' },
    ]);
    expect(findingsOf([silent])).toHaveLength(1);
  });
});

/** A node that has keys with these digests; a function gives one for each look. */
function pretended(keys: Readonly<Record<string, RespValue | ((look: number) => RespValue)>>): {
  client: { send(...args: unknown[]): Promise<RespValue> };
} {
  const names = Object.keys(keys);
  let draws = 0;
  const looks = new Map<string, number>();
  const digestOf = (key: string): RespValue => {
    const digest = keys[key] ?? [null, 1];
    const look = looks.get(key) ?? 0;
    looks.set(key, look + 1);
    return typeof digest === 'function' ? digest(look) : digest;
  };
  return {
    client: {
      send: (name, _word, ...wanted) => {
        if (name === 'RANDOMKEY') return Promise.resolve(names[draws++ % names.length] ?? null);
        return Promise.resolve(wanted.map((key) => digestOf(String(key))));
      },
    },
  };
}

describe('keys that are compared', () => {
  test('are the same, moving, or different for good', async () => {
    const here = {
      same: ['1', 1],
      moving: ['1', 0],
      late: (look: number) => [look === 0 ? '1' : '2', 1],
      broken: ['1', 1],
    };
    const there = { same: ['1', 1], moving: ['2', 0], late: ['2', 1], broken: ['2', 1], '\ufffd': ['3', 1] };
    const compared = await compareKeys([pretended(here), pretended(there)], 5, () => undefined);
    expect(compared).toEqual({ same: 2, moving: 1, different: ['broken'], unnamed: 1 });
    expect(findingOfKeys(compared, 2)).toMatchObject({
      level: 'problem',
      text: expect.stringContaining('1 of 4 keys drawn are settled and not the same at all nodes: "broken"'),
    });
  });

  test('are not called the same where none could be compared', () => {
    expect(findingOfKeys({ same: 0, moving: 3, different: [], unnamed: 0 }, 2).level).toBe('warning');
    expect(findingOfKeys({ same: 0, moving: 0, different: [], unnamed: 0 }, 2).level).toBe('good');
  });
});

describe('causeway doctor', () => {
  test('examines a cluster while it is written, and one with a node that is gone', async () => {
    const rigs = await Promise.all([0, 1].map(async (index) => ServerRig.start(configOf(index, 2))));
    await introduceServers(rigs);
    const nodes = rigs.map(({ server }) => `127.0.0.1:${server.ports.resp}`).join(',');
    const client = (rigs[0] as ServerRig).client();
    for (let at = 0; at < 200; at++) void client.set(`k:${at}`, 'v');
    await client.sadd('members', 'a', 'b');
    await client.wait(1, 20_000);
    let isOver = false;
    const writing = (async () => {
      for (let at = 0; !isOver; at++) await client.set('busy', String(at));
    })();
    const well = await runToEnd(REAL, ['doctor', '--nodes', nodes, '--keys', '50']);
    isOver = true;
    await writing;
    expect(well.output).toContain('ok       all 2 nodes answer and are ready\n');
    expect(well.output).toMatch(/ok {7}\d+ of \d+ keys drawn are the same at all 2 nodes/);
    expect(well.output).toContain('All is well.\n');
    expect(well.code).toBe(0);

    await (rigs[1] as ServerRig).server.close();
    const sick = await runToEnd(REAL, ['doctor', '--nodes', nodes, '--keys', '0', '--json']);
    expect(sick.code).toBe(1);
    const { findings } = JSON.parse(sick.output) as { findings: Finding[] };
    expect(bad(findings)).toMatchObject([
      { level: 'problem', text: expect.stringContaining('does not answer: cannot connect to 127.0.0.1') },
      { level: 'problem', text: expect.stringContaining('us-east-1/a has no connection to eu-west-1/a') },
    ]);
  });

  test('wants to know which cluster', async () => {
    expect(await runToEnd(REAL, ['doctor'])).toMatchObject({
      code: 2,
      errors: expect.stringContaining('say which cluster'),
    });
  });
});
