import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { connect, type Client, type ClientEvent, type ConnectOptions } from '../../src/client/connect.ts';
import { BULK_BYTES_MAX, FakeServer, greeting, type Answer } from './fake-server.ts';

const events: ClientEvent[] = [];

async function open(servers: readonly FakeServer[], options: Partial<ConnectOptions> = {}): Promise<Client> {
  events.length = 0;
  const client = await connect({
    regions: servers.map(({ address }, index) => ({ name: `region-${index}`, nodes: [address] })),
    deadlineMs: 20_000,
    onEvent: (event) => events.push(event),
    ...options,
  });
  onTestFinished(async () => client.close());
  return client;
}

/** Answers as given; null for no answer, ever. */
function answers(rules: Readonly<Record<string, string | null>>, hasSessions = false): Answer {
  return (args) => {
    const [command = ''] = args;
    if (Object.hasOwn(rules, command)) return rules[command] ?? null;
    return greeting(args, hasSessions) ?? '+OK\r\n';
  };
}

const until = async (condition: () => boolean): Promise<void> => {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
};

describe('what a node refuses', () => {
  test.each([
    ['LIMIT', 'later'],
    ['REFUSED', 'never'],
    ['CASCADE', 'never'],
    ['CHANGED', 'never'],
    ['NOQUORUM', 'later'],
  ])('is %s as the node says it, to be tried again %s', async (code, retry) => {
    const server = await FakeServer.start(answers({ SET: `-${code} because of that\r\n` }));
    const client = await open([server]);
    await expect(client.set('a', 1)).rejects.toMatchObject({ code, retry, message: 'because of that' });
  });

  test('is ERR where it is a word that is not ours, with all that was said', async () => {
    const server = await FakeServer.start(answers({ SET: '-NOSCRIPT because of that\r\n' }));
    const client = await open([server]);
    await expect(client.set('a', 1)).rejects.toMatchObject({ code: 'ERR', message: 'NOSCRIPT because of that' });
  });
});

describe('an argument that is longer than the node takes', () => {
  const long = new Uint8Array(BULK_BYTES_MAX + 1);
  const error = {
    code: 'LIMIT',
    message: `an argument of ${BULK_BYTES_MAX + 1} bytes is too long (limit proto-max-bulk-len ${BULK_BYTES_MAX})`,
  };

  test('is not sent, and nothing else is lost with it', async () => {
    const server = await FakeServer.start(answers({ GET: '$1\r\n1\r\n' }));
    const client = await open([server], { codec: 'raw' });
    const asked = await Promise.allSettled([
      client.set('a', long),
      client.get('b'),
      client.set('c', new Uint8Array(9)),
    ]);
    expect(asked.map(({ status }) => status)).toEqual(['rejected', 'fulfilled', 'fulfilled']);
    expect(asked[0]).toMatchObject({ reason: error });
    const transaction = client.transaction((tx) => tx.set('a', long));
    await expect(transaction).rejects.toMatchObject(error);
    expect(client.figures).toMatchObject({ connects: 1, pending: 0, pendingBytes: 0 });
    expect(server.asked().map((text) => text.slice(0, 5))).toEqual(['GET b', 'SET c', ...server.asked().slice(2)]);
  });

  test('by what the node says by now has not happened, and of what is behind it nobody knows', async () => {
    const server = await FakeServer.start((args, socket) => {
      if (args[0] !== 'SET') return greeting(args, true) ?? '+OK\r\n';
      if (args[1] === 'a') socket.end('-ERR Protocol error: invalid bulk length\r\n');
      return null;
    });
    const client = await open([server], { codec: 'raw' });
    const asked = await Promise.allSettled([client.set('a', long.subarray(1)), client.set('b', long.subarray(9))]);
    expect(asked).toMatchObject([
      { reason: { code: 'ERR', message: 'Protocol error: invalid bulk length' } },
      { reason: { code: 'UNCERTAIN' } },
    ]);
  });
});

