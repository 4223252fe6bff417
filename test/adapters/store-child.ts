/** A process that lmdb-store.test.ts kills or starves: `store-child.ts hold|stream|fill FOLDER [KEYS]`. */
import { LmdbStore } from '../../src/adapters/lmdb-store.ts';
import { latin1Bytes } from '../../src/base/bytes.ts';
import { batchOf, codeThrown, committed, entry } from './store-batches.ts';

const [mode, folder, keys] = process.argv.slice(2);
const store = new LmdbStore(folder ?? '');
if (mode === 'hold') await hold();
else if (mode === 'stream') await stream();
else await fill();

/** Takes the folder, promises something and stays. */
async function hold(): Promise<void> {
  store.nextIncarnation(3);
  store.raiseStampBound(77);
  await committed(store, batchOf({ entries: [entry('committed', 'yes')] }));
  setInterval(() => undefined, 60_000);
  process.stdout.write('ready\n');
}

/** One batch after the other over the same keys, with its number everywhere; says each that is committed. */
async function stream(): Promise<void> {
  for (let number = 1; ; number++) {
    const entries = Array.from({ length: Number(keys) }, (_, index) => entry(`key:${index}`, String(number)));
    store.raiseStampBound(number);
    await committed(store, batchOf({ entries, meta: latin1Bytes(String(number)) }));
    process.stdout.write(`${number}\n`);
  }
}

/** Commits until one fails, then tries everything again and reports. */
async function fill(): Promise<void> {
  const unhandled: string[] = [];
  process.on('unhandledRejection', (reason) => unhandled.push(String(reason)));
  for (let number = 1; ; number++) {
    const entries = Array.from({ length: 20 }, (_, index) => entry(`key:${number}:${index}`, 'x'.repeat(2000)));
    const error = await committed(store, batchOf({ entries, meta: latin1Bytes(String(number)) }));
    if (error === null) continue;
    const laterCommit = await committed(store, batchOf({}));
    const calls = [() => store.load(), () => store.nextIncarnation(1), () => store.raiseStampBound(5)];
    await new Promise((resolve) => store.close(() => resolve(null)));
    await new Promise((resolve) => setImmediate(resolve));
    const { code, message } = error;
    const laterCalls = calls.map(codeThrown);
    const report = { code, message, laterCommit: laterCommit?.code, laterCalls, unhandled, lastCommitted: number - 1 };
    process.stdout.write(`${JSON.stringify(report)}\n`);
    return;
  }
}
