import { CHAIN_START } from '../groups/audit-record.ts';
import { hashOfLine, type AuditLine } from './audit-line.ts';

/** A record with where it was found. */
export interface PlacedLine extends AuditLine {
  /** `FILE:LINE` */
  readonly at: string;
}

/** What is wrong with a chain, at the first place where it shows. */
export interface ChainFault {
  readonly kind: 'changed' | 'missing' | 'added' | 'order';
  readonly text: string;
  /** Records that are not where they belong: they may be further down. */
  readonly missing?: readonly [from: number, to: number];
}

/** How far is looked ahead to say what happened. */
const AHEAD = 2;

const nameOf = ({ at, record, index }: PlacedLine): string => `${at}: record ${record} (log index ${index})`;

/**
 * Follows the chain of one group through the lines of a file and finds the first record that was changed, removed, added or
 * moved. The last line's own content is vouched for by nothing in the file: whoever has the head's hash compares it.
 */
export class ChainCheck {
  readonly #start: string | null;
  readonly #window: PlacedLine[] = [];
  #first: PlacedLine | null = null;
  #last: PlacedLine | null = null;

  /** `start` is the hash that the first line names; without one the chain begins with record 1. */
  constructor(start: string | null) {
    this.#start = start;
  }

  get first(): PlacedLine | null {
    return this.#first;
  }

  /** The last line that was judged; of the whole file once it has ended. */
  get last(): PlacedLine | null {
    return this.#last;
  }

  /** The line that came last, judged or not. */
  get newest(): PlacedLine | null {
    return this.#window.at(-1) ?? this.#last;
  }

  /** A record among the lines that were not judged. */
  ahead(record: number): PlacedLine | null {
    return this.#window.find((line) => line.record === record) ?? null;
  }

  push(line: PlacedLine): ChainFault | null {
    this.#window.push(line);
    return this.#window.length > AHEAD ? this.#judgeFirst() : null;
  }

  /** The file has no more lines. */
  end(): ChainFault | null {
    while (this.#window.length > 0) {
      const fault = this.#judgeFirst();
      if (fault !== null) return fault;
    }
    return null;
  }

  #judgeFirst(): ChainFault | null {
    const line = this.#window.shift();
    if (line === undefined) return null;
    const fault = this.#judge(line, this.#window[0], this.#window[1]);
    if (fault !== null) return fault;
    this.#first ??= line;
    this.#last = line;
    return null;
  }

  /** The number that comes next; where a file may begin in the middle, that of its first line. */
  #expected(line: PlacedLine): number {
    if (this.#last !== null) return this.#last.record + 1;
    return this.#start === null ? 1 : line.record;
  }

  #judge(line: PlacedLine, next: PlacedLine | undefined, second: PlacedLine | undefined): ChainFault | null {
    const last = this.#last;
    const expected = this.#expected(line);
    const hash = last?.hash ?? this.#start ?? CHAIN_START;
    if (line.record === expected && line.previous === hash) return null;
    if (line.text === last?.text)
      return { kind: 'added', text: `${nameOf(line)} was added: it repeats the line before` };
    if (next?.record === expected && next.previous === hash) return misplaced(line, next, second);
    if (last !== null && line.record === last.record) return twice(last, line, next);
    if (line.record === expected) return this.#unlinked(line, next, hash);
    if (line.record < expected)
      return { kind: 'added', text: `${nameOf(line)} was added: record ${expected} belongs here` };
    if (next?.record === expected + 1 && (second === undefined || second.record === expected + 2))
      return { kind: 'changed', text: `${nameOf(line)} was changed: it is record ${expected} by its place` };
    const [from, to] = [expected, line.record - 1];
    const which = from === to ? `record ${from} is` : `records ${from} to ${to} are`;
    const after = last === null ? 'at the start' : `after log index ${last.index}`;
    return {
      kind: 'missing',
      text: `${line.at}: ${which} missing ${after}, before record ${line.record}`,
      missing: [from, to],
    };
  }

  /** The right number, and a link that does not fit: the line before has changed, or the link. */
  #unlinked(line: PlacedLine, next: PlacedLine | undefined, hash: string): ChainFault {
    const last = this.#last;
    if (last === null) return { kind: 'changed', text: `${nameOf(line)} does not begin after the hash ${hash}` };
    const mended = hashOfLine(line.text.replace(line.previous, hash));
    if (next === undefined) {
      const text = `${nameOf(last)} was changed, or ${line.at} was, or was added: they do not fit together`;
      return { kind: 'changed', text };
    }
    const isLinkAlone = next.previous !== line.hash && next.previous === mended;
    const changed = isLinkAlone ? line : last;
    const witness = isLinkAlone ? next : line;
    return { kind: 'changed', text: `${nameOf(changed)} was changed: it has not the hash that ${witness.at} says` };
  }
}

/** The record that belongs here is one line further. */
function misplaced(line: PlacedLine, next: PlacedLine, second: PlacedLine | undefined): ChainFault {
  if (line.previous === next.hash && (second === undefined || second.record === line.record + 1)) {
    return {
      kind: 'order',
      text: `${nameOf(line)} stands before record ${next.record} (${next.at}): the lines were swapped`,
    };
  }
  return { kind: 'added', text: `${nameOf(line)} was added: ${next.at} goes on where the line before it ends` };
}

/** Two lines in a row have one number. */
function twice(last: PlacedLine, line: PlacedLine, next: PlacedLine | undefined): ChainFault {
  const isLastFalse = next === undefined ? null : next.previous === line.hash;
  if (isLastFalse === null)
    return { kind: 'added', text: `${nameOf(line)} or ${last.at} was added: both are record ${line.record}` };
  const [added, other] = isLastFalse ? [last, line] : [line, last];
  return { kind: 'added', text: `${nameOf(added)} was added: ${other.at} is record ${other.record}` };
}
