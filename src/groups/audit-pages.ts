import type { AuditPage } from '../commands/audit-page.ts';
import type { AuditTrail } from './audit-trail.ts';

/** What a node without a disk keeps of a group's audit: the newest records. */
export const AUDIT_KEPT_BYTES_MAX: number = 16 * 1024 * 1024;
/** A page ends after so many bytes, or with the entry that reaches them. */
const PAGE_BYTES_MAX = 1024 * 1024;

/** A part of the audit: what is on disk, and after it what is not yet. */
export function auditPage(
  trail: AuditTrail,
  stored: Iterable<readonly [index: number, lines: Uint8Array]>,
  fromIndex: number,
  count: number,
): AuditPage {
  const { head } = trail;
  if (count === 0) return { head, records: [], next: 0 };
  const page = new Page(count);
  for (const [index, lines] of stored) if (page.add(index, lines)) break;
  for (const [index, lines] of trail.kept(Math.max(fromIndex, page.lastIndex + 1))) {
    if (page.isFull) break;
    page.add(index, lines);
  }
  // the head's entry is the last there is, wherever its records are
  return { head, records: page.records, next: page.isFull && page.lastIndex < head.index ? page.lastIndex + 1 : 0 };
}

class Page {
  readonly records: (readonly [index: number, lines: Uint8Array])[] = [];
  readonly #count: number;
  #bytes = 0;
  #lines = 0;
  lastIndex = 0;

  constructor(count: number) {
    this.#count = count;
  }

  get isFull(): boolean {
    return this.#lines >= this.#count || this.#bytes >= PAGE_BYTES_MAX;
  }

  /** Takes the records of one entry; says whether there is room for no more. */
  add(index: number, lines: Uint8Array): boolean {
    this.records.push([index, lines]);
    this.lastIndex = index;
    this.#bytes += lines.length;
    this.#lines += lines.reduce((sum, byte) => (byte === NEWLINE ? sum + 1 : sum), 1);
    return this.isFull;
  }
}

const NEWLINE = 10;
