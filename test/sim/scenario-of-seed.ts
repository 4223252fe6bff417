import { RACING_WORK, TRIPS } from './race-works.ts';
import { FAULT_KINDS, type Action, type Fault, type FaultKind, type Scenario, type SimOptions } from './scenario.ts';
import { streamOf } from './streams.ts';
import { WORKS } from './works.ts';

/** How long each goes on, in milliseconds: from, to. */
const LASTS_MS: Readonly<Record<FaultKind, readonly [number, number]>> = {
  cut: [200, 5_000],
  'cut-nodes': [200, 5_000],
  'one-way': [200, 4_000],
  bridge: [500, 5_000],
  isolate: [500, 5_000],
  loss: [500, 4_000],
  reset: [0, 1],
  reopen: [0, 1],
  replay: [500, 1_500],
  'slow-link': [300, 4_000],
  'narrow-link': [300, 4_000],
  clog: [200, 3_000],
  lag: [300, 4_000],
  crash: [50, 3_000],
  'crash-in-batch': [50, 3_000],
  absence: [4_000, 9_000],
  amnesia: [100, 4_000],
  pause: [50, 4_000],
  remove: [3_000, 8_000],
  'remove-live': [1_000, 8_000],
  drift: [1_000, 8_000],
  step: [300, 5_000],
  'minute-ahead': [300, 4_000],
  backwards: [300, 4_000],
  'slow-disk': [300, 5_000],
  'full-disk': [300, 3_000],
  'failed-sync': [300, 3_000],
  damage: [300, 3_000],
};

/** At most one of these in a run, once: more than that no quorum of three outlives, and nothing of it is promised. */
const LOSES_A_NODE: readonly FaultKind[] = ['amnesia', 'damage', 'remove', 'remove-live'];
const KINDS_MOST = 9;
/** Where clients meet on the same few keys: in so many of the runs, and so much of their work is that. */
const RACING_SEEDS = 0.7;
const RACES = 0.7;
const RACES_AT_ONCE = 4;
const FLUSHES = 0.02;
/** In so many of the runs values are evicted as soon as they are on disk. */
const EVICTS = 0.3;
/** Where clients work at the same time and then rest, so that nodes become equal in between: how long both take, and the working part of it. */
const WAVES_MS = [0, 0, 600, 1_000] as const;
const WAVE = 0.2;
/** So many faults are followed by another one of the same node: trouble seldom comes alone. */
const FOLLOWED = 0.3;

/** Works that are no requests but change where the client is. */
const MOVE = 'move';
const FORGET = 'forget';

/** A scenario that follows from the seed. Each has some of the kinds of faults and not all, so that each kind is looked at without the others too. */
export function scenarioOf(seed: number): Scenario {
  const options = optionsOf(seed);
  return { seed, options, actions: actionsOf(seed, options), faults: faultsOf(seed, options) };
}

function optionsOf(seed: number): SimOptions {
  const random = streamOf(seed, 'options');
  const [regions, nodesPerRegion] = random.pick([
    [3, 1],
    [3, 1],
    [3, 1],
    [4, 1],
    [3, 2],
  ] as const);
  const kib = 1_024;
  return {
    regions,
    nodesPerRegion,
    durationMs: random.pick([3_000, 5_000, 8_000]),
    clients: random.pick([3, 4, 6]),
    jitter: random.pick([0.02, 0.25, 1]),
    diskMs: random.pick([0.5, 2, 10]),
    clockSpreadMs: random.pick([0, 100, 400]),
    survive: nodesPerRegion > 1 && random.unit() < 0.3 ? 'zone' : 'region',
    withFlush: random.unit() < 0.15,
    logBytesMax: random.pick([2 * kib, 8 * kib, 256 * kib]),
    holdBackBytesMax: random.pick([300, 2 * kib, 1_024 * kib]),
    chunkBytesMax: random.pick([256, 4 * kib, 64 * kib]),
    slackBytesMax: random.pick([1, 2 * kib, 1_024 * kib]),
    snapshotChunkBytes: random.pick([200, 2 * kib, 64 * kib]),
    ...(streamOf(seed, 'memory').unit() < EVICTS ? { evicts: true } : {}),
  };
}

