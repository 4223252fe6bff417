import type { ByteRange } from '../base/bytes.ts';
import type { ActiveClasses } from '../classes/active-classes.ts';
import { dotText, type NodeNames } from '../clock/dot.ts';
import type { Origin } from '../clock/origin.ts';
import { msOfStamp, STAMP_COUNTERS, type Stamp } from '../clock/stamp.ts';
import type { ContentType, Entry } from '../crdt/entry.ts';
import type { Increments } from '../crdt/increments.ts';
import type { SiblingContent } from '../crdt/sibling-content.ts';
import type { Write } from '../crdt/writes.ts';

/** Values longer than this are cut for people. */
const SHOWN_CHARS = 64;
/** Fields or members shown of a container. */
const SHOWN_PARTS = 20;

type Line = [name: string, value: string];

/**
 * Says of a key all that is kept of it: every unsuperseded write with its dot and stamp, the rule, the winner, and what its class says. Of a
 * key that a quorum group owns the order of the log is the only rule.
 */
export function explainKey(
  key: ByteRange,
  entry: Entry | undefined,
  names: NodeNames,
  nowMs: number,
  classes: ActiveClasses,
): Line[] {
  const lines = linesOf(entry, names, nowMs);
  const group = classes.ownerOf(key.toLatin1());
  if (group === null) return [...lines, ...classes.explain(key)];
  const rule = `strong: as the last entry in the log of group ${group} left it; what is here is this node's copy`;
  return [...lines.filter(([name]) => name !== 'rule'), ['rule', rule], ...classes.explain(key)];
}

function linesOf(entry: Entry | undefined, names: NodeNames, nowMs: number): Line[] {
  if (entry === undefined)
    return [
      ['type', 'none'],
      ['state', 'nothing is kept of this key'],
    ];
  const explainer = new Explainer(names);
  // a log's entry takes a strong key away, no clock does
  const isExpired = entry.expiryMs <= nowMs && !entry.expiresByLog;
  const lines: Line[] = [['type', isExpired ? 'none' : typeName(entry.type)]];
  if (isExpired)
    lines.push([
      'state',
      `expired at ${isoText(entry.expiryMs)}; hidden everywhere, kept until every member's clock has passed it`,
    ]);
  explainer.string(entry, lines);
  explainer.hash(entry, lines);
  explainer.set(entry, lines);
  explainer.document(entry, lines);
  explainer.expiries(entry, lines);
  if (entry.hasSeveralTypes)
    lines.push(['rule', 'a key shows the type of its latest surviving write; the others are hidden until stable']);
  return lines;
}

function typeName(type: ContentType): string {
  return ['none', 'string', 'hash', 'set', 'ReJSON-RL'][type] ?? 'none';
}

const isoText = (ms: number): string => `${ms} ms`;

class Explainer {
  readonly #names: NodeNames;

  constructor(names: NodeNames) {
    this.#names = names;
  }

  #dot(origin: number, seq: number): string {
    return dotText(origin as Origin, seq, this.#names);
  }

