import { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, expect } from 'vitest';
import type { CacheClient } from '../../src/integrations/byte-cache.ts';
import type { RunningServer } from '../../src/server/server-types.ts';
import { startServer } from '../../src/server/server.ts';
import { configOf } from '../server/peer-rig.ts';

/** A node for all tests of a file, and a connection to it; empty before each test. */
export class StoreRig {
  #server: RunningServer | null = null;
  #redis: Redis | null = null;

  static forFile(): StoreRig {
    const rig = new StoreRig();
    beforeAll(async () => {
      rig.#server = await startServer(configOf(0, 1));
      await rig.server.ready;
      rig.#redis = new Redis(rig.server.ports.resp, '127.0.0.1');
    });
    beforeEach(async () => {
      await rig.redis.flushall();
    });
    afterAll(async () => {
      rig.redis.disconnect();
      await rig.server.close();
    });
    return rig;
  }

  get server(): RunningServer {
    if (this.#server === null) throw new Error('the node is not started yet');
    return this.#server;
  }

  get redis(): Redis {
    if (this.#redis === null) throw new Error('nobody is connected yet');
    return this.#redis;
  }

  /** Another client, in the node's own process. */
  session(): CacheClient {
    return this.server.openSession({ address: 'local:integration' });
  }

  /** Until loads are kept again: for half a second after FLUSHALL they are not. */
  async takesLoads(): Promise<void> {
    const probe = async (): Promise<unknown> => {
      const token = await this.redis.call('CW.LEASE', 'probe', 1_000);
      return await this.redis.call('CW.FILL', 'probe', String(token), 'x', 'PX', 1);
    };
    await expect.poll(probe).toBe(1);
    await this.stored(0);
  }

  /** Until so many keys are there: what is stored is, after the answer. */
  async stored(keys: number): Promise<void> {
    await expect.poll(async () => await this.redis.dbsize()).toBe(keys);
  }
}
