import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { nodeNumber, originOf } from '../../src/clock/origin.ts';
import { stampOfMs } from '../../src/clock/stamp.ts';
import { CommandIndex } from '../../src/commands/command-index.ts';
import { commandTable } from '../../src/commands/table.ts';
import type { GroupEntry } from '../../src/groups/group-entry.ts';
import { plainSha256 } from '../../src/groups/audit-text.ts';
import { GroupIntake } from '../../src/groups/group-intake.ts';
import { groupOrigin } from '../../src/groups/group-plan.ts';
import { GroupSnapshot } from '../../src/groups/group-snapshot.ts';
import { GroupState } from '../../src/groups/group-state.ts';
import { groupCodec } from '../../src/wire/group-codec.ts';
import { keptReplies } from '../../src/wire/resp/kept-reply.ts';
import { runOptions } from '../support/fast-check-runs.ts';
import { latin1Range } from '../../src/base/bytes.ts';
import { imageBytes } from '../support/group-images.ts';
import { stateOnDisk } from '../support/strong-disks.ts';
import { StrongRegions } from '../support/strong-regions.ts';
import { ASIA, EAST, WEST } from '../support/virtual-regions.ts';

const GROUP = 'us-east-1/region';
const START_MS = 1_800_000_000_000;
const COMMANDS = new CommandIndex(commandTable);
const CLIENT = originOf(nodeNumber(64), 1);

const newState = (): GroupState =>
  new GroupState({
    name: GROUP,
    origin: groupOrigin(1, 'region'),
    commands: COMMANDS,
    newReply: keptReplies(),
    sha256: plainSha256,
    isStored: true,
  });

/** One command, under an id of its client where it has one; the node has been answered all but the last few. */
function entryOf(line: string, index: number, id: number | null): GroupEntry {
  return {
    kind: 'commands',
    stamp: stampOfMs(START_MS + index),
    seed: index,
    request: { origin: CLIENT, serial: index, floor: Math.max(0, index - 4) },
    once: id === null ? null : { id: `order ${id}`, issuedMs: START_MS },
    deps: [],
    watches: [],
    commands: [line.split(' ').map((word) => latin1Range(word))],
    isExec: false,
    respVersion: 3,
    requester: { user: 'default', address: '', region: '' },
  };
}

const META = { index: 1, term: 1, config: { voters: [1], learners: [] }, configIndex: 0 };
const key = fc.integer({ min: 0, max: 30 }).map((at) => `k${at}`);
const line = fc.oneof(
  fc.tuple(key, fc.integer({ min: 0, max: 99 })).map(([k, n]) => `SET ${k} ${'v'.repeat(n)}`),
  key.map((k) => `DEL ${k}`),
  fc.tuple(key, key).map(([k, l]) => `COPY ${k} ${l} REPLACE`),
  key.map((k) => `SET ${k} v PX 3`),
);
interface Written {
  readonly line: string;
  readonly id: number | null;
  readonly reads: number;
}

const step: fc.Arbitrary<Written> = fc.record({
  line,
  id: fc.option(fc.integer({ min: 0, max: 200 }), { nil: null }),
  reads: fc.nat({ max: 2 }),
});

