import fc from 'fast-check';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { runAuditCheck, type AuditCheckOptions } from '../../src/cli/audit-check.ts';
import type { Terminal } from '../../src/cli/usage.ts';
import { runOptions } from '../support/fast-check-runs.ts';
import { GroupRig, words } from './group-rig.ts';

const folder = mkdtempSync(join(tmpdir(), 'causeway-audit-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** What the check says of a file with these lines; and its exit code. */
async function check(
  lines: readonly string[],
  options: AuditCheckOptions = {},
): Promise<{ code: number; said: string }> {
  const file = join(folder, 'audit.jsonl');
  writeFileSync(file, lines.map((line) => `${line}\n`).join(''), 'latin1');
  let said = '';
  const terminal: Terminal = { isTty: false, hasColor: false, columns: () => 80, write: (text) => (said += text) };
  const code = await runAuditCheck([file], options, terminal);
  return { code, said: said.replaceAll(file, 'F') };
}

/** Records 1 to 9, at log indexes 1 to 8: the entry at 4 made two. */
function chain(): string[] {
  const rig = new GroupRig();
  for (let at = 1; at <= 8; at++)
    rig.run(at === 4 ? [words('SET a 4'), words('SET b 4')] : [words(`SET k ${at * 11}`)]);
  return rig.lines;
}

const LINES: readonly string[] = chain();
const at = (record: number): string => LINES[record - 1] ?? '';
const placeOf = (line: number, record: number, index: number): string =>
  `F:${line}: record ${record} (log index ${index})`;

describe('a chain that nobody has touched', () => {
  test('is whole, and its end is said', async () => {
    const { code, said } = await check(LINES);
    expect(code).toBe(0);
    expect(said).toMatch(
      /^us-east-1\/region: records 1 to 9 are whole, log index 1 to 8\n {2}ends with [0-9a-f]{64}\n$/,
    );
  });

  test('may begin in the middle where it is said after which hash', async () => {
    const { said: whole } = await check(LINES.slice(0, 4));
    const start = /ends with (\w+)/.exec(whole)?.[1] ?? '';
    expect((await check(LINES.slice(4), { start })).said).toMatch(/records 5 to 9 are whole/);
    expect(await check(LINES.slice(4))).toEqual({
      code: 1,
      said: 'F:1: records 1 to 4 are missing at the start, before record 5\n',
    });
    const other = await check(LINES.slice(5), { start });
    expect(other).toMatchObject({
      code: 1,
      said: expect.stringContaining(`${placeOf(1, 6, 5)} does not begin after the hash ${start}`),
    });
  });

  test('is none where there is no record', async () => {
    expect(await check([])).toEqual({ code: 1, said: 'F: no record\n' });
  });
});

describe('what was done to a chain is named', () => {
  test('a changed value', async () => {
    for (let record = 1; record < 9; record++) {
      const lines = LINES.with(record - 1, at(record).replace('"user":"trader"', '"user":"tradeR"'));
      const { code, said } = await check(lines);
      const index = record < 5 ? record : record - 1;
      // of the last two lines either may be the false one
      const why = record < 8 ? ': it has not the hash that F:' : ', or F:9 was, or was added: they do not fit together';
      expect([code, said]).toEqual([
        1,
        `${placeOf(record, record, index)} was changed${why}${record < 8 ? `${record + 1} says` : ''}\n`,
      ]);
    }
  });

  test('a changed last record, where the head is known', async () => {
    const head = /ends with (\w+)/.exec((await check(LINES)).said)?.[1] ?? '';
    expect((await check(LINES, { head })).code).toBe(0);
    const lines = LINES.with(8, at(9).replace('"user":"trader"', '"user":"tradeR"'));
    expect(await check(lines)).toMatchObject({ code: 0 });
    expect(await check(lines, { head })).toMatchObject({
      code: 1,
      said: expect.stringMatching(/^F:9: the last record, 9 \(log index 8\), has the hash \w+, not/),
    });
    expect(await check(LINES.slice(0, 7), { head })).toMatchObject({
      code: 1,
      said: expect.stringMatching(/^F:7: the last record.*records behind it are missing/),
    });
  });

  test('a changed link, number, index, group; a line that is none', async () => {
    const changed = (record: number, from: RegExp, to: string): readonly string[] =>
      LINES.with(record - 1, at(record).replace(from, to));
    const zeros = '0'.repeat(64);
    expect((await check(changed(4, /"previous":"\w+"/, `"previous":"${zeros}"`))).said).toContain(
      `${placeOf(4, 4, 4)} was changed`,
    );
    expect((await check(changed(4, /"record":4/, '"record":77'))).said).toMatch(
      /^F:4: record 77 .* was changed: it is record 4 by its place/,
    );
    expect((await check(changed(4, /"index":4/, '"index":3'))).said).toMatch(
      /^F:4: record 4 \(log index 3\) was changed/,
    );
    expect((await check(changed(4, /us-east-1/, 'us-east-9'))).said).toMatch(
      /^F:4: record 4 was changed: it is of us-east-1\/region by its place/,
    );
    expect((await check(changed(1, /us-east-1/, 'us-east-9'), { group: 'us-east-1/region' })).said).toMatch(
      /^F:1: record 1 is of group us-east-9\/region/,
    );
    expect((await check(changed(4, /^.{40}/, ''))).said).toBe('F:4 holds no record: it was changed or cut off\n');
    expect((await check([...LINES.slice(0, 8), at(9).slice(0, 50)])).said).toBe(
      'F:9 holds no record: it was changed or cut off\n',
    );
  });

  test('a removed line, wherever but at the end', async () => {
    for (let record = 1; record < 9; record++) {
      const { code, said } = await check(LINES.toSpliced(record - 1, 1));
      const where = record === 1 ? 'at the start' : `after log index ${record - 1 < 5 ? record - 1 : record - 2}`;
      expect([code, said]).toEqual([
        1,
        `F:${record}: record ${record} is missing ${where}, before record ${record + 1}\n`,
      ]);
    }
    expect((await check(LINES.toSpliced(2, 3))).said).toBe(
      'F:3: records 3 to 5 are missing after log index 2, before record 6\n',
    );
  });

  test('an added line: repeated, forged with the right link, from elsewhere', async () => {
    expect((await check(LINES.toSpliced(4, 0, at(4)))).said).toBe(
      `${placeOf(5, 4, 4)} was added: it repeats the line before\n`,
    );
    expect((await check(LINES.toSpliced(6, 0, at(2)))).said).toMatch(/^F:7: record 2 \(log index 2\) was added/);
    for (let record = 2; record <= 9; record++) {
      const forged = at(record).replace('"user":"trader"', '"user":"nobody"');
      const first = await check(LINES.toSpliced(record - 1, 0, forged));
      const second = await check(LINES.toSpliced(record, 0, forged));
      if (record === 9) {
        // nothing behind them says which is the true one
        expect(first.said).toMatch(/^F:10: record 9 .* or F:9 was added/);
      } else {
        expect(first.said).toMatch(
          new RegExp(`^F:${record}: record ${record} .* was added: F:${record + 1} is record ${record}\n$`),
        );
        expect(second.said).toMatch(
          new RegExp(
            `^F:${record + 1}: record ${record} .* was added: F:${record + 2} goes on where the line before it ends\n$`,
          ),
        );
      }
    }
  });

  test('swapped lines, and one that was moved further', async () => {
    for (let record = 1; record < 9; record++) {
      const { code, said } = await check(LINES.with(record - 1, at(record + 1)).with(record, at(record)));
      expect(code).toBe(1);
      expect(said).toMatch(
        new RegExp(
          `^F:${record}: record ${record + 1} .* stands before record ${record} \\(F:${record + 1}\\): the lines were swapped`,
        ),
      );
    }
    const moved = [...LINES.slice(0, 2), ...LINES.slice(3, 7), at(3), ...LINES.slice(7)];
    expect((await check(moved)).said).toBe(
      'F:3: record 3 is missing after log index 2, before record 4; record 3 stands further down, at F:7\n',
    );
    const near = [...LINES.slice(0, 2), at(5), at(4), at(3), ...LINES.slice(5)];
    expect((await check(near)).said).toMatch(
      /^F:3: records 3 to 4 are missing.*record 3 stands further down, at F:5\n$/,
    );
  });

  test('any one change of any one byte but in the last line', async () => {
    const text = LINES.map((line) => `${line}\n`).join('');
    const end = text.length - at(9).length - 1;
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 0, max: end - 1 }),
        fc.integer({ min: 0x20, max: 0x7e }),
        async (position, byte) => {
          const changed = `${text.slice(0, position)}${String.fromCharCode(byte)}${text.slice(position + 1)}`;
          const { code, said } = await check(changed.replace(/\n$/, '').split('\n'));
          expect(code).toBe(changed === text ? 0 : 1);
          if (code === 0) return;
          const line = text.slice(0, position).split('\n').length;
          const named = Number(/^F:(\d+)/.exec(said)?.[1]);
          // a changed link is told from a changed line before it by the line behind
          expect(Math.abs(named - line)).toBeLessThanOrEqual(1);
        },
      ),
      runOptions(400, 30_000),
    );
  });
});

