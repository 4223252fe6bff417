import { createServer, type AddressInfo } from 'node:net';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import type { NodeAction } from '../../src/cli/node-actions.ts';
import type { FaultKind, Steering, VerifyCluster, VerifyNode, WanLink } from '../../src/cli/verify-cluster.ts';
import { Draws } from '../../src/cli/verify-draws.ts';
import { Nemesis, type FaultSpan } from '../../src/cli/verify-nemesis.ts';
import { Recorder } from '../../src/cli/verify-recorder.ts';
import type { Operation } from '../../src/verify/history.ts';

const REGIONS = ['east', 'west', 'south'];
/** Nobody answers there: as of nodes that are ended, or stand still. */
const NODES: readonly VerifyNode[] = REGIONS.map((region) => {
  return { id: `${region}/a`, region, address: { host: '127.0.0.1', port: 1 } };
});
const LINKS: readonly WanLink[] = REGIONS.flatMap((from) =>
  REGIONS.filter((to) => to !== from).map((to) => ({ from, to, measuredOneWayMs: 1 })),
);

/** What was done, in its order, and how nodes and links are. */
let done: string[];
let links: Map<string, string>;
let nodes: Map<string, string>;
let told: string[];
let cluster: VerifyCluster;
beforeEach(() => {
  done = [];
  told = [];
  links = new Map(LINKS.map(({ from, to }) => [`${from}>${to}`, 'open']));
  nodes = new Map(NODES.map(({ id }) => [id, 'running']));
  const steer =
    (state: string) =>
    async ({ from, oneDirection, to }: Steering) => {
      links.set(`${from}>${to}`, state);
      if (!oneDirection) links.set(`${to}>${from}`, state);
    };
  const states: Readonly<Record<NodeAction, string>> = {
    ...{ kill: 'stopped', stop: 'stopped', start: 'running', pause: 'paused', resume: 'running' },
  };
  cluster = {
    nodes: NODES,
    notes: [],
    faults: new Set<FaultKind>(['kill', 'pause', 'cut', 'slow']),
    otherFaults: '',
    links: LINKS,
    async act({ id }, action) {
      done.push(`${action} ${id}`);
      nodes.set(id, states[action]);
    },
    cut: steer('cut'),
    slow: async (steering) => steer('slow')(steering),
    healLink: steer('open'),
    linkStates: async () => links,
    state: async ({ id }) => nodes.get(id) ?? '',
    longestFileBytes: () => 0,
  };
});

const steer =
  (state: string) =>
  async ({ from, oneDirection, to }: Steering): Promise<void> => {
    links.set(`${from}>${to}`, state);
    if (!oneDirection) links.set(`${to}>${from}`, state);
  };

const nemesisOf = (kinds: readonly FaultKind[], recorder: Recorder = new Recorder(performance.now())): Nemesis =>
  new Nemesis({
    ...{ cluster, kinds, recorder, nodesOptions: {}, holdMsMax: 1, fillKey: null, strongKeys: [] },
    draws: new Draws(7),
    tell: (text) => told.push(text),
  });

/** Runs it until it has done so many faults, and heals. */
async function spansOf(nemesis: Nemesis, count: number): Promise<readonly FaultSpan[]> {
  const stop = new AbortController();
  const running = nemesis.run(stop.signal);
  while (nemesis.spans.length < count) await new Promise((resolve) => setTimeout(resolve, 5));
  stop.abort();
  await running;
  await nemesis.heal();
  return nemesis.spans;
}

test('cuts two regions apart, one way, or a region from all others: off, deaf or mute; and heals all of it', async () => {
  const shapes = new Set<string>();
  const cut = steer('cut');
  let cutNow: string[] = [];
  cluster = {
    ...cluster,
    async cut(steering) {
      await cut(steering);
      cutNow = [...links].filter(([, state]) => state === 'cut').map(([pair]) => pair);
      const [from, to] = [0, 1].map((end) => new Set(cutNow.map((pair) => pair.split('>')[end])).size);
      shapes.add(`${cutNow.length}: ${from} to ${to}`);
    },
  };
  const spans = await spansOf(nemesisOf(['cut']), 5);
  expect(spans.map(({ hadEffect }) => hadEffect)).not.toContain(false);
  // one way; both ways; away from one; to one; of one both ways
  expect([...shapes]).toEqual(
    expect.arrayContaining(['1: 1 to 1', '2: 2 to 2', '2: 1 to 2', '2: 2 to 1', '4: 3 to 3']),
  );
  expect(new Set(links.values())).toEqual(new Set(['open']));
});