describe('a snapshot of a group', () => {
  test('that is made and taken in bit by bit while the log goes on is the state at its index', () => {
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 60, size: 'max' }),
        fc.array(step, { maxLength: 60, size: 'max' }),
        fc.integer({ min: 1, max: 700 }),
        (before, after, chunkBytes) => {
          const state = newState();
          let index = 0;
          const apply = (each: { line: string; id: number | null }): void => {
            index += 1;
            state.apply(index, entryOf(each.line, index, each.id));
          };
          for (const each of before) apply(each);
          const atCut = imageBytes(state);
          const cutAt = index;
          const snapshot = new GroupSnapshot({ ...META, index }, state.openCut(), groupCodec);
          const copy = newState();
          const intake = new GroupIntake(index, groupCodec, copy);
          const aside: { keys: number; rows: number } = { keys: 0, rows: 0 };
          let isLast = false;
          const read = (): void => {
            if (isLast) return;
            const piece = snapshot.next(chunkBytes);
            expect(piece.bytes.length).toBeLessThanOrEqual(chunkBytes);
            ({ isLast } = piece);
            const { begins, entries, rows } = intake.take(piece.bytes);
            expect(begins).toBe(aside.keys + aside.rows === 0 && !begun);
            begun = true;
            aside.keys += entries.length;
            aside.rows += rows.length;
          };
          let begun = false;
          for (const each of after) {
            apply(each);
            for (let reads = each.reads; reads > 0; reads--) read();
          }
          while (!isLast) read();
          snapshot.close();
          expect(intake.meta.applied).toBe(cutAt);
          expect(imageBytes(intake.state).equals(atCut)).toBe(true);
          // it is on disk already
          const dirty = copy.takeDirty();
          expect([dirty.entries, dirty.requests]).toEqual([[], []]);
          // and goes on as one that read the log
          for (const [at, each] of after.entries())
            copy.apply(cutAt + at + 1, entryOf(each.line, cutAt + at + 1, each.id));
          expect(imageBytes(copy).equals(imageBytes(state))).toBe(true);
        },
      ),
      runOptions(150, 60_000) as fc.Parameters<[Written[], Written[], number]>,
    );
  }, 120_000);

  test('what is none is refused: of another index, out of order, cut short', () => {
    const state = newState();
    state.apply(1, entryOf('SET k v', 1, 1));
    const bytesAt = (index: number): Uint8Array =>
      new GroupSnapshot({ ...META, index }, state.openCut(), groupCodec).next(1e6).bytes;
    const refused = expect.objectContaining({ code: 'PROTOCOL' }) as Error;
    expect(() => new GroupIntake(2, groupCodec, newState()).take(bytesAt(1))).toThrow(refused);
    const intake = new GroupIntake(1, groupCodec, newState());
    intake.take(bytesAt(1).subarray(0, -1));
    expect(() => intake.meta).toThrow(refused);
    intake.take(bytesAt(1).subarray(-1));
    expect(intake.meta.applied).toBe(1);
    expect(() => intake.take(bytesAt(1))).toThrow(refused);
    const metaBytes = new DataView(bytesAt(1).buffer).getUint32(0) + 4;
    expect(() => new GroupIntake(1, groupCodec, newState()).take(bytesAt(1).subarray(metaBytes))).toThrow(refused);
  });

  test.each([1, 2, 3, 4, 5])(
    'of which a member has %i parts when it is killed counts for nothing, and it gets another one',
    (parts) => {
      const raftLimits = { slackBytesMax: 1, snapshotChunkBytes: 400, snapshotTurnBytes: 400 };
      const regions = new StrongRegions({ raftLimits });
      const { cluster } = regions;
      const wall = regions.node(ASIA).now().wallMs;
      const west = regions.connect(WEST);
      west.run('SET position:0 before');
      regions.sync();
      cluster.run(2_000);
      regions.isolate(ASIA);
      for (let at = 0; at < 60; at++) west.run(`CW.ONCE order-${at} ${wall} SET position:${at} ${'v'.repeat(50)}`);
      cluster.run(5_000);
      cluster.healAll();
      const asia = regions.node(ASIA);
      const appliedAt = (region: string): number =>
        regions
          .node(region)
          .core.strong.groups()
          .find(({ name }) => name === GROUP)?.applied ?? 0;
      const before = appliedAt(ASIA);
      const seen = new Set<unknown>();
      const hasParts = (): boolean => {
        for (const batch of asia.quorumInFlight) if (batch.groups.some(({ aside }) => aside !== null)) seen.add(batch);
        return seen.size >= parts;
      };
      expect(cluster.runUntil(hasParts, 20_000)).toBe(true);
      cluster.kill(asia, { keepBatch: parts % 2 === 0 });
      cluster.restart(asia);
      expect(appliedAt(ASIA)).toBe(before);
      expect(asia.get('position:1')).toBe(null);
      const target = appliedAt(EAST);
      expect(cluster.runUntil(() => appliedAt(ASIA) >= target, 20_000)).toBe(true);
      regions.sync();
      cluster.run(2_000);
      const states = [EAST, ASIA].map((region) => stateOnDisk(regions.node(region), GROUP));
      expect(states[1]?.bytes.equals(states[0]?.bytes ?? Buffer.alloc(0))).toBe(true);
      expect(asia.get('position:59')).toBe('v'.repeat(50));
    },
  );

  test.each([0, 1, 2, 4, 60])(
    'of many keys is shown at once, and is all there when its member is killed %i ms later',
    (afterMs) => {
      const regions = new StrongRegions({ raftLimits: { slackBytesMax: 1 } });
      const { cluster } = regions;
      const west = regions.connect(WEST);
      const asia = regions.node(ASIA);
      regions.isolate(ASIA);
      const many = (from: number): string =>
        Array.from({ length: 500 }, (_, at) => `position:${from + at} v`).join(' ');
      for (let from = 0; from < 6_000; from += 500) expect(west.run(`MSET ${many(from)}`)).toBe('+OK');
      cluster.run(5_000);
      cluster.healAll();
      const statusAt = (region: string): { readonly applied: number; readonly visible: number } =>
        regions
          .node(region)
          .core.strong.groups()
          .find(({ name }) => name === GROUP) ?? { applied: 0, visible: 0 };
      const target = statusAt(EAST).applied;
      expect(cluster.runUntil(() => statusAt(ASIA).visible >= target, 20_000)).toBe(true);
      expect(asia.get('position:5999')).toBe('v');
      cluster.run(afterMs);
      cluster.kill(asia, { keepBatch: afterMs % 2 === 0 });
      cluster.restart(asia);
      expect(cluster.runUntil(() => asia.isWritable, 20_000)).toBe(true);
      expect(statusAt(ASIA).visible).toBeGreaterThanOrEqual(target);
      for (let at = 0; at < 6_000; at += 1) expect(asia.get(`position:${at}`)).toBe('v');
      regions.sync();
      expect(regions.connect(ASIA).run('DBSIZE')).toBe(regions.connect(EAST).run('DBSIZE'));
    },
    60_000,
  );
});
