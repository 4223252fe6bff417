import { NO_INVALIDATIONS } from '../../support/no-invalidations.ts';
import fc from 'fast-check';
import { ByteRange, latin1Range } from '../../../src/base/bytes.ts';
import { FRACTION_UNIT, parseDecimal } from '../../../src/base/decimal.ts';
import { ContentType } from '../../../src/crdt/entry.ts';
import type { LocalTransaction } from '../../../src/keyspace/local-transaction.ts';
import type { SlabKeyspace } from '../../../src/keyspace/slab-keyspace.ts';
import type { Origin } from '../../../src/clock/origin.ts';
import { newKeyspace } from './keyspaces.ts';
import { originOfLetter, type Transaction } from './transaction.ts';
import type { Engine } from '../../../src/commands/engine.ts';
import { Loads } from '../../../src/node/loads.ts';
import { START_MS, VirtualReplica } from './virtual-replica.ts';

/** Keys of both kinds: most commands meet on the first that a mix has. */
const KEYS: readonly string[] = ['j', 'k'];
const SIBLING_KEYS: readonly string[] = ['sib', 'k'];
const FIELDS = ['f', 'g'];
/** Numbers, a decimal and no number: what counters do with a value set beside them differs. Long ones are worth evicting. */
const VALUES = ['5', '1.5', 'x', '4000000000000000', 'a longer text that is no number'];

const WRITES = {
  string: ['set', 'setFor', 'setKeepingExpiry', 'del', 'expire', 'persist'],
  counter: ['set', 'incr', 'incr', 'incrFloat', 'del', 'expire', 'persist'],
  hash: ['hset', 'hset', 'hdel', 'hincr', 'hincrFloat', 'del', 'expire'],
  set: ['sadd', 'sadd', 'srem', 'del', 'expire'],
} as const;

/** Which commands a random history is made of. */
export type Mix = keyof typeof WRITES | 'types' | 'flush' | 'fills';

type Write = (typeof WRITES)[keyof typeof WRITES][number] | 'flush' | 'fill';

const writesOf = (mix: Mix): readonly Write[] => {
  const types = [...WRITES.string, ...WRITES.counter, ...WRITES.hash, ...WRITES.set];
  if (mix === 'types') return types;
  if (mix === 'fills')
    return [...WRITES.string, ...WRITES.counter, 'hset', 'flush', ...Array.from({ length: 8 }, () => 'fill' as const)];
  return mix === 'flush' ? [...types, 'flush', 'flush', 'incr', 'incr'] : WRITES[mix];
};

interface Command {
  readonly write: Write;
  readonly key: string;
  readonly field: number;
  readonly amount: number;
}

/** One step of a run; numbers are taken modulo what there is to choose from, so that every step means something. */
export type Step =
  | { readonly step: 'write'; readonly at: number; readonly commands: readonly Command[] }
  /** Applies the n-th of the transactions that can be applied. */
  | { readonly step: 'deliver'; readonly at: number; readonly nth: number }
  /** Applies all that another has. */
  | { readonly step: 'catch up'; readonly at: number; readonly from: number }
  /** Hears of another what it has: by itself, or everyone of everyone. */
  | { readonly step: 'hear'; readonly at: number; readonly from: number }
  | { readonly step: 'hear all' }
  /** Everything everywhere, and everyone knows. */
  | { readonly step: 'sync' }
  | { readonly step: 'forget'; readonly at: number }
  | { readonly step: 'purge'; readonly at: number }
  | { readonly step: 'snapshot'; readonly at: number; readonly from: number }
  /** Writes what changed to its store, or ends and begins again from it. */
  | { readonly step: 'persist'; readonly at: number }
  | { readonly step: 'restart'; readonly at: number }
  | { readonly step: 'pass'; readonly at: number; readonly ms: number }
  /** Time passes for all, everyone knows everything, and one of them purges what has expired. */
  | { readonly step: 'age'; readonly at: number; readonly ms: number };

export interface StepMix {
  readonly writes: Mix;
  /** Whether most commands meet on a key that keeps siblings. */
  readonly siblings?: boolean;
  readonly snapshots?: boolean;
  readonly purges?: boolean;
}

