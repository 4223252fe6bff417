import { plainSha256 } from '../../src/groups/audit-text.ts';
import { describe, expect, test } from 'vitest';
import { MemoryQuorumStore } from '../../src/adapters/memory-quorum-store.ts';
import { REPLICATION_LIMITS } from '../../src/causal/limits.ts';
import { nodeNumber } from '../../src/clock/origin.ts';
import type { AuditPage } from '../../src/commands/audit-page.ts';
import { CommandIndex } from '../../src/commands/command-index.ts';
import type { StrongAnswer } from '../../src/commands/strong-view.ts';
import { commandTable } from '../../src/commands/table.ts';
import { planGroup } from '../../src/groups/group-plan.ts';
import { GROUP_LIMITS, GROUP_TIMING } from '../../src/groups/limits.ts';
import { RegionNode } from '../../src/node/region-node.ts';
import { groupCodec } from '../../src/wire/group-codec.ts';
import { peerCodec } from '../../src/wire/peer-codec.ts';
import { keptReplies } from '../../src/wire/resp/kept-reply.ts';
import { latin1Of, latin1Range } from '../../src/base/bytes.ts';
import { auditLine, type AuditLine } from '../../src/cli/audit-line.ts';
import { CHAIN_START } from '../../src/groups/audit-record.ts';
import { auditPage } from '../../src/groups/audit-pages.ts';
import { strongClasses, StrongRegions } from '../support/strong-regions.ts';
import { VIRTUAL_START_MS } from '../support/virtual-cluster.ts';
import { ASIA, EAST, WEST } from '../support/virtual-regions.ts';
import { GROUP, GroupRig, linesOf, type SeenRecord } from './group-rig.ts';

const REGIONS = [EAST, WEST, ASIA];

/** All records that a node has, page by page. */
function linesAt(regions: StrongRegions, region: string, group = GROUP): string[] {
  const { strong } = regions.node(region).core;
  const lines: string[] = [];
  for (let from = 0, turns = 0; turns < 1_000; turns++) {
    const page = strong.audit(group, from, 7);
    if (page === null) throw new Error(`no group ${group}`);
    for (const [, bytes] of page.records) lines.push(...latin1Of(bytes, 0, bytes.length).split('\n'));
    if (page.next === 0) return lines;
    from = page.next;
  }
  throw new Error('the pages do not end');
}

const onDisk = (regions: StrongRegions, region: string): number =>
  [...regions.node(region).disk.quorum.audit(GROUP, 0)].length;

const seen = (lines: readonly string[]): SeenRecord[] => lines.map((line) => JSON.parse(line) as SeenRecord);

/** One whole chain from the first record to the head that the node says. */
function expectWhole(regions: StrongRegions, region: string): string[] {
  const lines = linesAt(regions, region);
  const parsed = lines.map((line) => auditLine(line) as AuditLine);
  expect(parsed.map(({ record }) => record)).toEqual(lines.map((_, at) => at + 1));
  expect(parsed.map(({ previous }) => previous)).toEqual(
    [CHAIN_START, ...parsed.map(({ hash }) => hash)].slice(0, lines.length),
  );
  const head = regions.node(region).core.strong.audit(GROUP, 0, 0)?.head;
  expect(head).toMatchObject({ count: lines.length, hash: parsed.at(-1)?.hash });
  return lines;
}

/** The same at every member, byte for byte. */
function expectEqual(regions: StrongRegions): string[] {
  const [first = [], ...others] = REGIONS.map((region) => expectWhole(regions, region));
  for (const other of others) expect(other).toEqual(first);
  return first;
}

const latin1Lines = (page: AuditPage | null): string[] =>
  (page?.records ?? []).flatMap(([, bytes]) => latin1Of(bytes, 0, bytes.length).split('\n'));

