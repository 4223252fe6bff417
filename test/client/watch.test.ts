import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import type { Change } from '../../src/client/change-watch.ts';
import { connect, createNode, type Client } from '../../src/client/connect.ts';
import { configOf } from '../server/peer-rig.ts';
import { introduceServers, ServerRig } from '../server/server-rig.ts';

/** Reads changes as they come; fulfilled promises keep their order. */
function read(changes: AsyncGenerator<Change, void, undefined>): {
  readonly seen: Change[];
  readonly over: Promise<unknown>;
} {
  const seen: Change[] = [];
  const over = (async () => {
    for await (const change of changes) seen.push(change);
  })().catch((error: unknown) => error);
  return { seen, over };
}

/** Writes a key again and again until what is asked for holds: a feed tells nothing of what was written before it began. */
async function writeUntil(client: Client, key: string, holds: () => boolean): Promise<void> {
  const write = async (): Promise<boolean> => {
    await client.set(key, 1);
    return holds();
  };
  await expect.poll(write).toBe(true);
}

/** The first change that an iterator gives, once there is one; it is written until then. */
async function firstOf(
  client: Client,
  key: string,
  changes: AsyncGenerator<Change, void, undefined>,
): Promise<Change | null> {
  let first: Change | null = null;
  const taken = changes.next().then(({ value }) => (first = value ?? null));
  await writeUntil(client, key, () => first !== null);
  await taken;
  return first;
}

const told = (changes: readonly Change[]): string[] => changes.map(({ kind, key }) => `${kind} ${key ?? ''}`.trim());

describe('watch', () => {
  let east: ServerRig;
  let west: ServerRig;
  beforeEach(async () => {
    [east, west] = (await Promise.all([0, 1].map(async (index) => ServerRig.start(configOf(index, 2))))) as [
      ServerRig,
      ServerRig,
    ];
    await introduceServers([east, west]);
  });

  const open = async (...rigs: readonly ServerRig[]): Promise<Client> => {
    const client = await connect({
      regions: rigs.map(({ config, server }) => ({ name: config.region, nodes: [`127.0.0.1:${server.ports.resp}`] })),
      deadlineMs: 20_000,
    });
    onTestFinished(async () => client.close());
    return client;
  };

  test('tells what changes below a prefix, wherever it was written, in order, with versions and dots', async () => {
    const [client, other] = await Promise.all([open(east), open(west)]);
    const ending = new AbortController();
    const { seen, over } = read(client.watch('quote:', { signal: ending.signal }));
    await writeUntil(other, 'quote:begin', () => told(seen).includes('set quote:begin'));
    await other.set('quote:A', 1);
    await other.set('other', 1);
    await other.set('quote:B', 2);
    await other.del('quote:A');
    await expect.poll(() => told(seen)).toContain('del quote:A');
    expect(told(seen).filter((text) => !text.endsWith('begin'))).toEqual(['set quote:A', 'set quote:B', 'del quote:A']);
    const change = seen.find(({ key }) => key === 'quote:B');
    expect(change).toMatchObject({ region: 'eu-west-1', dot: expect.stringMatching(/^eu-west-1\/a#\d+:\d+$/) });
    expect(change?.version).toBe(await client.command(['CW.VERSION', 'quote:B'], { isRead: true }));
    ending.abort();
    await over;
    await expect
      .poll(async () => String(await other.command(['CLIENT', 'LIST'], { isRead: true })).includes('cmd=cw.feed'))
      .toBe(false);
  });

  test('goes on at the next node, and says that changes may be missing', async () => {
    const client = await open(east, west);
    const { seen } = read(client.watch(['a:', 'b:']));
    await writeUntil(client, 'a:begin', () => told(seen).includes('set a:begin'));
    await east.server.close();
    const other = await open(west);
    await writeUntil(other, 'b:after', () => told(seen).includes('set b:after'));
    expect(told(seen)).toContain('lost');
    expect(told(seen).indexOf('lost')).toBeLessThan(told(seen).indexOf('set b:after'));
  });

  test('loses nothing to a program that is slow, for as long as the node keeps it', async () => {
    const client = await open(east);
    const watching = client.watch('n:');
    await firstOf(client, 'n:begin', watching);
    for (let from = 0; from < 4_000; from += 500)
      await Promise.all(Array.from({ length: 500 }, async (_, at) => client.set(`n:${from + at}`, at)));
    const keys = new Set<string>();
    for await (const { key, kind } of watching) {
      expect(kind).toBe('set');
      keys.add(key ?? '');
      if (keys.has('n:3999')) break;
    }
    for (let at = 0; at < 4_000; at++) expect(keys.has(`n:${at}`)).toBe(true);
  });

  test('ends with its signal, with the client, and with what the node refuses', async () => {
    const client = await open(east);
    const giving = new AbortController();
    const given = read(client.watch('a:', { signal: giving.signal }));
    const ended = read(client.watch('b:'));
    const refused = read(client.watch(['c:', 'c:d:']));
    expect(await refused.over).toMatchObject({ code: 'ERR' });
    await expect
      .poll(
        async () => String(await client.command(['CLIENT', 'LIST'], { isRead: true })).match(/cmd=cw\.feed/g)?.length,
      )
      .toBe(2);
    const reason = new Error('enough');
    giving.abort(reason);
    expect(await given.over).toBe(reason);
    await client.close();
    expect(await ended.over).toMatchObject({ code: 'Closed' });
  });
});

test('watch of a replica in the process is told without a socket', async () => {
  const { cache } = await createNode(configOf(0, 1), { deadlineMs: 20_000 });
  onTestFinished(async () => cache.close());
  const watching = cache.watch();
  expect(await firstOf(cache, 'k', watching)).toMatchObject({ kind: 'set', key: 'k', region: 'us-east-1' });
  await watching.return();
});
