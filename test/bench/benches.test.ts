import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { barChart } from '../../bench/support/bar-chart.ts';
import { quantile, table } from '../../bench/support/figures.ts';

const ENTRY = fileURLToPath(new URL('../../bench/main.ts', import.meta.url));

/** Runs benches small, on free ports, and returns what they printed. Figures are not judged here: the machine is shared. */
async function run(...args: string[]): Promise<{ code: number | null; output: string }> {
  const child = spawn(process.execPath, [ENTRY, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  child.stdout.on('data', (bytes: Buffer) => (output += bytes.toString()));
  child.stderr.on('data', (bytes: Buffer) => (output += bytes.toString()));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, output };
}

describe('benches', () => {
  it('regions measures every pair and checks that all regions agree', async () => {
    const { output } = await run('regions', '--small', '--port-base', '0');
    expect(output).toMatch(/us-east-1 → ap-southeast-1 +117\.88 +\d+\.\d\d/);
    expect(output.match(/ → /g)).toHaveLength(6);
    expect(output).toMatch(/wire bytes an update and region, all that went between regions: \d+\.\d B/);
    expect(output).toMatch(/1000 keys, 100 a frame +\d+\.\d\d +\d+\.\d\d +\d+\.\d\d/);
    expect(output).toMatch(/[1-9]\d* updates missed, all there \d+\.\d\d s after the link healed/);
    expect(output.match(/digests equal/g)).toHaveLength(3);
  });

  it('eviction compares hit ratios', async () => {
    const { output } = await run('eviction', '--small');
    expect(output).toContain('bar: S3-FIFO ≥ LRU at each size: met');
  });

  it('overwrites counts the keys and compares the digests', async () => {
    const { output } = await run('overwrites', '--small', '--port-base', '0');
    expect(output).toContain('60000 overwrites of 10000 keys');
    expect(output).toContain('keys and digests equal');
  });

  it('documents measures the encoded size and finds every appended element', async () => {
    const { output } = await run('documents', '--small', '--port-base', '0');
    expect(output).toContain('6000 overwrites of one document');
    expect(output).toContain('12 of 12 appended elements kept, digests equal');
  });

  it('near reads the same in the process as the others hold', async () => {
    const { output } = await run('near', '--small');
    expect(output).toMatch(/node get +\d+\.\d\d/);
    expect(output).toContain('what was read is right');
  });

  it('patterns takes what a prefix matches, and nothing else', async () => {
    const { output } = await run('patterns', '--small');
    expect(output).toMatch(/by a prefix +\d+\.\d\d/);
    expect(output).toContain('each removed 100 keys');
  });

  it('invalidations are told to every reader in every region', async () => {
    const { output } = await run('invalidations', '--small', '--port-base', '0');
    expect(output).toMatch(/us-east-1 +keys read before +0\.00 +\d+\.\d\d/);
    expect(output).toMatch(/ap-southeast-1 +prefix +117\.88 +\d+\.\d\d/);
    expect(output).toContain('every write was told to every reader');
  });

  it('types finds all states equal and the document small once its history is dropped', async () => {
    const { code, output } = await run('types', '--small');
    expect(output).toMatch(/counter INCR +\d+\.\d\d/);
    expect(output).toMatch(/bare Yjs +\d+\.\d\d/);
    expect(output).toContain('states equal');
    expect(code).toBe(0);
  });

  it('scale measures each size of a cluster and finds all nodes equal', async () => {
    const { code, output } = await run('scale', '--small', '--port-base', '0');
    expect(output).toMatch(/^1 +1 +1000 +\d+\.\d\d/m);
    expect(output).toMatch(/^3 +1 +1000 +\d+\.\d\d +\d+\.\d\d/m);
    expect(output).toContain('digests equal');
    expect(code).toBe(0);
  });

  it('strong measures each kind of operation and reads back what was acknowledged', async () => {
    const { output } = await run('strong', '--small', '--port-base', '0');
    expect(output).toMatch(/write from eu-west-1, survive region +141\.01 +\d+\.\d\d/);
    expect(output).toMatch(/linearizable read at home +0\.00 +\d+\.\d\d/);
    expect(output).toMatch(/causeway +64 +\d+\.\d\d/);
    const [, kept, all] = /(\d+) of (\d+) keys read back/.exec(output) ?? [];
    expect(Number(all)).toBeGreaterThan(64);
    expect(kept).toBe(all);
    expect(output).toMatch(/× etcd|etcd is not installed/);
  });

  it('choosing measures every class and what is beside the nodes, and what works without what is behind it', async () => {
    const { code, output } = await run('choosing', '--small', '--port-base', '0');
    expect(output).toMatch(/^causal +\d+\.\d\d +\d[\d.]* +\d[\d.]* +\d+ +works +works$/m);
    expect(output).toMatch(/^strong, reads: causal +\d+ +\d+ +\d[\d.]* +\d+ +NOQUORUM after \d+\.\d s +works$/m);
    expect(output).toMatch(/^strong +\d+ .*NOQUORUM after \d+\.\d s +NOQUORUM after \d+\.\d s$/m);
    expect(output).toMatch(/^near cache, getSync( +\d[\d.]*){5} +node: works$/m);
    expect(output).toMatch(/^source, not here( +\d[\d.]*){4} +source: [A-Z]+ after \d+\.\d s$/m);
    expect(code).toBe(0);
  });

  it('redis asks both servers the same, and finds nothing missing at them or at their replicas', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'causeway-test-bench-'));
    try {
      const { output } = await run('redis', '--small', '--peers', '2', '--json', folder);
      if (output.includes('redis-benchmark are not installed')) return;
      expect(output).toContain('checks: all held');
      const { rows, faults } = JSON.parse(readFileSync(join(folder, 'redis.json'), 'utf8')) as {
        rows: { command: string; pipeline: number; own: { cpuUsec: number }; redis: { cpuUsec: number } }[];
        faults: string[];
      };
      expect(faults).toEqual([]);
      expect(rows.map(({ command, pipeline }) => `${command} ${pipeline}`)).toEqual(
        ['GET', 'MGET', 'SET', 'INCR', 'HSET', 'SADD'].map((command) => `${command} 16`),
      );
      for (const { own, redis } of rows) for (const { cpuUsec } of [own, redis]) expect(cpuUsec).toBeGreaterThan(0);
      expect(readFileSync(join(folder, 'redis.svg'), 'utf8')).toContain('SADD P16');
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it('memory finds all keys that it wrote, at both servers, and measures the pause beside an idle process', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'causeway-test-bench-'));
    try {
      const { output } = await run('memory', '--small', '--json', folder);
      expect(output).toContain('checks: all held');
      const { rows, pauses } = JSON.parse(readFileSync(join(folder, 'memory.json'), 'utf8')) as {
        rows: { keys: number; ownBytes: number }[];
        pauses: { during: string; longestMs: number; idleMs: number; turn: { cpuMs: number } }[];
      };
      expect(rows.map(({ keys }) => keys)).toEqual([20_000]);
      for (const { ownBytes } of rows) expect(ownBytes).toBeGreaterThan(76);
      expect(pauses.map(({ during }) => during)).toEqual([
        'writing the keys',
        'mixed load',
        'SCAN 0 COUNT 1000000',
        'CW.DIGEST',
        'FLUSHALL',
      ]);
      for (const { turn } of pauses) expect(turn.cpuMs).toBeGreaterThan(0);
      for (const { longestMs, idleMs } of pauses) for (const ms of [longestMs, idleMs]) expect(ms).toBeGreaterThan(0);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it('levels reads the last value at each of them', async () => {
    const { output } = await run('levels', '--small');
    if (output.includes('redis-server is not installed')) return;
    expect(output).toContain('200 of 200 values drawn at the end are the last that was written');
    expect(output).toMatch(/hit ratio of the near cache +0\.\d+/);
  });

  it('an unknown name is a usage error that lists the benches', async () => {
    const { code, output } = await run('nonsense');
    expect(code).toBe(2);
    expect(output).toContain('overwrites');
  });
});

describe('bar chart', () => {
  const bars = (svg: string): number[] =>
    [...svg.matchAll(/<rect x="190" y="\d+" width="([\d.]+)" height="11" fill/g)].map(([, width]) => Number(width));

  it('has a bar a value, as long as the value is beside the others', () => {
    const svg = barChart({ title: 'a < b', series: ['x', 'y'], groups: [{ label: 'one & two', values: [2, 1] }] });
    const [long = 0, short = 0, ...more] = bars(svg);
    expect(long).toBeCloseTo(short * 2);
    expect(more).toEqual([]);
    expect(svg).toContain('a &lt; b');
    expect(svg).toContain('one &amp; two');
  });

  it('leaves out what is no number, and draws the line where its value is', () => {
    const svg = barChart({ title: 't', series: ['x', 'y'], groups: [{ label: 'l', values: [NaN, 0.5] }], line: 0.5 });
    const [width = 0, ...more] = bars(svg);
    expect(more).toEqual([]);
    expect(Number(/<line x1="([\d.]+)"/.exec(svg)?.[1])).toBeCloseTo(190 + width);
  });
});

describe('figures', () => {
  it('a quantile is by nearest rank', () => {
    expect(quantile([5, 1, 4, 2, 3], 0.5)).toBe(3);
    expect(quantile([5, 1, 4, 2, 3], 0.99)).toBe(5);
    expect(quantile([], 0.5)).toBeNaN();
  });

  it('a table lines text up to the left and numbers to the right', () => {
    expect(
      table(
        ['a', 'n'],
        [
          ['x', 1],
          ['long', 22.5],
        ],
      ),
    ).toBe('a         n\n----  -----\nx      1.00\nlong  22.50');
  });
});