/** A cluster of one node that keeps nothing over a restart. */
function aloneWithoutDisk(): { readonly core: RegionNode; write(words: readonly string[]): void } {
  const self = { nodeNumber: nodeNumber(64), id: `${EAST}/a`, region: EAST };
  let monotonicMs = 0;
  const now = () => ({ wallMs: VIRTUAL_START_MS + monotonicMs, monotonicMs });
  const core = new RegionNode({
    identity: {
      clusterId: 'c',
      nodeId: self.id,
      region: EAST,
      nodeNumber: self.nodeNumber,
      incarnation: 1,
      startId: 's',
      rules: '',
    },
    members: [self],
    limits: REPLICATION_LIMITS,
    codec: peerCodec,
    stampBound: 0,
    raiseStampBound: () => undefined,
    hasStore: false,
    classes: strongClasses({ audit: true }),
    strong: {
      plans: [planGroup(EAST, 1, 'region', [self], () => 0)],
      commands: new CommandIndex(commandTable),
      newReply: keptReplies(),
      sha256: plainSha256,
      codec: groupCodec,
      timing: GROUP_TIMING,
      limits: GROUP_LIMITS,
      votesSince: 0,
      settleVotes: () => undefined,
      load: null,
      readAudit: null,
      random: () => 0.5,
      now,
    },
  });
  core.start(now());
  const pass = (): void => {
    monotonicMs += 10;
    core.tick(now());
    core.flush(now());
    core.takeOutputs();
  };
  while (core.strong.leaderOf(GROUP) === null) pass();
  return {
    core,
    write(words) {
      const answers: StrongAnswer[] = [];
      const commands = [words.map((word) => latin1Range(word))];
      const requester = { user: 'default', address: 'a', region: EAST };
      const rest = {
        keys: [],
        isExec: false,
        watches: [],
        respVersion: 3,
        deps: [],
        once: null,
        timeoutMs: 1_000,
      } as const;
      core.strong.submit({ group: GROUP, kind: 'write', commands, requester, ...rest }, (answer) =>
        answers.push(answer),
      );
      while (answers.length === 0) pass();
      expect(answers[0]).toHaveProperty('reply');
    },
  };
}