describe('what has no answer in time', () => {
  test('a read is over, a write may have happened; the connection goes on', async () => {
    const server = await FakeServer.start(answers({ GET: null, SET: null }));
    const client = await open([server], { silentMs: 60_000 });
    await expect(client.get('a', { deadlineMs: 50 })).rejects.toMatchObject({ code: 'DeadlineExceeded' });
    await expect(client.set('a', 1, { deadlineMs: 50 })).rejects.toMatchObject({
      code: 'UNCERTAIN',
      message: expect.stringMatching(/^SET a may have happened: SET a: no answer within 50 ms/),
    });
    expect(client.figures).toMatchObject({ connects: 1, pending: 2 });
  });

  test('a late answer is of its own request, not of the next one', async () => {
    let late = (): void => undefined;
    const server = await FakeServer.start((args, socket) => {
      if (args[0] !== 'GET') return greeting(args) ?? '+OK\r\n';
      if (args[1] === 'slow') {
        late = () => void socket.write('$6\r\n"late"\r\n');
        return null;
      }
      late();
      return '$6\r\n"next"\r\n';
    });
    const client = await open([server]);
    await expect(client.get('slow', { deadlineMs: 50 })).rejects.toMatchObject({ code: 'DeadlineExceeded' });
    expect(await client.get('other')).toBe('next');
    expect(client.figures).toMatchObject({ pending: 0, pendingBytes: 0 });
  });

  test('a signal: its reason, or that a write may have happened', async () => {
    const server = await FakeServer.start(answers({ GET: null, SET: null }));
    const client = await open([server], { silentMs: 60_000 });
    const reason = new Error('no longer wanted');
    await expect(client.get('a', { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    const controller = new AbortController();
    const ended = Promise.allSettled([
      client.get('a', { signal: controller.signal }),
      client.set('a', 1, { signal: controller.signal }),
    ]);
    await until(() => server.asked().length === 2);
    controller.abort(reason);
    expect(await ended).toMatchObject([{ reason }, { reason: { code: 'UNCERTAIN', cause: reason } }]);
  });

  test('without any node: Unavailable, with the reason', async () => {
    const server = await FakeServer.start(answers({}));
    await server.stop();
    await expect(open([server], { deadlineMs: 200 })).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringMatching(/within 200 ms: cannot connect to 127\.0\.0\.1:\d+: connect ECONNREFUSED/),
    });
  });
});

describe('limits', () => {
  test('past queue.entriesMax and queue.bytesMax a call is refused and nothing is sent', async () => {
    const server = await FakeServer.start(answers({ GET: null }));
    const few = await open([server], { queue: { entriesMax: 2 }, silentMs: 60_000 });
    const waiting = [few.get('a', { deadlineMs: 300 }), few.get('b', { deadlineMs: 300 })];
    const ends = Promise.allSettled(waiting);
    await expect(few.get('c')).rejects.toMatchObject({
      code: 'QueueFull',
      message: expect.stringMatching(/entriesMax, 2/),
    });
    const small = await open([server], { queue: { bytesMax: 1000 } });
    await expect(small.set('c', 'x'.repeat(2000))).rejects.toMatchObject({ code: 'QueueFull' });
    expect(server.asked().filter((text) => text.includes(' c'))).toEqual([]);
    await ends;
    // an answer that nobody waits for still is on its way
    await expect(few.get('d')).rejects.toMatchObject({ code: 'QueueFull' });
  });

  test('who asks again at once when it is refused keeps no answer away', async () => {
    const server = await FakeServer.start(answers({ GET: '$1\r\n7\r\n' }));
    const client = await open([server], { queue: { entriesMax: 1 } });
    await client.get('first');
    let isAnswered = false;
    const answer = client.get('a').then((value) => {
      isAnswered = true;
      return value;
    });
    let refused = 0;
    const ask = async (): Promise<unknown> => client.get('b').catch(() => refused++);
    for (let at = 0; at < 100_000 && !isAnswered; at++) await ask();
    expect(isAnswered).toBe(true);
    expect(refused).toBeGreaterThan(0);
    expect(await answer).toBe(7);
    await client.close();
    let hasTurned = false;
    setImmediate(() => (hasTurned = true));
    await expect(client.get('c')).rejects.toMatchObject({ code: 'Closed' });
    expect(hasTurned).toBe(true);
  });

  test('a reply over replyBytesMax ends the connection with an error that names the limit', async () => {
    const server = await FakeServer.start(answers({ SET: '$999999\r\n' }));
    const client = await open([server], { replyBytesMax: 1000 });
    await expect(client.set('a', 1)).rejects.toMatchObject({
      code: 'UNCERTAIN',
      message: expect.stringMatching(/replyBytesMax, 1000 bytes/),
    });
  });

  test.each([
    ['bytes that are no reply', 'HTTP/1.1 200 OK\r\n\r\n', 'UNCERTAIN'],
    ['two replies where one was asked for', '+OK\r\n+OK\r\n', null],
    ['another type than the command has', '*0\r\n', 'PROTOCOL'],
  ])('a server that sends %s', async (_name, reply, code) => {
    const server = await FakeServer.start(answers({ INCRBY: reply, SET: reply }));
    const client = await open([server]);
    const written = code === 'PROTOCOL' ? client.incr('a') : client.set('a', 1);
    if (code === null) expect(await written).toBe(true);
    else await expect(written).rejects.toMatchObject({ code });
    // and goes on with a new connection
    expect(await client.command(['PING'])).toBe('PONG');
  });
});

describe('a connection that is lost', () => {
  test('reads are asked again; of writes that have left nobody knows, others are sent', async () => {
    let isUp = false;
    const server = await FakeServer.start((args, socket) => {
      if (isUp || greeting(args) !== undefined)
        return greeting(args) ?? (args[0] === 'GET' ? '$1\r\n7\r\n' : '+OK\r\n');
      if (args[0] === 'SET') {
        isUp = true;
        socket.destroy();
      }
      return null;
    });
    const client = await open([server]);
    const [read, written] = await Promise.allSettled([client.get('a'), client.set('a', 1)]);
    expect(read).toMatchObject({ status: 'fulfilled', value: 7 });
    expect(written).toMatchObject({ status: 'rejected', reason: { code: 'UNCERTAIN', retry: 'never' } });
    expect(server.asked()).toEqual(['GET a', 'SET a 1', 'GET a']);
    server.cut();
    await until(() => client.figures.connects === 3);
    expect(await client.set('b', 1)).toBe(true);
  });

  test('a server that has stopped without a word is left for the next one, and gone back to', async () => {
    let isStopped = false;
    const first = await FakeServer.start((args) => (isStopped ? null : (greeting(args) ?? '$1\r\n1\r\n')));
    const second = await FakeServer.start((args) => greeting(args) ?? '$1\r\n2\r\n');
    const client = await open([first, second], { silentMs: 200, returnMs: 100, connectMs: 200 });
    expect(await client.get('a')).toBe(1);
    isStopped = true;
    expect(await client.get('a')).toBe(2);
    expect(client.figures.region).toBe('region-1');
    isStopped = false;
    await until(() => client.figures.region === 'region-0');
    expect(await client.get('a')).toBe(1);
    await until(() => events.at(-1)?.type === 'returned');
    expect(events.filter(({ type }) => type === 'disconnected')).toMatchObject([
      { reason: expect.stringMatching(/said nothing for 200 ms/) },
    ]);
    await until(() => second.sockets.size === 0);
  });

  test('a server that lets a request wait is not taken for dead', async () => {
    let answer: ((reply: string) => void) | null = null;
    const server = await FakeServer.start((args, socket) => {
      if (args[0] !== 'GET') return greeting(args) ?? null;
      answer = (reply) => socket.write(reply);
      return null;
    });
    const client = await open([server], { silentMs: 200 });
    const asked = client.get('a');
    const looks = (): number => server.requests.filter(([command]) => command === 'PING').length;
    const before = looks();
    // each after half of the time for which a dead one is silent
    await until(() => looks() >= before + 6);
    (answer as unknown as (reply: string) => void)('$1\r\n7\r\n');
    expect(await asked).toBe(7);
    expect(events.filter(({ type }) => type === 'disconnected')).toEqual([]);
  });

  test('one that answers elsewhere and not here is not waited for without end', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    onTestFinished(() => void vi.useRealTimers());
    const server = await FakeServer.start((args) => greeting(args) ?? (args[0] === 'GET' ? null : '+OK\r\n'));
    const client = await open([server], { silentMs: 8_000 });
    client.get('a').catch(() => undefined);
    await until(() => server.asked().length === 1);
    // of 2 s each; before the first the server has just been heard, and it is looked for after each second one then
    let steps = 0;
    while (!events.some(({ type }) => type === 'disconnected')) {
      const asked = server.requests.length;
      vi.advanceTimersByTime(2_000);
      steps++;
      if (steps > 1 && steps % 2 === 1) await until(() => server.requests.length > asked && server.sockets.size === 1);
    }
    expect(steps).toBe(16);
    expect(events).toContainEqual(
      expect.objectContaining({ type: 'disconnected', reason: expect.stringMatching(/said nothing for 30000 ms/) }),
    );
  });

  test('a nearer node of the same region is gone back to as well', async () => {
    const servers: FakeServer[] = [];
    for (const name of ['1', '2'])
      servers.push(await FakeServer.start((args) => greeting(args) ?? `$1\r\n${name}\r\n`));
    const [first, second] = servers.map(({ address }) => address);
    const regions = [{ name: 'region', nodes: [first ?? '', second ?? ''] }];
    const client = await open([], { regions, returnMs: 50 });
    expect(await client.get('a')).toBe(1);
    servers[0]?.cut();
    // the one that has just failed is tried last
    await until(() => client.figures.node === second);
    await until(() => client.figures.node === first);
    expect(await client.get('a')).toBe(1);
    await until(() => events.at(-1)?.type === 'returned');
    await until(() => servers[1]?.sockets.size === 0);
  });

  test('a node that is not ready is left for the next one, also by writes', async () => {
    const first = await FakeServer.start(answers({ SET: '-LOADING not yet\r\n' }));
    const second = await FakeServer.start(answers({}));
    const client = await open([first, second]);
    expect(await client.set('a', 1)).toBe(true);
    expect(second.asked()).toEqual(['SET a 1']);
  });

  test('a password that is refused is said, once the deadline is over', async () => {
    const server = await FakeServer.start(answers({ HELLO: '-WRONGPASS invalid username-password pair\r\n' }));
    await expect(open([server], { password: 'secret', deadlineMs: 300 })).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringMatching(/invalid username-password pair/),
      cause: { code: 'WRONGPASS' },
    });
    expect(server.requests[0]).toEqual(['HELLO', '3', 'AUTH', 'default', 'secret', 'SETNAME', 'causeway-cache']);
  });
});

