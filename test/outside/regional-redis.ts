import { Cluster } from 'ioredis';
import { IoredisSecondLevel, type RedisOptionsOfNode } from '../../src/adapters/ioredis-second-level.ts';
import { answer, closed, SECOND_LEVEL_CONTRACT, type LevelUnderTest } from '../support/second-level-contract.ts';
import { findProgram } from './execute.ts';
import { RedisProcesses, until, type RedisServer } from './redis-processes.ts';
import { RedisNode } from './redis-node.ts';
import { absentTool, Checks, type SuiteResult } from './suite-result.ts';

const HOST = '127.0.0.1';

/** The regional Redis against real ones: a single one, a set with sentinels, a Redis Cluster of three. */
export async function run(): Promise<SuiteResult> {
  if (findProgram('redis-server') === null) return absentTool('regional-redis', 'redis-server');
  const checks = new Checks('regional-redis');
  await checkContract(checks);
  await checkSingle(checks);
  await checkWarmStart(checks);
  await checkRefill(checks);
  await checkTwoNodes(checks);
  await checkPasswordsAndTls(checks);
  await checkSentinel(checks);
  await checkCluster(checks);
  return checks.result();
}

/** Levels of a test, connected; all closed with it. */
class OpenedLevels {
  readonly #levels: IoredisSecondLevel[] = [];

  async open(options: RedisOptionsOfNode, holder: string): Promise<IoredisSecondLevel> {
    const level = new IoredisSecondLevel({
      ...options,
      holder,
      changed: () => undefined,
      troubled: () => undefined,
    });
    this.#levels.push(level);
    await until('a connection', () =>
      answer((done) => level.publish('hello', '', done)).then(
        () => true,
        () => false,
      ),
    );
    return level;
  }

  async during(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } finally {
      await this.close();
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.#levels.splice(0).map(closed));
  }
}

function singleOptions(server: RedisServer): RedisOptionsOfNode {
  return {
    kind: 'single',
    places: [{ host: HOST, port: server.port }],
    masterName: '',
    database: 0,
    username: null,
    password: null,
    sentinelPassword: null,
    isEncrypted: false,
    certificatesFile: null,
    prefix: '',
  };
}

async function checkContract(checks: Checks): Promise<void> {
  const processes = new RedisProcesses();
  const opened = new OpenedLevels();
  try {
    const server = await processes.server();
    for (const each of SECOND_LEVEL_CONTRACT)
      await checks.check(`a real Redis: ${each.name}`, async () => {
        await server.client.flushall();
        const level: LevelUnderTest = {
          open: (holder) => opened.open(singleOptions(server), holder),
          overwrite: async (key, value) => void (await server.client.set(Buffer.from(key, 'latin1'), value)),
          shown: (key) => server.client.get(Buffer.from(key, 'latin1')),
        };
        await opened.during(() => each.run(level));
      });
  } finally {
    await processes.stop();
  }
}

