import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { latin1Range } from '../../src/base/bytes.ts';
import { columnsOf } from '../../src/causal/columns.ts';
import { ColumnsReader } from '../../src/causal/columns-reader.ts';
import { nodeNumber, originOf } from '../../src/clock/origin.ts';
import { stampOfMs } from '../../src/clock/stamp.ts';
import { VersionVector } from '../../src/clock/version-vector.ts';
import { CommandIndex } from '../../src/commands/command-index.ts';
import { commandTable } from '../../src/commands/table.ts';
import { Update } from '../../src/crdt/update.ts';
import { plainSha256 } from '../../src/groups/audit-text.ts';
import type { GroupEntry } from '../../src/groups/group-entry.ts';
import { groupOrigin } from '../../src/groups/group-plan.ts';
import { GroupState } from '../../src/groups/group-state.ts';
import { SlabKeyspace } from '../../src/keyspace/slab-keyspace.ts';
import { keptReplies } from '../../src/wire/resp/kept-reply.ts';
import { runOptions } from '../support/fast-check-runs.ts';
import { stagedFor } from '../support/staged.ts';

const ORIGIN = groupOrigin(1, 'region');
const COMMANDS = new CommandIndex(commandTable);

/** A group's log, applied by its state machine as the test says, and its transactions. */
class Log {
  readonly state: GroupState = new GroupState({
    name: 'us-east-1/region',
    origin: ORIGIN,
    commands: COMMANDS,
    newReply: keptReplies(),
    sha256: plainSha256,
    isStored: false,
  });
  readonly shown: ((keyspace: SlabKeyspace) => void)[] = [];

  apply(line: string): void {
    const index = this.state.applied + 1;
    const entry: GroupEntry = {
      kind: 'commands',
      stamp: stampOfMs(1_800_000_000_000 + index),
      seed: index,
      request: { origin: originOf(nodeNumber(64), 1), serial: index, floor: index },
      once: null,
      deps: [],
      watches: [],
      commands: [line.split(' ').map((word) => latin1Range(word))],
      isExec: false,
      respVersion: 3,
      requester: { user: '', address: '', region: '' },
    };
    this.state.apply(index, entry);
    const bytes = this.state.takeChunk()?.bytes;
    const { stamp } = this.state;
    this.shown.push((keyspace) => {
      if (bytes === undefined) return;
      const deps = new VersionVector([[ORIGIN, index]]);
      const context = { origin: ORIGIN, seq: index, stamp, deps };
      new ColumnsReader(columnsOf(bytes)).next(new Update(), (update) => keyspace.apply(update, context));
      keyspace.forgetStable(deps, new VersionVector(), 10);
    });
  }
}

function newKeyspace(): SlabKeyspace {
  const keyspace = new SlabKeyspace();
  keyspace.collectsDirty = true;
  keyspace.kinds.isPinned = (key) => key.toLatin1().startsWith('k');
  return keyspace;
}

const shownOf = (keyspace: SlabKeyspace, key: string): string =>
  JSON.stringify(keyspace.entryOf(latin1Range(key))?.toState() ?? null);

const KEYS = Array.from({ length: 12 }, (_, at) => `k${at}`);
const key = fc.constantFrom(...KEYS);
const line = fc.oneof(
  fc.tuple(key, fc.nat({ max: 9 })).map(([k, n]) => `SET ${k} ${n}`),
  fc.tuple(key, fc.nat({ max: 9 })).map(([k, n]) => `SADD ${k} ${n}`),
  fc.tuple(key, fc.nat({ max: 9 })).map(([k, n]) => `INCRBY ${k} ${n}`),
  key.map((k) => `DEL ${k}`),
  fc.tuple(key, key).map(([k, l]) => `RENAME ${k} ${l}`),
);
const step = fc.oneof(
  { weight: 4, arbitrary: line.map((text) => ({ does: 'apply', text })) },
  { weight: 4, arbitrary: fc.constant({ does: 'show', text: '' }) },
  { weight: 2, arbitrary: key.map((text) => ({ does: 'look', text })) },
  { weight: 2, arbitrary: fc.constantFrom('1', '3').map((text) => ({ does: 'advance', text })) },
  { weight: 1, arbitrary: fc.constant({ does: 'all', text: '' }) },
);

describe('a state that takes the place of what a keyspace has of it', () => {
  test('key by key, while both go on, shows at each moment what it would show at once', () => {
    fc.assert(
      fc.property(
        fc.array(line, { maxLength: 25, size: 'max' }),
        fc.array(line, { maxLength: 25, size: 'max' }),
        fc.array(step, { maxLength: 40, size: 'max' }),
        (early, missed, steps) => {
          const log = new Log();
          const [atOnce, later] = [newKeyspace(), newKeyspace()];
          for (const text of early) log.apply(text);
          for (const show of log.shown) for (const keyspace of [atOnce, later]) show(keyspace);
          const local = new VersionVector([[ORIGIN, log.state.applied]]);
          for (const text of missed) log.apply(text);
          const sides = { local, remote: new VersionVector([[ORIGIN, log.state.applied]]) };
          let shown = log.state.applied;
          const source = log.state.keyspace;
          const entries = Array.from({ length: source.slotCount }, (_, slot) => source.stateAt(slot));
          const whole = new Map(entries.filter((entry) => entry !== null));
          atOnce.mergeSnapshot(stagedFor(atOnce, whole), null, sides);
          atOnce.pending.settleAll();
          later.mergeLater(ORIGIN, source, sides);
          for (const { does, text } of steps) {
            if (does === 'apply') log.apply(text);
            if (does === 'show' && shown < log.shown.length) {
              for (const keyspace of [atOnce, later]) log.shown[shown]?.(keyspace);
              shown++;
            }
            if (does === 'look') expect(shownOf(later, text)).toBe(shownOf(atOnce, text));
            if (does === 'advance') later.pending.advance(Number(text));
            if (does === 'all') expect(later.digest(0)).toBe(atOnce.digest(0));
          }
          expect(later.pending.before.get(ORIGIN) ?? early.length).toBe(early.length);
          while (later.pending.isOpen) later.pending.advance(2);
          for (const name of KEYS) expect(shownOf(later, name)).toBe(shownOf(atOnce, name));
          expect([later.count, later.digest(0)]).toEqual([atOnce.count, atOnce.digest(0)]);
          const stored = [atOnce, later].map((keyspace) => new Map(keyspace.takeDirty().entries));
          for (const [name, state] of stored[0] ?? []) expect(stored[1]?.get(name)).toEqual(state);
        },
      ),
      runOptions(400, 60_000) as fc.Parameters<[string[], string[], { does: string; text: string }[]]>,
    );
  }, 120_000);
});
