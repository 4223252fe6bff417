import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { open, type RootDatabase } from 'lmdb';
import { CausewayError } from '../errors.ts';
import { treeIsReadable } from './lmdb-file.ts';
import { refuseOtherFormat } from './quorum-format.ts';
import { readAudit, readGroup, readHeads } from './quorum-image.ts';
import { storeError } from './store-failure.ts';

const ADVICE = 'export from another node: each has the same audit';

/** The audit in a node's data folder, read only: the node may run or not. */
export class LmdbAuditReader {
  readonly #folder: string;
  readonly #environment: RootDatabase<Uint8Array, Uint8Array>;

  /** Throws STORE where the folder has no quorum store, or a damaged one. */
  constructor(dataDir: string) {
    this.#folder = resolve(dataDir, 'quorum');
    if (!existsSync(join(this.#folder, 'data.mdb')))
      throw new CausewayError('STORE', `${this.#folder} has no store of quorum groups: name the data folder of a node`);
    try {
      if (!treeIsReadable(this.#folder)) throw new Error('MDB_CORRUPTED: it is cut short or damaged');
      const binary = { encoding: 'binary', keyEncoding: 'binary' } as const;
      this.#environment = open<Uint8Array, Uint8Array>({ path: this.#folder, readOnly: true, maxDbs: 1, ...binary });
      refuseOtherFormat(this.#environment, this.#folder);
    } catch (error) {
      throw this.#failure(error);
    }
  }

  groups(): string[] {
    return this.#guarded(() => [...readHeads(this.#environment).keys()]);
  }

  /** What the state machine of a group keeps beside its keys, as stored; null for a group that has nothing here. */
  stateMeta(group: string): Uint8Array | null {
    return this.#guarded(() => readGroup(this.#environment, group, (error) => this.#failure(error)).stateMeta);
  }

  /** Records by log index, in order. Throws STORE at a damaged one. */
  audit(group: string, fromIndex: number): Iterable<readonly [index: number, lines: Uint8Array]> {
    return readAudit(this.#environment, group, fromIndex, (error) => this.#failure(error));
  }

  async close(): Promise<void> {
    await this.#environment.close();
  }

  #guarded<T>(run: () => T): T {
    try {
      return run();
    } catch (error) {
      throw this.#failure(error);
    }
  }

  #failure(error: unknown): CausewayError {
    return storeError(error, this.#folder, ADVICE);
  }
}
