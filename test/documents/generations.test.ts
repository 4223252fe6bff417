import { describe, expect, it } from 'vitest';
import { present } from '../../src/base/assert.ts';
import { SharedDocument } from '../../src/crdt/document.ts';
import { DocumentRegions, entryOf } from './document-regions.ts';

/** Encoded bytes of a document at a node, and of the same value made anew. */
function sizes(regions: DocumentRegions, index: number, key: string): { encoded: number; fresh: number } {
  const content = present(entryOf(regions, index, key).document?.content, 'there is a document');
  return {
    encoded: content.document.encode().length,
    fresh: SharedDocument.fromJson(content.toJson()).encode().length,
  };
}

describe('generations of a document', () => {
  it('keep it small under overwrites from three regions, and lose no edit', () => {
    const regions = new DocumentRegions(['one', 'two', 'three']);
    const fields = Array.from({ length: 20 }, (_, index) => `field-${index}`);
    const base = Object.fromEntries(fields.map((field) => [field, 'a value of some length, so that it is not tiny']));
    regions.run(0, 'JSON.SET', 'd', '$', JSON.stringify({ ...base, log: { one: [], two: [], three: [] } }));
    regions.settled('d');
    const names = ['one', 'two', 'three'];
    let largest = 0;
    for (let round = 0; round < 600; round++) {
      for (const [index, name] of names.entries()) {
        regions.run(index, 'JSON.SET', 'd', `$.${fields[(round * 7 + index) % 20]}`, `"round ${round} by ${name}"`);
        if (round % 10 === 0) regions.run(index, 'JSON.ARRAPPEND', 'd', `$.log.${name}`, String(round));
      }
      regions.cluster.run(7);
      largest = Math.max(largest, sizes(regions, round % 3, 'd').encoded);
    }
    const shown = regions.settled('d') as { log: Record<string, number[]> };
    const expected = Array.from({ length: 60 }, (_, index) => index * 10);
    expect(shown.log).toEqual({ one: expected, two: expected, three: expected });
    regions.cluster.run(3_000);
    expect(regions.settled('d')).toEqual(shown);
    for (const [index] of names.entries()) {
      const { encoded, fresh } = sizes(regions, index, 'd');
      expect(encoded).toBeLessThanOrEqual(3 * fresh);
      expect(entryOf(regions, index, 'd').document?.content?.keptEdits).toBe(0);
    }
    expect(largest).toBeLessThan(20 * sizes(regions, 0, 'd').fresh);
  });

  it('carry over what was written to the old one meanwhile, nested values and arrays too', () => {
    const regions = new DocumentRegions(['one', 'two', 'three']);
    regions.run(0, 'JSON.SET', 'd', '$', '{"hot":{},"list":[]}');
    regions.settled('d');
    const generations = new Set<string>();
    const overwrite = (index: number, round: number): void => {
      regions.run(index, 'JSON.SET', 'd', `$.hot.field${round % 10}`, `"overwritten ${round}"`);
      regions.cluster.run(1);
      const { origin, seq } = present(entryOf(regions, 0, 'd').document?.content, 'there is a document').generation;
      generations.add(`${origin}:${seq}`);
    };
    for (let round = 0; round < 400; round++) overwrite(round % 2, round);
    // the cut comes while generations are made on one side of it; the edits on the other know nothing of the latest
    regions.cluster.cut('one', 'three');
    regions.cluster.cut('two', 'three');
    regions.run(2, 'JSON.SET', 'd', '$.made', '{"deep":{}}');
    regions.run(2, 'JSON.SET', 'd', '$.made.deep.er', '[1,2]');
    regions.run(2, 'JSON.ARRAPPEND', 'd', '$.made.deep.er', '3');
    regions.run(2, 'JSON.ARRAPPEND', 'd', '$.list', '"three"');
    regions.run(0, 'JSON.ARRAPPEND', 'd', '$.list', '"one"');
    for (let round = 400; round < 500; round++) overwrite(round % 2, round);
    regions.cluster.healAll();
    const shown = regions.settled('d') as { list: string[] };
    expect(shown).toMatchObject({ hot: { field9: 'overwritten 499' }, made: { deep: { er: [1, 2, 3] } } });
    expect([...shown.list].sort()).toEqual(['one', 'three']);
    regions.cluster.run(3_000);
    expect(regions.settled('d')).toEqual(shown);
    expect(generations.size).toBeGreaterThan(2);
  });
});
