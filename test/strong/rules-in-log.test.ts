import { describe, expect, test } from 'vitest';
import { latin1Of } from '../../src/base/bytes.ts';
import { ActiveClasses } from '../../src/classes/active-classes.ts';
import { GroupRules, groupRulesOf, NO_RULES } from '../../src/classes/group-rules.ts';
import { parseClasses } from '../../src/classes/read-classes.ts';
import type { GroupStatus } from '../../src/commands/strong-view.ts';
import { RulesInForce, RulesOffer, type OwnRules } from '../../src/groups/rules-in-force.ts';
import { SeededRandom } from '../../src/groups/seeded-random.ts';
import { groupCodec } from '../../src/wire/group-codec.ts';
import { StrongRegions } from '../support/strong-regions.ts';
import { stateOnDisk } from '../support/strong-disks.ts';
import { ASIA, EAST, WEST } from '../support/virtual-regions.ts';
import { GROUP } from '../audit/group-rig.ts';

const REGIONS = [EAST, WEST, ASIA];

interface Said {
  readonly version?: number;
  readonly audit?: boolean;
  readonly ttl?: string;
}

/** A classes file whose `position:*` and `plan:*` are those of `StrongRegions`. */
function fileOf({ version, audit = false, ttl }: Said = {}): string {
  return `
${version === undefined ? '' : `version: ${version}`}
classes:
  - { match: ['position:*', 'risk:*'], consistency: strong, home: us-east-1, audit: ${audit}${ttl === undefined ? '' : `, ttl: ${ttl}`} }
  - { match: ['plan:*'], consistency: strong, home: eu-west-1 }
`;
}

const classesOf = (said: Said): ActiveClasses => new ActiveClasses({ policy: parseClasses(fileOf(said), 'f.yaml') });

function statusAt(regions: StrongRegions, region: string): GroupStatus {
  const status = regions
    .node(region)
    .core.strong.groups()
    .find(({ name }) => name === GROUP);
  if (status === undefined) throw new Error('there is no such group');
  return status;
}

const rulesAt = (regions: StrongRegions): GroupStatus['rules'][] =>
  REGIONS.map((region) => statusAt(regions, region).rules);

const headAt = (regions: StrongRegions, region: string): unknown =>
  regions.node(region).core.strong.audit(GROUP, 0, 0)?.head;

/** All records that a node has. */
function recordsAt(regions: StrongRegions, region: string): string {
  let all = '';
  for (let from = 0; ;) {
    const page = regions.node(region).core.strong.audit(GROUP, from, 1_000);
    for (const [, bytes] of page?.records ?? []) all += `${latin1Of(bytes, 0, bytes.length)}\n`;
    from = page?.next ?? 0;
    if (from === 0) return all;
  }
}

/** Kills a node and starts it with another file. */
function restartWith(regions: StrongRegions, region: string, said: Said): void {
  regions.node(region).classes = classesOf(said);
  regions.restart(region);
}

function expectEqual(regions: StrongRegions): void {
  regions.led();
  regions.sync();
  // what expired meanwhile may just have been removed at one of them
  const isOne = (): boolean => new Set(REGIONS.map((region) => statusAt(regions, region)?.applied)).size === 1;
  expect(regions.cluster.runUntil(isOne)).toBe(true);
  const [first, ...others] = REGIONS.map((region) => stateOnDisk(regions.node(region), GROUP));
  for (const other of others) {
    expect(other.applied).toBe(first?.applied);
    expect(other.bytes).toEqual(first?.bytes);
  }
  for (const region of REGIONS) {
    expect(headAt(regions, region)).toEqual(headAt(regions, EAST));
    expect(recordsAt(regions, region)).toBe(recordsAt(regions, EAST));
    expect(regions.node(region).digest()).toBe(regions.node(EAST).digest());
  }
}