describe('the audit of a group', () => {
  test('is the same at every member, and says from which region each write came', () => {
    const regions = new StrongRegions({ audit: true });
    regions.connect(ASIA).run('SET position:1 100');
    const client = regions.connect(WEST);
    for (const line of ['MULTI', 'INCRBY position:1 5', 'HSET risk:eu used 3', 'EXEC']) client.run(line);
    regions.connect(EAST).run('SET plan:1 not-audited');
    regions.sync();
    const records = seen(expectEqual(regions));
    expect(records.map(({ region, key, new: value }) => [region, key, value])).toMatchObject([
      [ASIA, 'position:1', { value: '100' }],
      [WEST, 'position:1', { value: '105' }],
      [WEST, 'risk:eu', { type: 'hash' }],
    ]);
    expect(records[0]?.address).toBe('127.0.0.1:1');
    expect(linesAt(regions, EAST, 'eu-west-1/region')).toEqual([]);
  });

  test('goes on after leaders changed and members were killed, each record once', () => {
    const regions = new StrongRegions({ audit: true });
    for (const victim of [EAST, WEST, ASIA, EAST]) {
      regions.connect(victim === WEST ? ASIA : WEST).run('INCR position:1');
      regions.cluster.kill(regions.node(victim));
      regions.connect(victim === WEST ? EAST : WEST).run('INCR position:1');
      regions.cluster.restart(regions.node(victim));
      regions.led();
    }
    regions.sync();
    const values = seen(expectEqual(regions)).map(({ new: value }) => (value as { value: string }).value);
    expect(values).toEqual(values.map((_, at) => String(at + 1)));
    expect(values).toHaveLength(8);
  });

  test('loses nothing to a kill between two batches: the records are made again from the log', () => {
    const regions = new StrongRegions({ audit: true });
    const client = regions.connect(EAST);
    regions.sync();
    // the first write after a while goes to disk with its state at once, those after it within three seconds
    client.run('INCR position:1');
    for (let waits = 0; waits < 100 && onDisk(regions, EAST) === 0; waits++) regions.cluster.run(50);
    const before = onDisk(regions, EAST);
    expect(before).toBe(1);
    for (let at = 0; at < 3; at++) client.run('INCR position:1');
    const made = linesAt(regions, EAST);
    expect(made).toHaveLength(4);
    expect(onDisk(regions, EAST)).toBe(before);
    regions.restart(EAST);
    regions.led();
    regions.sync();
    expect(expectEqual(regions)).toEqual(made);
    for (let waits = 0; waits < 100 && onDisk(regions, EAST) < 4; waits++) regions.cluster.run(50);
    expect(onDisk(regions, EAST)).toBe(4);
  });

  test('is in memory no longer than until it is on disk', () => {
    const regions = new StrongRegions({ audit: true });
    const client = regions.connect(EAST);
    for (let at = 0; at < 3; at++) client.run('INCR position:1');
    regions.sync();
    expect(linesAt(regions, EAST)).toHaveLength(3);
    regions.node(EAST).disk.quorum = new MemoryQuorumStore();
    expect(linesAt(regions, EAST)).toEqual([]);
  });

  test('of a node without a disk is bounded: the newest records stay', () => {
    const node = aloneWithoutDisk();
    const value = 'v'.repeat(300);
    const keys = Array.from({ length: 2_000 }, (_, key) => [`position:${key}`, value]).flat();
    for (let at = 0; at < 12; at++) node.write(['MSET', ...keys]);
    const page = node.core.strong.audit(GROUP, 0, 1);
    expect(page?.head.count).toBe(24_000);
    const [oldest] = seen(latin1Lines(page));
    expect(oldest?.record).toBeGreaterThan(2_000);
    const newest = node.core.strong.audit(GROUP, page?.head.index ?? 0, 1);
    expect(seen(latin1Lines(newest)).at(-1)?.record).toBe(24_000);
  });

  test('is on disk before the log is without the entries that made it', () => {
    const regions = new StrongRegions({ audit: true, raftLimits: { slackBytesMax: 1 } });
    const client = regions.connect(EAST);
    for (let round = 0; round < 4; round++) {
      for (let at = 0; at < 5; at++) client.run('INCR position:1');
      regions.cluster.run(1_200);
      for (const region of REGIONS) {
        const image = regions.node(region).disk.quorum.load(GROUP);
        const first = image.log[0]?.index ?? (image.snapshot?.index ?? 0) + 1;
        const stored = [...regions.node(region).disk.quorum.audit(GROUP, 0)].map(([index]) => index);
        const gone = seen(linesAt(regions, EAST))
          .map(({ index }) => index)
          .filter((index) => index < first);
        expect(stored).toEqual(expect.arrayContaining(gone));
        if (round > 0) expect(gone.length).toBeGreaterThan(0);
      }
    }
  });

  test("begins at a member that got a snapshot where that ends; its head is the chain's, and others have what it lacks", () => {
    const regions = new StrongRegions({ audit: true, raftLimits: { slackBytesMax: 1 } });
    const client = regions.connect(EAST);
    client.run('INCR position:1');
    regions.sync();
    regions.isolate(ASIA);
    for (let at = 0; at < 3; at++) {
      for (let each = 0; each < 4; each++) client.run('INCR position:1');
      regions.cluster.run(1_500);
    }
    regions.sync();
    client.run('INCR position:1');
    regions.sync();
    const all = expectWhole(regions, EAST);
    expect(expectWhole(regions, WEST)).toEqual(all);
    const late = linesAt(regions, ASIA);
    expect([all.length, late.length]).toEqual([14, 2]);
    expect(late).toEqual([all[0], all[13]]);
    expect(regions.node(ASIA).core.strong.audit(GROUP, 0, 0)?.head).toEqual(
      regions.node(EAST).core.strong.audit(GROUP, 0, 0)?.head,
    );
    // and it goes on from there after a restart
    regions.restart(ASIA);
    client.run('INCR position:1');
    regions.sync();
    expect(linesAt(regions, ASIA)).toEqual([...late, linesAt(regions, EAST).at(-1)]);
  });

  test('of a member that a snapshot overtakes: what it made before and has not on disk goes there with the snapshot', () => {
    const regions = new StrongRegions({ audit: true, raftLimits: { slackBytesMax: 1 } });
    const late = regions.node(ASIA);
    const client = regions.connect(EAST);
    client.run('INCR position:1');
    expect(regions.cluster.runUntil(() => onDisk(regions, ASIA) === 1)).toBe(true);
    const made = (): number => seen(linesAt(regions, ASIA)).length;
    client.run('INCR position:1');
    expect(regions.cluster.runUntil(() => made() === 2)).toBe(true);
    // its disk is busy with this state until the snapshot is there
    late.slowDiskMs = 2_000;
    const isStoring = (): boolean =>
      late.quorumInFlight.some(({ groups }) => groups.some(({ state }) => state !== null));
    expect(regions.cluster.runUntil(isStoring)).toBe(true);
    late.slowDiskMs = 0;
    for (let at = 0; at < 2; at++) client.run('INCR position:1');
    expect(regions.cluster.runUntil(() => made() === 4, 500)).toBe(true);
    regions.isolate(ASIA);
    for (let at = 0; at < 5; at++) {
      client.run('INCR position:1');
      regions.cluster.run(1_200);
    }
    expect(onDisk(regions, ASIA)).toBe(1);
    regions.cluster.healAll();
    const hasSnapshot = (): boolean =>
      (late.disk.quorum.load(GROUP).snapshot?.index ?? 0) > (seen(linesAt(regions, EAST))[5]?.index ?? 0);
    expect(regions.cluster.runUntil(hasSnapshot, 20_000)).toBe(true);
    const indexes = seen(linesAt(regions, EAST)).map(({ index }) => index);
    expect([...late.disk.quorum.audit(GROUP, 0)].map(([index]) => index)).toEqual(indexes.slice(0, 4));
    client.run('INCR position:1');
    regions.sync();
    expect(linesAt(regions, ASIA)).toEqual([...linesAt(regions, EAST).slice(0, 4), ...linesAt(regions, EAST).slice(9)]);
  });
});