describe('several files and groups', () => {
  test('files are taken as one, and lines are named by their file', async () => {
    const files = [LINES.slice(0, 3), LINES.slice(4)].map((lines, number) => {
      const file = join(folder, `part-${number}.jsonl`);
      writeFileSync(file, lines.join('\n') + '\n', 'latin1');
      return file;
    });
    let said = '';
    const terminal: Terminal = { isTty: false, hasColor: false, columns: () => 80, write: (text) => (said += text) };
    expect(await runAuditCheck(files, {}, terminal)).toBe(1);
    expect(said).toBe(`${files[1]}:1: record 4 is missing after log index 3, before record 5\n`);
  });

  test('each group has its own chain; a hash to begin or end with is of one', async () => {
    const other = LINES.map((line) => line.replace('us-east-1/region', 'eu-west-1/zone'));
    const mixed = await check([at(1), other[0] ?? '', at(2), at(3)]);
    expect(mixed.said).toMatch(
      /us-east-1\/region: records 1 to 3 are whole.*\n.*\neu-west-1\/zone: records 1 to 1 are whole/,
    );
    await expect(check([at(1), other[0] ?? ''], { head: '0'.repeat(64) })).rejects.toThrow('name one with --group');
    await expect(check(LINES, { start: 'abc' })).rejects.toThrow('is no SHA-256');
  });
});