  #stamp(stamp: number): string {
    return `${msOfStamp(stamp as Stamp)}ms+${stamp % STAMP_COUNTERS}`;
  }

  string(entry: Entry, lines: Line[]): void {
    const { string } = entry;
    if (string.keepsSiblings) return this.#siblings(string, lines);
    if (string.isLive) {
      lines.push([
        'winner',
        `${shown(string.text())} by ${this.#dot(string.origin, string.seq)} stamp ${this.#stamp(string.stamp)}`,
      ]);
      lines.push([
        'rule',
        'string: the latest write by (stamp, origin) wins; increments count on the write they were made on',
      ]);
    } else if (string.isTombstone) {
      lines.push([
        'removed',
        `by ${this.#dot(string.origin, string.seq)} stamp ${this.#stamp(string.stamp)}, kept until stable`,
      ]);
    }
    if (string.increments !== null) {
      if (!string.isLive) lines.push(['winner', `${string.text()} (a counter without a register)`]);
      this.#increments('increment', string.increments, lines);
    }
  }

  /** Every sibling, the latest first, as CW.SIBLINGS has them. */
  #siblings(string: SiblingContent, lines: Line[]): void {
    if (string.isEmpty) return;
    const name = string.count === 1 ? 'winner' : 'sibling';
    for (const register of string.registers.toReversed()) {
      const { value, stamp, origin, seq, increments } = register;
      lines.push([name, `${shown(value)} by ${this.#dot(origin, seq)} stamp ${this.#stamp(stamp)}`]);
      if (increments !== null) this.#increments('increment', increments, lines);
    }
    if (string.increments !== null) {
      lines.push([name, 'a counter without a register']);
      this.#increments('increment', string.increments, lines);
    }
    lines.push(['rule', 'siblings: concurrent writes all stay until a write or a removal that has seen them']);
  }

  #increments(name: string, increments: Increments, lines: Line[]): void {
    for (const run of increments.describe()) {
      const dots =
        run.first === run.last ? this.#dot(run.origin, run.first) : `${this.#dot(run.origin, run.first)}..${run.last}`;
      lines.push([name, `${run.text} by ${dots}`]);
    }
  }

  hash(entry: Entry, lines: Line[]): void {
    if (entry.hash === null) return;
    const fields = entry.hash;
    lines.push([
      'rule',
      `hash of ${fields.size}: field by field, the latest unsuperseded write of each; increments add up`,
    ]);
    for (let at = 0; at < Math.min(fields.size, SHOWN_PARTS); at++) {
      const name = shown(fields.nameAt(at));
      const field = fields.fieldAt(at);
      for (const write of field.writes.all()) {
        lines.push([
          write === field.writes.best ? `field ${name}` : `field ${name} (loser)`,
          this.#write(write, shown(write.value)),
        ]);
      }
      if (field.increments !== null) this.#increments(`field ${name} increment`, field.increments, lines);
    }
    this.#more(fields.size, lines);
  }

  set(entry: Entry, lines: Line[]): void {
    if (entry.set === null) return;
    const members = entry.set;
    lines.push(['rule', `set of ${members.size}: an add wins over a concurrent removal`]);
    for (let at = 0; at < Math.min(members.size, SHOWN_PARTS); at++) {
      for (const add of members.addsAt(at).all())
        lines.push([`member ${shown(members.nameAt(at))}`, this.#write(add, 'added')]);
    }
    this.#more(members.size, lines);
  }

  document(entry: Entry, lines: Line[]): void {
    if (entry.document === null) return;
    const { content, stamp, origin, seq } = entry.document;
    if (content === null) {
      lines.push(['removed', `document by ${this.#dot(origin, seq)} stamp ${this.#stamp(stamp)}, kept until stable`]);
      return;
    }
    const { generation, latest } = content;
    lines.push(['root', `by ${this.#dot(origin, seq)} stamp ${this.#stamp(stamp)}`]);
    lines.push([
      'generation',
      `${this.#dot(generation.origin, generation.seq)} stamp ${this.#stamp(generation.stamp)}`,
    ]);
    lines.push(['latest edit', `${this.#dot(latest.origin, latest.seq)} stamp ${this.#stamp(latest.stamp)}`]);
    lines.push(['winner', shown(content.jsonText())]);
    lines.push(['history', `${content.document.encode().length} bytes, ${content.keptEdits} edits not stable`]);
    lines.push([
      'rule',
      'document: edits of different members and elements merge; of one, the later in causal order, else the higher origin, wins',
    ]);
  }

  #more(size: number, lines: Line[]): void {
    if (size > SHOWN_PARTS) lines.push(['more', `${size - SHOWN_PARTS} not shown`]);
  }

  #write(write: Write<unknown>, what: string): string {
    return `${what} by ${this.#dot(write.origin, write.seq)} stamp ${this.#stamp(write.stamp)}`;
  }

  expiries(entry: Entry, lines: Line[]): void {
    for (const write of entry.expiries?.writes ?? []) {
      const when = write.atMs === Infinity ? 'never (PERSIST)' : isoText(write.atMs);
      lines.push(['expiry', `${when} by ${this.#dot(write.origin, write.seq)} stamp ${this.#stamp(write.stamp)}`]);
    }
    if (entry.expiries !== null) lines.push(['rule', 'expiry: of concurrent ones the later wins']);
  }
}

/** Bytes that are no printable ASCII as \\xNN, and long values cut. */
function shown(text: string): string {
  const cut = text.length > SHOWN_CHARS ? `${text.slice(0, SHOWN_CHARS)}… (${text.length} bytes)` : text;
  let printable = '"';
  for (const char of cut) {
    const code = char.charCodeAt(0);
    printable += (code >= 32 && code < 127) || code === 0x2026 ? char : `\\x${code.toString(16).padStart(2, '0')}`;
  }
  return `${printable}"`;
}
