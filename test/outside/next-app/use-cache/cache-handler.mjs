import { Redis } from 'ioredis';
import { causewayUseCacheHandler } from '../../../../src/integrations/next.ts';

const client = new Redis(Number(process.env.CAUSEWAY_PORT), '127.0.0.1');
export default causewayUseCacheHandler({
  client,
  errorCallback: (error) => console.error(error),
});
