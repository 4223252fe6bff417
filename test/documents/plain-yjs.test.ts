import { describe, expect, it } from 'vitest';
import { applyUpdate, Doc } from 'yjs';
import { latin1Range } from '../../src/base/bytes.ts';
import type { Operation } from '../../src/crdt/document-edits.ts';
import { SharedDocument } from '../../src/crdt/document.ts';
import { UpdateKind } from '../../src/crdt/update.ts';
import { originOfLetter, type Transaction } from '../properties/values/transaction.ts';
import { VirtualReplica } from '../properties/values/virtual-replica.ts';
import { runs } from '../support/fast-check-runs.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import { docEdit, docSet, json, push, set, shownDocument } from './document-orders.ts';

const ROOT = '{"map":{"x":1},"list":[1,2,3],"text":"t"}';

function randomOperation(random: SeededRandom, number: number): Operation {
  const position = random.below(4);
  const choices: readonly Operation[] = [
    set(['map', `k${random.below(4)}`], `{"n":${number},"in":[]}`),
    set(['map', `k${random.below(4)}`], `${number}`),
    set(['map', `k${random.below(4)}`, 'n'], `${-number}`),
    push(['map', `k${random.below(4)}`, 'in'], `${number}`),
    ['remove', ['map', `k${random.below(4)}`]],
    ['insert', ['list'], position, [number, [number]]],
    ['take', ['list'], position],
    ['append', ['text'], 'x'],
  ];
  return random.pick(choices);
}

/** Plain documents that hear of updates at random: late, in any order, some twice. */
class PlainDocuments {
  readonly docs: readonly Doc[];
  readonly #random: SeededRandom;
  readonly #waiting: { readonly to: Doc; readonly update: Uint8Array }[] = [];

  constructor(count: number, base: Uint8Array, random: SeededRandom) {
    this.#random = random;
    this.docs = Array.from({ length: count }, () => new Doc());
    for (const doc of this.docs) applyUpdate(doc, base);
  }

  tell(update: Uint8Array): void {
    for (const to of this.docs) {
      this.#waiting.push({ to, update });
      if (this.#random.unit() < 0.1) this.#waiting.push({ to, update });
    }
  }

  /** Delivers one update, whichever; says whether there was one. */
  deliver(): boolean {
    const [next] = this.#waiting.splice(this.#random.below(this.#waiting.length), 1);
    if (next === undefined) return false;
    applyUpdate(next.to, next.update);
    return true;
  }
}

/** Three replicas deliver transactions in random causal order; beside them, plain Y.Docs that hear of the same edits in any order. */
function expectAgreement(seed: number): void {
  const random = new SeededRandom(seed);
  const replicas = ['A', 'B', 'C'].map((letter) => new VirtualReplica(originOfLetter(letter), 0));
  const made: Transaction[] = [];
  const write = (replica: VirtualReplica, run: Parameters<VirtualReplica['transact']>[0]): Transaction => {
    const transaction = replica.transact(run);
    if (transaction === null) throw new Error('nothing was written');
    made.push(transaction);
    return transaction;
  };
  const [first] = replicas;
  const root = write(first as VirtualReplica, docSet(ROOT));
  for (const replica of replicas.slice(1)) replica.apply(root);

  const plain = new PlainDocuments(3, SharedDocument.fromJson(json(ROOT)).encode(), random);

  for (let step = 0; step < 60; step++) {
    const replica = random.pick(replicas);
    if (random.unit() < 0.5) {
      const { effects } = write(replica, docEdit(randomOperation(random, step)));
      for (const { kind, value } of effects) {
        if (kind === UpdateKind.DocumentEdit) plain.tell(latin1Range(value).toBytes());
      }
    } else {
      const ready = made.filter((transaction) => !replica.history.has(transaction) && replica.canApply(transaction));
      if (ready.length > 0) replica.apply(random.pick(ready));
    }
    if (random.unit() < 0.6) plain.deliver();
  }
  for (const replica of replicas) {
    for (const transaction of made)
      if (!replica.history.has(transaction) && replica.canApply(transaction)) replica.apply(transaction);
  }
  while (plain.deliver());
  const [shown, ...others] = replicas.map((replica) => shownDocument(replica.keyspace, 'd'));
  expect(new Set(others)).toEqual(new Set([shown]));
  for (const doc of plain.docs) expect(doc.getMap('').toJSON()).toEqual({ '': JSON.parse(shown ?? '') });
}

describe('edits and plain Yjs', () => {
  it('agree, each delivered at random in its own way: ours in causal order, theirs late, reordered and twice', () => {
    for (let seed = 1; seed <= runs(40); seed++) expectAgreement(seed);
  });
});