export const keysOf = (mix: StepMix): readonly string[] => (mix.siblings === true ? SIBLING_KEYS : KEYS);

/** Random steps. */
export function stepsArbitrary(mix: StepMix): fc.Arbitrary<Step[]> {
  const at = fc.nat(REPLICAS - 1);
  const keys = keysOf(mix);
  const command = fc.record({
    write: fc.constantFrom(...writesOf(mix.writes)),
    key: fc.nat(keys.length * 3).map((nth) => keys[nth] ?? keys[0] ?? ''),
    field: fc.nat(FIELDS.length - 1),
    amount: fc.integer({ min: -2, max: 9 }),
  });
  const weighted: { weight: number; arbitrary: fc.Arbitrary<Step> }[] = [
    {
      weight: 12,
      arbitrary: fc.record({
        step: fc.constant('write'),
        at,
        commands: fc.array(command, { minLength: 1, maxLength: 1 }),
      }),
    },
    {
      weight: 3,
      arbitrary: fc.record({
        step: fc.constant('write'),
        at,
        commands: fc.array(command, { minLength: 2, maxLength: 3 }),
      }),
    },
    { weight: 7, arbitrary: fc.record({ step: fc.constant('deliver'), at, nth: fc.nat(20) }) },
    { weight: 3, arbitrary: fc.record({ step: fc.constant('catch up'), at, from: at }) },
    { weight: 2, arbitrary: fc.record({ step: fc.constant('hear'), at, from: at }) },
    { weight: 2, arbitrary: fc.record({ step: fc.constant('hear all') }) },
    { weight: 3, arbitrary: fc.record({ step: fc.constant('sync') }) },
    { weight: 5, arbitrary: fc.record({ step: fc.constant('forget'), at }) },
    { weight: 1, arbitrary: fc.record({ step: fc.constant('persist'), at }) },
    { weight: 1, arbitrary: fc.record({ step: fc.constant('restart'), at }) },
    { weight: 2, arbitrary: fc.record({ step: fc.constant('pass'), at, ms: fc.constantFrom(1, 20, 60) }) },
  ];
  if (mix.snapshots === true)
    weighted.push({ weight: 3, arbitrary: fc.record({ step: fc.constant('snapshot'), at, from: at }) });
  if (mix.purges === true) {
    weighted.push({ weight: 4, arbitrary: fc.record({ step: fc.constant('purge'), at }) });
    weighted.push({ weight: 3, arbitrary: fc.record({ step: fc.constant('age'), at, ms: fc.constantFrom(20, 60) }) });
  }
  return fc.array(fc.oneof(...weighted), { minLength: 20, maxLength: 80, size: 'max' });
}

const REPLICAS = 3;

/** What a run did, so that a test can say that it was not about nothing. */
export interface Tally {
  transactions: number;
  concurrent: number;
  forgot: number;
  /** Values. */
  evicted: number;
  purged: number;
  merged: number;
  /** Comparisons that met a key with several siblings. */
  severalSiblings: number;
}

export const emptyTally = (): Tally => ({
  transactions: 0,
  concurrent: 0,
  forgot: 0,
  evicted: 0,
  purged: 0,
  merged: 0,
  severalSiblings: 0,
});

/** Several replicas that run random steps. */
export class RandomHistory {
  readonly replicas: readonly VirtualReplica[];
  readonly transactions: Transaction[] = [];
  readonly tally: Tally;

  /** `keyspaceOf` makes the keyspace of each, for its origin. */
  constructor(tally: Tally = emptyTally(), keyspaceOf: (origin: Origin) => SlabKeyspace = newKeyspace) {
    this.tally = tally;
    this.replicas = Array.from(
      { length: REPLICAS },
      (_unused, index) =>
        new VirtualReplica(originOfLetter(String.fromCharCode(65 + index)), START_MS + index * 7, keyspaceOf),
    );
  }

  replica(index: number): VirtualReplica {
    const replica = this.replicas[index];
    if (replica === undefined) throw new Error(`no replica ${index}`);
    return replica;
  }