describe('C7: the rules of a group are in its log', () => {
  test('the first write of a new group runs under those of its leader', () => {
    const regions = new StrongRegions({ classes: classesOf({ audit: true, ttl: '10m' }) });
    const client = regions.connect(ASIA);
    expect(client.run('SET position:1 7')).toBe('+OK');
    expect(client.run('PTTL position:1')).toMatch(/^:(600000|59\d{4})$/);
    regions.sync();
    expect(recordsAt(regions, WEST)).toContain('"key":"position:1"');
    expectEqual(regions);
    expect(rulesAt(regions)).toEqual(Array.from(REGIONS, () => ({ index: 2, version: 0, isOwn: true })));
  });

  test('a group whose classes ask for nothing has no entry for that', () => {
    const regions = new StrongRegions();
    regions.connect(EAST).run('SET position:1 7');
    expect(statusAt(regions, EAST)).toMatchObject({ commit: 2, rules: { index: 0, isOwn: true } });
  });

  test('entries that were applied and not stored are the same after a restart with another file', () => {
    const regions = new StrongRegions({ classes: classesOf({ audit: true, ttl: '10m' }) });
    const client = regions.connect(EAST);
    client.run('SET position:1 1');
    regions.sync();
    // the first write goes to disk with its state, the others are in the log alone
    for (let at = 0; at < 3; at++) client.run(`SET position:${at} ${at}`);
    restartWith(regions, ASIA, { version: 1 });
    restartWith(regions, WEST, { ttl: '1s' });
    expectEqual(regions);
    expect(recordsAt(regions, ASIA).split('\n')).toHaveLength(5);
    expect(statusAt(regions, ASIA).rules).toEqual({ index: 2, version: 0, isOwn: false });
    expect(regions.node(ASIA).core.degradedReasons(0).join()).toContain('say another ttl or audit of group');
  });

  test.each([1, 2, 3, 4])(
    'all members take the new file one after the other, killed while writes go on, seed %i: they stay equal',
    (seed) => {
      const random = new SeededRandom(seed);
      const draw = (below: number): number => Math.floor(random.unit() * below);
      const regions = new StrongRegions({ classes: classesOf({ audit: true }), seed });
      const files: Said[] = [
        { version: 1, ttl: '2s' },
        { version: 2, audit: true, ttl: '1s' },
        { version: 2, audit: false },
      ];
      for (const file of files) {
        for (const region of [ASIA, WEST, EAST]) {
          const others = REGIONS.filter((other) => other !== region);
          const client = regions.connect(others[draw(2)] ?? EAST);
          for (let at = draw(6); at >= 0; at--) {
            client.run(`INCR position:${draw(4)}`);
            client.run(`HSET risk:${draw(3)} field ${at}`);
          }
          if (draw(2) === 0) regions.cluster.run(draw(2_500));
          restartWith(regions, region, file);
          client.run(`SET position:${draw(4)} ${draw(9)}`);
        }
        expectEqual(regions);
      }
      expect(recordsAt(regions, EAST)).not.toBe('');
      // the last file was no newer than the one before: what came first stays, and takes no turns with it
      for (const { version, isOwn } of rulesAt(regions)) expect([version, isOwn]).toEqual([2, false]);
    },
    60_000,
  );

  test('a member that gets a snapshot has the rules with it', () => {
    const regions = new StrongRegions({ classes: classesOf({ audit: true }), raftLimits: { slackBytesMax: 1 } });
    for (const region of REGIONS) restartWith(regions, region, { audit: true });
    regions.led();
    regions.sync();
    const client = regions.connect(EAST);
    regions.isolate(ASIA);
    client.run('SET position:1 1');
    regions.node(EAST).core.classes.reload(fileOf({ audit: false, ttl: '10m' }));
    for (let at = 0; at < 12; at++) {
      client.run(`SET position:${at} ${at}`);
      if (at % 4 === 3) regions.cluster.run(3_000);
    }
    // the log that is left begins behind what it lacks
    const [first] = regions.node(EAST).disk.quorum.load(GROUP).log;
    expect(first?.index).toBeGreaterThan(statusAt(regions, ASIA).lastIndex + 1);
    expect(statusAt(regions, ASIA).rules).not.toEqual(statusAt(regions, EAST).rules);
    regions.sync();
    expect(rulesAt(regions)[2]).toEqual({ ...rulesAt(regions)[0], isOwn: false });
    client.run('SET position:9 9');
    regions.sync();
    expect(stateOnDisk(regions.node(ASIA), GROUP).bytes).toEqual(stateOnDisk(regions.node(EAST), GROUP).bytes);
    expect(headAt(regions, ASIA)).toEqual(headAt(regions, EAST));
  });
});

