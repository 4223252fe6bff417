import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { NodeConfig } from '../../src/server/node-config.ts';
import { temporaryFolder } from '../server/peer-rig.ts';

/** A folder with `rules/merge.js` in it; without one for null. */
export function folderWith(code: string | null): string {
  const folder = temporaryFolder();
  mkdirSync(join(folder, 'rules'));
  if (code !== null) writeFileSync(join(folder, 'rules', 'merge.js'), code);
  return folder;
}

/** The classes of a text, as if it were a file of the folder. */
export function classesIn(folder: string, text: string): Pick<NodeConfig, 'classes'> {
  return { classes: { file: join(folder, 'classes.yaml'), text } };
}
