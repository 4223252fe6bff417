import type { Bench, BenchOptions, BenchResult } from './support/bench.ts';
import { table } from './support/figures.ts';
import { encode } from './support/load-connection.ts';
import { startCauseway, type MeasuredServer } from './support/measured-server.ts';
import { Pipelined } from './support/pipelined.ts';
import { cpuNanoseconds } from './support/processes.ts';

const KEYS = 1_000_000;
const SMALL_KEYS = 20_000;
/** Keys of one prefix. */
const GROUP = 100;
const ROUNDS = 50;
/** Of those that look at all keys. */
const LONG_ROUNDS = 10;
const TOGETHER = 32;
const MICROSECOND = 1_000;
const POLL_MS = 50;

const groupOf = (group: number): string => `page:${String(group).padStart(6, '0')}:`;

/** What an invalidation by a prefix costs the server, where the order of keys is not known and where it is; and what the order costs. */
export const patterns: Bench = {
  name: 'patterns',
  summary: `CPU of CW.INVALIDATE PATTERN that matches ${GROUP} keys of a million, by a prefix and else, and of the order of keys`,
  run: async (options: BenchOptions) => {
    const server = await startCauseway(0);
    const load = await Pipelined.open(`127.0.0.1:${server.port}`);
    try {
      return await measured(server, load, options.small ? SMALL_KEYS : KEYS);
    } finally {
      load.close();
      await server.stop();
    }
  },
};

async function measured(server: MeasuredServer, load: Pipelined, keys: number): Promise<BenchResult> {
  const { client } = server;
  const groups = keys / GROUP;
  const fresh = keys / 10;
  await write(load, keys, (number) => `${groupOf(Math.floor(number / GROUP))}${number % GROUP}`);
  const newBefore = await cpuOf(server, async () => write(load, fresh, (number) => `one:${number}`));
  const newAgain = await cpuOf(server, async () => write(load, fresh, (number) => `two:${number}`));
  let group = 0;
  const removed: unknown[] = [];
  const invalidate = async (rounds: number, patternOf: (prefix: string) => string): Promise<void> => {
    for (let round = 0; round < rounds; round++)
      removed.push(await client.send('CW.INVALIDATE', 'PATTERN', patternOf(groupOf(group++))));
  };
  const byGlob = await cpuOf(server, async () => invalidate(LONG_ROUNDS, (prefix) => `?${prefix.slice(1)}*`));
  const bytesBefore = await keyspaceBytes(server);
  const filling = await cpuOf(server, async () => untilOrdered(server, groupOf(groups - 1)));
  const bytesAfter = await keyspaceBytes(server);
  const byPrefix = await cpuOf(server, async () => invalidate(ROUNDS, (prefix) => `${prefix}*`));
  const byDel = await cpuOf(server, async () => {
    for (let round = 0; round < ROUNDS; round++, group++)
      removed.push(await client.send('DEL', ...Array.from({ length: GROUP }, (_, at) => `${groupOf(group)}${at}`)));
  });
  const newAfter = await cpuOf(server, async () => write(load, fresh, (number) => `six:${number}`));
  const micro = (ns: number, count: number): number => ns / count / MICROSECOND;
  const wrong = removed.filter((count) => count !== GROUP).length;
  const slots = keys + 2 * fresh;
  const figures = {
    globUs: micro(byGlob, LONG_ROUNDS),
    prefixUs: micro(byPrefix, ROUNDS),
    delUs: micro(byDel, ROUNDS),
    newKeyUs: micro(Math.min(newBefore, newAgain), fresh),
    newKeyOrderedUs: micro(newAfter, fresh),
    fillUs: micro(filling, slots),
    bytesAKey: (bytesAfter - bytesBefore) / slots,
  };
  return {
    text: [
      `${slots} keys, ${GROUP} of them matched; CPU of the server, by the scheduler's count`,
      table(
        ['', 'µs'],
        [
          ['CW.INVALIDATE PATTERN, all keys looked at', figures.globUs],
          ['CW.INVALIDATE PATTERN by a prefix', figures.prefixUs],
          [`DEL of ${GROUP} keys`, figures.delUs],
          ['SET of a new key, no order kept', figures.newKeyUs],
          ['SET of a new key, order kept', figures.newKeyOrderedUs],
          ['taking one key into the order, with what the node does meanwhile', figures.fillUs],
        ],
      ),
      `the order takes ${figures.bytesAKey.toFixed(1)} bytes a key`,
      wrong === 0 ? `each removed ${GROUP} keys` : `${wrong} did NOT remove ${GROUP} keys`,
    ].join('\n'),
    json: figures,
    passed: wrong === 0 && figures.prefixUs < figures.globUs,
  };
}

async function cpuOf({ pid }: MeasuredServer, run: () => Promise<void>): Promise<number> {
  const before = cpuNanoseconds(pid);
  await run();
  return cpuNanoseconds(pid) - before;
}

async function write(load: Pipelined, count: number, keyOf: (number: number) => string): Promise<void> {
  for (let from = 0; from < count; from += TOGETHER) {
    const to = Math.min(count, from + TOGETHER);
    let commands = '';
    for (let number = from; number < to; number++) commands += encode(['SET', keyOf(number), 'value']);
    await load.send(commands, to - from);
  }
}

async function keyspaceBytes({ client }: MeasuredServer): Promise<number> {
  const info = String(await client.send('INFO', 'memory'));
  return Number(/keyspace_memory:(\d+)/.exec(info)?.[1] ?? NaN);
}

/** A call of SCAN that asks for one key is given all of a prefix within ten calls where the order is known: more than one a call. */
async function untilOrdered({ client }: MeasuredServer, prefix: string): Promise<void> {
  for (;;) {
    const [, found] = (await client.send('SCAN', '0', 'MATCH', `${prefix}*`, 'COUNT', '1')) as [string, string[]];
    if (found.length > 1) return;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}
