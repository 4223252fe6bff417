import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A test of Redis's suite that is not expected to pass here. */
export interface KnownTest {
  /** `skip`: not run, because an error outside of its assertions would end the whole file. `fail`: run, and fails. */
  readonly kind: 'skip' | 'fail';
  readonly unit: string;
  readonly test: string;
  readonly reason: string;
  /** Commands of Redis without which the test cannot run, upper case. */
  readonly needs: readonly string[];
}

const FILE = join(import.meta.dirname, 'redis-suite-known.txt');

/** Reads redis-suite-known.txt. Throws with the line that is no entry. */
export function readKnownTests(): KnownTest[] {
  const known: KnownTest[] = [];
  for (const [index, line] of readFileSync(FILE, 'utf8').split('\n').entries()) {
    if (line === '' || line.startsWith('#')) continue;
    const [kind, unit, test, reason, ...rest] = line.split(' | ');
    const isEntry = (kind === 'skip' || kind === 'fail') && unit && test && reason && rest.length === 0;
    if (!isEntry) throw new Error(`redis-suite-known.txt, line ${index + 1}: expected kind | unit | test | reason`);
    const needs = /^needs ([A-Z, ]+)$/.exec(reason)?.[1]?.split(', ') ?? [];
    known.push({ kind, unit, test, reason, needs });
  }
  return known;
}
