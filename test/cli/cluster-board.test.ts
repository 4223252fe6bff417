import { expect, test } from 'vitest';
import { ClusterBoard } from '../../src/cli/cluster-board.ts';
import { tableOf } from '../../src/cli/table.ts';
import type { Terminal } from '../../src/cli/usage.ts';

function terminal(isTty: boolean, columns: number): Terminal & { text: string } {
  const result = {
    text: '',
    isTty,
    hasColor: false,
    columns: () => columns,
    write(text: string) {
      result.text += text;
    },
  };
  return result;
}

test('without a terminal there is a line each time and nothing is rewritten', () => {
  const out = terminal(false, 10);
  const board = new ClusterBoard(out);
  board.showLive(['one', 'two']);
  board.say('three');
  board.showLive(['four']);
  expect(out.text).toBe('one | two\nthree\nfour\n');
});

test('on a terminal the line is rewritten, and what is said stays above it', () => {
  const out = terminal(true, 80);
  const board = new ClusterBoard(out);
  board.showLive(['one', 'two']);
  board.say('three');
  board.showLive(['four']);
  board.showLive(['five']);
  expect(out.text).toBe('one | two\n\u001b[1A\u001b[Jthree\nfour\n\u001b[1A\u001b[Jfive\n');
});

test('a terminal that is too narrow gets a line a region, cut to its width', () => {
  const out = terminal(true, 8);
  const board = new ClusterBoard(out);
  board.showLive(['region-one', 'two']);
  board.say('end');
  expect(out.text).toBe('region-\ntwo\n\u001b[2A\u001b[Jend\n');
});

test('a table has columns of equal width, figures to the right', () => {
  expect(
    tableOf(
      ['name', 'ms'],
      [
        ['a', '1.5'],
        ['longer', '10.0'],
      ],
    ),
  ).toBe('name      ms\na        1.5\nlonger  10.0\n');
});
