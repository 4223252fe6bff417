import { readFileSync, statSync } from 'node:fs';
import { expect, test } from 'vitest';
import { parsePriceRows } from '../../src/cli/price-rows.ts';

test('reads columns by their headings, oldest day first', () => {
  const rows = parsePriceRows(
    '# a comment\nSymbol,Volume,date,open,high,low,close,x\nB,5,2020-01-02,1,2,3,4,-\nA,9,2020-01-01,6,7,8,9,-\n',
    'f',
  );
  expect(rows.map((row) => row.symbol)).toEqual(['A', 'B']);
  expect(rows[0]?.fields).toEqual([
    ['date', '2020-01-01'],
    ['open', '6'],
    ['high', '7'],
    ['low', '8'],
    ['close', '9'],
    ['volume', '9'],
  ]);
});

test.each([
  ['Date,Open,High,Low,Close,Volume', 'f: no column stock or symbol or ticker or name; there are date, open'],
  ['Date,Open,High,Low,Close,Volume,Stock\n2020-01-01,1', 'f:2: expected 7 values, got 2'],
  ['Date,Open,High,Low,Close,Volume,Stock\nyesterday,1,1,1,1,1,A', 'f:2: expected a date, got "yesterday"'],
  ['Date,Open,High,Low,Close,Volume,Stock\n2020-01-01,1,1,1,1,1,', 'f:2: no symbol'],
])('%j is refused', (text, message) => {
  expect(() => parsePriceRows(text, 'f')).toThrow(message);
});

test('the example is read, and small enough to carry', () => {
  const rows = parsePriceRows(readFileSync('examples/prices.csv', 'utf8'), 'examples/prices.csv');
  expect(rows).toHaveLength(1_250);
  expect(new Set(rows.map((row) => row.symbol)).size).toBe(5);
  expect(rows.map((row) => row.date)).toEqual(rows.map((row) => row.date).toSorted((a, b) => (a < b ? -1 : 1)));
  expect(statSync('examples/prices.csv').size).toBeLessThan(150_000);
});