describe('C7: which file is in force', () => {
  test('leaders whose files differ take no turns: what is in force stays', () => {
    const regions = new StrongRegions({ classes: classesOf({ audit: true }) });
    regions.connect(EAST).run('SET position:1 1');
    restartWith(regions, WEST, { audit: false });
    const [before] = rulesAt(regions);
    for (let round = 0; round < 3; round++) {
      regions.cluster.kill(regions.node(EAST));
      regions.connect(WEST).run('INCR position:1');
      regions.cluster.run(3_000);
      expect(statusAt(regions, WEST).rules.index).toBe(before?.index);
      regions.cluster.restart(regions.node(EAST));
      regions.led();
    }
    expectEqual(regions);
    expect(recordsAt(regions, EAST).split('\n')).toHaveLength(5);
  });

  test('a higher version comes into force when its node leads, and the one before does not come back', () => {
    const regions = new StrongRegions({ classes: classesOf({ audit: true }) });
    regions.connect(EAST).run('SET position:1 1');
    restartWith(regions, WEST, { version: 1, ttl: '10m' });
    expect(statusAt(regions, WEST).rules).toMatchObject({ version: 0, isOwn: false });
    regions.cluster.kill(regions.node(EAST));
    expect(regions.cluster.runUntil(() => statusAt(regions, WEST).rules.version === 1)).toBe(true);
    const inForce = statusAt(regions, WEST).rules;
    regions.cluster.restart(regions.node(EAST));
    expectEqual(regions);
    expect(rulesAt(regions)).toEqual([
      { ...inForce, isOwn: false },
      { ...inForce, isOwn: true },
      { ...inForce, isOwn: false },
    ]);
  });

  test('reloaded classes come into force at once, from the leader alone, also what was in force before', () => {
    const regions = new StrongRegions({ classes: classesOf({ version: 3, audit: true }) });
    const reload = (region: string, said: Said): void => void regions.node(region).core.classes.reload(fileOf(said));
    // each node has a file of its own from here on
    for (const region of REGIONS) restartWith(regions, region, { version: 3, audit: true });
    regions.led();
    const client = regions.connect(WEST);
    client.run('SET position:1 1');
    const index = (): number => statusAt(regions, EAST).rules.index;
    const first = index();
    reload(WEST, { ttl: '10m' });
    regions.cluster.run(3_000);
    expect(index()).toBe(first);
    reload(EAST, { ttl: '10m' });
    client.run('SET position:1 2');
    expect(client.run('PTTL position:1')).toMatch(/^:59\d{4}$|^:600000$/);
    const second = index();
    expect(second).toBeGreaterThan(first);
    // no lower than it was, so that who starts with the file of before does not count as newer
    expect(statusAt(regions, EAST).rules.version).toBe(3);
    reload(EAST, { audit: true });
    regions.sync();
    expect(index()).toBeGreaterThan(second);
    // what was asked of it before is no wish any more
    const third = index();
    regions.cluster.kill(regions.node(EAST));
    regions.connect(ASIA).run('SET position:1 3');
    regions.cluster.run(3_000);
    expect(statusAt(regions, WEST).rules).toMatchObject({ index: third, isOwn: false });
    regions.cluster.restart(regions.node(EAST));
    expectEqual(regions);
  });

  test('a file with other strong keys, which all members were started with, brings its rules along', () => {
    const regions = new StrongRegions({ classes: classesOf({ audit: true }) });
    regions.connect(EAST).run('SET position:1 1');
    for (const region of REGIONS) regions.cluster.kill(regions.node(region));
    for (const region of REGIONS) {
      const text = `${fileOf({ audit: true })}  - { match: ['order:*'], consistency: strong, home: us-east-1, audit: true }\n`;
      regions.node(region).classes = new ActiveClasses({ policy: parseClasses(text, 'f.yaml') });
      regions.cluster.restart(regions.node(region));
    }
    regions.ready();
    regions.led();
    expect(regions.connect(ASIA).run('SET order:1 1')).toBe('+OK');
    expectEqual(regions);
    expect(recordsAt(regions, WEST)).toContain('"key":"order:1"');
  });

  test('an entry takes the place of the rules that its leader knew, and of no others', () => {
    const inForce = new RulesInForce();
    const entry = (over: number, version: number, ttlMs: number) =>
      ({
        kind: 'rules',
        stamp: 0 as never,
        over,
        version,
        pins: '',
        rules: [{ pattern: '*', ttlMs, audit: false }],
      }) as const;
    inForce.take(5, entry(0, 2, 1));
    inForce.take(6, entry(0, 9, 2));
    expect(inForce.state).toMatchObject({ index: 5, version: 2, list: [{ ttlMs: 1 }] });
    inForce.take(7, entry(5, 1, 3));
    expect(inForce.state).toMatchObject({ index: 7, version: 2, list: [{ ttlMs: 3 }] });
    const other = new RulesInForce();
    other.restore(inForce.state);
    expect(other.state).toEqual(inForce.state);
    expect(other.rules.text).toBe(inForce.rules.text);
  });

  test('one reload is one entry, whoever leads', () => {
    const own = (reloads: number, ttlMs: number): OwnRules => ({
      rules: new GroupRules([{ pattern: 'a*', ttlMs, audit: false }]),
      version: 0,
      pins: '',
      reloads,
    });
    const inForce = new RulesInForce();
    const offer = new RulesOffer(own(0, 1));
    const isDue = (mine: OwnRules): boolean => offer.isDue(inForce, mine);
    expect(isDue(own(0, 1))).toBe(true);
    inForce.restore({ index: 4, version: 0, pins: '', list: own(0, 1).rules.list });
    offer.note(inForce, own(0, 2));
    expect(isDue(own(0, 2))).toBe(false);
    expect(isDue(own(1, 2))).toBe(true);
    offer.note(inForce, own(1, 2));
    expect(isDue(own(1, 2))).toBe(true);
    inForce.restore({ index: 8, version: 0, pins: '', list: own(0, 3).rules.list });
    offer.note(inForce, own(1, 2));
    expect(isDue(own(1, 2))).toBe(false);
    expect(isDue(own(2, 3))).toBe(false);
    expect(isDue({ ...own(2, 3), version: 1 })).toBe(true);
    expect(isDue(own(1, 4))).toBe(false);
    expect(isDue({ ...own(1, 4), pins: 'others' })).toBe(true);
  });
});