  get origins(): VirtualReplica['origin'][] {
    return this.replicas.map((replica) => replica.origin);
  }

  /** Runs one step; returns the replica that it changed, null for none or all of them. */
  run(step: Step): VirtualReplica | null {
    for (const replica of this.replicas) {
      replica.storeOn(1);
      this.tally.evicted += replica.evict();
    }
    switch (step.step) {
      case 'write':
        this.#write(this.replica(step.at), step.commands);
        return this.replica(step.at);
      case 'deliver':
        this.#deliver(this.replica(step.at), step.nth);
        return this.replica(step.at);
      case 'catch up':
        this.#catchUp(this.replica(step.at), this.replica(step.from).history);
        return this.replica(step.at);
      case 'hear':
        this.replica(step.at).hear(this.replica(step.from).origin, this.replica(step.from).row());
        return null;
      case 'hear all':
        this.hearAll();
        return null;
      case 'sync':
        this.#sync();
        return null;
      case 'forget': {
        const replica = this.replica(step.at);
        replica.raiseStable(this.origins);
        const waiting = replica.keyspace.forgetWaiting;
        replica.forget();
        if (replica.keyspace.forgetWaiting < waiting) this.tally.forgot++;
        return replica;
      }
      case 'purge': {
        const replica = this.replica(step.at);
        this.#purge(replica);
        return replica;
      }
      case 'snapshot': {
        const replica = this.replica(step.at);
        if (step.at !== step.from) {
          replica.merge(this.replica(step.from));
          this.tally.merged++;
        }
        return replica;
      }
      case 'persist':
        this.replica(step.at).persist();
        return null;
      case 'restart':
        this.replica(step.at).restart();
        return this.replica(step.at);
      case 'pass':
        this.replica(step.at).passMs(step.ms);
        return null;
      case 'age': {
        for (const replica of this.replicas) replica.passMs(step.ms);
        this.#sync();
        const replica = this.replica(step.at);
        // the first look puts up the fence that the second one finds stable
        for (let look = 0; look < 2; look++) this.#purge(replica);
        return replica;
      }
    }
  }

  hearAll(): void {
    const rows = this.replicas.map((replica) => ({ origin: replica.origin, row: replica.row() }));
    for (const replica of this.replicas) for (const { origin, row } of rows) replica.hear(origin, row);
  }

  /** Brings everything everywhere, and lets everything be forgotten twice, since forgetting one thing can free another. */
  quiesce(): void {
    this.#sync();
    for (let round = 0; round < 3; round++) {
      for (const replica of this.replicas) {
        replica.raiseStable(this.origins);
        replica.forget();
      }
    }
  }

  #purge(replica: VirtualReplica): void {
    replica.raiseStable(this.origins);
    const kept = replica.keyspace.entryCount;
    replica.purge(this.origins);
    if (replica.keyspace.entryCount < kept) this.tally.purged++;
  }

  #sync(): void {
    for (const replica of this.replicas) this.#catchUp(replica, this.transactions);
    this.hearAll();
  }

  /** Every expiry passes on every clock, and everything that can go goes: expired keys, residue, tombstones. */
  outliveExpiries(): void {
    for (const replica of this.replicas) replica.passMs(10_000);
    this.#sync();
    for (let look = 0; look < 5; look++) for (const replica of this.replicas) this.#purge(replica);
  }

  #deliver(replica: VirtualReplica, nth: number): void {
    const ready = this.transactions.filter((transaction) => replica.canApply(transaction));
    const transaction = ready[nth % ready.length];
    if (transaction !== undefined) replica.apply(transaction);
  }

  /** In the order in which they were made, which is a causal one. */
  #catchUp(replica: VirtualReplica, wanted: Iterable<Transaction>): void {
    const wantedSet = new Set(wanted);
    for (const transaction of this.transactions) {
      if (wantedSet.has(transaction) && replica.canApply(transaction)) replica.apply(transaction);
    }
  }

  #write(replica: VirtualReplica, commands: readonly Command[]): void {
    const made = replica.transact((tx, nowMs) => {
      for (const command of commands) runCommand(replica, tx, nowMs, command);
    });
    if (made === null) return;
    this.tally.transactions++;
    if (this.transactions.some(({ origin, seq }) => origin !== made.origin && !made.deps.contains(origin, seq))) {
      this.tally.concurrent++;
    }
    this.transactions.push(made);
  }
}

