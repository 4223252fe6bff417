import { describe, expect, it } from 'vitest';
import { ByteRange } from '../../src/base/bytes.ts';
import { nodeNumber, originOf } from '../../src/clock/origin.ts';
import { GROUP_LIMITS, MEMBERS_TIMING } from '../../src/groups/limits.ts';
import { MembersGroup } from '../../src/groups/members-group.ts';
import type { MembersEntry } from '../../src/groups/members-state.ts';
import type { LeaderAnswer } from '../../src/groups/strong-frames.ts';
import { groupCodec } from '../../src/wire/group-codec.ts';
import { membersCodec } from '../../src/wire/members-codec.ts';
import type { VirtualNode } from '../support/virtual-cluster.ts';
import { VirtualRegions } from '../support/virtual-regions.ts';
import { Agreeing, agreementOf, changeAt, REQUESTER, stateAt } from './agreeing.ts';

describe('the members’ group at its nodes', () => {
  it('is seen as the other groups are, by who leads it best', () => {
    const run = new Agreeing();
    const { cluster } = run;
    const isBehind = (node: VirtualNode): boolean => node.core.strong.membersGroup()?.applied === 0;
    expect(cluster.runUntil(() => !cluster.nodes.some(isBehind))).toBe(true);
    const seen = cluster.nodes.map((node) => node.core.strong.membersGroup());
    const leaders = seen.filter((status) => status?.role === 'leader');
    expect(leaders).toHaveLength(1);
    const [leader] = leaders;
    expect(leader).toMatchObject({ name: 'members', home: null, survive: null, leaderlessMs: 0, ageMs: null });
    expect(new Set(seen.map((status) => status?.leader))).toEqual(new Set([leader?.leader]));
    expect(leader?.members.map(({ id, isVoter }) => [id, isVoter])).toEqual([
      ['a/a', true],
      ['b/a', true],
      ['c/a', true],
      ['d/a', false],
    ]);
    expect(leader?.members.filter(({ matched }) => matched === null)).toHaveLength(1);
    expect(leader?.visible).toBe(leader?.applied);
    // who is left alone knows no leader after a while, and since when
    const [alone, ...others] = cluster.nodes as [VirtualNode, ...VirtualNode[]];
    for (const other of others) cluster.kill(other);
    cluster.run(20_000);
    expect(alone.core.strong.membersGroup()).toMatchObject({ leader: null });
    expect(alone.core.strong.membersGroup()?.leaderlessMs).toBeGreaterThan(5_000);
    expect(new VirtualRegions().node('us-east-1').core.strong.membersGroup()).toBeNull();
  });

  it('what was decided is on disk: a cluster that is started again has it, and goes on from there', () => {
    const run = new Agreeing();
    const { cluster } = run;
    const [lost, b, c, d] = cluster.nodes as [VirtualNode, VirtualNode, VirtualNode, VirtualNode];
    const kept = [b, c, d];
    cluster.kill(lost);
    expect(run.begin(b, 'remove', [lost])).toBeNull();
    expect(run.agreesAt(1, kept)).toBe(true);
    // enough entries for the state to be written behind, too
    cluster.kill(d);
    for (let at = 0; at < 40; at++) {
      expect(run.begin(b, 'remove', [d])).toBeNull();
      expect(cluster.runUntil(() => changeAt(c) !== null)).toBe(true);
      expect(run.takeBack(c)).toBeNull();
      expect(cluster.runUntil(() => changeAt(b) === null && changeAt(c) === null)).toBe(true);
    }
    cluster.restart(d);
    const isOut = (): boolean => kept.every((node) => !agreementOf(node).status().voters.includes(lost.id));
    expect(cluster.runUntil(() => cluster.areReady() && isOut() && changeAt(d) === null, 30_000)).toBe(true);
    // on disk, too
    cluster.run(1_000);
    const stored = kept.map((node) => node.disk.quorum.load('members').snapshot?.index ?? 0);
    expect(Math.max(...stored)).toBeGreaterThan(60);
    for (const node of kept) cluster.kill(node);
    for (const node of kept) cluster.restart(node);
    expect(isOut()).toBe(true);
    expect(run.begin(c, 'remove', [d], 0)).toContain('epoch 0 was expected, it is 1');
    expect(kept.map((node) => stateAt(node, lost))).toEqual(['removed', 'removed', 'removed']);
  });

  it('a member with an empty disk learns the whole state from a snapshot or the log, once another leads', () => {
    const run = new Agreeing();
    const { cluster } = run;
    const [lost, b, c, d] = cluster.nodes as [VirtualNode, VirtualNode, VirtualNode, VirtualNode];
    cluster.kill(lost);
    expect(run.begin(b, 'remove', [lost])).toBeNull();
    expect(run.agreesAt(1, [b, c, d])).toBe(true);
    cluster.run(3_000);
    cluster.kill(d);
    cluster.restart(d, { emptyDisk: true });
    cluster.run(1_000);
    const { leader } = run;
    cluster.kill(leader);
    cluster.restart(leader);
    expect(cluster.runUntil(() => cluster.areReady() && cluster.areEqual(), 60_000)).toBe(true);
    expect([b, c, d].map((node) => stateAt(node, lost))).toEqual(['removed', 'removed', 'removed']);
    cluster.kill(c);
    // it takes part as before
    expect(cluster.runUntil(() => agreementOf(d).status().voters.length === 3, 30_000)).toBe(true);
    expect(run.begin(d, 'remove', [c])).toBeNull();
    expect(run.agreesAt(2, [b, d], 60_000)).toBe(true);
  });

  it('a node reports for itself only, and a change is answered where it is decided', () => {
    const answers: LeaderAnswer[] = [];
    const self = nodeNumber(64);
    const nodes = [{ nodeNumber: self, region: 'a' }];
    const group = new MembersGroup(
      {
        self,
        nodes,
        codec: membersCodec,
        snapshotMetas: groupCodec,
        timing: MEMBERS_TIMING,
        limits: GROUP_LIMITS,
        image: null,
      },
      {
        isRemoved: () => false,
        send: () => {},
        answer: (_to, _serial, answer) => answers.push(answer),
        random: () => 0,
      },
    );
    let nowMs = 0;
    const pass = (): void => {
      group.tick({ wallMs: 0, monotonicMs: (nowMs += 500) });
      while (group.turn());
    };
    const ask = (from: number, entry: MembersEntry): LeaderAnswer | undefined => {
      const frame = {
        type: 'strong-request',
        group: 'members',
        kind: 'write',
        request: { origin: originOf(self, 1), serial: 1, floor: 1 },
        once: null,
        commands: [[new ByteRange(membersCodec.encodeEntry(entry))]],
        keys: [],
        isExec: false,
        watches: [],
        respVersion: 2,
        deps: [],
        requester: REQUESTER,
        timeoutMs: 1_000,
      } as const;
      group.request(from, frame, { wallMs: 0, monotonicMs: nowMs });
      pass();
      return answers.pop();
    };
    const report = { kind: 'report', operation: 1, step: 'fence', node: self, has: [], incarnations: [] } as const;
    expect(ask(64, report)).toEqual({ kind: 'refused' });
    for (let at = 0; at < 20 && group.raft.role !== 'leader'; at++) pass();
    expect(ask(128, report)).toEqual({ kind: 'failed', code: 'ERR', message: 'a node reports for itself only' });
    expect(ask(64, report)).toMatchObject({ kind: 'failed', message: 'that step is over' });
    const known = { epoch: 0, removals: [], joins: [] };
    const begin = { kind: 'begin', change: 'join', nodes: [self], topology: [self], expectedEpoch: 0, known } as const;
    expect(ask(64, begin)).toMatchObject({ kind: 'failed', message: 'a node is a member already' });
    expect(ask(64, { ...begin, change: 'remove' })).toMatchObject({ kind: 'failed' });
    expect(() => membersCodec.decodeEntry(new Uint8Array([0x91, 9]))).toThrow('no entry 9');
  });
});
