import { describe, expect, test } from 'vitest';
import { parseClasses } from '../../src/classes/read-classes.ts';
import { classesFileOf, type UpOptions } from '../../src/cli/cluster-plan.ts';

const options = (regions: readonly string[], classes?: string): UpOptions => ({
  regions,
  nodesPerRegion: 1,
  portBase: 0,
  wanScale: 1,
  wanJitter: false,
  ...(classes === undefined ? {} : { classes }),
});

const notWritten = (): string => {
  throw new Error('a file is written that is there');
};

describe('the classes file of `up`', () => {
  test('is the one that is named, else that of the package where its home region is', () => {
    expect(classesFileOf(options(['eu-west-1'], '/etc/causeway/classes.yaml'), notWritten)).toBe(
      '/etc/causeway/classes.yaml',
    );
    expect(classesFileOf(options(['eu-west-1', 'us-east-1']), notWritten)).toMatch(/regions\/classes\.yaml$/);
  });

  test('is a copy at home in the first region where the home of the package is none of them', () => {
    let written = '';
    const file = classesFileOf(options(['eu-west-1', 'us-west-2']), (text) => {
      written = text;
      return 'copy.yaml';
    });
    expect(file).toBe('copy.yaml');
    const homes = parseClasses(written, file).classes.flatMap(({ strong }) => strong?.home ?? []);
    expect(new Set(homes)).toEqual(new Set(['eu-west-1']));
  });
});
