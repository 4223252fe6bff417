/** One operation on a key, in the time of one clock. */
export interface KeyOperation {
  readonly kind: 'get' | 'set' | 'delete' | 'add' | 'swap';
  /** What is set, added, or put in the place of `expected`. */
  readonly value: string;
  readonly expected?: string | null;
  readonly beganMs: number;
  /** Infinity where nobody was told how it ended: it happened at some time since, or never. */
  readonly endedMs: number;
  /** Of a `get` what it found, of an `add` the sum, of a `swap` whether it did; undefined where that is not known. */
  readonly result?: string | null | boolean;
}

/** A key's value afterwards; undefined where the result is not that of the operation at this value. */
function step(
  value: string | null,
  { kind, value: argument, expected, result }: KeyOperation,
): string | null | undefined {
  switch (kind) {
    case 'get':
      return result === value ? value : undefined;
    case 'set':
      return argument;
    case 'delete':
      return null;
    case 'add': {
      const sum = String(Number(value ?? '0') + Number(argument));
      return result === undefined || result === sum ? sum : undefined;
    }
    case 'swap': {
      const isThere = value === (expected ?? null);
      if (result !== undefined && result !== isThere) return undefined;
      return isThere ? argument : value;
    }
  }
}

interface Event {
  readonly operation: number;
  readonly isEnd: boolean;
  before: Event | null;
  after: Event | null;
}

/**
 * Whether there is one order of a key's operations, each at some moment between its begin and its end, in which every result is right,
 * beginning with an absent key. Wing and Gong, "Testing and verifying concurrent objects" (1993), with the memory of states seen of Lowe,
 * "Testing for linearizability" (2017), in the form of Horn and Kroening (2015).
 */
export function isLinearizable(operations: readonly KeyOperation[]): boolean {
  const size = operations.length;
  const head: Event = { operation: -1, isEnd: false, before: null, after: null };
  const ends = linkEvents(operations, head);
  const known = operations.filter(({ endedMs }) => endedMs < Infinity).length;
  const done = new Uint32Array(Math.ceil(size / 32));
  const seen = new Set<string>();
  const taken: { readonly event: Event; readonly value: string | null }[] = [];
  let value: string | null = null;
  let knownDone = 0;
  let event = head.after;
  while (knownDone < known) {
    if (event !== null && !event.isEnd) {
      const at = event.operation;
      const next = step(value, operations[at] as KeyOperation);
      if (next !== undefined) {
        flip(done, at);
        const state = `${done.join()} ${next}`;
        if (!seen.has(state)) {
          seen.add(state);
          taken.push({ event, value });
          value = next;
          if (isKnown(operations, at)) knownDone++;
          unlink(event);
          unlink(ends[at] as Event);
          event = head.after;
          continue;
        }
        flip(done, at);
      }
      event = event.after;
      continue;
    }
    // an end whose operation found no place, or nothing is left: take the last choice back
    const last = taken.pop();
    if (last === undefined) return false;
    const at = last.event.operation;
    value = last.value;
    flip(done, at);
    if (isKnown(operations, at)) knownDone--;
    relink(ends[at] as Event);
    relink(last.event);
    event = last.event.after;
  }
  return true;
}

function isKnown(operations: readonly KeyOperation[], at: number): boolean {
  return (operations[at]?.endedMs ?? Infinity) < Infinity;
}

function flip(bits: Uint32Array, at: number): void {
  bits[at >>> 5] = ((bits[at >>> 5] ?? 0) ^ (1 << (at & 31))) >>> 0;
}

/** Puts begins and ends in the order of time behind the head, ends last of what is at once; gives the ends. */
function linkEvents(operations: readonly KeyOperation[], head: Event): Event[] {
  const ends: Event[] = [];
  const timed = operations.flatMap(({ beganMs, endedMs }, operation) => {
    const begin: Event = { operation, isEnd: false, before: null, after: null };
    const end: Event = { operation, isEnd: true, before: null, after: null };
    ends.push(end);
    return [
      { event: begin, atMs: beganMs },
      { event: end, atMs: endedMs },
    ];
  });
  timed.sort((left, right) => {
    if (left.atMs !== right.atMs) return left.atMs < right.atMs ? -1 : 1;
    return Number(left.event.isEnd) - Number(right.event.isEnd);
  });
  let last = head;
  for (const { event } of timed) {
    event.before = last;
    last.after = event;
    last = event;
  }
  return ends;
}

function unlink(event: Event): void {
  if (event.before !== null) event.before.after = event.after;
  if (event.after !== null) event.after.before = event.before;
}

function relink(event: Event): void {
  if (event.before !== null) event.before.after = event;
  if (event.after !== null) event.after.before = event;
}
