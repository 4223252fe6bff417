import { describe, expect, it } from 'vitest';
import { latin1Range, type ByteRange } from '../../src/base/bytes.ts';
import { ColumnsBuilder } from '../../src/causal/columns.ts';
import { ColumnsReader } from '../../src/causal/columns-reader.ts';
import type { Stamp } from '../../src/clock/stamp.ts';
import { Update, UpdateKind } from '../../src/crdt/update.ts';
import { READ_AHEAD_MAX } from '../../src/keyspace/keyspace.ts';
import { SlabKeyspace } from '../../src/keyspace/slab-keyspace.ts';
import { AppliedAhead } from '../../src/node/applied-ahead.ts';
import { peerCodec } from '../../src/wire/peer-codec.ts';
import { VirtualCluster } from '../support/virtual-cluster.ts';

const KINDS = [
  UpdateKind.Set,
  UpdateKind.HashSet,
  UpdateKind.Publish,
  UpdateKind.SetAdd,
  UpdateKind.FlushAll,
  UpdateKind.Delete,
] as const;

/** What the keyspace was asked. */
class Asked {
  readonly keyspace: SlabKeyspace = new SlabKeyspace();
  readonly batches: number[][] = [];

  hashOf(key: ByteRange): number {
    return this.keyspace.hashOf(key);
  }

  readAhead(hashes: Int32Array, count: number): void {
    this.batches.push([...hashes.subarray(0, count)]);
  }
}

/** A chunk of transactions of one, two and three updates, of all shapes. */
function chunkOf(transactions: number): ColumnsReader {
  const builder = new ColumnsBuilder();
  const update = new Update();
  for (let at = 0; at < transactions; at++) {
    builder.begin((at + 1) as Stamp, []);
    for (let part = 0; part <= at % 3; part++) {
      update.kind = KINDS[(at + part) % KINDS.length] ?? UpdateKind.Set;
      update.key.setFrom(latin1Range(`key:${at}.${part}`));
      update.field.setFrom(latin1Range('f'.repeat(part)));
      update.value.setFrom(latin1Range('v'.repeat(at)));
      update.atMs = Infinity;
      builder.add(update);
    }
  }
  return new ColumnsReader(peerCodec.decodeColumns(builder.take(), transactions));
}

describe('keys of updates that came together', () => {
  it('are asked of the memory so many at a time, before the first of them is applied', () => {
    const asked = new Asked();
    const ahead = new AppliedAhead(asked);
    const reader = chunkOf(50);
    const update = new Update();
    let updates = 0;
    for (let at = 0; at < 50; at++) {
      ahead.begin(reader);
      reader.next(update, (next) => {
        ahead.hash(next);
        const batch = asked.batches.at(-1) ?? [];
        expect(asked.batches.length).toBe(Math.floor(updates / READ_AHEAD_MAX) + 1);
        expect(batch[updates % READ_AHEAD_MAX]).toBe(asked.hashOf(next.key));
        expect(next.hash).toBe(asked.hashOf(next.key));
        updates++;
      });
    }
    expect(updates).toBeGreaterThan(3 * READ_AHEAD_MAX);
    ahead.end();
    expect(asked.batches.flat().length).toBe(updates);
  });

  it('are never taken for those of others, where some came another way and are passed', () => {
    const ahead = new AppliedAhead(new Asked());
    const { keyspace } = new Asked();
    const reader = chunkOf(60);
    const update = new Update();
    const hashes: number[] = [];
    for (let at = 0; at < 60; at++) {
      // a few here and there
      if (at % 7 > 4) {
        reader.next(update, () => {});
        continue;
      }
      ahead.begin(reader);
      reader.next(update, (next) => {
        ahead.hash(next);
        hashes.push(next.hash);
        expect([0, keyspace.hashOf(next.key)]).toContain(next.hash);
      });
    }
    // after one that did not fit it looks again
    expect(hashes.filter((hash) => hash !== 0).length).toBeGreaterThan(hashes.length / 2);
  });

  it('are asked for where a node applies what peers send', () => {
    const cluster = new VirtualCluster({ regions: ['us', 'eu'] });
    cluster.run(1_000);
    const [writer, reader] = [cluster.node(0), cluster.node(1)];
    const { keys } = reader.core;
    const readAhead = keys.readAhead.bind(keys);
    let asked = 0;
    keys.readAhead = (hashes, count) => {
      asked += count;
      readAhead(hashes, count);
    };
    for (let at = 0; at < 100; at++) writer.set(`key:${at}`, 'v');
    expect(cluster.runUntil(() => reader.get('key:99') === 'v', 5_000)).toBe(true);
    expect(asked).toBeGreaterThanOrEqual(100);
  });
});