/** What fills are stamped below their loads' start. */
const SKEW_MS = 15;

const KEY = new ByteRange();
const FIELD = new ByteRange();
const VALUE = new ByteRange();

/** Runs a command where it can run in the state it meets, as the real ones check before they write. */
function runCommand(
  { keyspace, origin }: VirtualReplica,
  tx: LocalTransaction,
  nowMs: number,
  command: Command,
): unknown {
  KEY.setFrom(latin1Range(command.key));
  FIELD.setFrom(latin1Range(FIELDS[command.field] ?? ''));
  VALUE.setFrom(latin1Range(VALUES[Math.abs(command.amount) % VALUES.length] ?? ''));
  const hash = keyspace.hashOf(KEY);
  const slot = keyspace.find(KEY, hash, nowMs);
  const type = slot < 0 ? ContentType.None : keyspace.typeOf(slot);
  const isOrAbsent = (wanted: ContentType): boolean => type === ContentType.None || type === wanted;
  const amount = BigInt(command.amount);
  const units = (amount * FRACTION_UNIT) / 4n;
  switch (command.write) {
    case 'set':
      return tx.set(KEY, hash, VALUE, Infinity);
    case 'setFor':
      return tx.set(KEY, hash, VALUE, nowMs + 10 + Math.abs(command.amount) * 5);
    case 'setKeepingExpiry':
      return tx.setKeepingExpiry(KEY, hash, VALUE);
    case 'del':
      return slot < 0 ? undefined : tx.delete(KEY, hash);
    case 'incr':
      return isOrAbsent(ContentType.String) && isNumber(keyspace, slot) ? tx.increment(KEY, hash, amount) : undefined;
    case 'incrFloat':
      return isOrAbsent(ContentType.String) && isNumber(keyspace, slot)
        ? tx.incrementDecimal(KEY, hash, units)
        : undefined;
    case 'expire':
      return slot < 0 ? undefined : tx.expire(KEY, hash, nowMs + 10 + Math.abs(command.amount) * 5);
    case 'persist':
      return slot < 0 ? undefined : tx.expire(KEY, hash, Infinity);
    case 'hset':
      return isOrAbsent(ContentType.Hash) ? tx.hashSet(KEY, hash, FIELD, VALUE) : undefined;
    case 'hdel':
      return type === ContentType.Hash && keyspace.hashAt(slot).has(FIELD)
        ? tx.hashDelete(KEY, hash, FIELD)
        : undefined;
    case 'hincr':
      return isOrAbsent(ContentType.Hash) ? tx.hashIncrement(KEY, hash, FIELD, amount) : undefined;
    case 'hincrFloat':
      return isOrAbsent(ContentType.Hash) ? tx.hashIncrementDecimal(KEY, hash, FIELD, units) : undefined;
    case 'sadd':
      return isOrAbsent(ContentType.Set) ? tx.setAdd(KEY, hash, FIELD) : undefined;
    case 'srem':
      return type === ContentType.Set && keyspace.setAt(slot).has(FIELD) ? tx.setRemove(KEY, hash, FIELD) : undefined;
    case 'fill': {
      // clocks of replicas are within the limit
      const transact: Engine['transact'] = (atMs, run) => {
        run(tx, atMs);
        return 1;
      };
      const loads = new Loads(
        keyspace,
        { origin, transact, refusal: () => null, invalidations: NO_INVALIDATIONS },
        SKEW_MS,
      );
      return loads.end(loads.begin(KEY, nowMs), VALUE, command.amount > 4 ? Infinity : nowMs + 50, nowMs);
    }
    case 'flush':
      return tx.flushAll();
  }
}

function isNumber(keyspace: SlabKeyspace, slot: number): boolean {
  if (slot < 0) return true;
  const value = new ByteRange();
  keyspace.stringInto(slot, value);
  return parseDecimal(value.toLatin1()) !== null;
}
