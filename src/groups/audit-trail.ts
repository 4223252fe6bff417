import { latin1Bytes, type ByteRange } from '../base/bytes.ts';
import { NO_RULES, type GroupRules } from '../classes/group-rules.ts';
import { utf8Latin1 } from '../classes/utf8.ts';
import { incarnationOf, nodeOf } from '../clock/origin.ts';
import { msOfStamp, type Stamp } from '../clock/stamp.ts';
import type { Args } from '../commands/context.ts';
import { UpdateKind, type Update } from '../crdt/update.ts';
import type { SlabKeyspace } from '../keyspace/slab-keyspace.ts';
import { EMPTY_CHAIN, nextRecord, type AuditFacts, type AuditHead, type ShownCommand } from './audit-record.ts';
import { SHOWN_PART_BYTES_MAX, shownArgument, shownBytes, type Sha256 } from './audit-text.ts';
import { AuditLens, isLongValue, sortedParts, type LongValue, type Part, type ShownValue } from './audit-value.ts';
import type { GroupEntry } from './group-entry.ts';

/** Of so many keys with a long value it is remembered how that was last shown: the SHA-256 of the old value is that of the new one then. */
const REMEMBERED_MAX = 1_000;
/** So many arguments of a command, and commands of an EXEC, are written into a record. */
const SHOWN_ARGUMENTS_MAX = 8;
const SHOWN_COMMANDS_MAX = 8;
/** Of what another node says of its client. */
const REQUESTER_CHARACTERS_MAX = 256;

/** A key that the entry which is applied has written. */
interface Written {
  /** The old value; of a hash or set of which only parts were written, without parts. */
  old: ShownValue;
  /** The parts that were written, as they were before; null where the whole is shown. */
  parts: Map<string, Part> | null;
  /** Whether more was written than when it expires. */
  isChanged: boolean;
  /** The first of the commands that wrote it, and how many there are. */
  readonly commands: Args[];
  commandCount: number;
  lastCommand: Args | null;
}

const NOTHING = (): null => null;

/** The records of one entry: lines of JSON. */
type EntryRecords = readonly [index: number, lines: Uint8Array];

/**
 * Who wrote what: a record of each key that an entry of a group's log writes, in a chain of hashes (SPEC A1). A function of the
 * log alone, made where the entry is applied: every member makes the same bytes. Records stay here until they are on disk.
 */
export class AuditTrail {
  readonly #group: string;
  readonly #inForce: { readonly rules: GroupRules };
  readonly #lens: AuditLens;
  readonly #written: Map<string, Written> = new Map();
  /** What is running: null for what the group does by itself. */
  #running: () => Args | null = NOTHING;
  /** As the entry that is applied found them. */
  #rulesBefore: GroupRules = NO_RULES;
  #head: AuditHead = EMPTY_CHAIN;
  /** Of keys that nobody has written since. */
  readonly #remembered: Map<string, LongValue> = new Map();
  readonly #kept: EntryRecords[] = [];
  #keptBytes = 0;

  /** Which writes are recorded is as the rules in force say when an entry is applied. */
  constructor(group: string, inForce: { readonly rules: GroupRules }, keyspace: SlabKeyspace, sha256: Sha256) {
    this.#group = group;
    this.#inForce = inForce;
    this.#lens = new AuditLens(keyspace, sha256);
  }

  get head(): AuditHead {
    return this.#head;
  }

  restore(head: AuditHead): void {
    this.#head = head;
  }

  // ── while an entry is applied ──

  /** An entry begins; `running` says which command of it writes. */
  begin(nowMs: number, entry: GroupEntry, running: () => Args): void {
    this.#rulesBefore = this.#inForce.rules;
    const isByGroup = entry.kind !== 'commands';
    // what has expired is hidden, and is what an expiry takes away
    this.#lens.nowMs = entry.kind === 'expire' ? 0 : nowMs;
    this.#running = isByGroup ? NOTHING : running;
  }

