import { CausewayError } from '../errors.ts';
import type { AuditLine } from './audit-line.ts';
import { AuditOutput } from './audit-output.ts';
import { FolderSource, nodeSources, type AuditSource } from './audit-source.ts';
import type { NodesOptions } from './cluster-nodes.ts';
import { EXIT_FAILED, EXIT_OK, printable, UsageError } from './usage.ts';

export interface AuditExportOptions extends NodesOptions {
  /** One group; all that have records otherwise. */
  readonly group?: string;
  /** Log index to begin with; the first record otherwise. */
  readonly from?: number;
  /** A node's data folder, in the place of nodes. */
  readonly dataDir?: string;
  /** A new file; standard output otherwise. */
  readonly out?: string;
}

const PROGRESS_EVERY_MS = 200;

/**
 * Writes the records of audited keys as lines of JSON, up to what there is when it begins. What one node lacks is taken from another.
 * The exit code is 1 where records are missing, or it was stopped: what was written are whole lines then.
 */
export async function runAuditExport(options: AuditExportOptions): Promise<number> {
  return exportFrom(await openSources(options), options);
}

/** As `runAuditExport`, from sources that are there; closes them. */
export async function exportFrom(sources: readonly AuditSource[], options: AuditExportOptions): Promise<number> {
  try {
    const groups = await groupsOf(sources, options.group);
    if (groups.length > 1 && options.from !== undefined)
      throw new UsageError(`--from is a log index of one group: name it with --group (${groups.join(', ')})`);
    const output = await AuditOutput.open(options.out);
    let isWhole = true;
    try {
      for (const group of groups) {
        if (output.stopped !== null) break;
        const run = new GroupExport(group, sources, output);
        if (!(await run.run(options.from))) isWhole = false;
      }
    } finally {
      await output.close();
    }
    return isWhole && output.stopped === null ? EXIT_OK : EXIT_FAILED;
  } finally {
    await Promise.all(sources.map((source) => source.close()));
  }
}

async function openSources(options: AuditExportOptions): Promise<AuditSource[]> {
  const { dataDir, readyFile, nodes } = options;
  if (dataDir === undefined) return nodeSources(options, tell);
  if (readyFile !== undefined || nodes !== undefined)
    throw new UsageError('say --data-dir, or --nodes, or --ready-file: one of them');
  return [new FolderSource(dataDir)];
}

/** The group that is asked for, or those that have records. */
async function groupsOf(sources: readonly AuditSource[], asked: string | undefined): Promise<string[]> {
  const known = new Set<string>();
  for (const source of sources) for (const group of await source.groups()) known.add(group);
  if (asked !== undefined) {
    if (known.has(asked)) return [asked];
    const there = [...known].map(printable).join(', ');
    throw new CausewayError('ERR', `there is no group ${asked}; there is ${there === '' ? 'none' : there}`);
  }
  const groups: string[] = [];
  for (const group of [...known].toSorted()) {
    const heads = await Promise.all(sources.map((source) => source.head(group)));
    if (heads.some((head) => (head?.count ?? 0) > 0)) groups.push(group);
  }
  return groups;
}

/** To standard error: standard output is the export. */
function tell(text: string): void {
  process.stderr.write(`${printable(text)}\n`);
}

class GroupExport {
  readonly #group: string;
  readonly #sources: readonly AuditSource[];
  readonly #output: AuditOutput;
  #first: AuditLine | null = null;
  #last: AuditLine | null = null;
  /** The number of the record that comes next, null for whatever is there. */
  #expected: number | null = null;
  #fromIndex = 1;
  #written = 0;
  #isWhole = true;
  #saidAtMs = -Infinity;

  constructor(group: string, sources: readonly AuditSource[], output: AuditOutput) {
    this.#group = group;
    this.#sources = sources;
    this.#output = output;
  }

