/** A process that lmdb-quorum-store.test.ts kills or starves: `quorum-store-child.ts stream|fill|read FOLDER …`. */
import { createHash } from 'node:crypto';
import { LmdbQuorumStore } from '../../src/adapters/lmdb-quorum-store.ts';
import { LmdbStore } from '../../src/adapters/lmdb-store.ts';
import { latin1Of } from '../../src/base/bytes.ts';
import { CausewayError } from '../../src/errors.ts';
import type { QuorumGroupBatch, QuorumStore, StoredAside } from '../../src/ports.ts';
import { closedQuorum, groupBatch, groupHeld, logEntries, MemoryWitness, saved } from './quorum-batches.ts';
import { quorumScript, SCRIPT_GROUPS } from './quorum-script.ts';
import { codeThrown } from './store-batches.ts';

const [mode, folder = '', ...rest] = process.argv.slice(2);
if (mode === 'stream') await stream(Number(rest[0]), Number(rest[1]));
else if (mode === 'fill') await fill(Number(rest[0]));
else for (const each of [folder, ...rest]) process.stdout.write(`${readAll(each)}\n`);

/** Goes on with the script where the folder ends, up to three commits at a time; says each that is done. */
async function stream(seed: number, syncBytesMax: number): Promise<void> {
  const store = new LmdbQuorumStore(folder, new LmdbStore(folder), { syncBytesMax });
  const { stateMeta } = store.load(SCRIPT_GROUPS[0] ?? '');
  const ended = stateMeta === null ? 0 : Number(latin1Of(stateMeta, 0, stateMeta.length));
  const underWay: Promise<unknown>[] = [];
  const lost = new Map<string, StoredAside>();
  let number = 0;
  for (const batch of quorumScript(seed)) {
    number += 1;
    if (number <= ended) {
      for (const group of batch.groups) noteAside(lost, group);
      continue;
    }
    const told = number;
    const groups = batch.groups.map((group) => withLost(lost, group));
    underWay.push(saved(store, ...groups).then((error) => process.stdout.write(`${told} ${String(error)}\n`)));
    if (underWay.length >= 3) await underWay.shift();
  }
}

/** What was kept aside is gone after a restart: who sent it sends it again. */
function noteAside(lost: Map<string, StoredAside>, { group, aside, state }: QuorumGroupBatch): void {
  if (state?.takesAside === true) lost.delete(group);
  else if (aside !== null) lost.set(group, aside.begins ? aside : joined(lost.get(group), aside));
}

function withLost(lost: Map<string, StoredAside>, batch: QuorumGroupBatch): QuorumGroupBatch {
  const { group, aside } = batch;
  const again = lost.get(group);
  if (aside === null || again === undefined) return batch;
  lost.delete(group);
  return aside.begins ? batch : { ...batch, aside: joined(again, aside) };
}

function joined(before: StoredAside | undefined, { entries, rows }: StoredAside): StoredAside {
  return { begins: true, entries: [...(before?.entries ?? []), ...entries], rows: [...(before?.rows ?? []), ...rows] };
}

/** Commits until one fails, then tries everything again and reports. */
async function fill(syncBytesMax: number): Promise<void> {
  const unhandled: string[] = [];
  process.on('unhandledRejection', (reason) => unhandled.push(String(reason)));
  const store = new LmdbQuorumStore(folder, new MemoryWitness(), { syncBytesMax });
  for (let index = 1; ; index += 20) {
    const texts = Array.from({ length: 20 }, () => 'x'.repeat(2000));
    const hardState = { term: 1, votedFor: 1, commit: index };
    const waiting = [
      saved(store, groupBatch({ hardState, entries: logEntries(index, 1, ...texts) })),
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
