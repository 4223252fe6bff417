import { readFileSync } from 'node:fs';
import { arch, release, type } from 'node:os';
import { join } from 'node:path';
import type { ProcessFacts } from '../commands/server-state.ts';
import type { Entropy } from '../ports.ts';

const RUN_ID_BYTES = 20;
const MICROSECONDS = 1_000_000;

/** What this process says of itself; the two deeds are the caller's. */
export function processFacts(entropy: Entropy, deeds: Pick<ProcessFacts, 'shutdown' | 'reportInternal'>): ProcessFacts {
  let peakBytes = 0;
  return {
    ...deeds,
    version: packageVersion(),
    processId: process.pid,
    startedAtMs: Date.now(),
    runId: Buffer.from(entropy.bytes(RUN_ID_BYTES)).toString('hex'),
    system: `${type()} ${release()} ${arch()}`,
    runtime: process.version,
    executable: process.execPath,
    // A node is told its configuration by whoever starts it, and does not know from which file.
    configFile: '',
    memory: () => {
      const { heapUsed, external, rss } = process.memoryUsage();
      const usedBytes = heapUsed + external;
      peakBytes = Math.max(peakBytes, usedBytes);
      return { usedBytes, peakBytes, residentBytes: rss };
    },
    cpu: () => {
      const { user, system } = process.cpuUsage();
      return { userSeconds: user / MICROSECONDS, systemSeconds: system / MICROSECONDS };
    },
  };
}

/** The version of the package that this file is of, as a source and when built. */
function packageVersion(): string {
  const text = readFileSync(join(import.meta.dirname, '..', '..', 'package.json'), 'utf8');
  const { version } = JSON.parse(text) as { readonly version: string };
  return version;
}