async function checkSingle(checks: Checks): Promise<void> {
  const processes = new RedisProcesses();
  const password = 'p"ass word';
  const server = await processes.server(['--requirepass', password]);
  const node = await RedisNode.start(
    { ...singleOptions(server), password, prefix: 'eu:' },
    { channel: 'changes' },
    { monitorKeysPerSecond: 20 },
  );
  try {
    const { client } = node;
    await checks.check('values are mirrored as plain keys with their TTL, deletes follow', async () => {
      await client.set('m:s', 'text');
      await client.hset('m:h', 'f', '1');
      await client.sadd('m:set', 'x');
      await client.incrby('m:c', 5);
      await client.call('JSON.SET', 'm:j', '$', '{"a":[1]}');
      await client.set('m:ttl', 'x', 'PX', 100_000);
      await client.set('other', 'x');
      await until('all are there', async () => (await server.client.exists('eu:m:ttl', 'eu:m:j')) === 2);
      equal(await server.client.get('eu:m:s'), 'text', 'string');
      equal(JSON.stringify(await server.client.hgetall('eu:m:h')), '{"f":"1"}', 'hash');
      equal(String(await server.client.smembers('eu:m:set')), 'x', 'set');
      equal(await server.client.get('eu:m:c'), '5', 'counter');
      equal(await server.client.get('eu:m:j'), '{"a":[1]}', 'document');
      const ttl = await server.client.pttl('eu:m:ttl');
      if (ttl <= 0 || ttl > 100_000) throw new Error(`the TTL is ${ttl}`);
      equal(await server.client.exists('eu:other'), 0, 'what is of another class');
      await client.del('m:s');
      await until('the delete follows', async () => (await server.client.exists('eu:m:s')) === 0);
      await client.pexpire('m:ttl', 50);
      await until('the expiry follows', async () => (await server.client.exists('eu:m:ttl')) === 0);
    });
    await checks.check('INFO, /metrics and /readyz say how it is', async () => {
      equal(await node.info('redis_breaker'), 'closed', 'breaker');
      const metrics = await node.http('/metrics');
      if (!/causeway_redis_available\{?[^\n]*\}? 1\n/.test(metrics)) throw new Error('no causeway_redis_available 1');
      if (!metrics.includes('verdict="written"')) throw new Error('no count of what was written');
    });
    await checks.check('invalidations are published when a value has changed there', async () => {
      const listener = server.client.duplicate();
      const heard: string[] = [];
      await listener.subscribe('changes');
      listener.on('message', (_channel, message: string) => heard.push(message));
      await client.set('m:told', '1');
      await until('a message', () => heard.some((message) => message.includes('"m:told"')));
      listener.disconnect();
    });
    await checks.check('the monitor writes anew what another program changed, and counts it', async () => {
      await client.set('m:watched', 'ours');
      await until('it is mirrored', async () => (await server.client.get('eu:m:watched')) === 'ours');
      await server.client.set('eu:m:watched', 'theirs');
      await until('it is put right', async () => (await server.client.get('eu:m:watched')) === 'ours');
      const info = await client.info('monitor');
      if (!/name="m:\*",.*different_redis=1,.*repaired_redis=1,/.test(info)) throw new Error(info);
      await server.client.del('eu:m:watched');
      await until('it is there again', async () => (await server.client.get('eu:m:watched')) === 'ours');
    });
    await checks.check('through: a write is answered when the Redis has it, by any command and in MULTI', async () => {
      for (let at = 0; at < 50; at++) {
        await client.set('t:k', String(at));
        equal(await server.client.get('eu:t:k'), String(at), 'SET');
      }
      await client.mset('t:1', 'a', 'm:1', 'b');
      equal(await server.client.get('eu:t:1'), 'a', 'MSET');
      await client.multi().hset('t:h', 'f', '1').del('t:1').exec();
      equal(await server.client.hget('eu:t:h', 'f'), '1', 'MULTI');
      equal(await server.client.exists('eu:t:1'), 0, 'a delete in MULTI');
      const replies = await client.pipeline().set('t:2', '1').get('t:2').incr('t:2').get('t:2').exec();
      equal(JSON.stringify(replies?.map(([, reply]) => reply)), '["OK","1",2,"2"]', 'a pipeline');
    });
    await checks.check('a stopped one is left alone, clients wait for nothing, and it is caught up with', async () => {
      server.pause();
      for (let at = 0; at < 300; at++) await client.set(`m:${at % 100}`, String(at));
      await client.set('t:k', 'while it is stopped');
      await until('the breaker opens', async () => (await node.info('redis_breaker')) !== 'closed');
      const ready = JSON.parse(await node.http('/readyz')) as { ready: boolean; degraded: string[] };
      equal(ready.ready, true, 'ready');
      if (!ready.degraded.some((reason) => reason.startsWith('redis:'))) throw new Error(JSON.stringify(ready));
      await client.del('m:7');
      server.resume();
      await until('it is caught up with', async () => (await server.client.get('eu:m:99')) === '299');
      await until('the delete too', async () => (await server.client.exists('eu:m:7')) === 0);
      equal(await server.client.get('eu:m:50'), '250', 'the last value');
      await until(
        'what was to be written through too',
        async () => (await server.client.get('eu:t:k')) === 'while it is stopped',
      );
    });
    await checks.check('one that was killed and holds nothing is filled again', async () => {
      await server.kill();
      await server.start();
      await until('all is there', async () => (await server.client.exists('eu:m:99', 'eu:m:h', 'eu:m:c')) === 3);
    });
  } finally {
    await node.close();
    await processes.stop();
  }
}

