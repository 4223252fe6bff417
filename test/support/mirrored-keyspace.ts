import { expect } from 'vitest';
import { latin1Range, type ByteRange } from '../../src/base/bytes.ts';
import type { Origin } from '../../src/clock/origin.ts';
import type { VersionVector } from '../../src/clock/version-vector.ts';
import type { EntryState } from '../../src/crdt/entry.ts';
import type { RunState } from '../../src/crdt/increments.ts';
import type { FlushMark } from '../../src/crdt/string-content.ts';
import type { Update, UpdateContext } from '../../src/crdt/update.ts';
import type { MergeSides } from '../../src/crdt/writes.ts';
import type { ConflictHost, ConflictRecord } from '../../src/keyspace/conflict-log.ts';
import type { DirtyCut } from '../../src/keyspace/dirty-keys.ts';
import { SlabKeyspace } from '../../src/keyspace/slab-keyspace.ts';
import type { SnapshotEntry } from '../../src/keyspace/snapshot-cursor.ts';
import { KeyVersions } from '../../src/keyspace/versions.ts';
import { MapKeyspace } from './map-keyspace/map-keyspace.ts';

/** Which keys are of which kind, by their names. */
export interface KindsByName {
  readonly isWeak?: (key: string) => boolean;
  readonly isPinned?: (key: string) => boolean;
  readonly keepsSiblings?: (key: string) => boolean;
}

/** What a keyspace shows and keeps, in an order that does not depend on its slots. */
interface Picture {
  readonly states: [key: string, state: EntryState][];
  readonly shown: string[];
  readonly scanned: string[];
  /** By each first byte, in the order in which they are visited. */
  readonly ordered: string[];
  readonly figures: Record<string, unknown>;
}

/**
 * A slab keyspace beside the plain one on a Map: whatever changes the one changes the other, and each step must answer, tell and note the
 * same. `compare` looks at all that they hold.
 */
export class MirroredKeyspace extends SlabKeyspace {
  readonly twin: MapKeyspace = new MapKeyspace();
  readonly #told: { mine: string[]; theirs: string[] } = { mine: [], theirs: [] };

  constructor({ isWeak, isPinned, keepsSiblings }: KindsByName = {}, host?: ConflictHost) {
    super([0x0123_4567, 0x89ab_cdef]);
    if (isWeak !== undefined) {
      this.twin.isWeak = isWeak;
      this.kinds.isWeak = (key) => isWeak(key.toLatin1());
    }
    if (isPinned !== undefined) {
      this.twin.isPinned = isPinned;
      this.kinds.isPinned = (key) => isPinned(key.toLatin1());
    }
    if (keepsSiblings !== undefined) {
      this.twin.keepsSiblings = keepsSiblings;
      this.kinds.keepsSiblings = (key) => keepsSiblings(key.toLatin1());
    }
    if (host !== undefined) {
      this.conflicts.host = host;
      this.twin.conflicts.host = host;
    }
    this.onChange = (key) => this.#told.mine.push(key?.toLatin1() ?? '(all)');
    this.twin.onChange = (key) => this.#told.theirs.push(key ?? '(all)');
  }

  override set collectsDirty(isCollecting: boolean) {
    super.collectsDirty = isCollecting;
    this.twin.collectsDirty = isCollecting;
  }

  override apply(update: Update, context: UpdateContext): boolean {
    const changed = super.apply(update, context);
    expect(changed, 'apply').toBe(this.twin.apply(update, context));
    this.#expectSameTold();
    return changed;
  }

  override applyWeak(update: Update): void {
    super.applyWeak(update);
    this.twin.applyWeak(update);
    this.#expectSameTold();
  }

  override expireDue(nowMs: number, budget: number, onExpired: (key: ByteRange) => void): void {
    const [mine, theirs]: [string[], string[]] = [[], []];
    // what forgets waits for changes of all keys, and the twin knows none
    this.pending.settleAll();
    super.expireDue(nowMs, budget, (key) => {
      mine.push(key.toLatin1());
      onExpired(key);
    });
    this.twin.expireDue(nowMs, budget, (key) => theirs.push(key));
    expect(mine.sort(), 'expired').toEqual(theirs.sort());
    this.#expectSameTold();
  }

  override purgeExpired(membersClockMs: number, budget: number): void {
    this.pending.settleAll();
    super.purgeExpired(membersClockMs, budget);
    this.twin.purgeExpired(membersClockMs, budget);
  }

