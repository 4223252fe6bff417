import { randomBytes } from 'node:crypto';
import { closeSync, openSync, writeSync } from 'node:fs';
import { resolve } from 'node:path';
import { CausewayError } from '../errors.ts';
import { printOperation, type OperationLevel } from '../verify/history.ts';
import { withClient } from './cluster-nodes.ts';
import { listenForStop } from './stop-request.ts';
import { EXIT_FAILED, EXIT_OK, EXIT_UNDECIDED, printable, UsageError, type Terminal } from './usage.ts';
import { REQUESTS_PER_SECOND_MAX, runChapter, type ChapterOptions, type ChapterUndo } from './verify-chapter.ts';
import { FAULT_KINDS, openCluster, type FaultKind, type TargetOptions, type VerifyCluster } from './verify-cluster.ts';
import { Draws } from './verify-draws.ts';
import { findKeys, type VerifyKeys } from './verify-keys.ts';
import { Progress } from './verify-progress.ts';
import { Report } from './verify-report.ts';

/** The options of `verify`, as commander gives them. */
export interface VerifyOptions extends TargetOptions {
  readonly minutes: number;
  readonly seed?: number;
  readonly faults: readonly string[];
  /** What clients ask of their reads; what the class of each key says otherwise. */
  readonly level?: OperationLevel;
  readonly history?: string;
}

/** What is kept in memory and checked together. */
const CHAPTER_MS = 60_000;
/** How long a second signal waits for what is broken to be whole again. */
const UNDO_WITHIN_MS = 30_000;
const SECOND_SIGNAL_EXIT_CODE = 130;

/**
 * Has clients do things to a running cluster, with faults where asked for, and says of each promise whether what they saw keeps it. The exit
 * code is 1 where one is broken, 3 where none was seen broken and something could not be judged. Throws a usage error where the cluster cannot
 * be reached or has no keys to look at.
 */
