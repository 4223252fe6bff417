import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, test, vi } from 'vitest';
import { exportFrom, type AuditExportOptions } from '../../src/cli/audit-export.ts';
import { auditLine, type AuditLine } from '../../src/cli/audit-line.ts';
import type { AuditSource } from '../../src/cli/audit-source.ts';
import { GROUP, GroupRig, words } from './group-rig.ts';

const folder = mkdtempSync(join(tmpdir(), 'causeway-audit-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
afterEach(() => vi.restoreAllMocks());

/** Records 1 to 12, two of each entry at log indexes 1 to 6. */
function recordsOf(value: string): AuditLine[] {
  const rig = new GroupRig();
  for (let at = 1; at <= 6; at++) rig.run([words(`SET a ${value}${at}`), words(`SET b ${at}`)]);
  return rig.lines.map((line) => auditLine(line) as AuditLine);
}

const ALL: readonly AuditLine[] = recordsOf('');

/** A node that has the records of some entries, and gives three entries a page. */
function node(
  name: string,
  entries: readonly number[],
  records: readonly AuditLine[] = ALL,
): AuditSource & { closed: boolean } {
  const last = records.at(-1) as AuditLine;
  return {
    name,
    closed: false,
    groups: async () => [GROUP, 'eu-west-1/region'],
    head: async (group) =>
      group === GROUP ? { count: last.record, index: last.index, hash: last.hash } : { count: 0, index: 0, hash: '' },
    lines: async (_group, fromIndex) => {
      const page = entries.filter((index) => index >= fromIndex).slice(0, 3);
      return records.filter(({ index }) => page.includes(index));
    },
    async close() {
      this.closed = true;
    },
  };
}

let files = 0;

async function exported(
  sources: readonly AuditSource[],
  options: AuditExportOptions = {},
): Promise<{ code: number; records: number[]; said: string }> {
  const out = join(folder, `${++files}.jsonl`);
  let said = '';
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    said += String(text);
    return true;
  });
  const code = await exportFrom(sources, { ...options, out });
  const lines = readFileSync(out, 'latin1').split('\n').slice(0, -1);
  return { code, records: lines.map((line) => auditLine(line)?.record ?? 0), said };
}

const upTo = (last: number, first = 1): number[] => Array.from({ length: last - first + 1 }, (_, at) => first + at);

describe('an export', () => {
  test('is all there is, of the groups that have records', async () => {
    const only = node('n1', [1, 2, 3, 4, 5, 6]);
    expect(await exported([only])).toMatchObject({
      code: 0,
      records: upTo(12),
      said: expect.stringMatching(
        /^us-east-1\/region: 12 written, records 1 to 12, log index 1 to 6, begins after 0{64}, ends with \w+\n$/,
      ),
    });
    expect(only.closed).toBe(true);
  });

  test('takes from other nodes what one lacks', async () => {
    expect(await exported([node('n1', [1, 2, 5, 6]), node('n2', [3, 6]), node('n3', [4])])).toMatchObject({
      code: 0,
      records: upTo(12),
    });
    expect(await exported([node('n1', [6]), node('n2', [1, 2, 3, 4, 5])])).toMatchObject({
      code: 0,
      records: upTo(12),
    });
  });

  test('says what no node has, at the begin, in the middle and at the end', async () => {
    expect(await exported([node('n1', [4, 5, 6])])).toMatchObject({
      code: 1,
      records: upTo(12, 7),
      said: expect.stringContaining('n1 does not have records 1 to 6'),
    });
    expect(await exported([node('n1', [1, 4, 6]), node('n2', [2])])).toMatchObject({
      code: 1,
      records: [...upTo(4), 7, 8, 11, 12],
      said: expect.stringMatching(/no node asked has records 5 to 6.*\n.*no node asked has records 9 to 10/),
    });
    expect(await exported([node('n1', [1, 2])])).toMatchObject({
      code: 1,
      records: upTo(4),
      said: expect.stringContaining('does not have records 5 to 12'),
    });
    expect(await exported([node('n1', [])])).toMatchObject({
      code: 1,
      records: [],
      said: expect.stringContaining('does not have records 1 to 12'),
    });
  });

  test('begins at a log index, wherever that is', async () => {
    expect(await exported([node('n1', [5, 6]), node('n2', [1, 2, 3, 4])], { from: 3 })).toMatchObject({
      code: 0,
      records: upTo(12, 5),
    });
    expect(await exported([node('n1', [1, 2, 3, 4, 5, 6])], { from: 7 })).toMatchObject({
      code: 0,
      records: [],
      said: expect.stringContaining('no records'),
    });
  });

  test('never joins what does not belong together', async () => {
    const others = recordsOf('other');
    await expect(exported([node('n1', [1, 2]), node('n2', [3, 4, 5, 6], others)])).rejects.toThrow(
      'record 5 of us-east-1/region does not go on where record 4 ends',
    );
  });
});
