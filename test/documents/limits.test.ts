import { describe, expect, it } from 'vitest';
import { JSON_BYTES_MAX, JSON_DEPTH_MAX, JSON_VALUES_MAX, parseJson } from '../../src/crdt/document-json.ts';
import { formatCommand, parseCommand } from '../../src/crdt/document-edits.ts';
import { nodeNumber, originOf } from '../../src/clock/origin.ts';
import { DocumentRegions } from './document-regions.ts';
import { json } from './document-orders.ts';

const nested = (depth: number, inside = ''): string => '['.repeat(depth) + inside + ']'.repeat(depth);
const textOf = (bytes: number): string => `"${'x'.repeat(bytes - 2)}"`;
const HALF = textOf(JSON_BYTES_MAX / 2);

/** Two regions with a document, after a command in one of them; whatever it did has to reach the other. */
function reply(...words: string[]): { readonly said: string; readonly there: unknown } {
  const regions = new DocumentRegions(['one', 'two']);
  regions.run(0, 'JSON.SET', 'd', '$', `{"l":[],"m":{},"many":[${'1,'.repeat(999)}1]}`);
  regions.settled('d');
  const said = regions.run(0, ...words);
  regions.settled('d');
  return { said, there: regions.json(1, 'd') };
}

describe('the largest edits', () => {
  it('as deep as a document may be reach the other region, and one deeper is refused', () => {
    const { said, there } = reply('JSON.SET', 'd', '$.deep', nested(JSON_DEPTH_MAX - 1));
    expect(said).toBe('+OK');
    expect(there).toHaveProperty('deep');
    expect(reply('JSON.ARRAPPEND', 'd', '$.l', nested(JSON_DEPTH_MAX - 2)).said).toBe('[:1]');
    expect(reply('JSON.SET', 'd', '$.deep', nested(JSON_DEPTH_MAX)).said).toMatch(/^-ERR .*json-depth-max/);
  });

  it('as long as an edit may be reach the other region', () => {
    const value = textOf(JSON_BYTES_MAX - 200);
    const { said, there } = reply('JSON.SET', 'd', '$.long', value);
    expect(said).toBe('+OK');
    expect((there as { long: string }).long.length).toBe(value.length - 2);
  });

  it.each([
    ['one value that is as long as a document', ['JSON.SET', 'd', '$.a', textOf(JSON_BYTES_MAX)], 'json-bytes-max'],
    ['two values that are together', ['JSON.ARRAPPEND', 'd', '$.l', HALF, HALF], 'json-bytes-max'],
    ['one value in many places', ['JSON.SET', 'd', '$.many[*]', textOf(20_000)], 'json-bytes-max'],
    ['numbers that are longer written out', ['JSON.SET', 'd', '$', `[${'1e20,'.repeat(800_000)}1]`], 'json-bytes-max'],
    [
      'more values than there may be',
      ['JSON.SET', 'd', '$.a', `[${'[],'.repeat(JSON_VALUES_MAX / 2)}1]`],
      'json-values-max',
    ],
    ['many values in many places', ['JSON.SET', 'd', '$.many[*]', `[${'[],'.repeat(1_000)}1]`], 'json-values-max'],
  ])('beyond that are refused whole, and the regions go on: %s', (_what, words, limit) => {
    const { said, there } = reply(...words);
    expect(said).toMatch(new RegExp(`^-ERR .*${limit}`));
    expect(Object.keys(there as object)).toEqual(['l', 'm', 'many']);
  });

  it('a document that has grown beyond is not copied, and stays', () => {
    const regions = new DocumentRegions(['one', 'two']);
    regions.run(0, 'JSON.SET', 'd', '$', '[]');
    for (let count = 0; count < 3; count++) regions.run(0, 'JSON.ARRAPPEND', 'd', '$', HALF);
    for (const name of ['COPY', 'RENAME']) expect(regions.run(0, name, 'd', 'e')).toMatch(/^-ERR .*json-bytes-max/);
    expect(regions.settled('e')).toBeUndefined();
    expect(regions.settled('d')).toHaveLength(3);
  });

  it('with more elements than a call has room for', () => {
    const { said, there } = reply('JSON.SET', 'd', '$.m', `{"flat":[${'1,'.repeat(300_000)}1]}`);
    expect(said).toBe('+OK');
    expect((there as { m: { flat: unknown[] } }).m.flat).toHaveLength(300_001);
  });
});

describe('hostile JSON', () => {
  it('of brackets alone is refused before it is parsed', () => {
    const before = process.memoryUsage().rss;
    expect(parseJson(nested(JSON_BYTES_MAX / 2))).toBeNull();
    expect(parseJson('{"a":'.repeat(3_000_000))).toBeNull();
    expect(process.memoryUsage().rss - before).toBeLessThan(200_000_000);
  });

  it('brackets in strings are no nesting, escaped quotes no end of them', () => {
    expect(json(`["${nested(1_000)}","\\"${'{'.repeat(1_000)}","\\\\"]`)).toHaveLength(3);
    expect(parseJson(nested(JSON_DEPTH_MAX))).not.toBeNull();
    expect(parseJson(nested(JSON_DEPTH_MAX + 1))).toBeNull();
  });

  it('of a peer does not nest deeper by its place', () => {
    const of = (place: number, depth: number): string =>
      formatCommand({
        generationOrigin: originOf(nodeNumber(1), 1),
        generationSeq: 1,
        operations: [['set', Array.from({ length: place }, () => 0), json(nested(depth))]],
      });
    expect(parseCommand(of(28, 100))).not.toBeNull();
    expect(parseCommand(of(29, 100))).toBeNull();
  });
});
