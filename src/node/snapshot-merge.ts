import type { Replica } from '../causal/replica.ts';
import type { Snapshot } from '../causal/snapshot-receiver.ts';
import { incarnationOf, nodeOf } from '../clock/origin.ts';
import type { SlabKeyspace } from '../keyspace/slab-keyspace.ts';

/** Puts a whole snapshot in, in one step for whoever looks (RULES D6): entries, vector, running deps, what is stable, the clock. */
export function mergeSnapshot(replica: Replica, keyspace: SlabKeyspace, snapshot: Snapshot): void {
  const { vector, stable, clock, log } = replica;
  keyspace.mergeSnapshot(snapshot.keyspace, snapshot.flush, { local: vector.clone(), remote: snapshot.vector });
  for (const [origin, deps] of snapshot.running) {
    if (snapshot.vector.get(origin) > vector.get(origin)) replica.setRunning(origin, deps);
  }
  for (const [origin, seq] of snapshot.vector.dots()) if (seq > vector.get(origin)) log.startAfter(origin, seq);
  for (const [origin, seq] of snapshot.vector.entries()) {
    if (incarnationOf(origin) === 0) replica.retireBelow(nodeOf(origin), seq);
    else vector.raise(origin, seq);
  }
  stable.merge(snapshot.stable);
  clock.see(snapshot.stamp);
}
