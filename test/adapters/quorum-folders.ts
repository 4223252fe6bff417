import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished } from 'vitest';
import { LmdbQuorumStore } from '../../src/adapters/lmdb-quorum-store.ts';
import type { WrittenWhere } from '../../src/adapters/quorum-journal.ts';
import { CausewayError } from '../../src/errors.ts';
import type { QuorumStore, QuorumWitness } from '../../src/ports.ts';
import { closedQuorum, GROUP, groupHeld, MemoryWitness } from './quorum-batches.ts';

export const JOURNALS = ['journal-0', 'journal-1'] as const;
export const SECTOR_BYTES = 512;

export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'causeway-quorum-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export function witnessAt(mark: number): MemoryWitness {
  const witness = new MemoryWitness();
  witness.mark = mark;
  return witness;
}

/** A store that is closed when the test ends. */
export function opened(
  folder: string,
  witness: QuorumWitness = new MemoryWitness(),
  options: WrittenWhere = {},
): LmdbQuorumStore {
  const store = new LmdbQuorumStore(folder, witness, options);
  onTestFinished(() => closedQuorum(store));
  return store;
}

/** The files of the data folder as they are now, as after kill -9 here; returns the new folder. Nothing may be on its way. */
export function copied(folder: string): string {
  const copy = temporaryFolder();
  // who opens and closes the lock file gives up the locks that the process has on it
  const filter = (path: string): boolean => !path.endsWith('lock.mdb');
  cpSync(join(folder, 'quorum'), join(copy, 'quorum'), { recursive: true, filter });
  return copy;
}

export function fileIn(folder: string, name: string): string {
  return join(folder, 'quorum', name);
}

export function changeFile(path: string, change: (bytes: Buffer) => void): void {
  const bytes = readFileSync(path);
  change(bytes);
  writeFileSync(path, bytes);
}

/** What a start finds of a group after a crash under a mark: what `read` gives, or the words of the STORE error. */
export async function foundAfterCrash(
  folder: string,
  mark: number,
  read: (store: QuorumStore) => unknown = (store) => groupHeld(store, GROUP),
): Promise<unknown> {
  let store: LmdbQuorumStore;
  try {
    store = new LmdbQuorumStore(folder, witnessAt(mark));
  } catch (error) {
    if (!(error instanceof CausewayError)) throw error;
    expect(error.code).toBe('STORE');
    return error.message;
  }
  const held = read(store);
  await closedQuorum(store);
  return held;
}
