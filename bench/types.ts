import * as Y from 'yjs';
import { latin1Range, type ByteRange } from '../src/base/bytes.ts';
import { parseJson } from '../src/crdt/document-json.ts';
import { SharedDocument, type DocumentNode } from '../src/crdt/document.ts';
import { NO_SLOT, type TransactionWriter } from '../src/keyspace/keyspace.ts';
import { VirtualCluster, type VirtualNode } from '../test/support/virtual-cluster.ts';
import { barChart } from './support/bar-chart.ts';
import type { Bench, BenchOptions, BenchResult } from './support/bench.ts';
import { table } from './support/figures.ts';

const REGIONS = ['us-east-1', 'eu-west-1', 'ap-southeast-1'];
const KEYS = 100;
const MEMBERS = 40;
const VALUE_BYTES = 64;
const OPERATIONS_MAX = 100_000;
/** Operations that each node makes before time goes on: they leave as one frame. */
const TURN_OPERATIONS = 10;
const TURN_MS = 20;
const QUIET_MS_MAX = 600_000;
const DOCUMENT = latin1Range('document');
const FROM_OTHERS = 'others';
const HISTORY = /^(\d+) bytes, (\d+) edits not stable$/;

type Work = (tx: TransactionWriter, key: ByteRange, hash: number, number: number) => void;

const valueOf = (number: number): string => String(number).padEnd(VALUE_BYTES, 'v');

/** One operation of each type by its number. */
const WORKS: readonly (readonly [name: string, work: Work])[] = [
  ['string SET', (tx, key, hash, number) => tx.set(key, hash, latin1Range(valueOf(number)), Infinity)],
  ['counter INCR', (tx, key, hash) => tx.increment(key, hash, 1n)],
  [
    'hash HSET',
    (tx, key, hash, number) => tx.hashSet(key, hash, latin1Range(`f${number % MEMBERS}`), latin1Range(valueOf(number))),
  ],
  ['set SADD', (tx, key, hash, number) => tx.setAdd(key, hash, latin1Range(`m${number % MEMBERS}`))],
];

/**
 * What an operation of each type costs: the processor time of three nodes' cores in one process, in virtual time and without sockets or
 * disks, for one operation made at one of them and applied at all. A document beside three bare Yjs documents under the same edits: the time
 * of an edit, and the encoded size once all is stable and its history is dropped.
 */
export const types: Bench = {
  name: 'types',
  summary: 'processor time an operation of each type; a document of 100,000 edits beside bare Yjs',
  run: async (options: BenchOptions) => {
    const operations = options.small ? 1_500 : Math.min(options.operations, OPERATIONS_MAX);
    return await Promise.resolve(measure(operations));
  },
};

function measure(operations: number): BenchResult {
  const costs = WORKS.map(([name, work]) => {
    const { micros, isEqual } = spread(threeNodes(), operations, (node, number) => {
      const key = latin1Range(`key:${number % KEYS}`);
      const hash = node.core.keys.hashOf(key);
      node.write((tx) => work(tx, key, hash, number));
    });
    return { name, micros, isEqual };
  });
  const document = measureDocument(operations);
  const yjs = bareYjs(operations);
  const { freshBytes } = document;
  const times = document.bytes / freshBytes;
  const isEqual = document.isEqual && yjs.isEqual && costs.every((each) => each.isEqual);
  const passed = isEqual && times <= 3;
  const rows: (readonly [string, number])[] = costs.map(({ name, micros }) => [name, micros]);
  return {
    text: [
      `${operations} operations of each type, spread over three nodes in one process; values of ${VALUE_BYTES} B, ${KEYS} keys; time of all three together`,
      table(['operation', 'µs an operation'], rows),
      table(
        ['one document', 'µs an edit and its two merges', 'encoded B', '× fresh', 'encode ms'],
        [
          ['causeway', document.micros, String(document.bytes), times, document.encodeMs],
          ['bare Yjs', yjs.micros, String(yjs.bytes), yjs.bytes / freshBytes, yjs.encodeMs],
        ],
      ),
      'encode: of Causeway a fresh document with the same members, which is what a new generation is; of Yjs the document with its history',
      `states ${isEqual ? 'equal' : 'DIFFER'}; bar: encoded ≤ 3 × a fresh document (${freshBytes} B) once all is stable: ${passed ? 'met' : 'NOT met'}`,
    ].join('\n'),
    json: { operations, costs, document, yjs },
    svg: barChart({
      title: 'Processor time of three nodes for an operation that is applied at all',
      series: ['µs an operation'],
      groups: [
        ...rows.map(([label, micros]) => ({ label, values: [micros] })),
        { label: 'edit of a document', values: [document.micros] },
        { label: 'the same with bare Yjs', values: [yjs.micros] },
      ],
      unit: ' µs',
    }),
    passed,
  };
}

/** Three cores that take writes, joined in virtual time. */
function threeNodes(): VirtualCluster {
  const cluster = new VirtualCluster({ regions: REGIONS });
  if (!cluster.runUntil(() => cluster.nodes.every((node) => node.isWritable))) throw new Error('a node is not ready');
  return cluster;
}

