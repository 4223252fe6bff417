import { fork } from 'node:child_process';
import { once } from 'node:events';
import type { Client } from 'causeway-cache/client';
import { eventually, runExample, type Stage } from '../example.ts';
import { LocalRegions } from '../local-regions.ts';
import { productApi } from './api.ts';

const ABOUT = `A product API in three regions, before one database: rows are loaded once for all who ask, pages are made
of them, and a new price takes every page that shows it away, in every region.`;
const REGIONS = ['us-east-1', 'eu-west-1', 'ap-southeast-1'];

await runExample('example:product-api', ABOUT, async (stage) => {
  console.log('Starting the database and three regions …');
  const database = await startDatabase(stage);
  const environment = { DATABASE_URL: database };
  const regions = await LocalRegions.start(stage, new URL('classes.yaml', import.meta.url), environment);
  const caches: Client[] = [];
  const apis: string[] = [];
  for (const region of REGIONS) {
    const cache = await regions.client(region);
    const api = productApi(cache, database);
    stage.atEnd(async () => api.close());
    caches.push(cache);
    apis.push(await api.listen({ port: 0 }));
    console.log(`  ${region.padEnd(16)}curl ${apis.at(-1)}/products/1`);
  }

  console.log('\nA stampede: 300 requests for a product that nobody has asked for, in three regions at once');
  const answers = await Promise.all(
    Array.from({ length: 300 }, async (_, number) => read(`${apis[number % 3]}/products/1`)),
  );
  console.log(`  ${[...new Set(answers)].join(' | ')}`);
  await showQueries(database);

  console.log('\nThe category, made of two products and their prices');
  await showEverywhere(apis, '/categories/tea', () => true);
  await showQueries(database);

  console.log('\nA new price, said in Singapore: 9.50 €. Every page that is made of it goes, in every region');
  const headers = { 'content-type': 'application/json' };
  await fetch(`${apis[2]}/products/1/price`, { method: 'PUT', headers, body: '{"cents":950}' });
  await showEverywhere(apis, '/products/1', (page) => page.includes('9.50'));
  await showEverywhere(apis, '/categories/tea', (page) => page.includes('9.50'));
  await showQueries(database);

  console.log('\nA new layout: CW.INVALIDATE TAG layout takes all pages, and nothing that they are made of');
  const [virginia, , singapore] = caches;
  await virginia?.command(['CW.INVALIDATE', 'TAG', 'layout']);
  await eventually(async () => (await singapore?.exists(['page:product:1', 'page:category:tea'])) === 0);
  await showEverywhere(apis, '/categories/tea', () => true);
  await showQueries(database);
});

async function startDatabase(stage: Stage): Promise<string> {
  const database = fork(new URL('database.ts', import.meta.url));
  const ended = once(database, 'exit');
  stage.atEnd(async () => {
    database.kill();
    await ended;
  });
  const [url] = (await once(database, 'message')) as [string];
  return url;
}

/** The page in each region as soon as it shows what is waited for: at once where the change was made, elsewhere an ocean later. */
async function showEverywhere(apis: readonly string[], path: string, isNew: (page: string) => boolean): Promise<void> {
  for (const [index, api] of apis.entries()) {
    const page = await eventually(async () => {
      const text = await read(`${api}${path}`);
      return isNew(text) && text;
    });
    console.log(`  ${(REGIONS[index] ?? '').padEnd(16)}${path.padEnd(17)}${page}`);
  }
}

async function read(url: string): Promise<string> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url} answered ${response.status}: ${await response.text()}`);
  return response.text();
}

async function showQueries(database: string): Promise<void> {
  const counted = Object.entries(JSON.parse(await read(`${database}/queries`)) as Record<string, number>);
  const words = counted.map(([table, count]) => `${table} ${count}`).sort();
  console.log(`  queries of the database: ${words.join(', ') || 'none'}`);
}
