import { join } from 'node:path';
import { expect, test } from 'vitest';
import { REAL, RunningProgram } from './programs.ts';

test('output that nobody reads to its end is no error', async () => {
  const classes = join(import.meta.dirname, '..', '..', 'regions', 'classes.yaml');
  const program = new RunningProgram(REAL, ['classes', 'check', classes]);
  program.process.stdout?.destroy();
  const { code, errors } = await program.finished;
  expect(errors).toBe('');
  expect(code).toBe(0);
});
