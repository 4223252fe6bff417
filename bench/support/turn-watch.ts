import { writeFileSync } from 'node:fs';
import { Session, type Profiler } from 'node:inspector';

// Loaded before the program that is measured (`--import`). It keeps how much processor time the loop's thread took for the longest of its turns: what
// else runs on the machine does not change that, as it does a wall clock. Collecting garbage on that thread is part of it. With CAUSEWAY_TURN_PROFILE it
// also samples stacks, and says what ran in that turn. SIGUSR2 writes what was found since the last one into the file CAUSEWAY_TURN_FILE.

/** What one report says. */
export interface LongestTurn {
  readonly cpuMs: number;
  /** Functions by their part of it, the largest first; none without samples. */
  readonly ran: readonly { readonly where: string; readonly ms: number }[];
}

const LOOK_EVERY_MS = 1;
const SAMPLE_EVERY_MICROS = 500;
const FUNCTIONS_TOLD = 15;

// of several processes that are given the same name each has a file of its own
const file = process.env['CAUSEWAY_TURN_FILE']?.replace('{pid}', String(process.pid));
const samples = process.env['CAUSEWAY_TURN_PROFILE'] === undefined ? null : new Session();

const cpuMicros = (): number => {
  const { user, system } = process.threadCpuUsage();
  return user + system;
};
/** By the clock of the samples. */
const nowMicros = (): number => Number(process.hrtime.bigint() / 1_000n);

let [lastCpu, lastMicros] = [cpuMicros(), nowMicros()];
let longest = { cpu: 0, from: 0, to: 0 };

// A timer of a millisecond runs once a turn while turns are longer, so between two of its calls lies one turn, or several short ones.
setInterval(() => {
  const [cpu, micros] = [cpuMicros(), nowMicros()];
  if (cpu - lastCpu > longest.cpu) longest = { cpu: cpu - lastCpu, from: lastMicros, to: micros };
  lastCpu = cpu;
  lastMicros = micros;
}, LOOK_EVERY_MS).unref();

function begin(): void {
  longest = { cpu: 0, from: 0, to: 0 };
  samples?.post('Profiler.start');
}

function tell(ran: LongestTurn['ran']): void {
  if (file !== undefined)
    writeFileSync(file, JSON.stringify({ cpuMs: longest.cpu / 1_000, ran } satisfies LongestTurn));
  begin();
  [lastCpu, lastMicros] = [cpuMicros(), nowMicros()];
}

/** What the samples between two moments were of, by the function and who called it. */
function ranBetween({ nodes, samples: ids = [], timeDeltas = [], startTime }: Profiler.Profile): LongestTurn['ran'] {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const parents = new Map(nodes.flatMap(({ id, children = [] }) => children.map((child) => [child, id])));
  const nameOf = (id: number | undefined): string => {
    const frame = id === undefined ? undefined : byId.get(id)?.callFrame;
    return frame === undefined ? '' : `${frame.functionName} ${frame.url.split('/').at(-1)}:${frame.lineNumber + 1}`;
  };
  const micros = new Map<string, number>();
  let at = startTime;
  for (const [index, id] of ids.entries()) {
    const delta = timeDeltas[index] ?? 0;
    at += delta;
    if (at < longest.from || at > longest.to) continue;
    const where = `${nameOf(id)} < ${nameOf(parents.get(id))}`;
    micros.set(where, (micros.get(where) ?? 0) + delta);
  }
  return [...micros]
    .sort(([, left], [, right]) => right - left)
    .slice(0, FUNCTIONS_TOLD)
    .map(([where, sum]) => ({ where, ms: sum / 1_000 }));
}

process.on('SIGUSR2', () => {
  if (samples === null) return tell([]);
  samples.post('Profiler.stop', (error, result) => tell(error === null ? ranBetween(result.profile) : []));
});

samples?.connect();
samples?.post('Profiler.enable');
samples?.post('Profiler.setSamplingInterval', { interval: SAMPLE_EVERY_MICROS });
begin();
