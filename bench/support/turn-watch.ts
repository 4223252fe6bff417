import { openSync, readSync, writeFileSync } from 'node:fs';
import { Session, type Profiler } from 'node:inspector';

// Loaded before the program that is measured (`--import`). It keeps how much processor time the loop's thread took for the longest of its turns: what
// else runs on the machine does not change that, as it does a wall clock. Collecting garbage on that thread is part of it. With CAUSEWAY_TURN_PROFILE it
// also samples stacks, and says what ran in that turn. A turn can also stand still without processor time, while the disk or a lock is waited for: for that
// there is the turn that took longest by the clock, without the time for which the thread was ready to run and others did (the scheduler's count). SIGUSR2 writes what was found since the last one into the file CAUSEWAY_TURN_FILE.

/** What one report says. */
export interface LongestTurn {
  readonly cpuMs: number;
  /** Functions by their part of it, the largest first; none without samples. */
  readonly ran: readonly Ran[];
  /** The longest by the clock, less what the thread waited for a processor; NaN where the system does not count that. */
  readonly stoodMs: number;
  readonly stoodIn: readonly Ran[];
}

interface Ran {
  readonly where: string;
  readonly ms: number;
}

interface Turn {
  /** What it took, in microseconds. */
  readonly took: number;
  readonly from: number;
  readonly to: number;
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

/** Processor time, time ready to run while others did, both in nanoseconds, and how often it ran. */
const scheduled = scheduleFile();
const schedule = Buffer.alloc(80);

function scheduleFile(): number {
  try {
    return openSync(`/proc/self/task/${process.pid}/schedstat`, 'r');
  } catch {
    return -1;
  }
}

/** For how long this thread was ready to run and did not. */
function waitedMicros(): number {
  if (scheduled === -1) return NaN;
  const length = readSync(scheduled, schedule, 0, schedule.length, 0);
  return Number(schedule.toString('latin1', 0, length).split(' ')[1]) / 1_000;
}

const NO_TURN: Turn = { took: 0, from: 0, to: 0 };
let [lastCpu, lastMicros, lastWaited] = [cpuMicros(), nowMicros(), waitedMicros()];
let longest = NO_TURN;
let stoodLongest = NO_TURN;

// A timer of a millisecond runs once a turn while turns are longer, so between two of its calls lies one turn, or several short ones.
setInterval(() => {
  const [cpu, micros, waited] = [cpuMicros(), nowMicros(), waitedMicros()];
  const stood = micros - lastMicros - (waited - lastWaited);
  if (cpu - lastCpu > longest.took) longest = { took: cpu - lastCpu, from: lastMicros, to: micros };
  if (stood > stoodLongest.took) stoodLongest = { took: stood, from: lastMicros, to: micros };
  lastCpu = cpu;
  lastMicros = micros;
  lastWaited = waited;
}, LOOK_EVERY_MS).unref();

function begin(): void {
  longest = NO_TURN;
  stoodLongest = NO_TURN;
  samples?.post('Profiler.start');
}

function tell(profile: Profiler.Profile | null): void {
  const ranIn = (turn: Turn): Ran[] => (profile === null ? [] : ranBetween(profile, turn));
  const told: LongestTurn = {
    cpuMs: longest.took / 1_000,
    ran: ranIn(longest),
    stoodMs: scheduled === -1 ? NaN : stoodLongest.took / 1_000,
    stoodIn: ranIn(stoodLongest),
  };
  if (file !== undefined) writeFileSync(file, JSON.stringify(told));
  begin();
  [lastCpu, lastMicros, lastWaited] = [cpuMicros(), nowMicros(), waitedMicros()];
}

/** What the samples of a turn were of, by the function and who called it. */
function ranBetween({ nodes, samples: ids = [], timeDeltas = [], startTime }: Profiler.Profile, turn: Turn): Ran[] {
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
    if (at < turn.from || at > turn.to) continue;
    const where = `${nameOf(id)} < ${nameOf(parents.get(id))}`;
    micros.set(where, (micros.get(where) ?? 0) + delta);
  }
  return [...micros]
    .sort(([, left], [, right]) => right - left)
    .slice(0, FUNCTIONS_TOLD)
    .map(([where, sum]) => ({ where, ms: sum / 1_000 }));
}

process.on('SIGUSR2', () => {
  if (samples === null) return tell(null);
  samples.post('Profiler.stop', (error, result) => tell(error === null ? result.profile : null));
});

samples?.connect();
samples?.post('Profiler.enable');
samples?.post('Profiler.setSamplingInterval', { interval: SAMPLE_EVERY_MICROS });
begin();