describe('the session', () => {
  const sessionServer = async (answer: Answer): Promise<FakeServer> =>
    FakeServer.start((args, socket) => answer(args, socket) ?? greeting(args, true) ?? '+OK\r\n');

  test('goes with the client to the next node, which has to have it', async () => {
    const first = await sessionServer(([command]) => (command === 'CW.TOKEN' ? '$2\r\nt1\r\n' : null));
    const second = await sessionServer(([command]) => (command === 'CW.TOKEN' ? '$2\r\nt2\r\n' : null));
    const client = await open([first, second], { attachMs: 700 });
    await client.set('a', 1);
    await first.stop();
    await until(() => client.figures.region !== 'region-0');
    await client.set('b', 1);
    expect(first.asked()).toEqual(['SET a 1', 'CW.TOKEN']);
    expect(second.asked()).toEqual(['CW.ATTACH t1 TIMEOUT 700', 'SET b 1', 'CW.TOKEN']);
  });

  test('what was answered and is in no token was not answered: a read is asked again, a write may have happened', async () => {
    let isUp = false;
    const server = await sessionServer(([command], socket) => {
      if (command === 'GET') return '$1\r\n7\r\n';
      if (command !== 'CW.TOKEN') return null;
      if (isUp) return '$2\r\nt1\r\n';
      isUp = true;
      socket.destroy();
      return '';
    });
    const client = await open([server]);
    const [read, written] = await Promise.allSettled([client.get('a'), client.set('a', 1)]);
    expect(read).toMatchObject({ value: 7 });
    expect(written).toMatchObject({ reason: { code: 'UNCERTAIN' } });
    expect(server.asked()).toEqual(['GET a', 'SET a 1', 'CW.TOKEN', 'GET a', 'CW.TOKEN']);
  });

  test('is lost where no node has it: calls say so until one has, or the session is given up', async () => {
    let isBehind = true;
    const first = await sessionServer(([command]) => (command === 'CW.TOKEN' ? '$2\r\nt1\r\n' : null));
    const second = await sessionServer(([command]) => {
      if (command === 'CW.TOKEN') return '$2\r\nt2\r\n';
      return command === 'CW.ATTACH' && isBehind ? '-BEHIND second does not have first#1:3\r\n' : null;
    });
    const client = await open([first, second]);
    await client.set('a', 1);
    await first.stop();
    await expect(client.get('a')).rejects.toMatchObject({
      code: 'ConsistencyLost',
      message: expect.stringMatching(/second does not have/),
      retry: 'later',
    });
    await expect(client.set('a', 2)).rejects.toMatchObject({ code: 'ConsistencyLost' });
    expect(events.filter(({ type }) => type === 'consistency-lost')).toHaveLength(1);
    isBehind = false;
    await until(() => client.figures.region === 'region-1');
    expect(await client.set('a', 3)).toBe(true);

    isBehind = true;
    second.cut();
    await until(() => events.filter(({ type }) => type === 'consistency-lost').length === 2);
    await expect(client.set('a', 4)).rejects.toMatchObject({ code: 'ConsistencyLost' });
    client.startSession();
    expect(await client.set('a', 5)).toBe(true);
  });
});

test('order measured: the quickest region first', async () => {
  const slow = await FakeServer.start((args, socket) => {
    setTimeout(() => void socket.write(greeting(args) ?? '+OK\r\n'), 60);
    return null;
  });
  const quick = await FakeServer.start(answers({}));
  const gone = await FakeServer.start(answers({}));
  await gone.stop();
  const client = await open([gone, slow, quick], { order: 'measured' });
  expect(client.figures.region).toBe('region-2');
});
