import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { RespClient } from '../../src/cli/resp-client.ts';
import { startCluster, until, type TestCluster } from './cluster.ts';

let cluster: TestCluster;
let east: RespClient;
let west: RespClient;
let asia: RespClient;

beforeAll(async () => {
  cluster = await startCluster();
  [east, west, asia] = (await Promise.all(
    ['us-east-1/a', 'eu-west-1/a', 'ap-southeast-1/a'].map(async (id) => cluster.connect(id)),
  )) as [RespClient, RespClient, RespClient];
});
afterAll(async () => cluster.stop());

const shown = async (client: RespClient): Promise<string> => String(await client.send('JSON.GET', 'cart'));

describe('a document in three regions', () => {
  test('keeps all that two regions edit in different fields, arrays and nested maps during a cut', async () => {
    const begun = '{"name":"n","gone":1,"tags":["a"],"rows":[[1],[2]],"nested":{"deep":{"x":1}}}';
    await east.send('JSON.SET', 'cart', '$', begun);
    await until(async () => (await shown(asia)) === begun);
    await cluster.cut('us-east-1', 'ap-southeast-1');
    await cluster.cut('eu-west-1', 'ap-southeast-1');

    await east.send('JSON.SET', 'cart', '$.name', '"east"');
    await east.send('JSON.ARRAPPEND', 'cart', '$.tags', '"b"', '"c"');
    await east.send('JSON.ARRAPPEND', 'cart', '$.rows[0]', '10');
    await east.send('JSON.SET', 'cart', '$.nested.deep.y', '{"made":["in east"]}');
    await east.send('JSON.ARRAPPEND', 'cart', '$.nested.deep.y.made', '"and more"');
    await east.send('JSON.DEL', 'cart', '$.gone');
    await asia.send('JSON.SET', 'cart', '$.other', '{"from":"asia"}');
    await asia.send('JSON.STRAPPEND', 'cart', '$.other.from', '"!"');
    await asia.send('JSON.ARRAPPEND', 'cart', '$.tags', '"d"');
    await asia.send('JSON.ARRAPPEND', 'cart', '$.rows[1]', '20');
    await asia.send('JSON.NUMINCRBY', 'cart', '$.nested.deep.x', '5');
    await asia.send('JSON.MERGE', 'cart', '$.nested.deep', '{"z":{"only":"asia"}}');
    expect(JSON.parse(await shown(east))).not.toHaveProperty('other');
    expect(JSON.parse(await shown(asia))).toMatchObject({ name: 'n', gone: 1, tags: ['a', 'd'] });

    await cluster.heal('us-east-1', 'ap-southeast-1');
    await cluster.heal('eu-west-1', 'ap-southeast-1');
    const ends = new Set<string>();
    await until(async () => {
      ends.clear();
      for (const client of [east, west, asia])
        ends.add(`${String(await client.send('CW.DIGEST'))} ${await shown(client)}`);
      return ends.size === 1;
    });
    const merged = JSON.parse(await shown(west)) as { readonly tags: readonly string[] };
    expect(merged).toEqual({
      name: 'east',
      other: { from: 'asia!' },
      tags: merged.tags,
      rows: [
        [1, 10],
        [2, 20],
      ],
      nested: { deep: { x: 6, y: { made: ['in east', 'and more'] }, z: { only: 'asia' } } },
    });
    // one region's stay together, in the order in which they were added
    expect([
      ['a', 'b', 'c', 'd'],
      ['a', 'd', 'b', 'c'],
    ]).toContainEqual(merged.tags);
  });
});
