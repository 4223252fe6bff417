import { latin1Range } from '../base/bytes.ts';
import { nodeOf, type NodeNumber, type Origin } from '../clock/origin.ts';
import type { VersionVector } from '../clock/version-vector.ts';
import type { DocumentContent } from '../crdt/document-content.ts';
import type { LocalTransaction } from './local-transaction.ts';
import { NOBODY } from './weak-writes.ts';

/** Documents looked at in one tick: each may be decoded and encoded. */
const LOOKS_MAX = 16;

/**
 * Documents that were edited, until it is known whether their history is worth a new generation (RULES V9). The node that made the
 * latest edit proposes: it was alive just now, and no other has to be asked. Two may propose at once; then the later stamp wins.
 */
export class GrownDocuments {
  readonly #keys: Set<string> = new Set();
  readonly #documentOf: (key: string) => DocumentContent | null | undefined;
  readonly #weakStable: VersionVector;

  /** `weakStable` is what is stable of the documents that never leave this node. */
  constructor(documentOf: (key: string) => DocumentContent | null | undefined, weakStable: VersionVector) {
    this.#documentOf = documentOf;
    this.#weakStable = weakStable;
  }

  note(key: string): void {
    this.#keys.add(key);
  }

  get size(): number {
    return this.#keys.size;
  }

  /** Lets documents whose history has become long start a new generation (RULES V9), in the open transaction. */
  renew(
    transaction: Pick<LocalTransaction, 'documentGeneration'>,
    nodeNumber: NodeNumber,
    stable: VersionVector,
  ): void {
    for (const key of this.due(nodeNumber, stable)) transaction.documentGeneration(latin1Range(key), 0);
  }

  /** Keys of documents for which `node` should make a generation now. Looks at some of those that were edited. */
  due(node: NodeNumber, stable: VersionVector): string[] {
    const due: string[] = [];
    let looks = LOOKS_MAX;
    const unsettled: string[] = [];
    for (const key of this.#keys) {
      if (looks-- === 0) break;
      this.#keys.delete(key);
      const content = this.#documentOf(key)?.content ?? null;
      const maker = content === null ? null : nodeOf(content.latest.origin as Origin);
      if (content === null || (maker !== node && maker !== NOBODY)) continue;
      const history = content.history(maker === NOBODY ? this.#weakStable : stable);
      if (history === 'long') due.push(key);
      else if (history === 'unsettled') unsettled.push(key);
    }
    for (const key of unsettled) this.#keys.add(key);
    return due;
  }
}
