import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { SeededRandom } from '../../src/groups/seeded-random.ts';
import { StrongRegions } from '../support/strong-regions.ts';
import type { VirtualClient } from '../support/virtual-client.ts';
import { VIRTUAL_START_MS } from '../support/virtual-cluster.ts';
import { ASIA, EAST } from '../support/virtual-regions.ts';

type Told = 'ordered' | 'poor' | 'unknown';

/** One order as README.md has it: the requests, each with its answer, until the client knows what became of it. */
function* order(id: string, price: number): Generator<string, Told, string> {
  for (let attempt = 0; ; attempt++) {
    yield 'WATCH risk:cash:7';
    const cash = yield 'GET risk:cash:7';
    if (cash.startsWith('-')) return 'unknown';
    if (Number(cash.slice(1, -1)) < price) {
      yield 'UNWATCH';
      return 'poor';
    }
    yield 'MULTI';
    yield `CW.ONCE ${id}-${attempt} ${VIRTUAL_START_MS}`;
    yield `DECRBY risk:cash:7 ${price}`;
    yield `HINCRBY position:7:AAPL qty 1`;
    yield `HSET risk:order:${id} symbol AAPL cost ${price}`;
    const end = yield 'EXEC';
    if (end === 'nil') continue;
    return end.startsWith('[') ? 'ordered' : 'unknown';
  }
}

interface Trader {
  readonly client: VirtualClient;
  readonly name: string;
  readonly told: Told[];
  ordersLeft: number;
  /** Thinks until then about the next order: who is near would win every time else. */
  idleUntilMs: number;
  running: Generator<string, Told, string> | null;
}

/** Lets a trader go on where its last request is answered. Says whether something is left for it to do. */
function goOn(trader: Trader, price: number, random: SeededRandom): boolean {
  const { client } = trader;
  const { timeMs } = client.server.cluster;
  let answer = trader.running === null ? null : client.answer;
  while (trader.running === null || answer !== null) {
    if (trader.running === null) {
      if (trader.ordersLeft === 0) return false;
      if (timeMs < trader.idleUntilMs) return true;
      trader.running = order(`${trader.name}-${trader.ordersLeft--}`, price);
      answer = '';
    }
    const next = trader.running.next(answer ?? '');
    if (next.done === true) {
      trader.told.push(next.value);
      trader.running = null;
      trader.idleUntilMs = timeMs + random.unit() * 2_000;
    } else {
      answer = client.begin(next.value).answer;
    }
  }
  return true;
}

function race(regions: StrongRegions, ordersEach: number, price: number, during: (round: number) => void): Trader[] {
  const traders = [EAST, ASIA].flatMap((region) =>
    Array.from({ length: 5 }, (_, at): Trader => {
      const client = regions.connect(region);
      return { client, name: `${region}-${at}`, told: [], ordersLeft: ordersEach, idleUntilMs: 0, running: null };
    }),
  );
  const random = new SeededRandom(7);
  for (let round = 0; traders.map((trader) => goOn(trader, price, random)).includes(true); round++) {
    during(round);
    regions.cluster.run(5);
    for (const server of new Set(traders.map(({ client }) => client.server))) server.turn();
    if (round > 1_000_000) throw new Error('the race does not end');
  }
  return traders;
}

const count = (traders: readonly Trader[], told: Told): number =>
  traders.flatMap((trader) => trader.told).filter((each) => each === told).length;

/** As redis-cli shows it. */
function shown(answer: string): string {
  if (answer.startsWith('[')) {
    const items = answer.slice(1, -1).split(' ');
    return items.map((item, at) => `${at + 1}) ${shown(item)}`).join('\n');
  }
  return answer.replace(/^\+/, '').replace(/^:/, '(integer) ');
}

describe('the order of README.md, raced from two regions', () => {
  test('is answered as it stands there', () => {
    const readme = readFileSync(join(import.meta.dirname, '..', '..', 'README.md'), 'utf8');
    const session = /```console\n\$ redis-cli -p 6402\n(127[^`]*?EXEC\n[^`]*?)```/.exec(readme)?.[1] ?? '';
    const steps = session.split(/^127\.0\.0\.1:6402(?:\(TX\))?> /m).slice(1);
    expect(steps.length).toBe(9);
    const asia = new StrongRegions().connect(ASIA);
    for (const step of steps) {
      const [line = '', ...answer] = step.trimEnd().split('\n');
      const request = line.replace(/ +#.*/, '').replace(/(CW\.ONCE \S+) \d+/, `$1 ${VIRTUAL_START_MS}`);
      expect([request, shown(asia.run(request))]).toEqual([request, answer.join('\n')]);
    }
  });

  test('1,000 orders spend one balance: never below zero, and every loser is told so', () => {
    const regions = new StrongRegions();
    const east = regions.connect(EAST);
    east.run('SET risk:cash:7 1000');
    let least = Infinity;
    const watchBalance = (round: number): void => {
      if (round % 20 === 0) least = Math.min(least, Number(regions.node(EAST).get('risk:cash:7') ?? least));
    };
    const traders = race(regions, 100, 10, watchBalance);
    expect(traders.map(({ told }) => told.length)).toEqual(traders.map(() => 100));
    expect([count(traders, 'ordered'), count(traders, 'poor'), count(traders, 'unknown')]).toEqual([100, 900, 0]);
    expect(least).toBeGreaterThanOrEqual(0);
    regions.sync();
    for (const region of [EAST, ASIA]) {
      const client = regions.connect(region);
      expect(client.run('GET risk:cash:7')).toBe('"0"');
      expect(client.run('HGET position:7:AAPL qty')).toBe('"100"');
    }
    // both regions got something: the race was one
    for (const region of [EAST, ASIA])
      expect(
        count(
          traders.filter(({ name }) => name.startsWith(region)),
          'ordered',
        ),
      ).toBeGreaterThan(0);
    const ordered = traders.flatMap(({ name, told }) =>
      told.flatMap((each, at) => (each === 'ordered' ? [`risk:order:${name}-${100 - at}`] : [])),
    );
    for (const key of ordered) expect(east.run(`HGET ${key} cost`)).toBe('"10"');
  });

  test('while leadership changes all the time: what was told is what happened', () => {
    const regions = new StrongRegions();
    const operator = regions.connect(ASIA);
    const east = regions.connect(EAST);
    east.run('SET risk:cash:7 400');
    let transfers = 0;
    const traders = race(regions, 20, 10, (round) => {
      if (round === 0 || (round % 100 === 0 && operator.answer !== null))
        operator.begin(`CW.GROUP TRANSFER us-east-1/region ${transfers++ % 2 === 0 ? 'eu-west-1/a' : 'us-east-1/a'}`);
      operator.server.turn();
    });
    operator.answered();
    expect(transfers).toBeGreaterThan(5);
    regions.sync();
    const cash = Number(east.run('GET risk:cash:7').slice(1, -1));
    const qty = Number(east.run('HGET position:7:AAPL qty').slice(1, -1));
    expect(cash).toBe(400 - 10 * qty);
    expect(cash).toBeGreaterThanOrEqual(0);
    const ordered = count(traders, 'ordered');
    expect(qty).toBeGreaterThanOrEqual(ordered);
    expect(qty).toBeLessThanOrEqual(ordered + count(traders, 'unknown'));
    expect(ordered).toBeGreaterThan(0);
  });
});
