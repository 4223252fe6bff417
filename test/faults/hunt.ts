import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Fault } from './faults.ts';

const PLANT: string = new URL('plant.ts', import.meta.url).href;
const HUNTER: string = fileURLToPath(new URL('hunter.ts', import.meta.url));

/** How a fault fared. */
export interface Found {
  /** Seeds that were run, the last of them the one that found it. */
  readonly seeds: number;
  /** Null where none did. */
  readonly seed: number | null;
  /** What the checks said. */
  readonly wrong: string;
}

/** Runs the simulator with the fault in the sources, in a process of its own, from a seed on, until a check finds it. */
async function hunt({ id }: Fault, first: number, count: number): Promise<Found> {
  const child = spawn(process.execPath, ['--import', PLANT, HUNTER, String(first), String(count)], {
    env: { ...process.env, CAUSEWAY_FAULT: id },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  let errors = '';
  child.stdout.on('data', (bytes: Buffer) => (output += bytes.toString()));
  child.stderr.on('data', (bytes: Buffer) => (errors += bytes.toString()));
  const code = await new Promise((resolve) => child.on('close', resolve));
  if (code !== 0) throw new Error(`the hunt for ${id} ended with ${String(code)}: ${errors.slice(-2_000)}`);
  return JSON.parse(output) as Found;
}

/** Hunts for all, so many at a time; tells of each as it ends. */
export async function huntAll(
  faults: readonly Fault[],
  first: number,
  count: number,
  jobs: number,
  ended: (fault: Fault, found: Found) => void,
): Promise<void> {
  const left = [...faults];
  const work = async (): Promise<void> => {
    for (let fault = left.shift(); fault !== undefined; fault = left.shift())
      ended(fault, await hunt(fault, first, count));
  };
  await Promise.all(Array.from({ length: jobs }, work));
}
