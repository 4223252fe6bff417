import { ByteRange, latin1Range } from '../base/bytes.ts';
import { Glob } from '../base/glob.ts';
import type { Dot } from '../clock/dot.ts';
import type { Origin } from '../clock/origin.ts';
import type { VersionVector } from '../clock/version-vector.ts';
import type { InvalidationEffect, InvalidationRun } from '../commands/invalidation-view.ts';
import { linkKey } from '../keyspace/key-links.ts';
import { NO_SLOT, type Slot } from '../keyspace/keyspace.ts';
import type { SlabKeyspace } from '../keyspace/slab-keyspace.ts';
import type { DependedNames } from './depended-names.ts';
import type { InvalidationRecord } from './invalidation-record.ts';

/** How far dependencies are followed, and how many keys are reached by them. */
export const CASCADE_DEPTH_MAX = 32;
const CASCADE_KEYS_MAX = 10_000;
/** Keys that a truncated cascade lists. */
const UNREACHED_LISTED_MAX = 100;

/** Places that a pattern is compared with take as long as ending one key. */
const PLACES_FOR_A_KEY = 8;

/** What a walk does to the keys that it meets, in an open transaction. */
export interface WalkHost {
  readonly keyspace: SlabKeyspace;
  readonly nowMs: number;
  /** Where none is, nobody looks for dependents. */
  readonly depended: DependedNames;
  /** A key was met, whether it is there or not. */
  met(key: string): void;
  /** What is here of a key is old: it goes, or gets its last time. */
  end(key: ByteRange, hash: number, slot: Slot, walk: InvalidationWalk): void;
  /** A key that the record's maker did not know to be part of it. */
  beginUnseen(key: string, record: InvalidationRecord): void;
}

/** A place that is still to be walked. */
type Place =
  | { readonly kind: 'key'; readonly key: string; readonly depth: number }
  /** The members of a link from a position downwards; -1 for all. */
  | { readonly kind: 'tagged' | 'dependents'; readonly name: string; readonly depth: number; position: number }
  /** Of what others depend on, whether it is there or not. */
  | { readonly kind: 'depended'; readonly glob: Glob; names: Iterator<string> | null; isDone: boolean }
  /** In the order of slots from a cursor on, or in that of keys behind one; -1 at the end. */
  | { readonly kind: 'all'; readonly glob: Glob; cursor: number; after: string | null };

/** A member of a link, copied. */
interface Child {
  readonly key: string;
  readonly isSeen: boolean;
}

/**
 * One node's part of an invalidation (SPEC I2): from the target over tags and dependencies, the nearest first, each key once. Its maker
 * ends all that is old; who heard of it what its maker had not seen. It goes on in steps, so that no turn is long.
 */
export class InvalidationWalk implements InvalidationRun {
  readonly record: InvalidationRecord;
  /** Whether it is for this node to end what the record's maker had seen. */
  readonly isMaker: boolean;
  /** Whether the transaction that made the record is still open: what that has written so far is old too, what it writes later is not. */
  isBeginning = false;
  /** What this node had when it heard of it: what came later has seen it, or is somebody else's to end. */
  readonly #applied: VersionVector;
  #places: Place[];
  #head = 0;
  /** Keys that were reached by dependencies, or have some. */
  readonly #followed: Set<string> = new Set();
  /** Whose dependents are looked at, or were. */
  readonly #expanded: Set<string> = new Set();
  readonly #unreached: string[] = [];
  #count = 0;
  #lastDot: Dot | null = null;
  #dependents = 0;
  readonly #shown: ByteRange = new ByteRange();

