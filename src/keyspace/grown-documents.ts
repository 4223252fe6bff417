import { nodeOf, type NodeNumber, type Origin } from '../clock/origin.ts';
import type { VersionVector } from '../clock/version-vector.ts';
import type { DocumentContent } from '../crdt/document-content.ts';

/** The document of a key, where there is one. */
export type DocumentOf = (key: string) => DocumentContent | null | undefined;

/** Documents looked at in one tick: each may be decoded and encoded. */
const LOOKS_MAX = 16;

/**
 * Documents that were edited, until it is known whether their history is worth a new generation (RULES V9). The node that made the
 * latest edit proposes: it was alive just now, and no other has to be asked. Two may propose at once; then the later stamp wins.
 */
export class GrownDocuments {
  readonly #keys: Set<string> = new Set();
  readonly #documentOf: DocumentOf;

  constructor(documentOf: DocumentOf) {
    this.#documentOf = documentOf;
  }

  note(key: string): void {
    this.#keys.add(key);
  }

  get size(): number {
    return this.#keys.size;
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
      if (content === null || nodeOf(content.latest.origin as Origin) !== node) continue;
      const history = content.history(stable);
      if (history === 'long') due.push(key);
      else if (history === 'unsettled') unsettled.push(key);
    }
    for (const key of unsettled) this.#keys.add(key);
    return due;
  }
}
