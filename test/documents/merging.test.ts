import { describe, expect, it } from 'vitest';
import { DocumentRegions } from './document-regions.ts';

describe('documents in two regions', () => {
  it('keep every edit of different members, arrays and nested maps made during a cut', () => {
    const regions = new DocumentRegions(['one', 'two']);
    regions.run(0, 'JSON.SET', 'd', '$', '{"name":"n","tags":["a"],"nested":{"deep":{"x":1}},"gone":1}');
    regions.settled('d');
    regions.cluster.cut('one', 'two');
    regions.run(0, 'JSON.SET', 'd', '$.name', '"from one"');
    regions.run(0, 'JSON.ARRAPPEND', 'd', '$.tags', '"b"', '"c"');
    regions.run(0, 'JSON.SET', 'd', '$.nested.deep.y', '{"made":["in one"]}');
    regions.run(0, 'JSON.DEL', 'd', '$.gone');
    regions.run(1, 'JSON.SET', 'd', '$.other', '"from two"');
    regions.run(1, 'JSON.ARRAPPEND', 'd', '$.tags', '"d"');
    regions.run(1, 'JSON.SET', 'd', '$.nested.deep.z', '2');
    regions.run(1, 'JSON.NUMINCRBY', 'd', '$.nested.deep.x', '5');
    regions.cluster.run(500);
    expect(regions.json(0, 'd')).not.toEqual(regions.json(1, 'd'));
    regions.cluster.heal('one', 'two');
    const merged = regions.settled('d') as { tags: string[] };
    expect(merged).toMatchObject({
      name: 'from one',
      other: 'from two',
      nested: { deep: { x: 6, y: { made: ['in one'] }, z: 2 } },
    });
    expect(merged).not.toHaveProperty('gone');
    expect([...merged.tags].sort()).toEqual(['a', 'b', 'c', 'd']);
    expect(merged.tags.indexOf('b') + 1).toBe(merged.tags.indexOf('c'));
  });
});