  /** A key is about to be written. */
  before(key: ByteRange): void {
    if (!this.#inForce.rules.isAudited(key)) {
      if (this.#remembered.size > 0) this.#remembered.delete(key.toLatin1());
      return;
    }
    const name = key.toLatin1();
    const written = this.#written.get(name) ?? this.#first(name);
    const command = this.#running();
    if (command === null || command === written.lastCommand) return;
    written.lastCommand = command;
    if (++written.commandCount <= SHOWN_COMMANDS_MAX) written.commands.push(command);
  }

  #first(name: string): Written {
    const hasParts = this.#lens.hasParts(name);
    const old = hasParts ? this.#lens.written(name, []) : this.#wholeOld(name);
    const parts = hasParts ? new Map<string, Part>() : null;
    const written: Written = { old, parts, isChanged: false, commands: [], commandCount: 0, lastCommand: null };
    this.#written.set(name, written);
    return written;
  }

  #wholeOld(name: string): ShownValue {
    const remembered = this.#remembered.get(name);
    if (remembered === undefined) return this.#lens.whole(name);
    this.#remembered.delete(name);
    return this.#lens.again(name, remembered);
  }

  /** An update is about to be applied, or, of a document's edits, has been. */
  update({ kind, key, field }: Update): void {
    if (this.#written.size === 0) return;
    const name = key.toLatin1();
    const written = this.#written.get(name);
    if (written === undefined || kind === UpdateKind.Expire) return;
    written.isChanged = true;
    if (written.parts === null) return;
    if (!isOfPart(kind)) return this.#takeWhole(name, written, written.parts);
    const part = field.toLatin1();
    if (!written.parts.has(part)) written.parts.set(part, this.#lens.part(name, part));
  }

  /** More than parts goes: what it was before the entry is what it is now, but for the parts that the entry wrote. */
  #takeWhole(name: string, written: Written, parts: ReadonlyMap<string, Part>): void {
    const before = new Map(this.#lens.parts(name).map((part) => [part[0], part] as const));
    for (const [part, old] of parts) before.set(part, old);
    const there = [...before.values()].filter(([, value]) => value !== null && value !== false);
    written.old = withParts(written.old, 'all', this.#lens.shownParts(sortedParts(there)));
    written.parts = null;
  }

  /** The entry is applied: its records are made. */
  end(index: number, stamp: Stamp, entry: GroupEntry): void {
    const rules = this.#changeOfRules();
    if (this.#written.size === 0 && rules === null) return;
    const lines: string[] = [];
    const add = (facts: AuditFacts): void => {
      const { line, head } = nextRecord(this.#head, facts);
      this.#head = head;
      lines.push(line);
    };
    const shared = { group: this.#group, index, stamp, ms: msOfStamp(stamp), ...requesterOf(entry) };
    const commands = new Map<Args, ShownCommand>();
    for (const [name, written] of this.#written) {
      const facts: AuditFacts = {
        ...shared,
        key: shownBytes(name),
        ...this.#commandsOf(entry, written, commands),
        old:
          written.parts === null
            ? written.old
            : withParts(written.old, 'written', this.#lens.shownParts([...written.parts.values()])),
        new: this.#newOf(name, written),
      };
      add(facts);
    }
    if (rules !== null) add({ ...shared, key: '', commands: [{ arguments: [entry.kind] }], ...rules });
    this.#written.clear();
    this.#keep(index, latin1Bytes(lines.join('\n')));
  }

  /** From which rules to which, where what is recorded was changed by the entry: who looks for a record must find why there is none. */
  #changeOfRules(): Pick<AuditFacts, 'old' | 'new'> | null {
    const [before, now] = [this.#rulesBefore, this.#inForce.rules];
    if (!before.hasAudit || before.text === now.text) return null;
    const shown = ({ text }: GroupRules): ShownValue => ({ type: 'json', value: shownBytes(utf8Latin1(text)) });
    return { old: shown(before), new: shown(now) };
  }

  #commandsOf(
    { kind }: GroupEntry,
    { commands, commandCount }: Written,
    known: Map<Args, ShownCommand>,
  ): Pick<AuditFacts, 'commands' | 'commandCount'> {
    if (kind !== 'commands') return { commands: [{ arguments: [kind] }] };
    const shown = commands.map((args) => {
      const command = known.get(args) ?? shownCommand(args);
      known.set(args, command);
      return command;
    });
    return { commands: shown, ...(shown.length < commandCount ? { commandCount } : {}) };
  }

  #newOf(name: string, { old, parts, isChanged }: Written): ShownValue {
    if (parts === null) {
      const value = isLongValue(old) && !isChanged ? this.#lens.again(name, old) : this.#lens.whole(name);
      if (isLongValue(value)) this.#remember(name, value);
      return value;
    }
    return this.#lens.written(
      name,
      Array.from(parts.keys(), (part) => this.#lens.part(name, part)),
    );
  }

  /** The longest known is forgotten first. */
  #remember(name: string, value: LongValue): void {
    this.#remembered.delete(name);
    this.#remembered.set(name, value);
    const [oldest] = this.#remembered.size > REMEMBERED_MAX ? this.#remembered.keys() : [];
    if (oldest !== undefined) this.#remembered.delete(oldest);
  }

  // ── until they are on disk ──

  #keep(index: number, lines: Uint8Array): void {
    this.#kept.push([index, lines]);
    this.#keptBytes += lines.length;
  }

  /** Records that are here, of entries from a log index on. */
  kept(fromIndex: number): EntryRecords[] {
    return this.#kept.filter(([index]) => index >= fromIndex);
  }

  /** Those of entries up to there are on disk. */
  stored(upToIndex: number): void {
    const first = this.#kept.findIndex(([index]) => index > upToIndex);
    this.#drop(first === -1 ? this.#kept.length : first);
  }

  /** Drops the oldest where there are more bytes than that: of a node that has no disk. */
  keepLast(bytesMax: number): void {
    if (this.#keptBytes <= bytesMax) return;
    let bytes = this.#keptBytes;
    const first = this.#kept.findIndex(([, lines]) => (bytes -= lines.length) <= bytesMax / 2);
    this.#drop(first + 1);
  }

  #drop(count: number): void {
    for (const [, lines] of this.#kept.splice(0, count)) this.#keptBytes -= lines.length;
  }
}

function isOfPart(kind: UpdateKind): boolean {
  return (
    kind === UpdateKind.HashSet ||
    kind === UpdateKind.HashDelete ||
    kind === UpdateKind.HashIncrement ||
    kind === UpdateKind.SetAdd ||
    kind === UpdateKind.SetRemove
  );
}

function withParts(
  value: ShownValue,
  which: 'all' | 'written',
  shown: ReturnType<AuditLens['shownParts']>,
): ShownValue {
  return value === null || !('size' in value) ? value : { ...value, parts: which, shown };
}

function requesterOf(entry: GroupEntry): Pick<AuditFacts, 'user' | 'address' | 'region' | 'request' | 'id'> {
  if (entry.kind !== 'commands') return { user: 'group', address: null, region: null, request: null, id: null };
  const { requester, request, once } = entry;
  const [user, address, region] = [requester.user, requester.address, requester.region].map((text) =>
    text.slice(0, REQUESTER_CHARACTERS_MAX),
  );
  return {
    user: user ?? '',
    address: address ?? '',
    region: region ?? '',
    request: `${nodeOf(request.origin)}#${incarnationOf(request.origin)}:${request.serial}`,
    id: once === null ? null : shownBytes(once.id, SHOWN_PART_BYTES_MAX),
  };
}

function shownCommand(args: Args): ShownCommand {
  const count = Math.min(args.count, SHOWN_ARGUMENTS_MAX);
  const shown = Array.from({ length: count }, (_, index) => shownArgument(args.range(index)));
  return { arguments: shown, ...(count < args.count ? { count: args.count } : {}) };
}
