import { expect, test } from 'vitest';
import { ClusterBoard, liveParts, type LiveNode } from '../../src/cli/cluster-board.ts';
import { tableOf } from '../../src/cli/table.ts';
import type { NodeStats } from '../../src/server/server-types.ts';
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

const node = (
  region: string,
  lagMs: Record<string, number | null> | null,
  state = 'running',
  groups: NodeStats['groups'] = [],
): LiveNode => ({
  plan: { region },
  state: state as LiveNode['state'],
  stats: lagMs === null ? null : { opsPerSecond: 1_000.4, keys: 20_000, lagMs, groups },
});

test('a part a region: what its nodes serve together, and the lag of the slowest to each other region', () => {
  const parts = liveParts([
    node('us-east-1', { 'eu-west-1': 35.4, 'eu-west-2': 1 }),
    node('us-east-1', { 'eu-west-1': 40.6, 'eu-west-2': null }),
    node('eu-west-1', { 'us-east-1': 0, 'eu-west-2': 0 }),
    node('eu-west-1', null, 'paused'),
    node('eu-west-2', null, 'stopped'),
  ]);
  expect(parts).toEqual([
    'us-east-1 2,001 ops/s, 20,000 keys, lag eu-west-1 41 eu-west-2 ? ms',
    'eu-west-1 (1 of 2 nodes away) 1,000 ops/s, 20,000 keys, lag us 0 eu-west-2 0 ms',
    'eu-west-2 stopped',
  ]);
});

test('a part a quorum group: the leader of the latest term that a running node knows of', () => {
  const partOf = (...known: readonly NodeStats['groups'][number][]): string | undefined =>
    liveParts(known.map((group) => node('us-east-1', {}, 'running', [group])))[1];
  const name = 'us-east-1/region';
  const old = { name, leader: 'us-east-1/a', term: 3 };
  const fresh = { name, leader: 'eu-west-1/a', term: 4 };
  const searching = { name, leader: null, term: 4 };
  expect(partOf(old, fresh)).toBe('us-east-1/region led by eu-west-1/a');
  expect(partOf(fresh, old)).toBe('us-east-1/region led by eu-west-1/a');
  expect(partOf(searching, fresh, old)).toBe('us-east-1/region led by eu-west-1/a');
  expect(partOf(fresh, searching)).toBe('us-east-1/region led by eu-west-1/a');
  expect(partOf(old, searching)).toBe('us-east-1/region without a leader');
});

test('of many regions the one that is furthest behind is shown', () => {
  const others = ['eu-west-1', 'eu-west-2', 'sa-east-1', 'ap-south-1'];
  const near = { 'eu-west-1': 1, 'eu-west-2': 2, 'sa-east-1': 50, 'ap-south-1': 3 };
  const worst = (lagMs: Record<string, number | null>): string | undefined =>
    liveParts([node('us-east-1', lagMs), ...others.map((region) => node(region, {}))])[0];
  expect(worst(near)).toBe('us-east-1 1,000 ops/s, 20,000 keys, worst lag sa 50 ms');
  expect(worst({ ...near, 'eu-west-2': null })).toBe('us-east-1 1,000 ops/s, 20,000 keys, worst lag eu-west-2 ? ms');
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
