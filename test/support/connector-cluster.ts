import { TestConnector, type TestYInstance } from 'yjs/testHelper';
import { present } from '../../src/base/assert.ts';
import type { SeededRandom } from './seeded-random.ts';
import { VirtualCluster } from './virtual-cluster.ts';
import type { Connection, VirtualNode } from './virtual-node.ts';

/** Messages of the connector that are delivered in a millisecond: more than the nodes make while nothing happens. */
const MESSAGES_PER_MS = 6;
/** Yjs' writer ids of the carriers: above those of generations' bases, far below those of nodes. */
const FIRST_CARRIER_ID = 10;

interface FrameOnItsWay {
  readonly connection: Connection;
  readonly to: VirtualNode;
  /** Of the receiver, when it was sent. */
  readonly life: number;
}

/**
 * A cluster whose frames travel by the connector of yjs' own tests. Each node has a document there, its carrier. A frame becomes a
 * member of a map of the sender's carrier; the connector delivers messages in an order that it chooses at random, drops what is on
 * its way to one that it disconnects, and lets the carriers sync when they are back, by way of third ones too. So frames come late and
 * from anywhere, and those of one sender in its order, as a link gives them.
 */
export class ConnectorCluster extends VirtualCluster {
  readonly connector: TestConnector;
  /** Of the nodes, in their order. */
  readonly carriers: readonly TestYInstance[];
  /** One that belongs to no node and only listens. */
  readonly listener: TestYInstance;
  readonly #onTheirWay: Map<string, FrameOnItsWay> = new Map();
  readonly #arrived: { readonly name: string; readonly frame: Uint8Array }[] = [];

  constructor(regions: readonly string[], random: SeededRandom) {
    super({ regions });
    this.connector = new TestConnector({ next: () => random.unit() });
    this.carriers = this.nodes.map((_node, index) => this.#instance(index));
    this.listener = this.#instance(this.nodes.length);
    for (const [at, to] of this.nodes.entries()) {
      const carrier = present(this.carriers[at], 'every node has a carrier');
      for (const from of this.nodes) if (from !== to) this.#receive(carrier, from, to);
    }
  }

  #instance(index: number): TestYInstance {
    const instance = this.connector.createY(index);
    instance.clientID = FIRST_CARRIER_ID + index;
    return instance;
  }

  #receive(carrier: TestYInstance, from: VirtualNode, to: VirtualNode): void {
    const frames = carrier.getMap<Uint8Array>(mapName(from, to));
    // only noted: Yjs swallows what is thrown here
    frames.observe(({ keysChanged }) => {
      const names = [...keysChanged].map(String).sort((left, right) => Number(left) - Number(right));
      for (const name of names) this.#arrived.push({ name, frame: present(frames.get(name), 'it came') });
    });
  }

  override carry(from: VirtualNode, link: number, frame: Uint8Array): void {
    const connection = from.links.get(link);
    if (connection === undefined || !connection.open) return;
    const to = connection.ends[connection.ends[0] === from ? 1 : 0];
    const name = String(++this.framesCarried);
    this.#onTheirWay.set(name, { connection, to, life: to.life });
    this.carriers[this.nodes.indexOf(from)]?.getMap(mapName(from, to)).set(name, new Uint8Array(frame));
  }

  override run(ms: number): void {
    for (let passed = 0; passed < ms; passed++) {
      super.run(1);
      for (let count = 0; count < MESSAGES_PER_MS; count++) this.deliver();
    }
  }

  /** Delivers one message of the connector, whichever, and the frames that came with it. */
  deliver(): void {
    this.connector.flushRandomMessage();
    for (const { name, frame } of this.#arrived.splice(0)) {
      const { connection, to, life } = present(this.#onTheirWay.get(name), 'it was sent');
      this.#onTheirWay.delete(name);
      this.arrive(connection, to, life, frame);
    }
  }

  /** Yjs' writer ids of what carries, and how far each is at an instance. */
  carrierStates(instance: TestYInstance): Map<number, number> {
    const states = new Map<number, number>();
    for (const { clientID } of this.carriers) {
      const last = instance.store.clients.get(clientID)?.at(-1);
      if (last !== undefined) states.set(clientID, last.id.clock + last.length);
    }
    return states;
  }
}

const mapName = (from: VirtualNode, to: VirtualNode): string => `${from.id}>${to.id}`;