describe('CW.AUDIT', () => {
  test('gives pages of records, the head alone, and says what it does not know', () => {
    const regions = new StrongRegions({ audit: true });
    const client = regions.connect(WEST);
    for (let at = 0; at < 5; at++) client.run('INCR position:1');
    regions.sync();
    const head = regions.node(WEST).core.strong.audit(GROUP, 0, 0)?.head;
    const said = client.run(`CW.AUDIT ${GROUP} 0 0`);
    expect(said).toContain(`:${head?.count}`);
    expect(said).toContain(head?.hash);
    expect(client.run(`CW.AUDIT ${GROUP} 0 2`)).toMatch(/"record\\?":2/);
    expect(client.run(`CW.AUDIT ${GROUP} 0 2`)).not.toMatch(/"record\\?":3/);
    expect(client.run(`CW.AUDIT ${GROUP}`)).toMatch(/"record\\?":5/);
    expect(client.run('CW.AUDIT nowhere/zone')).toContain('there is no group nowhere/zone here');
    expect(client.run(`CW.AUDIT ${GROUP} 0 10001`)).toMatch(/ERR/);
    expect(client.run(`CW.AUDIT ${GROUP} 0 1 1`)).toMatch(/syntax/);
    expect(client.run('COMMAND INFO CW.AUDIT')).toContain('admin');
  });
});

describe('records that are not on disk', () => {
  test('stay until they are, then go; the newest stay where there is no disk', () => {
    const rig = new GroupRig();
    for (let at = 1; at <= 10; at++) rig.do(`SET a ${at}`);
    const { lines } = rig;
    rig.state.audit.stored(4);
    expect(linesOf(rig.state)).toEqual(lines.slice(4));
    const bytes = (lines[0] ?? '').length;
    rig.state.audit.keepLast(bytes * 20);
    expect(linesOf(rig.state)).toEqual(lines.slice(4));
    rig.state.audit.keepLast(bytes * 4.5);
    expect(linesOf(rig.state)).toEqual(lines.slice(8));
    expect(auditPage(rig.state.audit, [], 0, 100)).toMatchObject({ head: { count: 10 }, next: 0 });
  });

  test('come in pages after those on disk, which end with an entry that reaches the count or the bytes', () => {
    const rig = new GroupRig().do('SET a 1').do('SET a 2').do('MSET a 3 b 3 c 3').do('SET a 4');
    const kept = rig.state.audit.kept(0);
    const stored = kept.slice(0, 2);
    const page = (from: number, count: number) => {
      const { records, next } = auditPage(
        rig.state.audit,
        stored.filter(([index]) => index >= from),
        from,
        count,
      );
      return [records.map(([index]) => index), next];
    };
    expect(page(0, 100)).toEqual([[1, 2, 3, 4], 0]);
    expect(page(0, 1)).toEqual([[1], 2]);
    expect(page(0, 3)).toEqual([[1, 2, 3], 4]);
    expect(page(2, 2)).toEqual([[2, 3], 4]);
    expect(page(4, 1)).toEqual([[4], 0]);
    expect(page(5, 1)).toEqual([[], 0]);
    const long = new GroupRig();
    for (let at = 0; at < 3; at++)
      long.run([['MSET', ...Array.from({ length: 1_500 }, (_, key) => [`k${key}`, 'v'.repeat(300)]).flat()]]);
    expect(auditPage(long.state.audit, [], 0, 10_000)).toMatchObject({ records: { length: 1 }, next: 2 });
  });
});
