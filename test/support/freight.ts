import type { SeededRandom } from '../../src/groups/seeded-random.ts';
import type { StrongRegions } from './strong-regions.ts';
import type { VirtualClient } from './virtual-client.ts';
import type { VirtualNode } from './virtual-node.ts';

interface Slot {
  connection: VirtualClient | null;
  /** The number of the value that it writes, 0 where it reads. */
  writes: number;
  isAsking: boolean;
}

const SLOTS = 12;
const KEYS = ['risk:freight:1', 'risk:freight:2', 'plan:freight'];

/** Clients in all regions that write and read large values of strong keys, as many as there is room for, and look that what they are told is true. */
export class Freight {
  readonly wrong: string[] = [];
  answers = 0;
  readonly #regions: StrongRegions;
  readonly #random: SeededRandom;
  readonly #bytes: number;
  readonly #slots: Slot[] = [];
  /** Values that were said not to have been written. */
  readonly #refused: Set<number> = new Set();
  #written = 0;

  constructor(regions: StrongRegions, random: SeededRandom, bytes: number) {
    this.#regions = regions;
    this.#random = random;
    this.#bytes = bytes;
    for (let at = 0; at < SLOTS; at++) this.#slots.push({ connection: null, writes: 0, isAsking: false });
  }

  get isIdle(): boolean {
    return this.#slots.every(({ isAsking }) => !isAsking);
  }

  /** Hears what was answered; then asks again, unless it is over. */
  step(isOver: boolean): void {
    for (const slot of this.#slots) {
      this.#hear(slot);
      if (!slot.isAsking && !isOver) this.#ask(slot);
    }
  }

  #hear(slot: Slot): void {
    const { connection } = slot;
    if (connection === null) return;
    const { server } = connection;
    if (!server.node.isRunning || server.life !== server.node.life) {
      slot.connection = null;
      slot.isAsking = false;
      return;
    }
    if (server.node.isPaused) return;
    server.turn();
    const { answer } = connection;
    if (!slot.isAsking || answer === null) return;
    slot.isAsking = false;
    this.answers++;
    if (slot.writes > 0) this.#judgeWrite(slot.writes, answer);
    else this.#judgeRead(answer);
  }

  #judgeWrite(value: number, answer: string): void {
    // all other errors of strong keys mean that nothing happened (SPEC, strong keys: commands)
    if (answer.startsWith('-') && !answer.startsWith('-UNCERTAIN')) this.#refused.add(value);
    else if (answer !== '+OK' && !answer.startsWith('-'))
      this.wrong.push(`a large write is answered ${answer.slice(0, 80)}`);
  }

  #judgeRead(answer: string): void {
    if (answer === 'nil' || answer.startsWith('-')) return;
    const value = Number(/^"<(\d+)>\.*"$/.exec(answer)?.[1] ?? '0');
    if (value === 0 || answer.length !== this.#bytes + 2) this.wrong.push(`a large read gives ${answer.slice(0, 80)}`);
    else if (this.#refused.has(value)) this.wrong.push(`${value} was said not to be written, and is read`);
  }

  #ask(slot: Slot): void {
    const up = this.#regions.cluster.running().filter(({ isPaused }) => !isPaused);
    slot.connection ??= this.#connect(up);
    if (slot.connection === null || slot.connection.server.node.isPaused) return;
    const key = KEYS[Math.floor(this.#random.unit() * KEYS.length)] ?? '';
    slot.writes = this.#random.unit() < 0.5 ? ++this.#written : 0;
    slot.isAsking = true;
    const words = slot.writes === 0 ? ['GET', key] : ['SET', key, `<${slot.writes}>`.padEnd(this.#bytes, '.')];
    slot.connection.begin(words);
  }

  #connect(up: readonly VirtualNode[]): VirtualClient | null {
    const node = up[Math.floor(this.#random.unit() * up.length)];
    return node === undefined ? null : this.#regions.connect(node.id);
  }
}
