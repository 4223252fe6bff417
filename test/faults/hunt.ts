import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Fault } from './fault.ts';

const PLANT: string = new URL('plant.ts', import.meta.url).href;
const HUNTER: string = fileURLToPath(new URL('hunter.ts', import.meta.url));

/** Within so many seeds, whichever they are, each fault is to be found. */
export const SEEDS: Readonly<Record<'group' | 'cluster', number>> = { group: 400, cluster: 150 };

/** How a fault fared. */
export interface Found {
  /** Seeds that were run, the last of them the one that found it. */
  readonly seeds: number;
  /** Null where none did. */
  readonly seed: number | null;
  /** The schedule of `test/quorum/scenarios` that found what no seed did. */
  readonly schedule: string | null;
  /** What the checks said. */
  readonly wrong: string;
}

/** A run of a seed takes a tenth of it. */
const HEAP_MB = 1_500;
/** One that takes longer goes round in circles: on a machine that does much else a seed takes half a minute. */
const SEED_MS_MAX = 180_000;

/**
 * Runs the simulator in a process of its own from a seed on until a check says that something is wrong, or a run comes to no end, or to no end in
 * its memory: a fault may do that, too. Without a fault for null.
 */
async function run(fault: string | null, group: Fault, first: number, count: number): Promise<Found> {
  const { CAUSEWAY_FAULT: _other, ...env } = process.env;
  const args = ['--import', PLANT, HUNTER, placeOf(group), String(first), String(count)];
  const child = spawn(process.execPath, [`--max-old-space-size=${HEAP_MB}`, ...args], {
    env: fault === null ? env : { ...env, CAUSEWAY_FAULT: fault },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  let errors = '';
  const endless = setTimeout(() => child.kill('SIGKILL'), SEED_MS_MAX);
  child.stdout.on('data', (bytes: Buffer) => {
    output += bytes.toString();
    endless.refresh();
  });
  child.stderr.on('data', (bytes: Buffer) => (errors += bytes.toString()));
  const code = await new Promise((resolve) => child.on('close', resolve));
  clearTimeout(endless);
  const lines = output.split('\n');
  const last = lines.pop() ?? '';
  if (code === 0) return JSON.parse(last) as Found;
  const seed = Number(lines.at(-1));
  const wasAborted = child.signalCode === 'SIGABRT' || child.signalCode === 'SIGKILL';
  if (!wasAborted || !Number.isSafeInteger(seed))
    throw new Error(`the hunt for ${group.id} ended with ${String(code)}: ${errors.slice(-2_000)}`);
  return { seeds: seed - first + 1, seed, schedule: null, wrong: `the run came to no end (${child.signalCode})` };
}

/** Where a fault is looked for: one quorum group by itself, with members that fail far more often than whole nodes can, or whole clusters. */
export function placeOf({ file }: Fault): 'group' | 'cluster' {
  return file.startsWith('src/quorum/') ? 'group' : 'cluster';
}

/** Runs seeds with the fault in the sources until one finds it: one that the sources as they are come through. */
export async function hunt(fault: Fault, first: number, count: number): Promise<Found> {
  for (let next = first; next < first + count;) {
    const found = await run(fault.id, fault, next, first + count - next);
    if (found.seed === null) return { ...found, seeds: count };
    const without = await run(null, fault, found.seed, 1);
    if (without.seed === null) return { ...found, seeds: found.seed - first + 1 };
    console.error(`seed ${found.seed} is wrong without any fault too: ${without.wrong}`);
    next = found.seed + 1;
  }
  return { seeds: count, seed: null, schedule: null, wrong: '' };
}

/** Hunts for all, so many at a time; tells of each as it ends. Null for as many seeds as each is to be found within. */
export async function huntAll(
  faults: readonly Fault[],
  first: number,
  count: number | null,
  jobs: number,
  ended: (fault: Fault, found: Found) => void,
): Promise<void> {
  const left = [...faults];
  const work = async (): Promise<void> => {
    for (let fault = left.shift(); fault !== undefined; fault = left.shift())
      ended(fault, await hunt(fault, first, count ?? SEEDS[placeOf(fault)]));
  };
  await Promise.all(Array.from({ length: jobs }, work));
}
