import { readFileSync } from 'node:fs';
import type { Client } from 'causeway-cache/client';
import { eventually, runExample } from '../example.ts';
import { LocalRegions } from '../local-regions.ts';

const ABOUT = `A trading desk in three regions: quotes with a cache in the process, a feed of their changes, preferences that
two people edit at once, and orders that never spend what is not there.`;

interface Quote {
  readonly date: string;
  readonly price: number;
}

await runExample('example:trading-desk', ABOUT, async (stage) => {
  console.log('Starting three regions …');
  const regions = await LocalRegions.start(stage, new URL('classes.yaml', import.meta.url));
  const virginia = await regions.client('us-east-1');
  const dublin = await regions.client('eu-west-1', { near: { prefixes: ['quote:'], ttl: '5s' } });
  const singapore = await regions.client('ap-southeast-1');
  await quotes(virginia, dublin, singapore);
  await preferences(virginia, singapore);
  await orders(virginia, dublin, singapore);
});

/** Virginia publishes, Dublin's screen reads, Singapore follows the feed of changes. */
async function quotes(virginia: Client, dublin: Client, singapore: Client): Promise<void> {
  console.log('\nQuotes (causal)');
  const feed = singapore.watch('quote:');
  const first = feed.next();
  // a feed tells what comes from its begin on: the opening bell rings until it is heard
  const bell = setInterval(() => void virginia.set('quote:opening-bell', ''), 50);
  await first;
  clearInterval(bell);
  const following = countUntilClosed(feed);

  const published = readQuotes();
  const symbols = [...new Set(published.map(({ symbol }) => symbol))];
  const shown = new Map<string, Quote | null>();
  let isOpen = true;
  const screen = (async (): Promise<void> => {
    while (isOpen) {
      for (const key of symbols.map((symbol) => `quote:${symbol}`))
        shown.set(key, dublin.getSync<Quote>(key) ?? (await dublin.get<Quote>(key)));
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  })();
  for (const { symbol, ...quote } of published) await virginia.set(`quote:${symbol}`, quote);
  await virginia.set('quote:closing-bell', '');

  const told = await following;
  const last = published.findLast(({ symbol }) => symbol === 'AAPL');
  const apple = await eventually(async () => {
    const quote = shown.get('quote:AAPL');
    return quote?.date === last?.date && quote;
  });
  isOpen = false;
  await screen;
  const { hits, misses, invalidations } = dublin.figures.near ?? { hits: 0, misses: 0, invalidations: 0 };
  console.log(`  us-east-1       ${published.length} quotes of ${symbols.length} shares published`);
  console.log(`  ap-southeast-1  ${told} changes in the feed before the closing bell: none is missing`);
  console.log(
    `  eu-west-1       ${percent(hits, hits + misses)} of ${hits + misses} reads answered in the process, ${invalidations} times told of a change`,
  );
  console.log(`  eu-west-1       AAPL ${apple.price} of ${apple.date}, the last one`);
}

/** How many changes of shares a feed tells. Causal: who hears the closing bell has been told of everything before it. */
async function countUntilClosed(feed: ReturnType<Client['watch']>): Promise<number> {
  let count = 0;
  for await (const { kind, key } of feed) {
    if (kind === 'lost') throw new Error('the feed has lost changes: read anew what is needed');
    if (key === 'quote:closing-bell') break;
    if (key !== 'quote:opening-bell') count++;
  }
  return count;
}

/** Two people edit one document at the same moment, an ocean apart: both edits stay. */
async function preferences(virginia: Client, singapore: Client): Promise<void> {
  console.log('\nPreferences (a document)');
  const here = virginia.document('prefs:7');
  const there = singapore.document('prefs:7');
  await here.set('$', { theme: 'dark', watchlist: ['AAPL'] });
  await eventually(async () => there.get('$.theme'));
  await Promise.all([here.set('$.theme', 'light'), there.append('$.watchlist', ['TSLA'])]);
  for (const [region, document] of [
    ['us-east-1', here],
    ['ap-southeast-1', there],
  ] as const) {
    const merged = await eventually(async () => {
      const prefs = await document.get<{ theme: string; watchlist: string[] }>();
      return prefs?.theme === 'light' && prefs.watchlist.length === 2 && prefs;
    });
    console.log(`  ${region.padEnd(16)}${JSON.stringify(merged)}`);
  }
}

/** Eight orders from two regions at once, and cash for two of them. */
async function orders(virginia: Client, dublin: Client, singapore: Client): Promise<void> {
  console.log('\nOrders (strong)');
  await virginia.set('limit:7', 1_000);
  console.log('  limit:7 is 1000; four orders of 340 from Dublin and four from Singapore at once');
  const asked = [dublin, singapore].flatMap((desk) =>
    [1, 2, 3, 4].map(async (number) => order(desk, `order:${desk.figures.region}:${number}`, 340)),
  );
  const results = await Promise.all(asked);
  console.log(`  filled ${results.filter(Boolean).length}, refused ${results.filter((filled) => !filled).length}`);
  for (const [region, desk] of [
    ['us-east-1', virginia],
    ['eu-west-1', dublin],
    ['ap-southeast-1', singapore],
  ] as const) {
    const [left, lots] = [await desk.get<number>('limit:7'), await desk.hash<number>('position:7').get('AAPL')];
    console.log(`  ${region.padEnd(16)}limit:7 ${left}, position:7 AAPL ${lots}`);
  }
}

/**
 * True where it was filled. One EXEC: the limit, the position and the order change together or not at all, and where
 * somebody else changed the limit since it was read, the client begins again with what it is now.
 */
async function order(desk: Client, id: string, cost: number): Promise<boolean> {
  const { value } = await desk.transaction(
    async (transaction) => {
      const left = (await transaction.get<number>('limit:7')) ?? 0;
      if (left < cost) return false;
      transaction.increment('limit:7', -cost);
      transaction.write(['HINCRBY', 'position:7', 'AAPL', 2], ['position:7']);
      transaction.write(['HSET', id, 'symbol', 'AAPL', 'lots', 2, 'cost', cost], [id]);
      return true;
    },
    { watch: ['limit:7'], deadlineMs: 30_000 },
  );
  return value;
}

/** 250 trading days of five shares, the oldest first. */
function readQuotes(): readonly (Quote & { readonly symbol: string })[] {
  const [, ...rows] = readFileSync(new URL('../prices.csv', import.meta.url), 'utf8')
    .trim()
    .split('\n');
  return rows
    .map((row) => row.split(','))
    .map(([date = '', , , , close, , symbol = '']) => ({ symbol, date, price: Number(close) }))
    .sort((a, b) => a.date.localeCompare(b.date));
}

function percent(part: number, whole: number): string {
  return `${((100 * part) / whole).toFixed(1)} %`;
}
