import { expect, test } from 'vitest';
import type { Log } from '../../src/adapters/pino-log.ts';
import { configOf, introduce, PeerRig } from '../server/peer-rig.ts';
import { classesIn, folderWith } from './rule-folder.ts';

const RULES = 'classes:\n  - match: ["mine:*"]\n    conflict: { resolver: ./rules/merge.js }\n';
const THROWS = 'export function resolve() { throw new Error("no way"); }\n';

/** A log that only remembers warnings, each as message and reason. */
function remembering(warnings: string[]): Log {
  return {
    debug: () => undefined,
    info: () => undefined,
    warn: (message: string, fields?: Record<string, unknown>) =>
      void warnings.push(`${message}: ${String(fields?.['reason'])}`),
    error: () => undefined,
    fatal: () => undefined,
  };
}

async function startLogged(
  index: number,
  code: string,
): Promise<{ readonly rig: PeerRig; readonly warnings: string[] }> {
  const warnings: string[] = [];
  const rig = await PeerRig.start(configOf(index, 2, classesIn(folderWith(code), RULES)), remembering(warnings));
  return { rig, warnings };
}

test('C4: nodes whose modules differ in a byte refuse each other, and both say so', async () => {
  const [mine, theirs] = [await startLogged(0, THROWS), await startLogged(1, `${THROWS}\n`)];
  introduce([mine.rig, theirs.rig]);
  for (const { warnings } of [mine, theirs]) {
    await expect.poll(() => warnings.join('\n')).toContain('the classes and rules differ');
  }
  expect([mine.rig.connectedPeers, theirs.rig.connectedPeers]).toEqual([0, 0]);
});

test('a failure of a resolver is logged once, however many keys it has', async () => {
  const [mine, theirs] = [await startLogged(0, THROWS), await startLogged(1, THROWS)];
  await expect.poll(() => mine.rig.isReady && theirs.rig.isReady).toBe(true);
  for (const key of ['mine:1', 'mine:2', 'mine:3']) {
    mine.rig.set(key, 'one');
    theirs.rig.set(key, 'two');
  }
  introduce([mine.rig, theirs.rig]);
  await expect.poll(() => mine.rig.get('mine:3')).toBe('two');
  for (const key of ['mine:1', 'mine:2', 'mine:3', 'mine:1']) expect(mine.rig.get(key)).toBe('two');
  expect(mine.rig.server.node.classes.resolutions.failures()).toEqual([
    expect.objectContaining({ keyClass: 'mine:*', resolver: './rules/merge.js', total: 3 }),
  ]);
  const said = mine.warnings.filter((line) => line.startsWith('a resolver failed'));
  expect(said).toEqual([
    'a resolver failed, its keys show the latest write: it threw Error: no way (./rules/merge.js:1:44)',
  ]);
});
