import { ReplyError } from '../wire/resp/reply-values.ts';
import type { Fill, NearCache } from './near-cache.ts';
import type { Reply } from './replies.ts';
import type { Call } from './request.ts';

/** A part of what a key shows: a field of a hash, all of them, what a path finds. */
export interface ReadPart {
  readonly name: string;
  readonly value: unknown;
}

/**
 * A read of parts of a hash or a document that fills the near cache where its reply is read. `partsOf` makes values of the reply that are nobody else's; what it throws is for whoever reads the
 * reply, and here not kept.
 */
export class NearPartRead {
  readonly call: Pick<Call, 'leaving' | 'replied' | 'unanswered'>;
  readonly #near: NearCache | null;
  readonly #key: string;
  readonly #partsOf: (reply: Reply) => readonly ReadPart[];
  #fill: Fill | null = null;

  constructor(near: NearCache | null, key: string, partsOf: (reply: Reply) => readonly ReadPart[]) {
    this.#near = near;
    this.#key = key;
    this.#partsOf = partsOf;
    this.call =
      near?.takes(key) === true
        ? {
            leaving: (isMain) => this.#begin(isMain),
            replied: (reply) => this.#end(reply),
            unanswered: () => this.#giveUp(),
          }
        : {};
  }

  #begin(isMain: boolean): void {
    if (isMain) this.#fill = this.#near?.begin(this.#key) ?? null;
  }

  #end(reply: Reply): void {
    const fill = this.#fill;
    if (fill !== null && !(reply instanceof ReplyError)) {
      try {
        // as many bytes as the reply has, about
        this.#near?.endParts(fill, this.#partsOf(reply), bytesIn(reply));
        this.#fill = null;
      } catch {
        // whoever reads it is told
      }
    }
    this.#giveUp();
  }

  #giveUp(): void {
    if (this.#fill !== null) this.#near?.giveUp(this.#fill);
    this.#fill = null;
  }
}

/** What the texts of a reply take. */
function bytesIn(reply: Reply): number {
  if (reply instanceof Uint8Array || typeof reply === 'string') return reply.length;
  if (Array.isArray(reply)) return (reply as readonly Reply[]).reduce((sum: number, item) => sum + bytesIn(item), 0);
  return typeof reply === 'object' && reply !== null && 'items' in reply ? bytesIn(reply.items) : 0;
}
