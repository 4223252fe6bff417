import { describe, expect, test } from 'vitest';
import { ActiveClasses } from '../../src/classes/active-classes.ts';
import { parseClasses } from '../../src/classes/read-classes.ts';
import { ResolverFailure, type FailureKind, type SiblingView } from '../../src/classes/resolver.ts';
import { nodeNumber, originOf } from '../../src/clock/origin.ts';
import type { Stamp } from '../../src/clock/stamp.ts';
import { VersionVector } from '../../src/clock/version-vector.ts';
import { SiblingContent } from '../../src/crdt/sibling-content.ts';
import { siblingsOf } from './sibling-views.ts';

const RULES = `classes:
  - match: ["mine:*"]
    conflict: { resolver: ./merge.js }
  - match: ["also:*"]
    conflict: { resolver: ./merge.js }
  - match: ["sib:*"]
    conflict: siblings
`;

/** Classes whose module is a function of the test's. */
function classesWith(resolve: () => string): ActiveClasses {
  const modules = new Map([['./merge.js', { resolve, codeDigest: 'd' }]]);
  return new ActiveClasses({ policy: parseClasses(RULES, 'f.yaml'), modules });
}

const failing = (kind: FailureKind) => (): never => {
  throw new ResolverFailure(kind, `it was ${kind}`);
};

describe('what keys show of several siblings', () => {
  test('is what the resolver of their class makes of them; without one the latest', () => {
    const classes = classesWith(() => 'merged');
    expect(classes.showSiblings('mine:1', siblingsOf('a', 'b'))).toEqual({ text: 'merged', error: null });
    expect(classes.showSiblings('sib:1', siblingsOf('a', 'b'))).toEqual({ text: 'b', error: null });
    expect(classes.resolutions.failures()).toEqual([]);
  });

  test('is that of the region that comes first, of one region the latest, of none that is named the latest', () => {
    const regions = ['', 'us-east-1', 'eu-west-1', 'ap-southeast-1'];
    const text = 'classes:\n  - match: ["a:*"]\n    conflict: { region-priority: [eu-west-1, us-east-1] }\n';
    const policy = parseClasses(text, 'f.yaml');
    const classes = new ActiveClasses({ policy, regionOf: (node) => regions[node / 64] ?? 'elsewhere' });
    const [us, eu, ap, far] = siblingsOf('us', 'eu', 'ap', 'far') as [
      SiblingView,
      SiblingView,
      SiblingView,
      SiblingView,
    ];
    const shown = (...siblings: SiblingView[]): string => classes.showSiblings('a:1', siblings).text;
    expect(shown(us, eu, ap)).toBe('eu');
    expect(shown(us, ap, far)).toBe('us');
    expect(shown(ap, far)).toBe('far');
    expect(shown(eu, us, { ...eu, value: 'eu later' })).toBe('eu later');
    expect(classes.resolutions.failures()).toEqual([]);
  });

  test('is the latest where it fails, which is counted by class and told', () => {
    const classes = classesWith(failing('threw'));
    const told: string[] = [];
    classes.resolutions.listen((keyClass, resolver, { message }) => told.push(`${keyClass} ${resolver} ${message}`));
    for (const key of ['mine:1', 'mine:2', 'also:1']) {
      expect(classes.showSiblings(key, siblingsOf('a', 'b'))).toEqual({ text: 'b', error: 'it was threw' });
    }
    expect(classes.resolutions.failures()).toEqual([
      { keyClass: 'mine:*', resolver: './merge.js', total: 2, reason: 'it was threw' },
      { keyClass: 'also:*', resolver: './merge.js', total: 1, reason: 'it was threw' },
    ]);
    expect(told).toHaveLength(3);
    expect(told[2]).toBe('also:* ./merge.js it was threw');
  });

  test('an error of ours is not taken for one of the resolver', () => {
    const classes = classesWith(() => {
      throw new TypeError('ours');
    });
    expect(() => classes.showSiblings('mine:1', siblingsOf('a', 'b'))).toThrow('ours');
  });

  test.each([
    ['threw', 1],
    ['endless', 1],
    ['suspended', 3],
  ] as const)('is asked for once where the resolver %s, at each read while it is not run', (kind, times) => {
    const content = new SiblingContent();
    for (const letter of [1, 2]) {
      const origin = originOf(nodeNumber(letter * 64), 1);
      const update = { stamp: letter as Stamp, origin, seq: 1, deps: new VersionVector() };
      content.write(String(letter), update, null);
    }
    let asked = 0;
    const classes = classesWith(() => {
      asked++;
      return failing(kind)();
    });
    for (let read = 0; read < 3; read++) {
      expect(content.shown((siblings) => classes.showSiblings('mine:1', siblings)).text).toBe('2');
    }
    expect(asked).toBe(times);
  });
});
