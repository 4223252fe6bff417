import type { LostKind, LostWrite } from '../causal/lost-list.ts';
import type { Origin } from '../clock/origin.ts';
import { DocumentContent } from '../crdt/document-content.ts';
import { formatJson } from '../crdt/document-json.ts';
import type { EntryState } from '../crdt/entry.ts';
import type { ExpiryState } from '../crdt/expiries.ts';
import { sumText, type RunState } from '../crdt/increments.ts';
import { isSiblingsState } from '../crdt/string-forms.ts';

type IsLost = (origin: Origin, seq: number) => boolean;

/** The register, or its tombstone, and the increments of a string, one of each sibling where it keeps them. */
export type RegisterParts = readonly [
  value: string | null,
  stamp: number,
  origin: number,
  seq: number,
  runs: readonly RunState[],
];

/** What the string of a key is made of; a register without an origin is none. */
export function registersOf([string]: EntryState): RegisterParts[] {
  if (string === null) return [];
  if (!isSiblingsState(string)) return [[string[0], string[1], string[2], string[3], string[4] ?? []]];
  const [registers, runs] = string;
  const parts = registers.map(([value, stamp, origin, seq, own]): RegisterParts => [
    value,
    stamp,
    origin,
    seq,
    own ?? [],
  ]);
  return runs === null ? parts : [...parts, [null, 0, 0, 0, runs]];
}

/** What a value and the increments made on it show. */
export function shownText(value: string | null, runs: readonly RunState[]): string {
  let [integer, units] = [0n, 0n];
  for (const [, , , , whole, parts] of runs) {
    integer += BigInt(whole);
    units += BigInt(parts);
  }
  return value !== null && runs.length === 0 ? value : sumText(value, integer, units);
}

/** When a register of a key expires, −1 for never. */
function expiryOn(expiries: readonly ExpiryState[], origin: number, seq: number): number {
  const times = expiries
    .filter(([, baseOrigin, baseSeq]) => baseOrigin === origin && baseSeq === seq)
    .map(([atMs]) => atMs);
  return times.length === 0 || times.includes(-1) ? -1 : Math.max(...times);
}

/**
 * What a key still holds of the writes of which `isLost` says so. What only took something away from a set or a hash, or was written
 * over since, left nothing.
 */
export function* lostWritesOf(key: string, state: EntryState, isLost: IsLost): Generator<LostWrite> {
  const [, hash, set, expiries, document] = state;
  const isOurs = (origin: number, seq: number): boolean => origin !== 0 && isLost(origin as Origin, seq);
  const write = (
    kind: LostKind,
    field: string | null,
    [origin, seq, stamp]: readonly [number, number, number],
    value: string | null,
    expireAtMs = -1,
  ): LostWrite => ({ key, kind, field, origin: origin as Origin, seq, stamp, value, expireAtMs });
  function* increments(kind: LostKind, field: string | null, runs: readonly RunState[]): Generator<LostWrite> {
    for (const run of runs) {
      const [origin, , last, stamp] = run;
      if (isOurs(origin, last)) yield write(kind, field, [origin, last, stamp], shownText(null, [run]));
    }
  }

  for (const [value, stamp, origin, seq, runs] of registersOf(state)) {
    if (!isOurs(origin, seq)) yield* increments('increment', null, runs);
    else if (value === null) yield write('removal', null, [origin, seq, stamp], null);
    else {
      const text = shownText(value, runs);
      yield write('string', null, [origin, seq, stamp], text, expiryOn(expiries ?? [], origin, seq));
    }
  }
  for (const [field, writes, runs] of hash ?? []) {
    const lost = writes.filter(([, , origin, seq]) => isOurs(origin, seq));
    if (lost.length === 0) yield* increments('increment of field', field, runs ?? []);
    for (const [value, stamp, origin, seq] of lost)
      yield write('field', field, [origin, seq, stamp], shownText(value, runs ?? []));
  }
  for (const [member, adds] of set ?? [])
    for (const [, stamp, origin, seq] of adds)
      if (isOurs(origin, seq)) yield write('member', member, [origin, seq, stamp], member);
  for (const [atMs, baseOrigin, baseSeq, stamp, origin, seq] of expiries ?? [])
    if (isOurs(origin, seq) && !isOurs(baseOrigin, baseSeq))
      yield write('expiry', null, [origin, seq, stamp], atMs < 0 ? null : String(atMs));
  if (document !== undefined) yield* lostOfDocument(document);

  function* lostOfDocument(of: NonNullable<EntryState[4]>): Generator<LostWrite> {
    const [stamp, origin, seq, content] = of;
    if (isOurs(origin, seq)) {
      if (content === null) yield write('removal of document', null, [origin, seq, stamp], null);
      else yield write('document', null, [origin, seq, stamp], jsonOf(of));
      return;
    }
    for (const [at, by, number, command] of content?.[4] ?? [])
      if (isOurs(by, number)) yield write('edit', null, [by, number, at], command);
  }
}

/** The JSON of a document that is there, as UTF-8, one char a byte. */
export function jsonOf(state: NonNullable<EntryState[4]>): string {
  const content = DocumentContent.fromState(state);
  const text = content.content === null ? 'null' : formatJson(content.content.toJson());
  content.content?.release();
  return text;
}
