import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { loadConfig } from '../../src/server/config.ts';
import type { NodeConfig } from '../../src/server/node-config.ts';
import { loadTopology } from '../../src/server/topology.ts';
import { temporaryFolder } from '../server/peer-rig.ts';

const topology = loadTopology('regions');
const REGION = `clusterId: test
region: us-east-1
nodes:
  a: { resp: "127.0.0.1:0", http: "127.0.0.1:0", peer: "127.0.0.1:0", dataDir: null }
`;
const CLASSES = 'classes:\n  - match: ["a:*"]\n';

let folder: string;
beforeEach(() => {
  folder = temporaryFolder();
});

function load(more: string): NodeConfig {
  const path = join(folder, 'us-east-1.yaml');
  writeFileSync(path, REGION + more);
  return loadConfig(path, { node: 'a', topology, environment: {} });
}

describe('C1: the classes file of a node', () => {
  test('is the one beside the region’s file, where there is one', () => {
    expect(load('').classes).toBeUndefined();
    const file = join(folder, 'classes.yaml');
    writeFileSync(file, CLASSES);
    expect(load('').classes).toEqual({ file, text: CLASSES });
    expect(load('classes: null\n').classes).toBeUndefined();
  });

  test('is the one that is named, from the folder of the region’s file', () => {
    mkdirSync(join(folder, 'more'));
    const file = join(folder, 'more', 'mine.yaml');
    writeFileSync(file, CLASSES);
    expect(load('classes: more/mine.yaml\n').classes).toEqual({ file, text: CLASSES });
    expect(load(`classes: ${file}\n`).classes).toEqual({ file, text: CLASSES });
  });

  test('has to be there when it is named, and sound', () => {
    expect(() => load('classes: none.yaml\n')).toThrow(`cannot read ${join(folder, 'none.yaml')}`);
    writeFileSync(join(folder, 'classes.yaml'), 'classes:\n  - match: a:*\n');
    expect(() => load('')).toThrow(
      `${join(folder, 'classes.yaml')}:2:5: classes[0].match: expected a list of patterns`,
    );
  });

  test.each(['regions', 'regions/compose'])('all regions of %s have that of the package', (where) => {
    for (const region of ['us-east-1', 'eu-west-1', 'ap-southeast-1']) {
      const { classes } = loadConfig(join(where, `${region}.yaml`), { node: 'a', topology, environment: {} });
      expect(classes?.file).toMatch(/\/regions\/classes\.yaml$/);
    }
  });
});
