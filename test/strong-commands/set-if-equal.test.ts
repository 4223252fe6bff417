import { describe, expect, test } from 'vitest';
import { Harness } from '../commands-data/harness.ts';
import { StrongRegions } from '../support/strong-regions.ts';
import { ASIA, EAST } from '../support/virtual-regions.ts';

describe('SET … IFEQ and IFNE, as Redis 8.4 has them', () => {
  test('IFEQ sets what has the value, and never what is not there', () => {
    const harness = new Harness();
    expect(harness.run('SET k b IFEQ a')).toBe('nil');
    expect(harness.run('GET k')).toBe('nil');
    harness.run('SET k a');
    expect(harness.run('SET k b IFEQ x')).toBe('nil');
    expect(harness.run('SET k b IFEQ a')).toBe('+OK');
    expect(harness.run('GET k')).toBe('"b"');
    expect(harness.run('SET k "" IFEQ b')).toBe('+OK');
    expect(harness.run('SET k c IFEQ ""')).toBe('+OK');
  });

  test('IFNE sets what has another value or none', () => {
    const harness = new Harness();
    expect(harness.run('SET k a IFNE a')).toBe('+OK');
    expect(harness.run('SET k b IFNE a')).toBe('nil');
    expect(harness.run('SET k b IFNE x')).toBe('+OK');
    expect(harness.run('GET k')).toBe('"b"');
  });

  test('with GET the old value is the answer, whether it was set or not', () => {
    const harness = new Harness();
    expect(harness.run('SET k b IFEQ a GET')).toBe('nil');
    harness.run('SET k a');
    expect(harness.run('SET k b IFEQ x GET')).toBe('"a"');
    expect(harness.run('SET k b GET IFEQ a')).toBe('"a"');
    expect(harness.run('GET k')).toBe('"b"');
  });

  test('goes with expiries, and clears the old one as SET does', () => {
    const harness = new Harness();
    harness.run('SET k a EX 100');
    expect(harness.run('SET k b IFEQ a KEEPTTL')).toBe('+OK');
    expect(harness.run('TTL k')).toBe(':100');
    expect(harness.run('SET k c IFEQ b EX 7')).toBe('+OK');
    expect(harness.run('TTL k')).toBe(':7');
    expect(harness.run('SET k d IFEQ c')).toBe('+OK');
    expect(harness.run('TTL k')).toBe(':-1');
  });

  test('is WRONGTYPE on another type, and a syntax error beside another condition or without a value', () => {
    const harness = new Harness();
    harness.run('HSET h f v');
    expect(harness.run('SET h b IFEQ a')).toMatch(/^-WRONGTYPE /);
    expect(harness.run('SET h b IFNE a')).toMatch(/^-WRONGTYPE /);
    expect(harness.run('TYPE h')).toBe('+hash');
    for (const options of ['IFEQ', 'IFEQ a NX', 'XX IFEQ a', 'IFEQ a IFEQ b', 'IFEQ a IFNE b', 'IFNE'])
      expect(harness.run(`SET k b ${options}`)).toBe('-ERR syntax error');
    expect(harness.run('GETEX k IFEQ a')).toBe('-ERR syntax error');
  });

  test('on strong keys one of two regions wins', () => {
    const regions = new StrongRegions();
    const [east, asia] = [regions.connect(EAST), regions.connect(ASIA)];
    east.run('SET position:1 free');
    const answers = [asia.begin('SET position:1 asia IFEQ free'), east.begin('SET position:1 east IFEQ free')];
    expect(answers.map((client) => client.answered()).toSorted()).toEqual(['+OK', 'nil']);
    const winner = east.run('GET position:1');
    expect(asia.run('SET position:1 free IFEQ nobody GET')).toBe(winner);
  });
});
