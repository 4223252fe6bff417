import Fastify from 'fastify';

/**
 * Stands for the database: rows by key over HTTP, in a process of its own. It tells its parent where it listens, and counts the
 * queries by table (`GET /queries`; counting begins anew with each).
 */
const rows = new Map<string, unknown>([
  ['product:1', { name: 'Darjeeling', category: 'tea' }],
  ['product:2', { name: 'Sencha', category: 'tea' }],
  ['price:1', { cents: 1_250 }],
  ['price:2', { cents: 990 }],
  ['category:tea', { title: 'Tea', products: [1, 2] }],
]);
const queries = new Map<string, number>();

const database = Fastify();
database.get('/queries', () => {
  const counted = Object.fromEntries(queries);
  queries.clear();
  return counted;
});
database.get<{ Params: { key: string } }>('/:key', async ({ params: { key } }, reply) => {
  const [table = ''] = key.split(':');
  queries.set(table, (queries.get(table) ?? 0) + 1);
  await new Promise((resolve) => setTimeout(resolve, 50));
  return rows.get(key) ?? reply.code(404).send();
});
database.put<{ Params: { key: string } }>('/:key', ({ params: { key }, body }) => {
  rows.set(key, body);
  return {};
});
process.send?.(await database.listen({ port: 0 }));
process.on('disconnect', () => void database.close());
