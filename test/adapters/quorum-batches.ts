import { latin1Bytes, latin1Of } from '../../src/base/bytes.ts';
import type { CausewayError } from '../../src/errors.ts';
import type { QuorumGroupBatch, QuorumStore, QuorumWitness, StoredAside, StoredLogEntry } from '../../src/ports.ts';

export const GROUP = 'us-east-1/region';

/** A group's part of a batch, with nothing where a test says nothing. */
export function groupBatch(parts: Partial<QuorumGroupBatch> = {}): QuorumGroupBatch {
  return {
    group: GROUP,
    hardState: null,
    dropsLog: false,
    snapshot: null,
    truncateFrom: null,
    entries: [],
    compactTo: null,
    aside: null,
    state: null,
    audit: [],
    ...parts,
  };
}

/** Entries with consecutive indexes. */
export function logEntries(fromIndex: number, term: number, ...texts: readonly string[]): StoredLogEntry[] {
  return texts.map((data, at) => ({ index: fromIndex + at, term, kind: 1, data: latin1Bytes(data) }));
}

/** A change of the state machine from text. */
export function stateChange(
  meta: string,
  entries: Readonly<Record<string, string | null>> = {},
  takesAside = false,
  rows: Readonly<Record<string, string | null>> = {},
): NonNullable<QuorumGroupBatch['state']> {
  return { takesAside, entries: pairsOf(entries), rows: pairsOf(rows), meta: latin1Bytes(meta) };
}

/** What is kept aside of a state that is coming in, from text. */
export function asideOf(
  begins: boolean,
  entries: Readonly<Record<string, string>>,
  rows: Readonly<Record<string, string>> = {},
): StoredAside {
  const pairs = (texts: Readonly<Record<string, string>>): StoredAside['entries'] =>
    Object.entries(texts).map(([key, value]) => [latin1Bytes(key), latin1Bytes(value)] as const);
  return { begins, entries: pairs(entries), rows: pairs(rows) };
}

function pairsOf(texts: Readonly<Record<string, string | null>>): NonNullable<QuorumGroupBatch['state']>['entries'] {
  return Object.entries(texts).map(
    ([key, value]) => [latin1Bytes(key), value === null ? null : latin1Bytes(value)] as const,
  );
}

function textsOf(pairs: Iterable<readonly [Uint8Array, Uint8Array]>): Record<string, string> {
  const texts = [...pairs].map(([key, value]) => [text(key), text(value)] as const);
  return Object.fromEntries(texts.toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

export function saved(store: QuorumStore, ...groups: readonly QuorumGroupBatch[]): Promise<CausewayError | null> {
  return new Promise((resolve) => store.commit({ groups }, resolve));
}

export function closedQuorum(store: QuorumStore): Promise<void> {
  return new Promise((resolve) => store.close(resolve));
}

/** All that a store holds of a group, as text. */
export function groupHeld(store: QuorumStore, group: string = GROUP): GroupHeld {
  const image = store.load(group);
  return {
    hardState: image.hardState,
    log: image.log.map(({ index, term, kind, data }) => `${index} t${term} k${kind} ${text(data)}`),
    snapshot: image.snapshot === null ? null : { ...image.snapshot, meta: text(image.snapshot.meta) },
    state: textsOf(image.state),
    rows: textsOf(image.rows),
    stateMeta: image.stateMeta === null ? null : text(image.stateMeta),
    lastAudit: image.lastAudit === null ? null : `${image.lastAudit[0]} ${text(image.lastAudit[1])}`,
  };
}

export interface GroupHeld {
  readonly hardState: unknown;
  readonly log: readonly string[];
  readonly snapshot: unknown;
  readonly state: Readonly<Record<string, string>>;
  readonly rows: Readonly<Record<string, string>>;
  readonly stateMeta: string | null;
  readonly lastAudit: string | null;
}

/** What is held of a group that was never committed. */
export const NOTHING_HELD: GroupHeld = {
  hardState: null,
  log: [],
  snapshot: null,
  state: {},
  rows: {},
  stateMeta: null,
  lastAudit: null,
};

/** Text of bytes; throws for a Buffer, whose `slice` would share what the core takes for its own. */
export function text(bytes: Uint8Array): string {
  if (Object.getPrototypeOf(bytes) !== Uint8Array.prototype) throw new Error('these are not plain bytes');
  return latin1Of(bytes, 0, bytes.length);
}

/** A witness in memory. */
export class MemoryWitness implements QuorumWitness {
  mark = 0;

  quorumMark(): number {
    return this.mark;
  }

  setQuorumMark(mark: number): void {
    this.mark = mark;
  }
}