test('links and nodes are broken at the same time, and what was in force is told with when and where', async () => {
  const recorder = new Recorder(performance.now());
  const spans = await spansOf(nemesisOf(['kill', 'pause', 'slow'], recorder), 8);
  expect(new Set(spans.map(({ fault }) => fault))).toEqual(new Set(['kill', 'pause', 'slow']));
  for (const { about, end, fault, hadEffect, on, start } of spans) {
    expect(hadEffect).toBe(true);
    expect(end).toBeGreaterThanOrEqual(start);
    expect(on).toHaveLength(fault === 'slow' ? 2 : 1);
    expect(about).toContain(String(on[0]));
  }
  const [killed] = spans.filter(({ fault }) => fault === 'kill').map(({ on }) => String(on[0]));
  expect(done).toEqual(expect.arrayContaining([`kill ${killed}`, `start ${killed}`]));
  expect(recorder.mayHaveLost(String(killed), 0)).toBe(true);
  expect(new Set(nodes.values())).toEqual(new Set(['running']));
  expect(new Set(links.values())).toEqual(new Set(['open']));
});

test('what has no effect is not counted as if it had', async () => {
  cluster = { ...cluster, slow: async () => undefined };
  const [span] = await spansOf(nemesisOf(['slow']), 1);
  expect(span?.hadEffect).toBe(false);
  expect(told).toContain(`no effect was seen of this: ${span?.about}`);
});

test('what cannot be undone in its turn is undone in the end', async () => {
  const before = cluster;
  let refusals = 3;
  cluster = {
    ...before,
    async act(node, action, conditions) {
      if (action === 'resume' && refusals-- > 0) throw new Error('not now');
      await before.act(node, action, conditions);
    },
  };
  await spansOf(nemesisOf(['pause']), 2);
  expect(told).toContain('pause: not now');
  expect(new Set(nodes.values())).toEqual(new Set(['running']));
});

test('of a node whose disk is full what counts is when it answered last, and how much was on its disk then', async () => {
  const unsavedMs = 40;
  const recorder = new Recorder(performance.now());
  const answeredNs: number[] = [];
  const answers = 4;
  /** Its process lives on for so long that it is looked at as often again. */
  let looksLeft = answers;
  const info = `unsaved_ms:${unsavedMs}\r\n`;
  const server = createServer((socket) =>
    socket.on('data', () => {
      // as one whose disk has failed
      if (answeredNs.length === answers) {
        socket.destroy();
        return;
      }
      answeredNs.push(recorder.nowNs());
      socket.end(`$${info.length}\r\n${info}\r\n`);
    }),
  );
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const [first] = NODES as [VerifyNode];
  const node = { ...first, address: { host: '127.0.0.1', port: (server.address() as AddressInfo).port } };
  const before = cluster;
  cluster = {
    ...before,
    nodes: [node],
    async act(of, action, conditions) {
      await before.act(of, action, conditions);
      // what it says from when its disk is nearly full
      if (conditions !== undefined && looksLeft > 0) answeredNs.length = 0;
    },
    async state(of) {
      if (answeredNs.length === answers && looksLeft-- === 0) nodes.set(of.id, 'stopped');
      return before.state(of);
    },
  };
  await spansOf(nemesisOf(['disk'], recorder), 1);
  const [, , beforeNs = 0, lastNs = 0] = answeredNs;
  const written = (value: string, end: number): Operation => {
    return { client: 'c', region: node.region, op: 'write', key: 'k', value, start: 0, end, ok: true, level: 'causal' };
  };
  recorder.add(node.id, written('on its disk', beforeNs - unsavedMs * 1e6));
  recorder.add(node.id, written('not yet', lastNs + 1));
  const { lostBeforeMs, lostWrites, operations } = recorder.finish();
  expect(operations.map(({ ok, value }) => [value, ok])).toEqual([
    ['on its disk', true],
    ['not yet', null],
  ]);
  expect(lostWrites).toBe(1);
  expect(lostBeforeMs).toBeGreaterThan(0);
});
