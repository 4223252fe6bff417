import { latin1Range } from '../../../src/base/bytes.ts';
import { nodeNumber, nodeOf, originOf, type Origin } from '../../../src/clock/origin.ts';
import type { Stamp } from '../../../src/clock/stamp.ts';
import type { VersionVector } from '../../../src/clock/version-vector.ts';
import { Update, UpdateKind } from '../../../src/crdt/update.ts';

/** One update as plain data: what `Update` holds while it is applied. Text is latin1. */
export interface Effect {
  readonly kind: UpdateKind;
  readonly key: string;
  readonly field: string;
  readonly value: string;
  readonly atMs: number;
  readonly baseOrigin: number;
  readonly baseSeq: number;
}

/** One transaction of a history, with the vector that its origin had. */
export interface Transaction {
  readonly origin: Origin;
  readonly seq: number;
  readonly stamp: Stamp;
  /** Without the origin's own transactions before it, as nodes have it. */
  readonly deps: VersionVector;
  readonly effects: readonly Effect[];
}

export function effectOf(update: Update): Effect {
  return {
    kind: update.kind,
    key: update.key.toLatin1(),
    field: update.field.toLatin1(),
    value: update.value.toLatin1(),
    atMs: update.atMs,
    baseOrigin: update.baseOrigin,
    baseSeq: update.baseSeq,
  };
}

export function updateOf(effect: Effect): Update {
  const update = new Update();
  update.kind = effect.kind;
  update.key.setFrom(latin1Range(effect.key));
  update.field.setFrom(latin1Range(effect.field));
  update.value.setFrom(latin1Range(effect.value));
  update.atMs = effect.atMs;
  update.baseOrigin = effect.baseOrigin;
  update.baseSeq = effect.baseSeq;
  return update;
}

/** Whether `later` was made after its origin had applied `earlier`: happens-before. */
export function sawTransaction(later: Transaction, earlier: Transaction): boolean {
  if (later.origin === earlier.origin) return earlier.seq < later.seq;
  return later.deps.contains(earlier.origin, earlier.seq);
}

/** The origin of node A, B, C … */
export function originOfLetter(letter: string): Origin {
  return originOf(nodeNumber(letter.charCodeAt(0) - 64), 1);
}

export function letterOf(origin: number): string {
  return origin === 0 ? '-' : String.fromCharCode(64 + nodeOf(origin as Origin));
}

const kindNames = new Map<number, string>(Object.entries(UpdateKind).map(([name, kind]) => [kind, name]));

/** `B:7@12 sees A:3 { HashSet k f=v }`, for what a failing test prints. */
export function transactionText(transaction: Transaction): string {
  const deps = [...transaction.deps.dots()].map(([origin, seq]) => `${letterOf(origin)}:${seq}`).join(' ');
  const effects = transaction.effects.map((effect) => {
    const base = effect.baseOrigin === 0 ? '' : ` on ${letterOf(effect.baseOrigin)}:${effect.baseSeq}`;
    const at = effect.atMs === Infinity ? '' : ` at ${effect.atMs}`;
    const parts = [kindNames.get(effect.kind), effect.key, effect.field, effect.value].filter((part) => part !== '');
    return `${parts.join(' ')}${at}${base}`;
  });
  return `${letterOf(transaction.origin)}:${transaction.seq} stamp ${transaction.stamp} sees [${deps}] { ${effects.join('; ')} }`;
}
