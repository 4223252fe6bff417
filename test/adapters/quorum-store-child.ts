/** A process that tests of the quorum store kill, starve or wait for: `quorum-store-child.ts stream|fill|fill-tree|block|read FOLDER …`. */
import { createHash } from 'node:crypto';
import { readSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { open } from 'lmdb';
import { LmdbQuorumStore } from '../../src/adapters/lmdb-quorum-store.ts';
import { LmdbStore } from '../../src/adapters/lmdb-store.ts';
import { CausewayError } from '../../src/errors.ts';
import type { QuorumStore } from '../../src/ports.ts';
import {
  closedQuorum,
  groupBatch,
  groupHeld,
  logEntries,
  MemoryWitness,
  saved,
  stateChange,
} from './quorum-batches.ts';
import { numbersOf, quorumScript, SCRIPT_GROUPS } from './quorum-script.ts';
import { codeThrown } from './store-batches.ts';

const [mode, folder = '', ...rest] = process.argv.slice(2);
if (mode === 'stream') await stream(Number(rest[0]), Number(rest[1]));
else if (mode === 'fill' || mode === 'fill-tree') await fill(Number(rest[0]));
else if (mode === 'block') block();
else for (const each of [folder, ...rest]) process.stdout.write(`${readAll(each)}\n`);

/** Goes on with a script from what the folder has, up to eight commits at a time; says each that is done. */
async function stream(seed: number, syncBytesMax: number): Promise<void> {
  const store = new LmdbQuorumStore(folder, new LmdbStore(folder), { syncBytesMax });
  const underWay: Promise<unknown>[] = [];
  let number = Math.max(...SCRIPT_GROUPS.flatMap((group) => Object.values(numbersOf(store, group))));
  for (const batch of quorumScript(seed, store)) {
    number += 1;
    const told = number;
    underWay.push(saved(store, ...batch.groups).then((error) => process.stdout.write(`${told} ${String(error)}\n`)));
    if (underWay.length >= 8) await underWay.shift();
  }
}

/** Lets nobody else write the tree until it is told to end. */
function block(): void {
  const environment = open({ path: join(folder, 'quorum'), overlappingSync: false, maxDbs: 1 });
  environment.transactionSync(() => {
    writeSync(1, 'blocked');
    readSync(0, Buffer.alloc(1));
  });
}

/** Commits until one fails, then tries everything again and reports. */
async function fill(syncBytesMax: number): Promise<void> {
  const unhandled: string[] = [];
  process.on('unhandledRejection', (reason) => unhandled.push(String(reason)));
  const store = new LmdbQuorumStore(folder, new MemoryWitness(), { syncBytesMax });
  for (let index = 1; ; index += 20) {
    const texts = Array.from({ length: 20 }, () => 'x'.repeat(2000));
    const hardState = { term: 1, votedFor: 1, commit: index };
    const state = mode === 'fill-tree' ? stateChange('brings it into the tree') : null;
    const waiting = [
      saved(store, groupBatch({ hardState, entries: logEntries(index, 1, ...texts), state })),
      saved(store, groupBatch({ group: 'other' })),
    ];
    const [error = null, second = null] = await Promise.all(waiting);
    if (error === null) continue;
    const laterCommit = await saved(store, groupBatch());
    const laterCalls = [() => store.load('any'), () => store.groups(), () => store.audit('any', 0)].map(codeThrown);
    await closedQuorum(store);
    await new Promise((resolve) => setImmediate(resolve));
    const { code, message } = error;
    const report = {
      code,
      message,
      second: second?.code,
      laterCommit: laterCommit?.code,
      laterCalls,
      unhandled,
      committed: index - 1,
    };
    process.stdout.write(`${JSON.stringify(report)}\n`);
    return;
  }
}

/** A digest of all that a folder holds, or the error that it is refused with. */
function readAll(dataDir: string): string {
  const witness = new MemoryWitness();
  witness.mark = Number(process.env['QUORUM_MARK'] ?? '0');
  try {
    const store: QuorumStore = new LmdbQuorumStore(dataDir, witness);
    const held = store
      .groups()
      .map((group) => [group, groupHeld(store, group), [...store.audit(group, 0)].map(String)]);
    return createHash('sha256').update(JSON.stringify(held)).digest('hex');
  } catch (error) {
    return error instanceof CausewayError ? `${error.code} ${error.message}` : `other: ${String(error)}`;
  }
}