function actionsOf(seed: number, options: SimOptions): Action[] {
  const random = streamOf(seed, 'actions');
  const names = Object.entries(WORKS).flatMap(([name, { weight }]) => Array.from({ length: weight }, () => name));
  const usualMs = random.pick([60, 100, 200]);
  const hot = streamOf(seed, 'hot');
  const isRacing = hot.unit() < RACING_SEEDS;
  const races = Array.from({ length: RACES_AT_ONCE }, () => hot.pick(RACING_WORK)).flat();
  const waveMs = hot.pick(WAVES_MS);
  const actions: Action[] = [];
  for (let client = 0; client < options.clients; client++) {
    const meanMs = usualMs * hot.pick([1, 1, 1, 4]);
    let home = client;
    for (let atMs = random.unit() * meanMs; atMs < options.durationMs; atMs += -Math.log(1 - random.unit()) * meanMs) {
      const drawn = random.unit();
      const usual = random.pick(names);
      const isRace = isRacing && hot.unit() < RACES;
      const isFlush = options.withFlush && random.unit() < FLUSHES;
      const work = isFlush ? 'flush' : drawn < 0.04 ? MOVE : drawn < 0.05 ? FORGET : isRace ? hot.pick(races) : usual;
      const choice = isRace && work !== MOVE && work !== FORGET ? hot.below(2) : random.below(10_000);
      const add = (name: string, chosen: number): void => {
        const id = actions.length + 1;
        const sinceMs = waveMs === 0 ? 0 : (atMs % waveMs) * (1 - WAVE);
        actions.push({ id, client, atMs: Math.floor(atMs - sinceMs), work: name, choice: chosen });
      };
      const trips = TRIPS[work];
      if (work === MOVE) home = choice;
      if (trips === undefined) add(work, choice);
      else {
        const [before, after] = hot.pick(trips);
        add(before, choice);
        const nodes = options.regions * options.nodesPerRegion;
        home += 1 + hot.below(nodes - 1);
        add(MOVE, home);
        add(after, choice);
      }
    }
  }
  return actions;
}

function faultsOf(seed: number, { durationMs, survive }: SimOptions): Fault[] {
  const random = streamOf(seed, 'faults');
  const mayLose = random.unit() < 0.4;
  const loser = random.pick(LOSES_A_NODE);
  // of two voters in a region none may be lost
  const losing = mayLose && survive === 'region' ? [loser] : [];
  const others = FAULT_KINDS.filter((kind) => !LOSES_A_NODE.includes(kind));
  const kinds = Array.from({ length: 1 + random.below(KINDS_MOST) }, () => random.pick(others));
  const count = random.below(3) === 0 ? 3 : 5 + random.below(12);
  const chosen = [...losing, ...Array.from({ length: count }, () => random.pick(kinds))];
  const faults: Fault[] = [];
  for (const kind of chosen) {
    const [leastMs, mostMs] = LASTS_MS[kind];
    const before = random.unit() < FOLLOWED ? faults.at(-1) : undefined;
    const atMs = before === undefined ? random.unit() * durationMs * 0.9 : before.atMs + before.forMs;
    const [one, other] = [random.below(1_000), random.below(1_000)];
    // of what is between two nodes, either of them may be the one before
    const [node, to] = before === undefined ? [one, other] : one % 2 === 0 ? [before.node, other] : [one, before.node];
    faults.push({
      id: faults.length + 1,
      kind,
      atMs: Math.floor(Math.min(atMs, durationMs) * 1_000) / 1_000,
      forMs: Math.floor(leastMs + random.unit() ** 2 * (mostMs - leastMs)),
      node,
      other: to,
      amount: random.unit(),
    });
  }
  return faults;
}