/** Runs operations on the nodes in turn until all have everything; the processor time of one in microseconds, and whether all are equal. */
function spread(
  cluster: VirtualCluster,
  operations: number,
  run: (node: VirtualNode, number: number) => void,
): { readonly micros: number; readonly isEqual: boolean } {
  const startUs = cpuMicros();
  for (let number = 0; number < operations;) {
    for (const node of cluster.nodes) {
      for (let each = 0; each < TURN_OPERATIONS && number < operations; each++) run(node, number++);
    }
    cluster.run(TURN_MS);
  }
  const isEqual = cluster.runUntil(() => isSame(cluster), QUIET_MS_MAX);
  return { micros: (cpuMicros() - startUs) / operations, isEqual };
}

function isSame({ nodes }: VirtualCluster): boolean {
  return new Set(nodes.map((node) => node.digest())).size === 1;
}

function cpuMicros(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

interface DocumentFigures {
  readonly micros: number;
  /** Of the encoded document on the node where it is longest, once all is stable. */
  readonly bytes: number;
  readonly freshBytes: number;
  readonly encodeMs: number;
  readonly isEqual: boolean;
}

function measureDocument(operations: number): DocumentFigures {
  const cluster = threeNodes();
  const first = cluster.node(0);
  first.write((tx) => tx.documentSet(DOCUMENT, first.core.keys.hashOf(DOCUMENT), latin1Range('{}')));
  if (!cluster.runUntil(() => cluster.nodes.every((node) => documentOf(node) !== null)))
    throw new Error('the document did not arrive');
  const { micros, isEqual } = spread(cluster, operations, (node, number) => {
    const hash = node.core.keys.hashOf(DOCUMENT);
    node.write((tx) => tx.documentEdit(DOCUMENT, hash, [['set', [nameOf(number)], valueOf(number)]]));
  });
  const isStable = cluster.runUntil(() => cluster.nodes.every((node) => historyOf(node).unstable === 0), QUIET_MS_MAX);
  const root = documentOf(first);
  const members = (root?.names() ?? []).map((name) => [name, root?.member(name)?.scalar]);
  const json = parseJson(JSON.stringify(Object.fromEntries(members)));
  if (json === null || !isStable) throw new Error('the document does not come to rest');
  const document = SharedDocument.fromJson(json.value);
  const startMs = performance.now();
  const freshBytes = document.encode().length;
  const encodeMs = performance.now() - startMs;
  const bytes = Math.max(...cluster.nodes.map((node) => historyOf(node).bytes));
  return { micros, bytes, freshBytes, encodeMs, isEqual: isEqual && isSame(cluster) };
}

const nameOf = (number: number): string => `f${number % MEMBERS}`;

function documentOf({ core }: VirtualNode): DocumentNode | null {
  const slot = core.keys.find(DOCUMENT, core.keys.hashOf(DOCUMENT), 0);
  return slot === NO_SLOT ? null : core.keys.documentAt(slot);
}

/** What the node says of a document's history: encoded bytes, and edits that are not stable yet. */
function historyOf(node: VirtualNode): { readonly bytes: number; readonly unstable: number } {
  const line = node.core.explain(DOCUMENT, 0).find(([name]) => name === 'history')?.[1] ?? '';
  const [, bytes, unstable] = HISTORY.exec(line) ?? [];
  return { bytes: Number(bytes), unstable: Number(unstable) };
}

/** The same edits on three documents of Yjs itself, which tell each other of every edit at the end of a turn. */
function bareYjs(operations: number): {
  readonly micros: number;
  readonly bytes: number;
  readonly encodeMs: number;
  readonly isEqual: boolean;
} {
  const documents = REGIONS.map(() => new Y.Doc());
  const made: Uint8Array[][] = documents.map(() => []);
  for (const [at, document] of documents.entries()) {
    document.on('update', (update: Uint8Array, origin: unknown) => {
      if (origin !== FROM_OTHERS) made[at]?.push(update);
    });
  }
  const startUs = cpuMicros();
  for (let number = 0; number < operations;) {
    for (const document of documents) {
      for (let each = 0; each < TURN_OPERATIONS && number < operations; each++, number++)
        document.getMap('top').set(nameOf(number), valueOf(number));
    }
    for (const [from, updates] of made.entries()) {
      for (const [to, document] of documents.entries()) {
        if (to !== from) for (const update of updates) Y.applyUpdate(document, update, FROM_OTHERS);
      }
    }
    for (const updates of made) updates.length = 0;
  }
  const micros = (cpuMicros() - startUs) / operations;
  const startMs = performance.now();
  const sizes = documents.map((document) => Y.encodeStateAsUpdate(document).length);
  const encodeMs = (performance.now() - startMs) / documents.length;
  const texts = new Set(documents.map((document) => sortedJson(document.getMap('top').toJSON())));
  for (const document of documents) document.destroy();
  return { micros, bytes: Math.max(...sizes), encodeMs, isEqual: texts.size === 1 };
}

function sortedJson(value: Record<string, unknown>): string {
  return JSON.stringify(Object.entries(value).toSorted(([left], [right]) => (left < right ? -1 : 1)));
}
