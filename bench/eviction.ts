import { readFileSync } from 'node:fs';
import { brotliDecompressSync } from 'node:zlib';
import { LRUCache } from 'lru-cache';
import { S3Fifo } from '../src/keyspace/eviction/s3-fifo.ts';
import { NO_SLOT } from '../src/keyspace/keyspace.ts';
import type { Bench, BenchOptions, BenchResult } from './support/bench.ts';
import { table } from './support/figures.ts';
import { random } from './support/random.ts';

const KEYS = 100_000;
const REQUESTS = 2_000_000;
const SEED = 7;
/** How skewed the requests are: the n-th most used key is asked for in proportion to 1/n^SKEW. */
const SKEW = 0.9;
/** So often a scan begins, of so many keys one after the other that nobody else asks for. */
const SCAN_EVERY = 100_000;
const SCAN_KEYS = 20_000;
const USES_MAX = 3;
const PARTS = [0.01, 0.05, 0.1, 0.25] as const;

type Cache = (key: number) => boolean;

interface Trace {
  readonly about: string;
  /** Of what a cache of all keys would hold; what only a scan asks for does not count. */
  readonly keys: number;
  readonly requests: Uint32Array;
}

/**
 * Which part of requests finds its key in memory, by policy: that of `maxmemory` beside lru-cache, on two traces: what a web shop
 * was asked for, and requests by a power law, with a scan of cold keys now and then.
 */
export const eviction: Bench = {
  name: 'eviction',
  summary: 'hit ratios of S3-FIFO and LRU on a recorded trace, and on a power law with scans',
  run: (options: BenchOptions) => Promise.resolve(measure(options.small ? REQUESTS / 4 : REQUESTS)),
};

/** bench/traces/README.md says whose it is. */
function recordedTrace(): Trace {
  const bytes = brotliDecompressSync(readFileSync(new URL('traces/web12.br', import.meta.url)));
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const requests = Uint32Array.from({ length: bytes.byteLength / 2 }, (_unused, at) => view.getUint16(2 * at, true));
  const keys = new Set(requests).size;
  return { about: `${requests.length} requests of ${keys} product pages of a web shop, recorded`, keys, requests };
}

function drawnTrace(count: number): Trace {
  const unit = random(SEED);
  const upTo = new Float64Array(KEYS);
  let sum = 0;
  for (let key = 0; key < KEYS; key++) {
    sum += 1 / (key + 1) ** SKEW;
    upTo[key] = sum;
  }
  const drawn = (): number => {
    const at = unit() * sum;
    let [low, high] = [0, KEYS - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((upTo[middle] as number) < at) low = middle + 1;
      else high = middle;
    }
    return low;
  };
  const requests = new Uint32Array(count);
  let scanned = KEYS;
  for (let at = 0; at < count; at++) {
    const isScan = at % SCAN_EVERY >= SCAN_EVERY - SCAN_KEYS;
    requests[at] = isScan ? scanned++ : drawn();
  }
  const about = `${count} requests of ${KEYS} keys (power law, exponent ${SKEW}) with scans of ${SCAN_KEYS} cold keys`;
  return { about, keys: KEYS, requests };
}

function s3Fifo(capacity: number, keys: number): Cache {
  const uses = new Uint8Array(keys);
  const isHere = new Uint8Array(keys);
  let count = 0;
  const policy = new S3Fifo({
    uses: (slot) => uses[slot] as number,
    setUses: (slot, times) => void (uses[slot] = times),
    hash: (slot) => Math.imul(slot + 1, 0x9e37_79b1) | 1,
    isEvictable: () => true,
    evict: (slot) => {
      isHere[slot] = 0;
      count--;
      return true;
    },
  });
  return (key) => {
    if (isHere[key] === 1) {
      uses[key] = Math.min(USES_MAX, (uses[key] as number) + 1);
      return true;
    }
    while (count >= capacity) while (policy.look() === NO_SLOT);
    isHere[key] = 1;
    uses[key] = 0;
    count++;
    policy.add(key);
    return false;
  };
}

function lru(capacity: number): Cache {
  const cache = new LRUCache<number, true>({ max: capacity });
  return (key) => {
    if (cache.get(key) === true) return true;
    cache.set(key, true);
    return false;
  };
}

function hitRatio(cache: Cache, requests: Uint32Array): number {
  let hits = 0;
  for (const key of requests) if (cache(key)) hits++;
  return hits / requests.length;
}

/** Rows of the part of the keys that there is memory for, and the hit ratios of S3-FIFO and LRU. */
function rowsOf({ keys, requests }: Trace): (readonly [string, number, number])[] {
  const slots = requests.reduce((most, key) => Math.max(most, key + 1), 0);
  return PARTS.map((part) => {
    const capacity = Math.floor(keys * part);
    return [`${part * 100} %`, hitRatio(s3Fifo(capacity, slots), requests), hitRatio(lru(capacity), requests)];
  });
}

function measure(count: number): BenchResult {
  const traces = [recordedTrace(), drawnTrace(count)].map((trace) => ({ ...trace, rows: rowsOf(trace) }));
  const passed = traces.every(({ rows }) => rows.every(([, ours, leastRecent]) => ours >= leastRecent));
  return {
    text: [
      'part of the requests found in memory',
      ...traces.flatMap(({ about, rows }) => [about, table(['memory for', 'S3-FIFO', 'lru-cache'], rows)]),
      `bar: S3-FIFO ≥ LRU at each size: ${passed ? 'met' : 'NOT met'}`,
    ].join('\n'),
    json: { traces: traces.map(({ about, keys, rows }) => ({ about, keys, rows })) },
    passed,
  };
}
