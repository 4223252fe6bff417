import { expect, test } from 'vitest';
import { createLog } from '../../src/adapters/pino-log.ts';
import { CausewayError } from '../../src/errors.ts';

function logged(format: 'json' | 'text', write: (log: ReturnType<typeof createLog>) => void): string[] {
  const lines: string[] = [];
  const fields = { node: 'us-east-1/a' };
  write(createLog({ level: 'info', format, fields, destination: { write: (line) => lines.push(line) } }));
  return lines;
}

test('json: one object a line with level, time, message and fields', () => {
  const [line, ...more] = logged('json', (log) => log.warn('a peer is gone', { peer: 'eu-west-1/a' }));
  expect(more).toEqual([]);
  expect(line).toMatch(/^[^\n]*\n$/);
  expect(JSON.parse(line ?? '')).toEqual({
    level: 'warn',
    time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/) as unknown,
    node: 'us-east-1/a',
    peer: 'eu-west-1/a',
    msg: 'a peer is gone',
  });
});

test('text: one readable line', () => {
  const [line] = logged('text', (log) => log.info('listening', { resp: 6400 }));
  expect(line).toMatch(/^\d\d:\d\d:\d\d\.\d{3} INFO  listening node=us-east-1\/a resp=6400\n$/);
});

test('below the level nothing is written', () => {
  expect(logged('json', (log) => log.debug('detail'))).toEqual([]);
});

test('an error shows its message, and in json what caused it', () => {
  const error = new CausewayError('STORE', 'the disk is full', { cause: new Error('ENOSPC') });
  expect(logged('text', (log) => log.error('stopping', { error }))[0]).toContain('error=the disk is full');
  const [line] = logged('json', (log) => log.error('stopping', { error }));
  expect(JSON.parse(line ?? '')).toMatchObject({
    error: { code: 'STORE', message: 'the disk is full', cause: { message: 'ENOSPC' } },
  });
});

test('what comes from outside starts no line, steers no terminal and does not fill the log', () => {
  const hostile = `x\r\n12:00:00 FATAL forged\u001b[2J${'y'.repeat(1000)}`;
  for (const format of ['json', 'text'] as const) {
    const lines = logged(format, (log) => log.info('refused', { reason: hostile }));
    expect(lines).toHaveLength(1);
    expect(lines[0]?.match(/[\r\n\u001b]/g)).toEqual(['\n']);
  }
  expect(logged('text', (log) => log.info('refused', { reason: hostile }))[0]?.length).toBeLessThan(300);
});