  constructor(record: InvalidationRecord, isMaker: boolean, applied: VersionVector) {
    this.record = record;
    this.isMaker = isMaker;
    this.#applied = applied;
    const { kind, name } = record.target;
    if (kind === 'key') this.#places = [{ kind, key: name, depth: 0 }];
    else if (kind === 'tag') this.#places = [{ kind: 'tagged', name, depth: 0, position: -1 }];
    else {
      const glob = new Glob(latin1Range(name));
      this.#places = [
        { kind: 'depended', glob, names: null, isDone: false },
        { kind: 'all', glob, cursor: 0, after: null },
      ];
    }
  }

  get isDone(): boolean {
    return this.#head === this.#places.length;
  }

  get count(): number {
    return this.#count;
  }

  get lastDot(): Dot | null {
    return this.#lastDot;
  }

  /** Something was changed for it in a transaction. */
  noteChange({ origin, seq }: Dot): void {
    if (this.#lastDot?.seq !== seq) this.#lastDot = { origin, seq };
  }

  /** Keys that it came to by dependencies. */
  get dependents(): number {
    return this.#dependents;
  }

  get unreached(): readonly string[] {
    return this.#unreached;
  }

  /** Whether it would end what shows of its key now. */
  endsTarget(host: WalkHost): boolean {
    const { keyspace, nowMs } = host;
    const range = latin1Range(this.record.target.name);
    const slot = keyspace.findToWrite(range, keyspace.hashOf(range), this.#shownSinceMs(host));
    return (
      slot !== NO_SLOT && this.#isOld(host, slot) && changesExpiry(this.record.effect, keyspace.expiryOf(slot), nowMs)
    );
  }

  /** Goes on until it is done or about `budget` keys were looked at; says how many of those are left. */
  step(host: WalkHost, budget: number): number {
    let left = budget;
    while (left > 0 && !this.isDone) {
      const place = this.#places[this.#head] as Place;
      if (place.kind === 'key') left -= this.#meet(host, place.key, place.depth);
      else if (place.kind === 'all') left -= this.#scan(host, place, left);
      else if (place.kind === 'depended') left -= this.#depended(host, place, left);
      else left -= this.#members(host, place, left);
      if (isWalked(place)) this.#head++;
    }
    if (this.#head > 1024) {
      this.#places = this.#places.slice(this.#head);
      this.#head = 0;
    }
    return left;
  }

  #scan(host: WalkHost, place: Place & { kind: 'all' }, budget: number): number {
    const { keyspace } = host;
    const nowMs = this.#shownSinceMs(host);
    const { glob } = place;
    const keys: string[] = [];
    const visit = (slot: Slot): void => {
      keyspace.keyInto(slot, this.#shown);
      if (glob.matches(this.#shown)) keys.push(this.#shown.toLatin1());
    };
    const ordered = glob.prefix === '' ? null : keyspace.ordered();
    if (ordered === null) place.cursor = keyspace.scan(place.cursor, budget * PLACES_FOR_A_KEY, nowMs, visit);
    else place.after = ordered.visit(glob.prefix, place.after, budget, nowMs, visit);
    if (ordered === null ? place.cursor === 0 : place.after === null) place.cursor = -1;
    for (const key of keys) this.#meet(host, key, 0);
    return budget;
  }

  /** A pattern comes to what depends on its keys as their names do: also where they are gone, here or everywhere. */
  #depended(host: WalkHost, place: Place & { kind: 'depended' }, budget: number): number {
    place.names ??= host.depended.names();
    let looked = 0;
    for (; looked < budget * PLACES_FOR_A_KEY; looked++) {
      const next = place.names.next();
      if (next.done === true) {
        place.isDone = true;
        break;
      }
      if (place.glob.matches(latin1Range(next.value))) this.#cascade(host, next.value, 0);
    }
    return Math.ceil(looked / PLACES_FOR_A_KEY);
  }

  #members(host: WalkHost, place: Place & { kind: 'tagged' | 'dependents' }, budget: number): number {
    const { keyspace } = host;
    const set = keyspace.entryOf(latin1Range(linkKey(place.kind, place.name)))?.set ?? null;
    const from = Math.min(place.position < 0 ? Infinity : place.position, set?.size ?? 0);
    const to = Math.max(0, from - budget);
    const children: Child[] = [];
    // from the highest down: a removal moves the last one into the hole
    for (let at = from - 1; at >= to && set !== null; at--) {
      const name = set.nameAt(at);
      // the latest may be one that the maker gave after its walk, in the same transaction
      const isSeen = set
        .addsAt(at)
        .all()
        .every(({ origin, seq }) => this.record.seen.contains(origin as Origin, seq));
      children.push({ key: place.kind === 'dependents' ? name.slice(1) : name, isSeen });
    }
    place.position = to;
    for (const { key, isSeen } of children) {
      if (!isSeen && !this.isMaker) host.beginUnseen(key, this.record);
      else if (place.kind === 'tagged' || this.#follow(key)) this.#meet(host, key, place.depth);
    }
    return Math.max(1, from - to);
  }

  /** Whether a key that dependencies lead to was not met before, and is not one too many. */
  #follow(key: string): boolean {
    if (this.#followed.has(key)) return false;
    if (this.#followed.size >= CASCADE_KEYS_MAX) {
      this.#leaveOut(key);
      return false;
    }
    this.#followed.add(key);
    this.#dependents++;
    return true;
  }

  #leaveOut(key: string): void {
    if (this.#unreached.length < UNREACHED_LISTED_MAX && !this.#unreached.includes(key)) this.#unreached.push(key);
  }

  #meet(host: WalkHost, key: string, depth: number): number {
    const { keyspace, nowMs } = host;
    const range = latin1Range(key);
    const hash = keyspace.hashOf(range);
    const slot = keyspace.findToWrite(range, hash, this.#shownSinceMs(host));
    if (slot !== NO_SLOT && this.#isOld(host, slot)) {
      if (keyspace.expiryOf(slot) > nowMs) this.#count++;
      host.end(range, hash, slot, this);
    }
    host.met(key);
    if (host.depended.size > 0) this.#cascade(host, key, depth);
    return 1;
  }

  /** What has expired at the maker may still show elsewhere, where it was given a later expiry that is on its way, and nobody else ends it there. */
  #shownSinceMs({ nowMs }: WalkHost): number {
    return this.isMaker ? 0 : nowMs;
  }

  #cascade({ keyspace }: WalkHost, key: string, depth: number): void {
    if (this.#expanded.has(key) || !hasDependents(keyspace, key)) return;
    this.#expanded.add(key);
    this.#followed.add(key);
    if (depth >= CASCADE_DEPTH_MAX) this.#leaveOut(`what depends on ${key}`);
    else this.#places.push({ kind: 'dependents', name: key, depth: depth + 1, position: -1 });
  }

  /** Whether what a key shows is from before, and this node's to end. Of what is no plain string its last change says that. */
  #isOld({ keyspace }: WalkHost, slot: Slot): boolean {
    const { system } = keyspace;
    if (system.isPinned(slot)) return false;
    if (system.isWeak(slot)) return true;
    const { seen, stamp } = this.record;
    const register = keyspace.registerAt(slot);
    const { origin, seq } = register ?? system.lastChange(slot);
    const isSeen = seq === 0 || seen.contains(origin as Origin, seq);
    if (this.isMaker)
      return isSeen && (register === null || register.stamp < stamp || (this.isBeginning && register.stamp === stamp));
    return register !== null && !isSeen && register.stamp < stamp && this.#applied.contains(origin as Origin, seq);
  }
}

/** Whether an effect makes what shows until a time go, or go sooner. */
export function changesExpiry(effect: InvalidationEffect, expiryMs: number, nowMs: number): boolean {
  return effect.kind === 'remove' || expiryMs > nowMs + effect.graceMs;
}

/** Whether some key depends on one, or did. */
export function hasDependents(keyspace: SlabKeyspace, key: string): boolean {
  return keyspace.slotOf(latin1Range(linkKey('dependents', key)), 0) !== NO_SLOT;
}

function isWalked(place: Place): boolean {
  if (place.kind === 'key') return true;
  if (place.kind === 'depended') return place.isDone;
  return place.kind === 'all' ? place.cursor < 0 : place.position === 0;
}
