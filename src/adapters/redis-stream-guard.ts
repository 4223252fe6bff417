import type { Redis } from 'ioredis';

/** What ioredis says of a reply that nothing was asked for. */
const OUT_OF_STEP = 'Command queue state error';

/**
 * Makes a client of ioredis end its connection, and make a new one, where the server sends what is no answer: what its parser cannot take (arrays in arrays, deeper than the stack) would be thrown
 * from the socket and end the process; and after a reply that nothing was asked for every other would be taken for that of the command before.
 */
export function guardRedis(client: Redis): void {
  client.on('connect', () => guardStream(client));
  client.on('error', ({ message }: Error) => {
    if (message.startsWith(OUT_OF_STEP)) client.stream.destroy();
  });
}

function guardStream({ stream }: Redis): void {
  for (const take of stream.listeners('data')) {
    stream.on('data', (chunk: Buffer) => {
      if (stream.destroyed) return;
      try {
        take.call(stream, chunk);
      } catch (thrown) {
        stream.destroy(new Error('it sent what cannot be read', { cause: thrown }));
      }
    });
    stream.off('data', take as (chunk: Buffer) => void);
  }
}
