import { readWords, type ReplyValue } from '../conformance/reply-value.ts';
import type { VirtualClient } from '../support/virtual-client.ts';
import { VirtualRegions } from '../support/virtual-regions.ts';

/** Two regions that hear of each other only while they are told to. */
export class TwoRegions {
  readonly #regions: VirtualRegions = new VirtualRegions({ regions: ['one', 'two'] });
  readonly #clients: readonly VirtualClient[] = ['one', 'two'].map((region) => this.#regions.connect(region));

  constructor() {
    this.#regions.cluster.cut('one', 'two');
  }

  /** Runs a command in region 1 or 2, a moment after the one before. */
  run(region: number, line: string): ReplyValue {
    const client = this.#clients[region - 1];
    if (client === undefined) throw new Error(`no region ${region}`);
    this.#regions.cluster.run(2);
    return client.call(...readWords(line));
  }

  /** Delivers everything both ways. */
  sync(): void {
    this.#regions.sync();
    this.#regions.cluster.cut('one', 'two');
  }

  readonly isOffered = (command: string): boolean => this.#clients.every(({ server }) => server.isOffered(command));
}
