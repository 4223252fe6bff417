import type { Client } from 'causeway-cache/client';
import Fastify, { type FastifyInstance, type FastifyReply } from 'fastify';

interface Product {
  readonly name: string;
}

interface Price {
  readonly cents: number;
}

interface PriceRequest {
  readonly Params: { readonly id: string };
  readonly Body: Price;
}

const PRICE_SCHEMA = { type: 'object', required: ['cents'], properties: { cents: { type: 'integer', minimum: 0 } } };

interface Category {
  readonly title: string;
  readonly products: readonly number[];
}

/** The service of one region: pages of products and categories, and new prices. */
export function productApi(cache: Client, databaseUrl: string): FastifyInstance {
  const api = Fastify({ forceCloseConnections: true });
  api.get<{ Params: { id: string } }>('/products/:id', async ({ params: { id } }, reply) => {
    const made = await page(cache, `page:product:${id}`, [`product:${id}`, `price:${id}`], ([product, price]) => {
      return `${(product as Product).name}: ${euros(price as Price)}`;
    });
    return made ?? notThere(reply, 'product');
  });
  api.get<{ Params: { name: string } }>('/categories/:name', async ({ params: { name } }, reply) => {
    const category = await cache.get<Category>(`category:${name}`);
    if (category === null) return notThere(reply, 'category');
    const { title, products } = category;
    const parts = products.flatMap((id) => [`product:${id}`, `price:${id}`]);
    const made = await page(cache, `page:category:${name}`, [`category:${name}`, ...parts], ([, ...found]) => {
      const lines = products.map((_, at) => {
        return `${(found[2 * at] as Product).name} ${euros(found[2 * at + 1] as Price)}`;
      });
      return `${title}: ${lines.join(', ')}`;
    });
    return made ?? notThere(reply, 'category');
  });
  const schema = { body: PRICE_SCHEMA };
  api.put<PriceRequest>('/products/:id/price', { schema }, async ({ params: { id }, body }, reply) => {
    const row = { method: 'PUT', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
    const stored = await fetch(`${databaseUrl}/price:${id}`, row);
    if (!stored.ok) throw new Error(`the database answered ${stored.status}`);
    // after the database has it: what was loaded before is old, wherever it is, and the pages made of it too
    await cache.command(['CW.INVALIDATE', 'KEY', `price:${id}`], { keys: [`price:${id}`] });
    return reply.code(204).send();
  });
  return api;
}

/**
 * A page, made of other keys if it is not here; null where one of them shows nothing. It is written together with what
 * it is made of, and only while that is still what was read: an invalidation in between would not know of the page yet.
 */
async function page(
  cache: Client,
  key: string,
  parts: readonly string[],
  render: (parts: readonly unknown[]) => string,
): Promise<string | null> {
  const found = await cache.get<string>(key);
  if (found !== null) return found;
  // loads what is not here: EXEC loads nothing
  await cache.mget(parts);
  const { value } = await cache.transaction(
    async (transaction) => {
      const read = await Promise.all(parts.map(async (part) => transaction.get(part)));
      if (read.includes(null)) return null;
      const made = render(read);
      transaction.set(key, made);
      transaction.write(['CW.DEPEND', key, 'ON', ...parts], [key]);
      transaction.write(['CW.TAG', key, 'layout'], [key]);
      return made;
    },
    { watch: parts },
  );
  return value;
}

function notThere(reply: FastifyReply, what: string): FastifyReply {
  return reply.code(404).send(`no such ${what}\n`);
}

function euros({ cents }: Price): string {
  return `${(cents / 100).toFixed(2)} €`;
}
