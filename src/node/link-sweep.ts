import { latin1Range } from '../base/bytes.ts';
import { systemKey, systemKeyParts } from '../base/system-keys.ts';
import type { Origin } from '../clock/origin.ts';
import { CONTENT_TYPE_KIND, linkKey, type LinkKind } from '../keyspace/key-links.ts';
import { ContentType, NO_SLOT, type Slot } from '../keyspace/keyspace.ts';
import type { InvalidationsHost } from './invalidations.ts';

/** Places looked at in a tick, and keys whose links are taken away in it. */
const PLACES = 2_000;
const KEYS_MAX = 100;
/** Nodes take turns: so nobody does what another one does at the same time. */
const TURN_MS = 10_000;

/** The other side of a link's set. */
const OTHER_SIDE: Readonly<Partial<Record<string, LinkKind>>> = { tags: 'tagged', dependencies: 'dependents' };

/** What is to go: links of a key, or the content type that stands beside its value. */
interface Leftover {
  readonly kind: LinkKind | typeof CONTENT_TYPE_KIND;
  readonly key: string;
}

/**
 * Takes tags and dependencies away from keys that are gone: where nothing is kept of a key any more and no change of it is on its way (all
 * that removed it is stable), so that nobody can have written it without having seen that. Nodes take turns by the clock; two at once do no harm, for a
 * removal takes only what it has seen, and a tag that is given anew stays. So go content types (SPEC H3) whose value is another write's by now, which are of no use.
 */
export class LinkSweep {
  readonly #host: InvalidationsHost;
  readonly #place: number;
  readonly #nodes: number;
  #cursor = 0;

  constructor(host: InvalidationsHost, place: number, nodes: number) {
    this.#host = host;
    this.#place = place;
    this.#nodes = nodes;
  }

  /** What is to go, of the next places; keys in latin1. */
  next(wallMs: number): Leftover[] {
    const found: Leftover[] = [];
    if (Math.floor(wallMs / TURN_MS) % this.#nodes !== this.#place) return found;
    const { keyspace } = this.#host;
    this.#cursor = keyspace.system.scan(this.#cursor, PLACES, (slot, text) => {
      const parts = systemKeyParts(text);
      if (parts === null || found.length >= KEYS_MAX) return;
      if (parts.kind === CONTENT_TYPE_KIND) {
        if (this.#isOutdated(slot, parts.name)) found.push({ kind: CONTENT_TYPE_KIND, key: parts.name });
        return;
      }
      if (OTHER_SIDE[parts.kind] === undefined) return;
      if (this.#isGone(parts.name)) found.push({ kind: parts.kind as LinkKind, key: parts.name });
    });
    return found;
  }

  #isGone(key: string): boolean {
    const { keyspace } = this.#host;
    return keyspace.slotOf(latin1Range(key), 0) === NO_SLOT && !keyspace.recent.mayBeRecent(key);
  }

  /** Whether a content type is of another write than its value: the two come in one transaction, so they will not be of one again. */
  #isOutdated(type: Slot, key: string): boolean {
    const { keyspace } = this.#host;
    const own = keyspace.registerAt(type);
    // what is not stable may be here before its value, as a snapshot is merged
    if (own === null || keyspace.recent.isRecent(own.origin as Origin, own.seq)) return false;
    const slot = keyspace.slotOf(latin1Range(key), 0);
    if (slot === NO_SLOT) return !keyspace.recent.mayBeRecent(key);
    if (keyspace.typeOf(slot) !== ContentType.String) return true;
    const shown = keyspace.registerAt(slot);
    // of what is of several writes nobody says
    if (shown === null) return false;
    return shown.stamp !== own.stamp || shown.origin !== own.origin || shown.seq !== own.seq;
  }

  /** Takes it away, in the open transaction: what it has seen of it. */
  remove({ kind, key }: Leftover): void {
    const { keyspace, transaction } = this.#host;
    if (kind === CONTENT_TYPE_KIND) return transaction.deleteSeen(latin1Range(systemKey(kind, key)), 0);
    const own = latin1Range(linkKey(kind, key));
    const set = keyspace.entryOf(own)?.set ?? null;
    const otherSide = OTHER_SIDE[kind];
    if (set === null || otherSide === undefined) return;
    const members = Array.from({ length: set.size }, (_, at) => set.nameAt(at));
    for (const member of members) {
      const [name, back] = kind === 'tags' ? [member, key] : [member.slice(1), `${member.slice(0, 1)}${key}`];
      transaction.setRemove(latin1Range(linkKey(otherSide, name)), 0, latin1Range(back));
    }
    for (const member of members) transaction.setRemove(own, 0, latin1Range(member));
  }
}