async function checkWarmStart(checks: Checks): Promise<void> {
  const processes = new RedisProcesses();
  const server = await processes.server();
  try {
    await checks.check(
      'an empty node takes what was mirrored, and nothing that was removed or is not ours',
      async () => {
        const before = await RedisNode.start(singleOptions(server));
        for (let at = 0; at < 500; at++) await before.client.set(`m:${at}`, `v${at}`);
        await before.client.set('m:ttl', 'x', 'PX', 600_000);
        await before.client.del('m:7');
        await until(
          'it is mirrored',
          async () => (await before.info('redis_waiting_keys')) === '0' && (await server.client.exists('m:ttl')) === 1,
        );
        await until('the delete too', async () => (await server.client.exists('m:7')) === 0);
        await before.close();
        await server.client.set('m:8', 'theirs');
        const after = await RedisNode.start(singleOptions(server), { warm: 'wait' });
        try {
          equal(await after.client.dbsize(), 499, 'keys of the ready node');
          equal(await after.client.get('m:499'), 'v499', 'a value');
          equal(await after.client.exists('m:7', 'm:8'), 0, 'what was removed, and what another program wrote');
          if ((await after.client.pttl('m:ttl')) <= 0) throw new Error('the expiry is lost');
          equal(await after.info('redis_warm_taken'), '499', 'INFO');
          await until('it mirrors', async () => (await after.info('redis_writes_here')) === '1');
          await after.client.set('m:1', 'new');
          await until('a later write follows', async () => (await server.client.get('m:1')) === 'new');
        } finally {
          await after.close();
        }
      },
    );
  } finally {
    await processes.stop();
  }
}

async function checkRefill(checks: Checks): Promise<void> {
  const processes = new RedisProcesses();
  const server = await processes.server();
  try {
    const before = await RedisNode.start(singleOptions(server));
    for (let at = 0; at < 200; at++) await before.client.set(`m:${at}`, `v${at}`);
    await before.client.sadd('m:set', 'x');
    await until('it is mirrored', async () => (await server.client.exists('m:199', 'm:set')) === 2);
    await before.close();
    await server.client.set('m:8', 'theirs');
    // so slow that nothing but a request brings anything
    const after = await RedisNode.start(
      singleOptions(server),
      { warm: 'background' },
      { mirrorPassKeysPerSecond: 0.1 },
    );
    const { client } = after;
    try {
      await checks.check('a key that a request names is fetched before the warm start comes to it', async () => {
        await until('its start is heard', async () => (await client.get('m:1')) === 'v1');
        equal(await after.info('redis_warming'), '1', 'the warm start is not over');
        equal(await client.exists('m:2', 'm:none', 'm:set'), 1, 'keys of several');
        equal(await client.append('m:3', '!'), 3, 'a write that goes on from what is there');
        equal(await client.set('m:4', 'x', 'NX'), null, 'a condition');
        equal(JSON.stringify(await client.mget('m:5', 'm:none')), '["v5",null]', 'MGET');
        equal(JSON.stringify(await client.multi().get('m:6').exec()), '[[null,"v6"]]', 'MULTI');
        equal(await client.del('m:7'), 1, 'a removal');
        equal(await client.get('m:7'), null, 'what was removed stays away');
        equal(await client.get('m:8'), null, 'what another program wrote is not ours');
        equal(await after.info('redis_warm_asked_for'), '7', 'INFO');
      });
      await checks.check('while it is stopped a key that is not here is a miss, at once', async () => {
        server.pause();
        await until('the breaker opens', async () => {
          equal(await client.get('m:100'), null, 'a miss');
          return (await after.info('redis_breaker')) !== 'closed';
        });
        server.resume();
        await until('it is fetched again', async () => (await client.get('m:100')) === 'v100');
      });
    } finally {
      await after.close();
    }
  } finally {
    await processes.stop();
  }
}