export async function runVerify(options: VerifyOptions, terminal: Terminal): Promise<number> {
  const progress = new Progress(terminal);
  const { cluster, keys, kinds } = await prepared(options, progress);
  const seed = options.seed ?? Math.floor(Math.random() * 2 ** 32);
  const path = resolve(
    options.history ?? `causeway-verify-${new Date().toISOString().replace(/[-:]|\.\d+/g, '')}.jsonl`,
  );
  const history = openHistory(path);
  const faults = kinds.length === 0 ? null : openHistory(faultsPathOf(path));
  const report = new Report();
  const stop = new AbortController();
  let undo: ChapterUndo | null = null;
  let isUndoing = false;
  let failure: string | null = null;
  const request = listenForStop(() => {
    if (undo === null || isUndoing) process.exit(SECOND_SIGNAL_EXIT_CODE);
    isUndoing = true;
    progress.say(`what is broken is mended first, for ${UNDO_WITHIN_MS / 1_000} s at most; a third time ends at once`);
    void undo(UNDO_WITHIN_MS).then((problem) => {
      if (problem !== null) progress.say(`not mended: ${problem}`);
      process.exit(SECOND_SIGNAL_EXIT_CODE);
    });
  });
  void request.asked.then((why) => {
    progress.say(`stopping (${why}): what was recorded is judged, a second time ends sooner`);
    stop.abort();
  });
  const loadMs = options.minutes * 60_000;
  const regions = new Set(cluster.nodes.map(({ region }) => region));
  progress.title(
    `Verifying ${counted(cluster.nodes.length, 'node')} in ${counted(regions.size, 'region')} for ${options.minutes} min, seed ${seed}, ${kinds.length === 0 ? 'no faults' : `faults ${kinds.join(', ')}`}`,
  );
  progress.say(
    `At most ${REQUESTS_PER_SECOND_MAX} requests a second; each minute is a chapter with keys of its own, which is checked and forgotten.`,
  );
  try {
    const draws = new Draws(seed);
    const startedMs = performance.now();
    const chapters = Math.ceil(loadMs / CHAPTER_MS);
    for (
      let chapter = 0, leftMs = loadMs;
      chapter < chapters && !stop.signal.aborted;
      chapter++, leftMs -= CHAPTER_MS
    ) {
      const name = chapters === 1 ? '' : `, chapter ${chapter + 1} of ${chapters}`;
      let fault = '';
      const result = await runChapter({
        ...{ cluster, keys, kinds, chapter, startedMs },
        nodesOptions: options,
        level: options.level ?? null,
        draws: draws.branch(),
        loadMs: Math.min(CHAPTER_MS, leftMs),
        stop: stop.signal,
        onFaults(how) {
          undo = how;
        },
        tell(text) {
          fault = text;
          if (!terminal.isTty) progress.say(`       ${printable(text)}`);
        },
        show(part, operations) {
          const ofAll = (chapter + Math.min(1, part)) / chapters;
          progress.show(
            ofAll,
            `${report.operations + operations} operations${name}${fault === '' ? '' : `  ${fault}`}`,
          );
        },
      } satisfies ChapterOptions);
      progress.show((chapter + 1) / chapters, 'judging');
      for (const operation of result.operations) writeSync(history, `${printOperation(operation)}\n`);
      if (faults !== null) for (const span of result.faults) writeSync(faults, `${JSON.stringify(span)}\n`);
      report.add(result);
    }
  } catch (error) {
    failure = messageOf(error);
  } finally {
    request.release();
    closeSync(history);
    if (faults !== null) closeSync(faults);
    progress.clear();
  }
  progress.say(report.text(terminal, path, kinds.length === 0 ? null : faultsPathOf(path)));
  if (failure !== null) progress.say(`The run has ended early: ${printable(failure)}`);
  if (report.isBroken) return EXIT_FAILED;
  return failure !== null || report.isEmpty || report.isOpen ? EXIT_UNDECIDED : EXIT_OK;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** What is looked at, and what is done to it. Throws a usage error where that cannot be said, whatever stands in the way: nothing is broken then. */
async function prepared(
  options: VerifyOptions,
  progress: Progress,
): Promise<{ readonly cluster: VerifyCluster; readonly kinds: FaultKind[]; readonly keys: VerifyKeys }> {
  try {
    const cluster = await openCluster(options);
    return { cluster, kinds: kindsOf(options, cluster, progress), keys: await keysOf(options, cluster, progress) };
  } catch (error) {
    throw error instanceof UsageError ? error : new UsageError(messageOf(error));
  }
}

/** Where the faults of a run are told, beside its history. */
function faultsPathOf(path: string): string {
  return `${path.replace(/\.jsonl$/, '')}.faults.jsonl`;
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}

/** The faults that are asked for, as far as they can be made here. Says which cannot. */
function kindsOf({ faults }: VerifyOptions, cluster: VerifyCluster, progress: Progress): FaultKind[] {
  for (const note of cluster.notes) progress.say(note);
  if (faults.includes('none')) {
    if (faults.length > 1) throw new UsageError('--faults: none stands alone');
    return [];
  }
  const isAll = faults.includes('all');
  const unknown = faults.filter((each) => each !== 'all' && !FAULT_KINDS.some((kind) => kind === each));
  if (unknown.length > 0) {
    throw new UsageError(
      `--faults: unknown fault "${unknown.join(', ')}"; there are none, all, ${FAULT_KINDS.join(', ')}`,
    );
  }
  const asked = FAULT_KINDS.filter((kind) => isAll || faults.includes(kind));
  const kinds = asked.filter((kind) => cluster.faults.has(kind));
  const missing = asked.filter((kind) => !cluster.faults.has(kind));
  if (missing.length > 0) {
    if (kinds.length === 0 && !isAll)
      throw new UsageError(`--faults: ${missing.join(', ')} cannot be made here: ${cluster.otherFaults}`);
    progress.say(`faults that cannot be made here: ${missing.join(', ')}; ${cluster.otherFaults}`);
  }
  return kinds;
}

/** Names of keys of this run. Says which promises cannot be looked at. */
async function keysOf(options: VerifyOptions, cluster: VerifyCluster, progress: Progress): Promise<VerifyKeys> {
  const [node] = cluster.nodes;
  if (node === undefined) throw new CausewayError('ERR', 'no node was reached');
  const keys = await withClient(
    node.address,
    async (client) => findKeys(client, randomBytes(4).toString('hex')),
    options,
  );
  const isStrong = keys.strong.length > 0;
  if (keys.causal === null && !isStrong) {
    throw new UsageError(
      'no class of keys can be looked at: it takes strong ones, or causal ones with conflict lww and without a ttl',
    );
  }
  if (!isStrong) progress.say('No class of keys is strong: nothing is said of what is linearizable.');
  if (keys.causal === null) {
    progress.say('No class is causal, with conflict lww and without a ttl: nothing is said of what is causal.');
  }
  if (keys.strong.some(({ isAudited }) => isAudited)) {
    progress.say('The strong keys are audited: the records of what is written now stay.');
  }
  return keys;
}

/** An empty file for its owner's eyes. */
function openHistory(path: string): number {
  try {
    return openSync(path, 'w', 0o600);
  } catch (error) {
    throw new UsageError(`--history: ${messageOf(error)}`);
  }
}
