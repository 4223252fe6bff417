import { imageOf, throughBytes } from '../support/group-images.ts';
import { plainSha256, type Sha256 } from '../../src/groups/audit-text.ts';
import { CommandIndex } from '../../src/commands/command-index.ts';
import { commandTable } from '../../src/commands/table.ts';
import { ByteRange, latin1Of } from '../../src/base/bytes.ts';
import { nodeNumber, originOf } from '../../src/clock/origin.ts';
import { stampOfMs } from '../../src/clock/stamp.ts';
import type { GroupEntry, OnceId } from '../../src/groups/group-entry.ts';
import { groupOrigin } from '../../src/groups/group-plan.ts';
import { GroupState } from '../../src/groups/group-state.ts';
import { keptReplies } from '../../src/wire/resp/kept-reply.ts';

export const GROUP = 'us-east-1/region';
export const START_MS = 1_800_000_000_000;
const COMMANDS = new CommandIndex(commandTable);
const CLIENT = originOf(nodeNumber(64), 3);

/** A record as a reader of the export sees it. */
export interface SeenRecord {
  readonly record: number;
  readonly previous: string;
  readonly group: string;
  readonly index: number;
  readonly ms: number;
  readonly user: string;
  readonly address: string | null;
  readonly region: string | null;
  readonly request: string | null;
  readonly id: unknown;
  readonly key: unknown;
  readonly commands: readonly { readonly arguments: readonly unknown[]; readonly count?: number }[];
  readonly commandCount?: number;
  readonly old: unknown;
  readonly new: unknown;
}

export type Words = readonly (string | Uint8Array)[];

export const words = (line: string): Words => line.split(' ');

const bytes = (word: string | Uint8Array): ByteRange => new ByteRange(new Uint8Array(Buffer.from(word)));

/** A log and one member that applies it. Keys that begin with `free` are not audited. */
export class GroupRig {
  state: GroupState;
  readonly log: GroupEntry[] = [];
  #serial = 0;
  nowMs = START_MS;

  constructor(sha256: Sha256 = plainSha256) {
    this.state = newState(sha256);
  }

  /** Commands of one request; the serial of an earlier one makes it a retry. */
  run(commands: readonly Words[], request: { isExec?: boolean; serial?: number; once?: OnceId } = {}): this {
    const { isExec = commands.length > 1, serial = ++this.#serial, once = null } = request;
    return this.apply({
      kind: 'commands',
      stamp: stampOfMs(this.nowMs),
      seed: 7,
      request: { origin: CLIENT, serial, floor: 0 },
      once,
      deps: [],
      watches: [],
      commands: commands.map((command) => command.map(bytes)),
      isExec,
      respVersion: 2,
      requester: { user: 'trader', address: '10.0.0.7:5000', region: 'eu-west-1' },
    });
  }

  /** One command of words without blanks. */
  do(line: string): this {
    return this.run([words(line)]);
  }

  apply(entry: GroupEntry): this {
    this.log.push(entry);
    this.state.apply(this.log.length, entry);
    return this;
  }

  expire(atMs: number): this {
    this.nowMs = atMs;
    return this.apply({ kind: 'expire', stamp: stampOfMs(atMs) });
  }

  /** Lines of this member, oldest first. */
  get lines(): string[] {
    return linesOf(this.state);
  }

  get records(): SeenRecord[] {
    return this.lines.map((line) => JSON.parse(line) as SeenRecord);
  }

  get last(): SeenRecord {
    const record = this.records.at(-1);
    if (record === undefined) throw new Error('nothing was recorded');
    return record;
  }

  /** Another member, which has a snapshot of this one and applies what comes later. */
  member(): GroupState {
    const image = throughBytes(imageOf(this.state));
    const state = newState();
    state.restore(image);
    return state;
  }
}

export function newState(sha256: Sha256 = plainSha256): GroupState {
  const state = new GroupState({
    name: GROUP,
    origin: groupOrigin(1, 'region'),
    commands: COMMANDS,
    newReply: keptReplies(),
    sha256,
    isStored: false,
  });
  const list = ['free*', '*'].map((pattern) => ({ pattern, ttlMs: null, audit: pattern === '*' }));
  state.inForce.restore({ index: 0, version: 0, pins: '', list });
  return state;
}

export function linesOf(state: GroupState): string[] {
  return state.audit.kept(0).flatMap(([, lines]) => latin1Of(lines, 0, lines.length).split('\n'));
}
