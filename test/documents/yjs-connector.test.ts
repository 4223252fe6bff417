import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { applyUpdate, diffUpdate, Doc, encodeStateAsUpdate, encodeStateVector, encodeStateVectorFromUpdate } from 'yjs';
import type { TestYInstance } from 'yjs/testHelper';
import { present } from '../../src/base/assert.ts';
import type { Generations } from '../../src/crdt/document-generations.ts';
import type { StampedDot } from '../../src/crdt/update.ts';
import { LocalTransaction } from '../../src/keyspace/local-transaction.ts';
import { ConnectorCluster } from '../support/connector-cluster.ts';
import { runOptions, runs } from '../support/fast-check-runs.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import { DocumentRegions, entryOf, keyOf } from './document-regions.ts';

const NAMES = ['one', 'two', 'three'];
/** Seeds that are always run: with the first ones the test was made. */
const PINNED = [1, 2, 3, 618, 2_026];
const STEPS = 220;

/** Long enough that its history is never much longer: it stays in one generation. */
const CALM = { pad: 'x'.repeat(8_000), map: { x: 1 }, list: [1, 2, 3], text: 't', n: 0 };
const HOT = { map: {}, list: [], text: '', n: 0, one: [], two: [], three: [], tree: {} };

/** Edits of a document, by any region. */
function randomEdit(random: SeededRandom, key: string, step: number): string[] {
  const name = `k${random.below(4)}`;
  return random.pick([
    ['JSON.SET', key, `$.map.${name}`, `{"n":${step},"in":[]}`],
    ['JSON.SET', key, `$.map.${name}`, `"a value of some length, made at ${step}"`],
    ['JSON.SET', key, `$.map.${name}.n`, `${-step}`],
    ['JSON.ARRAPPEND', key, `$.map.${name}.in`, `${step}`, `[${step}]`],
    ['JSON.MERGE', key, '$.map', `{"${name}":{"n":null,"m":[${step}]}}`],
    ['JSON.DEL', key, `$.map.${name}`],
    ['JSON.ARRINSERT', key, '$.list', `${random.below(2)}`, `${step}`, `{"of":${step}}`],
    ['JSON.ARRPOP', key, '$.list', `${random.below(3)}`],
    ['JSON.STRAPPEND', key, '$.text', '"ä"'],
    ['JSON.NUMINCRBY', key, '$.n', '1'],
    ['JSON.NUMINCRBY', key, '$..n', '2'],
  ]);
}

/** Bytes as Yjs makes them of what it reads: how what is gone is cut into runs depends on the order in which it went. */
function canonical(bytes: Uint8Array): Uint8Array {
  const doc = new Doc();
  applyUpdate(doc, bytes);
  return encodeStateAsUpdate(doc);
}

/** Replicas whose frames, and plain documents whose updates, the connector delivers as it likes. */
class ConnectorRun {
  readonly #random: SeededRandom;
  readonly #cluster: ConnectorCluster;
  readonly #regions: DocumentRegions;
  readonly #calmRoot: StampedDot;
  readonly #appended: number[][] = NAMES.map(() => []);
  /** Places of objects in `hot` that nobody overwrites or removes, many in an object of another region. */
  readonly #grown: string[][] = [];
  /** Generations of `hot` that a node had, by name, its root's first. */
  readonly generations: Set<string> = new Set();

