import { describe, expect, test } from 'vitest';
import { configOf } from './peer-rig.ts';
import { introduceServers, ServerRig } from './server-rig.ts';

const TEXT = `
classes:
  - match: ["position:*"]
    consistency: strong
    home: us-east-1
    survive: zone
  - match: ["session:*"]
    consistency: weak
`;

async function one(changes: Parameters<typeof configOf>[2] = {}): Promise<ServerRig> {
  const rig = await ServerRig.start(configOf(0, 1, changes));
  await rig.server.ready;
  return rig;
}

/** Of what is thrown. */
function codeOf(read: () => unknown): string {
  try {
    return `read ${String(read())}`;
  } catch (error) {
    return String((error as { code: unknown }).code);
  }
}

describe('reads in the process', () => {
  test('show what commands wrote, each time as it is now', async () => {
    const rig = await one({ classes: { file: 'classes.yaml', text: TEXT } });
    const [{ server }, client] = [rig, rig.client()];
    for (const key of ['key', 'session:key', 'clé', '__proto__']) {
      expect(server.get(key)).toBeNull();
      await client.set(key, 'one');
      expect([server.get(key), server.get(key)]).toEqual(['one', 'one']);
      await client.set(key, 'två');
      expect([server.get(key), server.get(key)]).toEqual(['två', 'två']);
      await client.append(key, '!');
      expect(server.get(key)).toBe('två!');
      await client.del(key);
      expect([server.get(key), server.get(key)]).toEqual([null, null]);
      await client.incrby(key, 7);
      expect(server.get(key)).toBe('7');
      await client.incr(key);
      expect(server.get(key)).toBe('8');
      await client.set(key, 'x'.repeat(5_000));
      expect(server.get(key)).toHaveLength(5_000);
      await client.set(key, 'short');
      expect(server.get(key)).toBe('short');
      await client.flushall();
      expect(server.get(key)).toBeNull();
    }
  });

  test('a key that expires is shown no longer than that', async () => {
    const rig = await one();
    const client = rig.client();
    await client.set('key', 'value');
    expect(rig.server.get('key')).toBe('value');
    await client.pexpire('key', 40);
    await expect.poll(() => rig.server.get('key')).toBeNull();
    expect(await client.get('key')).toBeNull();
  });

  test('show what another region wrote, in causal order', async () => {
    const rigs = await Promise.all([0, 1].map((index) => ServerRig.start(configOf(index, 2))));
    await introduceServers(rigs);
    const [here, there] = rigs;
    const client = there?.client();
    await client?.set('key', 'one');
    await expect.poll(() => here?.server.get('key')).toBe('one');
    await client?.set('key', 'two');
    await client?.set('after', 'two');
    await expect.poll(() => here?.server.get('after')).toBe('two');
    expect(here?.server.get('key')).toBe('two');
  });

  test('refuse what they cannot tell', async () => {
    const rig = await ServerRig.start(configOf(0, 2, { classes: { file: 'classes.yaml', text: TEXT } }));
    expect(codeOf(() => rig.server.get('key'))).toBe('LOADING');
    const alone = await one({ classes: { file: 'classes.yaml', text: TEXT } });
    expect(codeOf(() => alone.server.get('position:ACME'))).toBe('CROSSCLASS');
    const client = alone.client();
    await client.sadd('set', 'member');
    expect(codeOf(() => alone.server.get('set'))).toBe('WRONGTYPE');
    // a key that was kept as a string and became something else
    await client.set('other', 'text');
    expect(alone.server.get('other')).toBe('text');
    await client.del('other');
    await client.hset('other', 'field', 'value');
    expect(codeOf(() => alone.server.get('other'))).toBe('WRONGTYPE');
  });

  test('are right of more keys than are kept, also when all are read again', async () => {
    const rig = await one();
    const client = rig.client();
    const keys = Array.from({ length: 70_000 }, (_, index) => `key:${index}`);
    for (let from = 0; from < keys.length; from += 5_000)
      await client.mset(...keys.slice(from, from + 5_000).flatMap((key) => [key, key]));
    for (let round = 0; round < 2; round++) {
      expect(keys.filter((key) => rig.server.get(key) !== key)).toEqual([]);
    }
    await client.mset('key:0', 'new', 'key:69999', 'new');
    expect([rig.server.get('key:0'), rig.server.get('key:1'), rig.server.get('key:69999')]).toEqual([
      'new',
      'key:1',
      'new',
    ]);
  });
});
