import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Dot } from '../../src/clock/dot.ts';
import type { NodeView, PeerStatus } from '../../src/commands/node-view.ts';
import { request } from './raw-client.ts';
import { Rig } from './rig.ts';

/** How far two other regions are, as their acknowledgements say it. */
const applied = new Map([
  ['eu', 0],
  ['ap', 0],
]);
const asked: Dot[] = [];

function peer(region: string): PeerStatus {
  const figures = { lagTransactions: 0, lagBytes: 0, lagMs: 0, rttMs: null, silentMs: 0 };
  return { id: `${region}/a`, region, connected: true, ...figures };
}

let rig: Rig;
beforeAll(async () => {
  rig = await Rig.start({
    engine: (node) => {
      const view: NodeView = Object.create(node, {
        regionsCovering: {
          value: (dot: Dot) => {
            asked.push(dot);
            return [...applied.values()].filter((seq) => seq >= dot.seq).length;
          },
        },
        peers: { value: () => [...applied.keys()].map(peer) },
        names: { value: node.names },
        nodeId: { value: node.nodeId },
        region: { value: node.region },
      }) as NodeView;
      return {
        node: view,
        keys: node.keys,
        loads: node.loads,
        writes: node.writes,
        memory: node.memory,
        get origin() {
          return node.origin;
        },
        get expiredKeys() {
          return node.expiredKeys;
        },
        nowMs: (wallMs) => node.nowMs(wallMs),
        transact: (nowMs, run) => node.transact(nowMs, run),
        changing: node.changing,
        readFor: (reader, byClass) => node.readFor(reader, byClass),
        refusal: (write, loading) => node.refusal(write, loading),
        listen: (events) => node.listen(events),
      };
    },
  });
});
afterAll(() => rig.stop());

function acknowledge(region: string, seq: number): void {
  applied.set(region, seq);
  rig.server.progress();
}

test('a connection that wrote nothing waits for nothing', async () => {
  const client = await rig.client();
  expect(await client.text('WAIT', '5', '0')).toBe(':2');
});

test('waits until enough regions have the last write, and later requests wait behind it', async () => {
  const client = await rig.client();
  client.send(request('SET', 'w', '1') + request('WAIT', '2', '0') + request('ECHO', 'after'));
  await client.takeTo('+OK\r\n');
  const other = await rig.client();
  // Only this connection waits.
  expect(await other.text('GET', 'w')).toBe('1');
  expect(await other.text('INFO', 'clients')).toContain('blocked_clients:1');
  expect(await other.text('CLIENT', 'LIST')).toMatch(/ flags=b .* cmd=wait /);
  const seq = rig.node.lastDot()?.seq ?? 0;
  acknowledge('eu', seq);
  expect(await other.text('PING')).toBe('+PONG');
  expect(client.pending).toBe('');
  acknowledge('ap', seq);
  expect(await client.takeTo('after\r\n')).toBe(':2\r\n$5\r\nafter\r\n');
});

test('answers at once when enough have it, and at the time limit with how many do', async () => {
  const client = await rig.client();
  client.send(request('SET', 'w', '2'));
  await client.takeTo('+OK\r\n');
  acknowledge('eu', rig.node.lastDot()?.seq ?? 0);
  expect(await client.text('WAIT', '1', '0')).toBe(':1');
  expect(await client.text('WAIT', '2', '20')).toBe(':1');
  expect(await client.text('WAIT', '0', '0')).toBe(':1');
});

test('what another connection writes meanwhile is not waited for', async () => {
  const [client, other] = [await rig.client(), await rig.client()];
  expect(await client.text('SET', 'w', '3')).toBe('+OK');
  const own = rig.node.lastDot()?.seq ?? 0;
  expect(await other.text('SET', 'w', '4')).toBe('+OK');
  acknowledge('eu', own);
  expect(await client.text('WAIT', '1', '0')).toBe(':1');
  expect(asked.at(-1)?.seq).toBe(own);
});

test('never waits inside EXEC', async () => {
  const client = await rig.client();
  client.send('SET w 5\r\nMULTI\r\nWAIT 2 0\r\nEXEC\r\n');
  expect(await client.takeTo('*1\r\n:0\r\n')).toBe('+OK\r\n+OK\r\n+QUEUED\r\n*1\r\n:0\r\n');
});

test('CLIENT UNBLOCK ends a wait, with the answer so far or an error', async () => {
  const [client, other] = [await rig.client(), await rig.client()];
  const id = (await client.text('CLIENT', 'ID')).slice(1);
  expect(await other.text('CLIENT', 'UNBLOCK', id)).toBe(':0');
  for (const [how, answer] of [
    ['TIMEOUT', ':0\r\n'],
    ['ERROR', '-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n'],
  ] as const) {
    client.send(request('SET', 'w', '6') + request('WAIT', '2', '0'));
    await client.takeTo('+OK\r\n');
    while ((await other.text('CLIENT', 'UNBLOCK', id, how)) !== ':1');
    expect(await client.takeTo('\r\n')).toBe(answer);
  }
});

test('a connection that ends while it waits is forgotten', async () => {
  const client = await rig.client();
  client.send(request('SET', 'w', '7') + request('WAIT', '2', '0'));
  await client.takeTo('+OK\r\n');
  const other = await rig.client();
  while (!(await other.text('INFO', 'clients')).includes('blocked_clients:1'));
  client.destroy();
  while (!(await other.text('INFO', 'clients')).includes('blocked_clients:0'));
  acknowledge('eu', Infinity);
  expect(await other.text('PING')).toBe('+PONG');
});

test('arguments are checked as Redis does', async () => {
  const client = await rig.client();
  expect(await client.text('WAIT', 'x', '1')).toBe('-ERR value is not an integer or out of range');
  expect(await client.text('WAIT', '0', 'x')).toBe('-ERR timeout is not an integer or out of range');
  expect(await client.text('WAIT', '0', '-1')).toBe('-ERR timeout is negative');
});