describe('rules of a group', () => {
  test('are written and read as they are, and refused where no file can say them', () => {
    const rules = [
      { pattern: 'größe:*', ttlMs: 5, audit: true },
      { pattern: '*', ttlMs: null, audit: true },
    ];
    const entry = { kind: 'rules', stamp: 7 as never, over: 3, version: 2, pins: 'p', rules } as const;
    // msgpack gives Buffers, whose slices share their bytes
    const bytes = new Uint8Array(groupCodec.encodeEntry(entry));
    expect(groupCodec.decodeEntry(bytes)).toEqual(entry);
    const broken = { ...entry, rules: [{ pattern: '[', ttlMs: 5, audit: true }] };
    expect(() => groupCodec.decodeEntry(groupCodec.encodeEntry(broken))).toThrow(/rules of a group refused/);
    // every byte of it in some other ways, and every length: refused, or rules that can be applied
    const judged = new Set<boolean>();
    for (let at = 0; at < bytes.length; at++) {
      for (const value of [0, 1, 0x7f, 0x90, 0xc0, 0xff, (bytes[at] ?? 0) ^ 1]) {
        const changed = bytes.slice();
        changed[at] = value;
        for (const tried of [changed, bytes.slice(0, at)]) {
          try {
            const read = groupCodec.decodeEntry(tried);
            if (read.kind === 'rules') new RulesInForce().take(4, { ...read, over: 0 });
            judged.add(true);
          } catch (error) {
            expect(error).toMatchObject({ code: 'PROTOCOL' });
            judged.add(false);
          }
        }
      }
    }
    expect(judged.size).toBe(2);
  });

  const key = (text: string) => ({ buf: Buffer.from(text), start: 0, end: text.length }) as never;

  test('are what the first pattern of its classes says; those of other groups and classes are no part', () => {
    const policy = parseClasses(
      `
classes:
  - { match: ['a:1*'], consistency: strong, home: us-east-1 }
  - { match: ['b:*'], ttl: 1s }
  - { match: ['c:*'], consistency: strong, home: eu-west-1, ttl: 1s }
  - { match: ['a:*', 'd:?'], consistency: strong, home: us-east-1, ttl: 2s, audit: true }
  - { match: ['e:*'], consistency: strong, home: us-east-1 }
`,
      'f.yaml',
    );
    const rules = groupRulesOf(policy, 'us-east-1/region');
    const said = ['a:12', 'a:2', 'd:x', 'd:xx', 'e:1', ''].map((text) => [
      rules.ttlMsOf(key(text)),
      rules.isAudited(key(text)),
    ]);
    const both = [2_000, true];
    const none = [null, false];
    expect(said).toEqual([none, both, both, none, none, none]);
    // what asks for nothing at the end is left out
    expect(rules.list.map(({ pattern }) => pattern)).toEqual(['a:1*', 'a:*', 'd:?']);
    expect(groupRulesOf(policy, 'nowhere/zone').text).toBe(NO_RULES.text);
  });

  test.each([
    ['a pattern that has no end', [{ pattern: '[a', ttlMs: 1, audit: false }]],
    ['an empty pattern', [{ pattern: '', ttlMs: 1, audit: false }]],
    ['a long pattern', [{ pattern: 'x'.repeat(129), ttlMs: 1, audit: false }]],
    ['a ttl of nothing', [{ pattern: 'a', ttlMs: 0, audit: false }]],
    ['too many', Array.from({ length: 257 }, (_, at) => ({ pattern: `${at}`, ttlMs: 1, audit: false }))],
    ['too much', Array.from({ length: 64 }, (_, at) => ({ pattern: `${at}`.padEnd(128), ttlMs: 1, audit: false }))],
  ])('refuse %s', (_, list) => {
    expect(() => new GroupRules(list)).toThrow(/rules of a group refused/);
  });
});