  constructor(seed: number) {
    this.#random = new SeededRandom(seed);
    this.#cluster = new ConnectorCluster(NAMES, this.#random);
    this.#regions = new DocumentRegions(this.#cluster);
    this.#regions.run(0, 'JSON.SET', 'calm', '$', JSON.stringify(CALM));
    this.#regions.run(1, 'JSON.SET', 'hot', '$', JSON.stringify(HOT));
    this.#regions.settled('calm');
    this.#calmRoot = this.#content(0, 'calm').generation;
    applyUpdate(this.#carrier(0), this.#bytes(0, 'calm'));
  }

  #carrier(index: number): TestYInstance {
    return present(this.#cluster.carriers[index], `carrier ${index}`);
  }

  #content(index: number, key: string): Generations {
    return present(entryOf(this.#regions, index, key).document?.content, `${key} is a document`);
  }

  #bytes(index: number, key: string): Uint8Array {
    return this.#content(index, key).document.encode();
  }

  #canonicalBytes(index: number, key: string): Uint8Array {
    return canonical(this.#bytes(index, key));
  }

  run(): void {
    for (let step = 0; step < STEPS; step++) {
      this.#write(this.#random.below(NAMES.length), step);
      if (this.#random.unit() < 0.5) this.#cluster.run(this.#random.below(8));
      for (let count = this.#random.below(10); count > 0; count--) this.#cluster.deliver();
      this.#disturb();
      const { origin, seq } = this.#content(0, 'hot').generation;
      this.generations.add(`${origin}:${seq}`);
    }
    // what an instance could not use when it came is told to others when they sync
    this.#cluster.connector.disconnectAll();
    this.#cluster.connector.reconnectAll();
    this.#expectOneEnd();
    // with nothing more to say but rows
    this.#cluster.run(500);
    this.#expectOneEnd();
    this.#expectPlainYjs();
  }

  #write(index: number, step: number): void {
    const choice = this.#random.unit();
    if (choice < 0.45) this.#writeCalm(index, step);
    else if (choice < 0.7) this.#regions.run(index, ...randomEdit(this.#random, 'hot', step));
    else if (choice < 0.85) this.#grow(index, step);
    else if (choice < 0.95) {
      this.#appended[index]?.push(step);
      this.#regions.run(index, 'JSON.ARRAPPEND', 'hot', `$.${NAMES[index]}`, String(step));
    } else if (choice < 0.98) {
      // whoever, whenever: two at once, and without what others are about to send
      this.#cluster.node(index).write((tx) => {
        if (!(tx instanceof LocalTransaction)) throw new Error('a node writes by local transactions');
        tx.documentGeneration(keyOf('hot'), 0);
      });
    } else
      this.#regions.run(
        index,
        ...this.#random.pick([
          ['DEL', 'wild'],
          ['JSON.SET', 'wild', '$', '{}'],
          ['JSON.SET', 'wild', '$.a', '[1]'],
        ]),
      );
  }

  /** Puts an object into one that shows at the node, whoever made that. */
  #grow(index: number, step: number): void {
    const place: string[] = [];
    let { tree } = this.#regions.json(index, 'hot') as { tree: Record<string, unknown> };
    for (let names = Object.keys(tree); names.length > 0 && this.#random.unit() < 0.8; names = Object.keys(tree)) {
      const name = this.#random.pick(names);
      place.push(name);
      tree = tree[name] as Record<string, unknown>;
    }
    place.push(`s${step}`);
    this.#grown.push(place);
    expect(this.#regions.run(index, 'JSON.SET', 'hot', `$.tree.${place.join('.')}`, '{}')).toBe('+OK');
  }

  /** Edits a document at a node, and tells the connector's documents of what Yjs made of it. */
  #writeCalm(index: number, step: number): void {
    const before = encodeStateVectorFromUpdate(this.#bytes(index, 'calm'));
    this.#regions.run(index, ...randomEdit(this.#random, 'calm', step));
    applyUpdate(this.#carrier(index), diffUpdate(this.#bytes(index, 'calm'), before));
  }

  #disturb(): void {
    const choice = this.#random.unit();
    if (choice < 0.04) this.#cluster.connector.disconnectRandom();
    else if (choice < 0.09) this.#cluster.connector.reconnectRandom();
    else if (choice < 0.1) for (let count = 0; count < 1_000; count++) this.#cluster.deliver();
    else if (choice < 0.11) this.#cluster.cut(this.#random.pick(NAMES), this.#random.pick(NAMES));
    else if (choice < 0.15) this.#cluster.healAll();
  }

  #expectOneEnd(): void {
    this.#cluster.healAll();
    this.#regions.settled('wild');
    const hot = this.#regions.settled('hot') as Record<string, unknown>;
    for (const [index, name] of NAMES.entries()) expect(hot[name]).toEqual(this.#appended[index]);
    for (const place of this.#grown) expect(hot['tree'], place.join('.')).toHaveProperty(place);
    for (const key of ['calm', 'hot']) {
      const first = this.#canonicalBytes(0, key);
      for (const index of [1, 2]) expect(this.#canonicalBytes(index, key), `${key} at ${NAMES[index]}`).toEqual(first);
    }
    expect(this.#cluster.nodes.map((node) => node.digest())).toEqual(NAMES.map(() => this.#cluster.node(0).digest()));
  }

  /** The connector's documents, one of which never wrote: they show what the replicas show, in the same bytes. */
  #expectPlainYjs(): void {
    expect(this.#content(0, 'calm').generation).toEqual(this.#calmRoot);
    while (this.#cluster.connector.flushAllMessages());
    const instances = [...this.#cluster.carriers, this.#cluster.listener];
    for (const instance of instances) {
      expect([instance.store.pendingStructs, instance.store.pendingDs]).toEqual([null, null]);
      const states = encodeStateVector(this.#cluster.carrierStates(instance));
      expect(instance.getMap('').toJSON()).toEqual({ '': this.#regions.json(0, 'calm') });
      expect(canonical(encodeStateAsUpdate(instance, states))).toEqual(this.#canonicalBytes(0, 'calm'));
    }
  }
}

describe('edits delivered by the connector of yjs’ own tests, at random', () => {
  it(
    'end in the same JSON, digest and Yjs bytes everywhere, across generations, and in those of plain documents beside',
    { timeout: runs(60_000) },
    () => {
      let generations = 0;
      fc.assert(
        fc.property(fc.integer({ min: 1 }), (seed) => {
          const run = new ConnectorRun(seed);
          run.run();
          generations += run.generations.size - 1;
        }),
        { ...runOptions(PINNED.length + 25, 40_000), examples: PINNED.map((seed) => [seed] as [number]) },
      );
      expect(generations).toBeGreaterThan(PINNED.length * runs(1));
    },
  );
});
