import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LmdbQuorumStore } from '../../src/adapters/lmdb-quorum-store.ts';
import { onTestFinished } from 'vitest';
import { MemoryWitness } from './quorum-batches.ts';
import { describeQuorumStore } from './quorum-store-contract.ts';

for (const syncBytesMax of [0, 1e9]) {
  describeQuorumStore(syncBytesMax === 0 ? 'LMDB, on its thread' : 'LMDB, on the event loop', () => {
    const folder = mkdtempSync(join(tmpdir(), 'causeway-quorum-'));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    const witness = new MemoryWitness();
    return { open: () => new LmdbQuorumStore(folder, witness, { syncBytesMax }) };
  });
}
