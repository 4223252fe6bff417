import type { Member } from '../../src/causal/members.ts';
import type { SeededRandom } from '../support/seeded-random.ts';
import { regionDelayMs } from '../support/strong-regions.ts';
import { streamOf } from './streams.ts';

type Kind = 'bulk' | 'control';

/** What is wrong with the way from one node to another, for a time. */
export interface Trouble {
  readonly from: string;
  readonly to: string;
  /** Both kinds of connection, or one. */
  readonly kind: Kind | null;
  readonly untilMs: number;
  /** Longer by so much. */
  readonly slowMs: number;
  /** Nothing arrives before the end, then all at once. */
  readonly isClogged: boolean;
  /** No more leaves in a millisecond; Infinity for no bound. */
  readonly bytesPerMs: number;
  /** The part of the messages that is lost, each with its connection. */
  readonly lossRate: number;
}

/** How long messages are on their way, and which are lost. Each way has its own draws. */
export class Weather {
  readonly #seed: number;
  readonly #jitter: number;
  readonly #nowMs: () => number;
  #troubles: Trouble[] = [];
  readonly #delays: Map<string, SeededRandom> = new Map();
  readonly #losses: Map<string, SeededRandom> = new Map();

  constructor(seed: number, jitter: number, nowMs: () => number) {
    this.#seed = seed;
    this.#jitter = jitter;
    this.#nowMs = nowMs;
  }

  add(trouble: Trouble): void {
    this.#troubles.push(trouble);
  }

  clear(): void {
    this.#troubles = [];
  }

  #on(from: Member, to: Member, kind: Kind | undefined): readonly Trouble[] {
    if (this.#troubles.length === 0) return this.#troubles;
    const nowMs = this.#nowMs();
    this.#troubles = this.#troubles.filter(({ untilMs }) => untilMs > nowMs);
    return this.#troubles.filter(
      (each) => each.from === from.id && each.to === to.id && (each.kind === null || each.kind === kind),
    );
  }

  delayMs(from: Member, to: Member, kind: Kind | undefined): number {
    const draw = drawFrom(this.#delays, `${from.id}>${to.id} ${kind ?? 'dial'}`, (name) =>
      streamOf(this.#seed, 'delay', name),
    );
    let delayMs = regionDelayMs(from.region, to.region) * (1 + draw * this.#jitter);
    for (const { slowMs, isClogged, untilMs } of this.#on(from, to, kind))
      delayMs += slowMs + (isClogged && kind !== undefined ? untilMs - this.#nowMs() : 0);
    return delayMs;
  }

  bandwidth(from: Member, to: Member, kind: Kind): number {
    return Math.min(Infinity, ...this.#on(from, to, kind).map(({ bytesPerMs }) => bytesPerMs));
  }

  loses(from: Member, to: Member, kind: Kind): boolean {
    const rate = Math.max(0, ...this.#on(from, to, kind).map(({ lossRate }) => lossRate));
    if (rate === 0) return false;
    return drawFrom(this.#losses, `${from.id}>${to.id} ${kind}`, (name) => streamOf(this.#seed, 'loss', name)) < rate;
  }
}

function drawFrom(streams: Map<string, SeededRandom>, name: string, open: (name: string) => SeededRandom): number {
  let stream = streams.get(name);
  if (stream === undefined) {
    stream = open(name);
    streams.set(name, stream);
  }
  return stream.unit();
}