async function checkTwoNodes(checks: Checks): Promise<void> {
  const processes = new RedisProcesses();
  const server = await processes.server();
  const nodes = await RedisNode.startTwo(singleOptions(server));
  try {
    await checks.check(
      'two nodes at one Redis: one writes what both write, the other goes on when it stops',
      async () => {
        const holders = async (): Promise<number> => {
          const said = await Promise.all(nodes.map((node) => node.info('redis_writes_here')));
          return said.filter((each) => each === '1').length;
        };
        await until('one of them writes', async () => (await holders()) === 1);
        await Promise.all(nodes.map(({ client }, at) => client.sadd('m:both', String(at))));
        for (let at = 0; at < 50; at++) await (nodes[at % 2] as RedisNode).client.set('m:turns', String(at));
        await until('the set is whole', async () => (await server.client.scard('m:both')) === 2);
        await until('all is mirrored', async () =>
          (await Promise.all(nodes.map((node) => node.info('redis_waiting_keys')))).every((waiting) => waiting === '0'),
        );
        const shown = await Promise.all(nodes.map(({ client }) => client.get('m:turns')));
        await until('both show the same', async () => (await nodes[0].client.get('m:turns')) === shown[1]);
        await until('as does the Redis', async () => (await server.client.get('m:turns')) === shown[1]);
        equal(await holders(), 1, 'nodes that write');
        const first = (await nodes[0].info('redis_writes_here')) === '1' ? 0 : 1;
        await nodes[first].close();
        const left = nodes[1 - first] as RedisNode;
        await left.client.set('m:turns', 'after');
        await until('the other one writes', async () => (await server.client.get('m:turns')) === 'after');
        equal(await left.info('redis_writes_here'), '1', 'who writes');
      },
    );
  } finally {
    await Promise.all(nodes.map((node) => node.close()));
    await processes.stop();
  }
}

async function checkPasswordsAndTls(checks: Checks): Promise<void> {
  const processes = new RedisProcesses();
  const opened = new OpenedLevels();
  try {
    const password = 'of the servers';
    const { server, certificatesFile } = await processes.encrypted(['--requirepass', password]);
    const encrypted = { ...singleOptions(server), password, isEncrypted: true };
    await checks.check('TLS: with the certificate that its own is signed by, and not without', async () => {
      const node = await RedisNode.start({ ...encrypted, certificatesFile });
      try {
        await node.client.set('m:k', 'by TLS');
        await until('it is mirrored', async () => (await server.client.get('m:k')) === 'by TLS');
      } finally {
        await node.close();
      }
      const distrusting = await RedisNode.start(encrypted);
      try {
        await until('it is left alone', async () => (await distrusting.info('redis_breaker')) !== 'closed');
        equal(await distrusting.info('redis_writes_here'), '0', 'who writes');
      } finally {
        await distrusting.close();
      }
    });
    const master = await processes.server(['--requirepass', 'of-the-master']);
    const sentinel = await processes.sentinel(master, 'desk', 1, { master: 'of-the-master', own: 'of-the-sentinel' });
    const watched: RedisOptionsOfNode = {
      ...singleOptions(sentinel),
      kind: 'sentinel',
      masterName: 'desk',
      password: 'of-the-master',
    };
    await checks.check('sentinels with a password of their own let in who says it', async () => {
      await opened.during(async () => {
        const level = await opened.open({ ...watched, sentinelPassword: 'of-the-sentinel' }, 'a');
        // a sentinel that has just found its master may have it drop its clients once: a node asks again as well
        await until('the right to write', () =>
          answer<{ readonly isHeld: boolean }>((done) => level.hold(0, done)).then(({ isHeld }) => isHeld),
        );
      });
      let isLetIn = true;
      const troubles: string[] = [];
      const level = new IoredisSecondLevel({
        ...watched,
        holder: 'b',
        changed: () => undefined,
        troubled: (reason) => troubles.push(reason),
      });
      await until('it says why', () => troubles.length > 0);
      await answer((done) => level.publish('hello', '', done)).catch(() => (isLetIn = false));
      await closed(level);
      equal(isLetIn, false, 'without it');
    });
  } finally {
    await opened.close();
    await processes.stop();
  }
}

