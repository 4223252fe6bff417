import { nodeNumber, originOf, type Origin } from '../../src/clock/origin.ts';
import { HybridClock, type Stamp } from '../../src/clock/stamp.ts';
import { VersionVector } from '../../src/clock/version-vector.ts';
import type { CommandSpec } from '../../src/commands/command-spec.ts';
import type { Args, CommandContext } from '../../src/commands/context.ts';
import { expireCommands } from '../../src/commands/expire.ts';
import { genericCommands } from '../../src/commands/generic.ts';
import { hashCommands } from '../../src/commands/hash.ts';
import { scanCommands } from '../../src/commands/scan.ts';
import { ServerSettings } from '../../src/commands/server-settings.ts';
import type { ServerState } from '../../src/commands/server-state.ts';
import { ServerStats } from '../../src/commands/server-stats.ts';
import type { NodeView } from '../../src/commands/node-view.ts';
import type { Session } from '../../src/commands/session.ts';
import { setCommands } from '../../src/commands/set.ts';
import { stringCommands } from '../../src/commands/string.ts';
import { UpdateKind, type Update, type UpdateContext } from '../../src/crdt/update.ts';
import { CausewayError } from '../../src/errors.ts';
import { LocalTransaction } from '../../src/keyspace/local-transaction.ts';
import { SlabKeyspace } from '../../src/keyspace/slab-keyspace.ts';
import { readWords, replyText, type ReplyValue } from '../conformance/reply-value.ts';
import { WordArgs } from '../support/word-args.ts';
import { RecordingReply } from './recording-reply.ts';

export const dataCommands: readonly CommandSpec[] = [
  ...stringCommands,
  ...genericCommands,
  ...expireCommands,
  ...scanCommands,
  ...hashCommands,
  ...setCommands,
];

const table = new Map(dataCommands.map((spec) => [spec.name, spec]));
const kindNames = new Map<number, string>(Object.entries(UpdateKind).map(([name, kind]) => [kind, name]));

/** One node's keyspace with the data commands on it, a clock set by hand and a seeded random. */
export class Harness {
  readonly keyspace: SlabKeyspace = new SlabKeyspace();
  readonly stats: ServerStats = new ServerStats();
  readonly settings: ServerSettings = new ServerSettings();
  nowMs = 1_700_000_000_000;
  respVersion: 2 | 3 = 3;
  /** Updates of the last command: `Set key`, `HashSet key field` … */
  effects: string[] = [];
  /** Notifications of the last command: `$ set key`. */
  events: string[] = [];
  readonly #origin: Origin = originOf(nodeNumber(65), 1);
  readonly #clock: HybridClock = new HybridClock(0 as Stamp);
  readonly #vector: VersionVector = new VersionVector();
  #seq = 0;
  #seed: number;

  constructor(seed = 1) {
    this.#seed = seed;
  }

  /** mulberry32 */
  readonly random = (): number => {
    this.#seed = (this.#seed + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#seed ^ (this.#seed >>> 15), 1 | this.#seed);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };

  /** Runs a line of words (see `readWords`) and gives the reply as `replyText` shows it. */
  run(line: string): string {
    return replyText(this.reply(...readWords(line)));
  }

  /** Runs a request of latin1 words. */
  reply(...words: string[]): ReplyValue {
    this.effects = [];
    this.events = [];
    const spec = table.get((words[0] ?? '').toLowerCase());
    if (spec === undefined) throw new Error(`no command ${words[0]}`);
    const args = new WordArgs(words);
    if (spec.arity >= 0 ? args.count !== spec.arity : args.count < -spec.arity) {
      return { kind: 'error', text: `ERR wrong number of arguments for '${spec.name}' command` };
    }
    const recording = new RecordingReply(this.respVersion);
    const { context, finish } = this.#context(args, recording);
    try {
      spec.run(context);
    } catch (thrown) {
      if (!(thrown instanceof CausewayError)) throw thrown;
      if (this.effects.length > 0) throw new Error(`refused after an effect: ${words.join(' ')}`, { cause: thrown });
      return { kind: 'error', text: `${thrown.code} ${thrown.message}` };
    } finally {
      finish();
      args.spoil();
    }
    if (this.effects.length > 0 && !spec.flags.includes('write')) throw new Error(`${spec.name} is no write`);
    return recording.take();
  }

  #context(args: Args, reply: RecordingReply): { context: CommandContext; finish: () => void } {
    let opened: UpdateContext | null = null;
    const open = (): UpdateContext => {
      opened ??= {
        origin: this.#origin,
        seq: ++this.#seq,
        stamp: this.#clock.next(this.nowMs),
        deps: this.#vector.clone(),
      };
      return opened;
    };
    const tx = new LocalTransaction(this.keyspace, { open, record: (update) => this.effects.push(describe(update)) });
    tx.nowMs = this.nowMs;
    const context: CommandContext = {
      nowMs: this.nowMs,
      random: this.random,
      args,
      reply,
      keys: this.keyspace,
      tx,
      session: {} as Session,
      node: {} as NodeView,
      server: {
        stats: this.stats,
        settings: this.settings,
        fetching: { isActive: false, isSourced: () => false },
        leases: { isLeased: () => false },
        regional: null,
      } as unknown as ServerState,
      isInLog: false,
      bulkBytesMax: this.settings.bulkBytesMax,
      countLookup: (_key, isHit) => void (isHit ? this.stats.keyspaceHits++ : this.stats.keyspaceMisses++),
      notify: (classLetter, event, key) => this.events.push(`${classLetter} ${event} ${key.toLatin1()}`),
    };
    const finish = (): void => {
      if (opened !== null) this.#vector.raise(opened.origin, opened.seq);
    };
    return { context, finish };
  }
}

function describe(update: Update): string {
  const parts = [kindNames.get(update.kind) ?? String(update.kind), update.key.toLatin1()];
  if (update.field.length > 0) parts.push(update.field.toLatin1());
  return parts.join(' ');
}
