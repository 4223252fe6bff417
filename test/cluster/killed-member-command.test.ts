import { createServer, connect, type Server, type Socket } from 'node:net';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { askMembers, type MemberLine } from '../../src/cli/member-answers.ts';
import type { RespClient } from '../../src/cli/resp-client.ts';
import { REAL, RunningProgram, runToEnd } from '../cli/programs.ts';
import { startCluster, until, type TestCluster } from './cluster.ts';

const LOST = 'ap-southeast-1/a';
const KEPT = ['us-east-1/a', 'eu-west-1/a'] as const;
const ASKED = /\r\nCHANGE\r\n/;

let cluster: TestCluster;
let doors: Doors;
beforeAll(async () => {
  cluster = await startCluster({ args: ['--wan-scale', '0'] });
  doors = await Doors.open(KEPT.map((id) => cluster.resp(id)));
});
afterAll(async () => {
  await doors.close();
  await cluster.stop();
});

/** A way to the nodes on which the request for a change is seen. */
class Doors {
  readonly #servers: readonly Server[];
  readonly #sockets: Set<Socket> = new Set();
  #isShut = false;
  #onAsked: (passOn: () => void) => void = () => {};

  private constructor(servers: readonly Server[]) {
    this.#servers = servers;
  }

  static async open(targets: readonly string[]): Promise<Doors> {
    const servers = targets.map(() => createServer());
    const opened = new Doors(servers);
    for (const [at, server] of servers.entries()) {
      const [host, port] = (targets[at] ?? '').split(':');
      server.on('connection', (from) => opened.#join(from, connect(Number(port), host)));
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    }
    return opened;
  }

  get addresses(): string {
    return this.#servers.map((server) => `127.0.0.1:${(server.address() as AddressInfo).port}`).join(',');
  }

  /** Kills a command when it asks, before that gets to the node or, where `isTaken`, before the answer gets back. */
  arm(isTaken: boolean, kill: () => void): void {
    this.#isShut = false;
    this.#onAsked = (passOn) => {
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
        // what was passed on is read first
        other.end();
      });
    }
    to.on('data', (bytes) => void (this.#isShut || from.write(bytes)));
    from.on('data', (bytes) => {
      if (this.#isShut) return;
      if (ASKED.test(bytes.toString('latin1'))) this.#onAsked(() => to.write(bytes));
      else to.write(bytes);
    });
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await Promise.all(this.#servers.map((server) => new Promise((resolve) => server.close(resolve))));
  }
}

const lineOf = async (client: RespClient): Promise<MemberLine | undefined> =>
  (await askMembers(client)).find(({ id }) => id === LOST);

const ask = (action: 'remove' | 'join'): RunningProgram =>
  new RunningProgram(REAL, ['member', action, LOST, '--nodes', doors.addresses]);

async function killed(action: 'remove' | 'join', isTaken: boolean): Promise<void> {
  const run = ask(action);
  doors.arm(isTaken, () => run.process.kill('SIGKILL'));
  expect((await run.finished).signal).toBe('SIGKILL');
}

async function runAgain(action: 'remove' | 'join'): Promise<void> {
  const again = await runToEnd(REAL, ['member', action, LOST, '--ready-file', cluster.readyFile]);
  expect(again).toMatchObject({ code: 0, errors: '' });
}

test.each([false, true])(
  'member remove and member join, killed when they ask (taken by the node: %s): the members go on by themselves, or nothing happened',
  async (isTaken) => {
    const clients = await Promise.all(KEPT.map((id) => cluster.connect(id)));
    const [first] = clients as [RespClient];
    const epoch = (await askMembers(first))[0]?.epoch ?? 0;
    await cluster.act('kill', LOST);
    for (const client of clients) await until(async () => (await lineOf(client))?.state === 'silent');
    for (const action of ['remove', 'join'] as const) {
      const before = action === 'remove' ? 'silent' : 'removed';
      await killed(action, isTaken);
      if (!isTaken) {
        for (const client of clients) expect((await lineOf(client))?.state).toBe(before);
        await runAgain(action);
      }
      const isThere = (line: MemberLine | undefined): boolean =>
        action === 'remove' ? line?.['removed-at-epoch'] === epoch + 1 : line?.['joined-at-epoch'] === epoch + 2;
      for (const client of clients) await until(async () => isThere(await lineOf(client)));
    }
    await cluster.act('start', LOST);
    const back = await cluster.connect(LOST);
    await back.send('SET', `after ${isTaken}`, '1');
    for (const client of clients) await until(async () => (await client.send('GET', `after ${isTaken}`)) === '1');
    const list = await runToEnd(REAL, ['member', 'list', '--ready-file', cluster.readyFile]);
    expect(list.output).toMatch(new RegExp(`^epoch ${epoch + 2}\\n`));
  },
);
