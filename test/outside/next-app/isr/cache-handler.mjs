import { Redis } from 'ioredis';
import { causewayCacheHandler } from '../../../../src/integrations/next.ts';

const client = new Redis(Number(process.env.CAUSEWAY_PORT), '127.0.0.1');
export default causewayCacheHandler({
  client,
  errorCallback: (error) => console.error(error),
});