async function checkSentinel(checks: Checks): Promise<void> {
  const processes = new RedisProcesses();
  try {
    const master = await processes.server();
    const replica = await processes.server(['--replicaof', `${HOST} ${master.port}`]);
    const sentinels = [];
    for (let at = 0; at < 3; at++) sentinels.push(await processes.sentinel(master, 'desk', 2));
    await until('the replica follows', async () =>
      (await replica.client.info('replication')).includes('master_link_status:up'),
    );
    for (const sentinel of sentinels)
      await until('the sentinels know each other', async () => {
        const fields = (await sentinel.client.call('SENTINEL', 'MASTER', 'desk')) as string[];
        const of = (name: string): string => fields[fields.indexOf(name) + 1] ?? '';
        return of('num-other-sentinels') === '2' && of('num-slaves') === '1';
      });
    const node = await RedisNode.start({
      ...singleOptions(master),
      kind: 'sentinel',
      masterName: 'desk',
      places: sentinels.map(({ port }) => ({ host: HOST, port })),
    });
    try {
      await checks.check('sentinels: after a failover everything is at the new master, deletes included', async () => {
        for (let at = 0; at < 50; at++) await node.client.set(`m:${at}`, 'before');
        await until('it is mirrored', async () => (await master.client.exists('m:49')) === 1);
        await until('the replica has it', async () => (await replica.client.exists('m:49')) === 1);
        await master.kill();
        for (let at = 0; at < 50; at += 2) await node.client.set(`m:${at}`, 'after');
        await node.client.del('m:3');
        await until('the new master has the last values', async () => (await replica.client.get('m:48')) === 'after');
        await until('and no deleted one', async () => (await replica.client.exists('m:3')) === 0);
        equal(await replica.client.get('m:5'), 'before', 'what did not change');
        await until('the comparison is over', async () => (await node.info('redis_comparing')) === '0');
      });
    } finally {
      await node.close();
    }
  } finally {
    await processes.stop();
  }
}

async function checkCluster(checks: Checks): Promise<void> {
  const processes = new RedisProcesses();
  const opened = new OpenedLevels();
  try {
    const nodes = await processes.cluster();
    const [first, , , replica] = nodes as [RedisServer, RedisServer, RedisServer, RedisServer];
    const options: RedisOptionsOfNode = {
      ...singleOptions(first),
      kind: 'cluster',
      places: nodes.slice(0, 3).map(({ port }) => ({ host: HOST, port })),
    };
    const client = new Cluster(options.places.map(({ host, port }) => ({ host, port })));
    client.on('error', () => undefined);
    for (const each of SECOND_LEVEL_CONTRACT)
      await checks.check(`a Redis Cluster: ${each.name}`, async () => {
        for (const node of nodes.slice(0, 3)) await node.client.flushall();
        const level: LevelUnderTest = {
          open: (holder) => opened.open(options, holder),
          overwrite: async (key, value) => void (await client.set(Buffer.from(key, 'latin1'), value)),
          shown: (key) => client.get(Buffer.from(key, 'latin1')),
        };
        await opened.during(() => each.run(level));
      });
    const node = await RedisNode.start(options);
    try {
      await checks.check('a Redis Cluster: all slots are written, and again after a failover', async () => {
        for (let at = 0; at < 100; at++) await node.client.set(`m:${at}`, 'before');
        await until('it is mirrored', async () => (await client.get('m:99')) === 'before');
        await first.kill();
        for (let at = 0; at < 100; at++) await node.client.set(`m:${at}`, 'after');
        await until('the replica took over', async () =>
          (await replica.client.info('replication')).includes('role:master'),
        );
        for (let at = 0; at < 100; at++)
          await until(`m:${at} is there`, async () => (await client.get(`m:${at}`).catch(() => null)) === 'after');
      });
    } finally {
      await node.close();
      client.disconnect();
    }
  } finally {
    await opened.close();
    await processes.stop();
  }
}

function equal(found: unknown, expected: unknown, what: string): void {
  if (found !== expected) throw new Error(`${what}: expected ${String(expected)}, found ${String(found)}`);
}