  /** Says whether all that was asked for was there. Throws ERR where the nodes' chains are not the same one. */
  async run(from: number | undefined): Promise<boolean> {
    this.#fromIndex = from ?? 1;
    this.#expected = from === undefined ? 1 : null;
    const until = await this.#newest();
    while (this.#output.stopped === null && (this.#last?.record ?? 0) < until) {
      const before = this.#written;
      for (const line of await this.#next()) {
        if (!(await this.#take(line, until))) break;
      }
      if (this.#written === before) break;
      this.#showProgress(until);
    }
    this.#clearProgress();
    this.#summarize(until);
    return this.#isWhole;
  }

  /** The number of the newest record that there is now. */
  async #newest(): Promise<number> {
    const heads = await Promise.all(this.#sources.map((source) => source.head(this.#group)));
    return Math.max(...heads.map((head) => head?.count ?? 0));
  }

  /** Records that go on where it is, of the first source that has them; else those behind the smallest gap. */
  async #next(): Promise<readonly AuditLine[]> {
    let nearest: readonly AuditLine[] = [];
    for (const source of this.#sources) {
      const lines = await source.lines(this.#group, this.#fromIndex);
      const [first] = lines;
      if (first === undefined) continue;
      if (first.record === this.#expected) return lines;
      const [other] = nearest;
      if (other === undefined || first.record < other.record) nearest = lines;
    }
    const [first] = nearest;
    if (first === undefined) return [];
    if (this.#expected !== null) this.#missing(this.#expected, first.record - 1);
    this.#expected = first.record;
    return nearest;
  }

  /** Writes a record; false where it is not the next one and others are to be asked, or enough are written. */
  async #take(line: AuditLine, until: number): Promise<boolean> {
    const last = this.#last;
    if (line.record !== this.#expected || line.record > until) return false;
    // never between the records of one entry: the log index says where to go on
    if (this.#output.stopped !== null && line.index !== last?.index) return false;
    if (last !== null && line.record === last.record + 1 && line.previous !== last.hash) {
      throw new CausewayError(
        'ERR',
        `record ${line.record} of ${this.#group} does not go on where record ${last.record} ends: what was read is damaged, or the nodes ` +
          'are not of one cluster',
      );
    }
    await this.#output.write(line.text);
    this.#first ??= line;
    this.#last = line;
    this.#written += 1;
    this.#expected = line.record + 1;
    this.#fromIndex = line.index + 1;
    return true;
  }

  #missing(from: number, to: number): void {
    this.#isWhole = false;
    this.#clearProgress();
    const nobody = this.#sources.length === 1 ? `${this.#sources[0]?.name ?? ''} does not have` : 'no node asked has';
    tell(
      `${this.#group}: ${nobody} records ${from} to ${to}: a member that got its state by a snapshot has none from before it, ` +
        'ask all nodes',
    );
  }

  #showProgress(until: number): void {
    const nowMs = performance.now();
    if (!process.stderr.isTTY || nowMs - this.#saidAtMs < PROGRESS_EVERY_MS) return;
    this.#saidAtMs = nowMs;
    process.stderr.write(`\r${printable(this.#group)}  record ${this.#last?.record ?? 0} of ${until}\u001b[K`);
  }

  #clearProgress(): void {
    if (process.stderr.isTTY && this.#saidAtMs !== -Infinity) process.stderr.write('\r\u001b[K');
  }

  #summarize(until: number): void {
    const [first, last] = [this.#first, this.#last];
    if (this.#output.stopped !== null) {
      tell(`${this.#group}: stopped (${this.#output.stopped}); go on with --from ${this.#fromIndex}`);
    } else if ((last?.record ?? 0) < until && (first !== null || this.#expected === 1)) {
      this.#missing((last?.record ?? 0) + 1, until);
    }
    if (first === null || last === null) return tell(`${this.#group}: no records`);
    const span = `records ${first.record} to ${last.record}, log index ${first.index} to ${last.index}`;
    tell(`${this.#group}: ${this.#written} written, ${span}, begins after ${first.previous}, ends with ${last.hash}`);
  }
}
