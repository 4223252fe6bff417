import { latin1Range, type ByteRange } from '../base/bytes.ts';
import { systemKey } from '../base/system-keys.ts';
import type { SourceRule } from '../classes/key-class.ts';
import type { Engine } from './engine.ts';
import type { Fetched } from './fetcher.ts';
import { END_OF_PART, ownerOf } from './key-owner.ts';
import type { LoadTurns, SourceFetcher } from './source-fetcher.ts';

/** Somebody asks the node that is named to load a key. */
const ASK: string = systemKey('load', 'ask');
/** The source has no value for a key. */
const NONE: string = systemKey('load', 'none');
/** A key was asked for and did not come. */
const FAILED: string = systemKey('load', 'failed');

/** What it asks of the world. */
export interface SharedLoadsHost {
  readonly engine: Engine;
  wallMs(): number;
  /** Calls back once, after so long; returns what ends that. */
  after(ms: number, run: () => void): () => void;
  /** Something was written: what this turn made is to be sent. */
  touched(): void;
}

/**
 * One load of a key among several nodes: each key has one node that loads it (`ownerOf`). Others ask it by a message, as PUBLISH makes them, and wait for what comes with
 * its transactions. It is no lock: where nodes do not see the same members, or what was asked for does not come within half of the source's timeout, there
 * are two loads, and V8 decides between them.
 */
export class SharedLoads implements LoadTurns {
  readonly #host: SharedLoadsHost;
  readonly #waiting: Map<string, () => void> = new Map();

  constructor(host: SharedLoadsHost) {
    this.#host = host;
  }

  passOn(rule: SourceRule, key: string, instead: () => void): { readonly cancel: () => void } | null {
    if (rule.stampede === 'node') return null;
    const { node } = this.#host.engine;
    const owner = ownerOf(node, key, rule.stampede === 'region', this.#host.wallMs());
    if (owner === node.nodeId) return null;
    const end = (): void => {
      stop();
      this.#waiting.delete(key);
    };
    const loadHere = (): void => {
      end();
      instead();
    };
    const stop = this.#host.after(rule.timeoutMs / 2, loadHere);
    this.#waiting.set(key, loadHere);
    this.#tell(ASK, `${owner}${END_OF_PART}${key}`);
    return { cancel: end };
  }

  #tell(channel: string, message: string): void {
    const { engine } = this.#host;
    const nowMs = engine.nowMs(this.#host.wallMs());
    engine.transact(nowMs, (tx) => tx.publish(latin1Range(channel), latin1Range(message)));
    this.#host.touched();
  }

  /** A message of a member on a channel of the product's own. */
  message(channel: ByteRange, message: ByteRange, fetcher: SourceFetcher): void {
    const text = message.toLatin1();
    switch (channel.toLatin1()) {
      case ASK: {
        const at = text.indexOf(END_OF_PART);
        const key = text.slice(at + 1);
        const { node } = this.#host.engine;
        if (text.slice(0, at) !== node.nodeId) return;
        fetcher.loadFor(key, node.classes.policy.classOfText(key), (fetched) => this.#loaded(key, fetched));
        return;
      }
      case NONE:
        fetcher.keyIsAbsent(text);
        return;
      case FAILED:
        this.#waiting.get(text)?.();
        return;
      default:
        // of a later version
        return;
    }
  }

  /** What was loaded for others comes to them as a fill; all else has to be said. */
  #loaded(key: string, fetched: Fetched): void {
    if (fetched.kind === 'absent') this.#tell(NONE, key);
    else if (fetched.kind !== 'found' || fetched.value !== null) this.#tell(FAILED, key);
  }
}
