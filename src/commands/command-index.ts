import { assert } from '../base/assert.ts';
import type { ByteRange } from '../base/bytes.ts';
import { LatencyHistogram } from './latency-histogram.ts';
import type { Args } from './context.ts';
import type { CommandFlag, CommandGroup, CommandSpec } from './command-spec.ts';

/** Families whose commands work on keys alone. */
const PLAIN_GROUPS: ReadonlySet<CommandGroup> = new Set(['string', 'hash', 'set', 'generic']);
/** What is not a command of Redis looks at more. */
const OWN_PREFIX = 'cw.';

/** A row of the command table made ready: flags as booleans, its figures beside it. One object a command, made once. */
export class CommandEntry {
  readonly spec: CommandSpec;
  /** As errors and figures name it: `get`, `client|list`. */
  readonly fullName: string;
  readonly flags: ReadonlySet<CommandFlag>;
  /** Runs inside a transaction of the engine. */
  readonly writes: boolean;
  readonly readonly: boolean;
  /** Refused where memory is full. */
  readonly takesMemory: boolean;
  readonly allowedWhileLoading: boolean;
  readonly allowedInMulti: boolean;
  readonly allowedUnauthenticated: boolean;
  readonly monitored: boolean;
  readonly slowlogged: boolean;
  readonly subcommands: CommandIndex | null;
  /** Whether it is short, runs at once and looks at nothing but its keys: what a `PlainRun` takes. */
  readonly isPlain: boolean;

  /** Requests run, those of them that ended in an error, and those that were refused before they ran. */
  calls = 0;
  failedCalls = 0;
  rejectedCalls = 0;
  readonly latency: LatencyHistogram = new LatencyHistogram();
  /** Calls that wait to be counted with the others that they are timed with. */
  untimedCalls = 0;

  constructor(spec: CommandSpec) {
    this.spec = spec;
    this.fullName = spec.name;
    this.flags = new Set(spec.flags);
    this.writes = this.flags.has('write') || this.flags.has('may_replicate');
    this.readonly = this.flags.has('readonly');
    this.takesMemory = this.flags.has('denyoom');
    this.allowedWhileLoading = this.flags.has('loading');
    this.allowedInMulti = !this.flags.has('no_multi');
    this.allowedUnauthenticated = this.flags.has('no_auth');
    this.monitored = !this.flags.has('skip_monitor') && !this.flags.has('admin');
    this.slowlogged = !this.flags.has('skip_slowlog');
    this.subcommands =
      spec.subcommands === undefined || spec.subcommands.length === 0 ? null : new CommandIndex(spec.subcommands);
    this.isPlain =
      PLAIN_GROUPS.has(spec.group) &&
      spec.keys !== undefined &&
      (this.writes || this.readonly) &&
      (this.flags.has('fast') || spec.name === 'set') &&
      !this.flags.has('blocking') &&
      !spec.name.startsWith(OWN_PREFIX);
  }

  /** Counts the untimed calls, each of which took so long. */
  count(usec: number): void {
    this.calls += this.untimedCalls;
    this.latency.add(usec, this.untimedCalls);
    this.untimedCalls = 0;
  }

  /** Whether a request of `count` arguments has the right number of them. */
  acceptsCount(count: number): boolean {
    const { arity } = this.spec;
    return arity >= 0 ? count === arity : count >= -arity;
  }

  /** The last part of the name: `list` of `client|list`. */
  get ownName(): string {
    return this.spec.name.slice(this.spec.name.indexOf('|') + 1);
  }

  resetFigures(): void {
    this.calls = 0;
    this.failedCalls = 0;
    this.rejectedCalls = 0;
    this.latency.clear();
    if (this.subcommands !== null) for (const entry of this.subcommands) entry.resetFigures();
  }
}

/**
 * Finds the row of a command by the bytes of its name, in any case, without making a string: open addressing over a small
 * table that is never more than a quarter full.
 */
export class CommandIndex {
  readonly #entries: CommandEntry[] = [];
  readonly #names: Uint8Array[] = [];
  readonly #places: Int16Array;
  readonly #mask: number;

  constructor(specs: readonly CommandSpec[]) {
    let capacity = 16;
    while (capacity < specs.length * 4) capacity *= 2;
    this.#places = new Int16Array(capacity).fill(-1);
    this.#mask = capacity - 1;
    for (const spec of specs) this.#add(new CommandEntry(spec));
  }

  get size(): number {
    return this.#entries.length;
  }

  [Symbol.iterator](): IterableIterator<CommandEntry> {
    return this.#entries[Symbol.iterator]();
  }

  #add(entry: CommandEntry): void {
    const name = entry.ownName;
    const bytes = Uint8Array.from(name, (char) => char.charCodeAt(0));
    let place = hashOfName(bytes, 0, bytes.length) & this.#mask;
    for (; (this.#places[place] as number) >= 0; place = (place + 1) & this.#mask) {
      const other = this.#entries[this.#places[place] as number] as CommandEntry;
      assert(other.ownName !== name, `command ${name} is in the table once`);
    }
    this.#places[place] = this.#entries.length;
    this.#entries.push(entry);
    this.#names.push(bytes);
  }

  /** The row of a name, undefined for none. */
  find(name: ByteRange): CommandEntry | undefined {
    const { buf, start, end } = name;
    let place = hashOfName(buf, start, end) & this.#mask;
    for (;;) {
      const index = this.#places[place] as number;
      if (index < 0) return undefined;
      if (sameName(this.#names[index] as Uint8Array, buf, start, end)) return this.#entries[index];
      place = (place + 1) & this.#mask;
    }
  }

  /** The row of a request: of the subcommand where the command has some. Undefined when either is unknown. */
  findRequest(args: Args): CommandEntry | undefined {
    const entry = this.find(args.range(0));
    if (entry === undefined || entry.subcommands === null || args.count < 2) return entry;
    return entry.subcommands.find(args.range(1));
  }

  /** The row of a full name in any case, `get` or `client|list`. */
  findFullName(fullName: string): CommandEntry | undefined {
    const name = fullName.toLowerCase();
    const bar = name.indexOf('|');
    const entry = this.#byText(bar < 0 ? name : name.slice(0, bar));
    return bar < 0 ? entry : entry?.subcommands?.findFullName(name.slice(bar + 1));
  }

  #byText(name: string): CommandEntry | undefined {
    return this.#entries.find((entry) => entry.ownName === name);
  }
}

/** Case is folded by setting bit 5, which also folds some signs: the comparison after it is exact. */
function hashOfName(buf: Uint8Array, start: number, end: number): number {
  let hash = end - start;
  for (let i = start; i < end; i++) hash = (Math.imul(hash, 31) + ((buf[i] as number) | 32)) | 0;
  return hash ^ (hash >>> 7);
}

function sameName(name: Uint8Array, buf: Uint8Array, start: number, end: number): boolean {
  if (name.length !== end - start) return false;
  for (let i = 0; i < name.length; i++) {
    const byte = buf[start + i] as number;
    const lower = byte >= 65 && byte <= 90 ? byte + 32 : byte;
    if (lower !== name[i]) return false;
  }
  return true;
}
