import { ColumnsReader } from '../../src/causal/columns-reader.ts';
import type { TransactionsFrame } from '../../src/causal/peer-frames.ts';
import { dotText, type Dot, type NodeNames } from '../../src/clock/dot.ts';
import type { Origin } from '../../src/clock/origin.ts';
import { Update } from '../../src/crdt/update.ts';
import { peerCodec } from '../../src/wire/peer-codec.ts';
import type { DeliveryOracle } from '../properties/delivery/delivery-oracle.ts';

const SCRATCH = new Update();

/** What has seen something is above it in the order of writes: stamps follow the causal order, whatever clocks say (SPEC D3). */
export class StampWatch {
  readonly #oracle: DeliveryOracle;
  readonly #names: NodeNames;
  /** Of each origin, by sequence; 0 for one that was never on its way. */
  readonly #stamps: Map<Origin, number[]> = new Map();
  /** Not looked at yet. */
  readonly #new: (readonly [origin: Origin, seq: number, stamp: number])[] = [];
  /** Transactions that were looked at. */
  checks = 0;

  constructor(oracle: DeliveryOracle, names: NodeNames) {
    this.#oracle = oracle;
    this.#names = names;
  }

  /** Transactions went on their way. */
  carried({ origin, first, last, bytes }: TransactionsFrame): void {
    const stamps = this.#stampsOf(origin);
    if (stamps.length > last) return;
    const reader = new ColumnsReader(peerCodec.decodeColumns(bytes, last - first + 1));
    for (let seq = first; seq <= last; seq++) {
      const { stamp } = reader;
      reader.next(SCRATCH, () => {});
      if ((stamps[seq] ?? 0) > 0) continue;
      while (stamps.length < seq) stamps.push(0);
      stamps[seq] = stamp;
      this.#new.push([origin, seq, stamp]);
    }
  }

  /** A turn ended: what was seen by the maker of what went on its way in it is known now. */
  settled(): string[] {
    return this.#new.splice(0).flatMap(([origin, seq, stamp]) => this.#below(origin, seq, stamp));
  }

  /** 0 for one that was never on its way. */
  stampOf({ origin, seq }: Dot): number {
    return this.#stamps.get(origin)?.[seq] ?? 0;
  }

  #stampsOf(origin: Origin): number[] {
    let stamps = this.#stamps.get(origin);
    if (stamps === undefined) this.#stamps.set(origin, (stamps = [0]));
    return stamps;
  }

  #below(origin: Origin, seq: number, stamp: number): string[] {
    const deps = this.#oracle.depsOf(origin, seq);
    if (deps === undefined) return [];
    this.checks++;
    return [...deps.dots()].flatMap(([of, upTo]) => {
      const seen = of === origin ? 0 : (this.#stamps.get(of)?.[upTo] ?? 0);
      if (seen < stamp) return [];
      return [
        `D3: ${dotText(origin, seq, this.#names)} is not above ${dotText(of, upTo, this.#names)}, which it had seen`,
      ];
    });
  }
}
