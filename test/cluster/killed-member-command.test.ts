import { createServer, connect, type Server, type Socket } from 'node:net';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { askMembers, askProgress } from '../../src/cli/member-answers.ts';
import { REAL, RunningProgram, runToEnd } from '../cli/programs.ts';
import { startCluster, until, type TestCluster } from './cluster.ts';

const LOST = 'ap-southeast-1/a';
const KEPT = ['us-east-1/a', 'eu-west-1/a'] as const;
const STEP = /\r\n(FENCE|REMOVE|HOLD|JOIN)\r\n/;

let cluster: TestCluster;
let doors: Doors;
beforeAll(async () => {
  cluster = await startCluster({ args: ['--wan-scale', '0'] });
  doors = await Doors.open(KEPT.map((id) => cluster.resp(id)));
}, 60_000);
afterAll(async () => {
  await doors.close();
  await cluster.stop();
});

/** A way to the nodes on which the steps of a command are counted, and the one that is to be the last is seen. */
class Doors {
  readonly #servers: readonly Server[];
  readonly #sockets: Set<Socket> = new Set();
  /** Steps that may still pass; the one after them calls `onLast`, and what comes after is not passed on. */
  #left = Infinity;
  #isShut = false;
  #onLast: (passesOn: () => void) => void = () => {};
  steps: string[] = [];

  private constructor(servers: readonly Server[]) {
    this.#servers = servers;
  }

  static async open(targets: readonly string[]): Promise<Doors> {
    const servers = targets.map(() => createServer());
    const doors = new Doors(servers);
    for (const [at, server] of servers.entries()) {
      const [host, port] = (targets[at] ?? '').split(':');
      server.on('connection', (from) => doors.#join(from, connect(Number(port), host)));
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    }
    return doors;
  }

  get addresses(): string {
    return this.#servers.map((server) => `127.0.0.1:${(server.address() as AddressInfo).port}`).join(',');
  }

  /** Lets a command pass that is killed at its step `at`, before it gets to the node or, where `isTaken`, before its answer gets back. */
  arm(at: number, isTaken: boolean, kill: () => void): void {
    this.steps = [];
    this.#isShut = false;
    this.#left = at;
    this.#onLast = (passOn) => {
      this.#isShut = true;
      if (isTaken) passOn();
      kill();
    };
  }

  #join(from: Socket, to: Socket): void {
    for (const [one, other] of [
      [from, to],
      [to, from],
    ] as const) {
      this.#sockets.add(one);
      one.on('error', () => other.destroy());
      one.on('close', () => {
        this.#sockets.delete(one);
        other.destroy();
      });
    }
    to.on('data', (bytes) => void (this.#isShut || from.write(bytes)));
    from.on('data', (bytes) => {
      const step = STEP.exec(bytes.toString('latin1'))?.[1];
      if (this.#isShut) return;
      if (step === undefined) return void to.write(bytes);
      this.steps.push(step);
      if (--this.#left > 0) return void to.write(bytes);
      this.#onLast(() => to.write(bytes));
    });
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await Promise.all(this.#servers.map((server) => new Promise((resolve) => server.close(resolve))));
  }
}

/** Kills the command at each of its steps, one run after the other, until one comes to its end before that. */
async function killedAtEachStep(action: 'remove' | 'join', isTaken: boolean): Promise<string[][]> {
  const runs: string[][] = [];
  for (let at = 1; ; at++) {
    const run = new RunningProgram(REAL, ['member', action, LOST, '--nodes', doors.addresses]);
    doors.arm(at, isTaken, () => run.process.kill('SIGKILL'));
    const { code, signal, errors } = await run.finished;
    runs.push(doors.steps);
    if (signal === null) {
      expect({ code, errors }).toEqual({ code: 0, errors: '' });
      return runs;
    }
  }
}

test.each([false, true])(
  'member remove and member join, killed at each step (taken by the node: %s), go on when they are run again',
  async (isTaken) => {
    const clients = await Promise.all(KEPT.map((id) => cluster.connect(id)));
    const epoch = (await askMembers(clients[0] as (typeof clients)[number]))[0]?.epoch ?? 0;
    await cluster.act('kill', LOST);
    for (const client of clients)
      await until(async () => (await askMembers(client)).find(({ id }) => id === LOST)?.state === 'silent');
    const removals = await killedAtEachStep('remove', isTaken);
    expect(removals.length).toBeGreaterThan(isTaken ? 2 : 3);
    for (const client of clients)
      expect(await askProgress(client, LOST)).toMatchObject({ state: 'removed', epoch: epoch + 1, operation: 0 });
    await until(async () => (await askProgress(clients[0] as (typeof clients)[number], LOST)).settled === 1);

    const joins = await killedAtEachStep('join', isTaken);
    expect(joins.length).toBeGreaterThan(isTaken ? 2 : 3);
    for (const client of clients)
      expect(await askProgress(client, LOST)).toMatchObject({ 'joined-at-epoch': epoch + 2, operation: 0, durable: 1 });
    await cluster.act('start', LOST);
    const back = await cluster.connect(LOST);
    await back.send('SET', `after ${isTaken}`, '1');
    for (const client of clients) await until(async () => (await client.send('GET', `after ${isTaken}`)) === '1');
    const list = await runToEnd(REAL, ['member', 'list', '--ready-file', cluster.readyFile]);
    expect(list.output).toMatch(new RegExp(`^epoch ${epoch + 2}\n`));
  },
  180_000,
);

test('what a killed command began is taken back, and the node is a member as before', async () => {
  const clients = await Promise.all(KEPT.map((id) => cluster.connect(id)));
  await cluster.act('kill', LOST);
  for (const client of clients)
    await until(async () => (await askMembers(client)).find(({ id }) => id === LOST)?.state === 'silent');
  const run = new RunningProgram(REAL, ['member', 'remove', LOST, '--nodes', doors.addresses]);
  doors.arm(2, true, () => run.process.kill('SIGKILL'));
  expect((await run.finished).signal).toBe('SIGKILL');
  const states = async (): Promise<string[]> =>
    Promise.all(clients.map(async (client) => (await askProgress(client, LOST)).state));
  await until(async () => (await states()).every((state) => state === 'fenced'));
  const unfence = (): ReturnType<typeof runToEnd> =>
    runToEnd(REAL, ['member', 'unfence', LOST, '--ready-file', cluster.readyFile]);
  expect(await unfence()).toMatchObject({
    code: 0,
    output: `${LOST} is no longer fenced at ${KEPT.toSorted().join(', ')}\n`,
  });
  expect(await states()).toEqual(['silent', 'silent']);
  expect((await unfence()).output).toBe(`${LOST} is neither fenced nor waited for anywhere\n`);
  await cluster.act('start', LOST);
  await until(async () => (await states()).every((state) => state === 'live'));
}, 120_000);
