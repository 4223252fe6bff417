import { expect } from 'vitest';
import { latin1Range, type ByteRange } from '../../src/base/bytes.ts';
import type { Origin } from '../../src/clock/origin.ts';
import type { VersionVector } from '../../src/clock/version-vector.ts';
import type { EntryState } from '../../src/crdt/entry.ts';
import type { FlushMark } from '../../src/crdt/string-content.ts';
import type { Update, UpdateContext } from '../../src/crdt/update.ts';
import type { MergeSides } from '../../src/crdt/writes.ts';
import type { ConflictHost, ConflictRecord } from '../../src/keyspace/conflict-log.ts';
import type { DirtyCut } from '../../src/keyspace/dirty-keys.ts';
import { SlabKeyspace } from '../../src/keyspace/slab-keyspace.ts';
import type { SnapshotEntry } from '../../src/keyspace/snapshot-cursor.ts';
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
    super.expireDue(nowMs, budget, (key) => {
      mine.push(key.toLatin1());
      onExpired(key);
    });
    this.twin.expireDue(nowMs, budget, (key) => theirs.push(key));
    expect(mine.sort(), 'expired').toEqual(theirs.sort());
    this.#expectSameTold();
  }

  override purgeExpired(membersClockMs: number, budget: number): void {
    super.purgeExpired(membersClockMs, budget);
    this.twin.purgeExpired(membersClockMs, budget);
  }

  override forgetStable(vector: VersionVector, stable: VersionVector, budget: number): void {
    super.forgetStable(vector, stable, budget);
    this.twin.forgetStable(vector, stable, budget);
  }

  override mergeSnapshot(entries: ReadonlyMap<string, EntryState>, flush: FlushMark | null, sides: MergeSides): void {
    super.mergeSnapshot(entries, flush, sides);
    this.twin.mergeSnapshot(entries, flush, sides);
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

  /** The twin is asked at once. What it noted as well, it may have noted where nothing changed. */
  override cutDirty(): DirtyCut {
    const mine = super.cutDirty();
    const theirs = this.twin.takeDirty();
    expect(mine.clear, 'clear').toBe(theirs.clear);
    const inTwin = new Map(theirs.entries);
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
        if (mine.isRead) for (const [key, state] of found) expect([key, inTwin.get(key)]).toEqual([key, state]);
        return part;
      },
    };
  }

  #expectSameTold(): void {
    expect(this.#told.mine.sort(), 'told').toEqual(this.#told.theirs.sort());
    this.#told.mine.length = 0;
    this.#told.theirs.length = 0;
  }

  /** All that both hold, as it shows at a time. What waits to be forgotten is not compared: here it is slots, there names. */
  compare(nowMs: number): void {
    expect(pictureOf(this, nowMs)).toEqual(pictureOf(this.twin, nowMs));
    const records = (of: MapKeyspace | SlabKeyspace): ConflictRecord[] => of.conflicts.latest(1_000, () => true);
    expect(records(this)).toEqual(records(this.twin));
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

function pictureOf(keyspace: MapKeyspace | SlabKeyspace, nowMs: number): Picture {
  const held: SnapshotEntry[] = [];
  for (let slot = 0; slot < keyspace.slotCount; slot++) {
    const entry = keyspace.stateAt(slot);
    if (entry !== null) held.push(entry);
  }
  const shown: string[] = [];
  for (const [key] of held) {
    const slot = keyspace.find(latin1Range(key), 0, nowMs);
    if (slot < 0) continue;
    const { siblings, shown: view } =
      keyspace.typeOf(slot) === 1 ? keyspace.siblingsAt(slot) : { siblings: [], shown: null };
    const text = latin1Range('');
    if (view !== null) keyspace.stringInto(slot, text);
    shown.push(JSON.stringify([key, keyspace.typeOf(slot), keyspace.expiryOf(slot), siblings, view, text.toLatin1()]));
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
  return {
    states: held
      .map(([key, state]): [string, EntryState] => [key, state])
      .sort(([left], [right]) => (left < right ? -1 : 1)),
    shown: shown.sort(),
    scanned: scanned.sort(),
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