  override forgetStable(vector: VersionVector, stable: VersionVector, budget: number): void {
    this.pending.settleAll();
    super.forgetStable(vector, stable, budget);
    this.twin.forgetStable(vector, stable, budget);
  }

  override mergeSnapshot(staged: SlabKeyspace, flush: FlushMark | null, sides: MergeSides): void {
    super.mergeSnapshot(staged, flush, sides);
    this.twin.mergeSnapshot(new Map(statesOf(staged)), flush, sides);
    this.#expectSameTold();
  }

  override restore(key: string, state: EntryState): void {
    super.restore(key, state);
    this.twin.restore(key, state);
  }

  override restoreFlush(flush: FlushMark | null): void {
    super.restoreFlush(flush);
    this.twin.restoreFlush(flush);
  }

  /** The twin is asked at once. What it noted as well, it may have noted where nothing changed; so may we, of a key in a slot that another one had. */
  override cutDirty(): DirtyCut {
    const mine = super.cutDirty();
    const theirs = this.twin.takeDirty();
    const inTwin = new Map<string, EntryState | null>();
    for (let slot = 0; slot < this.twin.slotCount; slot++) {
      const held = this.twin.stateAt(slot);
      if (held !== null) inTwin.set(...held);
    }
    for (const [key, state] of theirs.entries) inTwin.set(key, state);
    const found = new Map<string, EntryState | null>();
    return {
      clear: mine.clear,
      get isRead() {
        return mine.isRead;
      },
      next: (keys) => {
        const part = mine.next(keys);
        for (const [key, state] of part) {
          // one that went, came again and changed since is there twice
          if (found.has(key)) expect(found.get(key)).toBeNull();
          found.set(key, state);
        }
        if (mine.isRead)
          for (const [key, state] of found)
            expect([key, this.#folded(inTwin.get(key) ?? null)]).toEqual([key, this.#folded(state)]);
        // what the store is to drop with all else comes to it anew
        if (mine.isRead && mine.clear)
          for (const [key, state] of inTwin)
            if (state !== null) expect([key, this.#folded(found.get(key) ?? null)]).toEqual([key, this.#folded(state)]);
        return part;
      },
    };
  }

  #expectSameTold(): void {
    expect(this.#told.mine.sort(), 'told').toEqual(this.#told.theirs.sort());
    this.#told.mine.length = 0;
    this.#told.theirs.length = 0;
  }

  /** What a change of all keys that is on its way makes of a key shows as if all of it were made; says whether one is. */
  comparePending(key: string, nowMs: number): boolean {
    if (!this.pending.isOpen) return false;
    const range = latin1Range(key);
    const [mine, theirs] = [super.find(range, 0, nowMs), this.twin.find(range, 0, nowMs)];
    expect(mine >= 0, 'shown').toBe(theirs >= 0);
    const stateOf = (held: SnapshotEntry | null): EntryState | null => this.#folded(held?.[1] ?? null);
    if (mine >= 0) expect(stateOf(this.stateAt(mine))).toEqual(stateOf(this.twin.stateAt(theirs)));
    if (this.pending.isCounted) expect(this.count, 'count').toBe(this.twin.count);
    this.pending.advance(0.5);
    return true;
  }

  /** All that both hold, as it shows at a time. What waits to be forgotten is not compared: here it is slots, there names. */
  compare(nowMs: number): void {
    this.pending.settleAll();
    const folded = (state: EntryState): EntryState => this.#folded(state) as EntryState;
    expect(pictureOf(this, nowMs, folded)).toEqual(pictureOf(this.twin, nowMs, folded));
    const records = (of: MapKeyspace | SlabKeyspace): ConflictRecord[] => of.conflicts.latest(1_000, () => true);
    expect(records(this)).toEqual(records(this.twin));
  }

  /** A state with all folded that is stable: when increments are folded is not the twin's business, and what may be is. */
  #folded(state: EntryState | null): EntryState | null {
    const { stable } = this;
    const string = state?.[0] ?? null;
    if (state === null || stable === null || string === null || string.length === 2 || string[4] === null) return state;
    const [value, stamp, origin, seq, runs] = string;
    const ofOrigin = new Map<number, RunState>();
    const rest: RunState[] = [];
    for (const run of runs) {
      if (!stable.contains(run[0] as Origin, run[2])) {
        rest.push(run);
        continue;
      }
      const before = ofOrigin.get(run[0]);
      ofOrigin.set(run[0], before === undefined ? run : joinedRun(before, run));
    }
    const stableRuns = [...ofOrigin.values()].sort(([left], [right]) => left - right);
    return [[value, stamp, origin, seq, [...stableRuns, ...rest]], ...state.slice(1)] as EntryState;
  }

  /** The dots that reads of a key, or of all of them, show a session here and in the twin. */
  readDots(key: string | null, nowMs: number): { mine: Map<Origin, number>; theirs: Map<Origin, number> } {
    const dotsOf = (keyspace: MapKeyspace | SlabKeyspace): Map<Origin, number> => {
      const dots = new Map<Origin, number>();
      keyspace.recent.readFor({ raise: (origin, seq) => void dots.set(origin, Math.max(seq, dots.get(origin) ?? 0)) });
      if (key === null) keyspace.scan(0, 1, nowMs, () => {});
      else keyspace.find(latin1Range(key), 0, nowMs);
      keyspace.recent.readFor(null);
      return dots;
    };
    return { mine: dotsOf(this), theirs: dotsOf(this.twin) };
  }
}

/** The plain one knows of no string without opening it that it is one write. */
function versionsOf(keyspace: MapKeyspace | SlabKeyspace): KeyVersions {
  if (keyspace instanceof SlabKeyspace) return keyspace.versions;
  return new KeyVersions({
    flushMark: keyspace.flushMark,
    kinds: { isPinned: (key) => keyspace.isPinned(key.toLatin1()) },
    slotOf: (key) => keyspace.find(key, 0, -Infinity),
    registerAt: () => null,
    entryAt: (slot) => keyspace.entryAt(slot),
    siblingsAt: (slot) => keyspace.siblingsAt(slot),
  });
}

function statesOf(keyspace: MapKeyspace | SlabKeyspace): SnapshotEntry[] {
  const held: SnapshotEntry[] = [];
  for (let slot = 0; slot < keyspace.slotCount; slot++) {
    const entry = keyspace.stateAt(slot);
    if (entry !== null) held.push(entry);
  }
  return held;
}

function joinedRun(left: RunState, right: RunState): RunState {
  const sum = (at: 4 | 5): string => String(BigInt(left[at]) + BigInt(right[at]));
  const [first, last, stamp] = [Math.min(left[1], right[1]), Math.max(left[2], right[2]), Math.max(left[3], right[3])];
  return [left[0], first, last, stamp, sum(4), sum(5)];
}

/** `folded`: how states are compared. */
function pictureOf(
  keyspace: MapKeyspace | SlabKeyspace,
  nowMs: number,
  folded: (state: EntryState) => EntryState,
): Picture {
  const held = statesOf(keyspace);
  const shown: string[] = [];
  for (const [key] of held) {
    const slot = keyspace.find(latin1Range(key), 0, nowMs);
    if (slot < 0) continue;
    const { siblings, shown: view } =
      keyspace.typeOf(slot) === 1 ? keyspace.siblingsAt(slot) : { siblings: [], shown: null };
    const text = latin1Range('');
    if (view !== null) keyspace.stringInto(slot, text);
    const [type, expiryMs, version] = [keyspace.typeOf(slot), keyspace.expiryOf(slot), versionsOf(keyspace).at(slot)];
    shown.push(JSON.stringify([key, type, expiryMs, version, siblings, view, text.toLatin1()]));
  }
  const scanned: string[] = [];
  const name = latin1Range('');
  let cursor = 0;
  do {
    cursor = keyspace.scan(cursor, 3, nowMs, (slot) => {
      keyspace.keyInto(slot, name);
      scanned.push(name.toLatin1());
    });
  } while (cursor !== 0);
  const ordered: string[] = [];
  // asked again after each update: where the order is filled step by step, it has to be whole by now
  const order = keyspace.ordered();
  for (const prefix of new Set(['', ...scanned.map((key) => key.slice(0, 1)).sort()])) {
    for (let after: string | null = null, first = true; first || after !== null; first = false) {
      after =
        order?.visit(prefix, after, 2, nowMs, (slot) => {
          keyspace.keyInto(slot, name);
          ordered.push(name.toLatin1());
        }) ?? null;
    }
  }
  return {
    states: held
      .map(([key, state]): [string, EntryState] => [key, folded(state)])
      .sort(([left], [right]) => (left < right ? -1 : 1)),
    shown: shown.sort(),
    scanned: scanned.sort(),
    ordered,
    figures: {
      count: keyspace.count,
      expiring: keyspace.expiringCount,
      entries: keyspace.entryCount,
      flush: keyspace.flushMark,
      forgetsKeys: keyspace.forgetsKeys,
      digest: keyspace.digest(nowMs),
      hasRandom: keyspace.random(0.5, nowMs) >= 0,
    },
  };
}
