import { expect, test } from 'vitest';
import { ActiveClasses } from '../../src/classes/active-classes.ts';
import { parseClasses, readClasses } from '../../src/classes/read-classes.ts';

const withSource = (rest: string): string =>
  `classes:\n  - match: ["p:*"]\n    source: { module: ./load.mjs, ${rest} }\n`;

const problemsOf = (source: string, rest = ''): string[] =>
  readClasses(`classes:\n  - match: ["price:*"]\n    source: ${source}\n${rest}`).problems.map(
    ({ message }) => message,
  );

test('what is left out has a default', () => {
  const { policy } = readClasses('classes:\n  - match: ["p:*"]\n    source: { module: ./load.mjs, ttl: 30s }\n');
  expect(policy?.classes[0]?.source).toEqual({
    url: null,
    module: './load.mjs',
    timeoutMs: 1_000,
    ttlMs: 30_000,
    jitter: 0.1,
    absentMs: 1_000,
    staleWhileMs: 0,
    staleIfErrorMs: 0,
    aheadMs: 0,
    early: 1,
    stampede: 'region',
    failuresMax: 5,
    pauseMs: 5_000,
    write: null,
  });
});

test('what is written to a source has defaults too', () => {
  const { policy } = readClasses(
    'classes:\n  - match: ["p:*"]\n    source: { module: ./load.mjs, ttl: 30s, write: behind }\n',
  );
  expect(policy?.classes[0]?.source?.write).toEqual({
    mode: 'behind',
    isDurable: false,
    delayMs: 0,
    unstoredMax: 10_000,
  });
});

test('a change of what a class says of its source, or of what is missing, is told', () => {
  const classes = new ActiveClasses({ policy: parseClasses(withSource('ttl: 30s'), 'classes.yaml') });
  expect(classes.check(withSource('ttl: 30s')).changes).toEqual([]);
  for (const [rest, says] of [
    ['ttl: 31s', 'ttl 31s'],
    ['ttl: 30s, failures: 7', 'failures 7'],
    ['ttl: 30s, write: behind, durable: true, delay: 2s', 'write behind, durable true, delay 2s, unstored 10000'],
    ['ttl: 30s }\n    missing: { within: 9s', 'missing within 9s, fallback error'],
  ] as const)
    expect(classes.check(withSource(rest)).changes.join()).toContain(says);
});

test.each([
  ['{ ttl: 30s }', 'expected a url with {key}, or a module, got nothing'],
  [
    '{ url: "https://db/{key}", module: ./a.mjs, ttl: 30s }',
    'expected a url with {key}, or a module, got "https://db/{key}"',
  ],
  ['{ url: "https://db/{key}" }', 'expected a duration'],
  ['{ url: "https://{key}/prices", ttl: 30s }', 'expected an address with {key} in its path or query'],
  ['{ url: "https://db/prices", ttl: 30s }', 'expected an address with {key} in its path or query'],
  ['{ url: "https://db/{key}/{key}", ttl: 30s }', 'expected an address with {key} in its path or query'],
  ['{ url: "https://user:pass@db/{key}", ttl: 30s }', 'expected an address with {key} in its path or query'],
  ['{ url: "file:///{key}", ttl: 30s }', 'expected an address with {key} in its path or query'],
  ['{ module: ../a.mjs, ttl: 30s }', 'expected a module such as ./load-prices.js'],
  ['{ module: ./a/../../b.mjs, ttl: 30s }', 'expected a module such as ./load-prices.js'],
  ['{ module: ./a.mjs, ttl: 30s, jitter: 1 }', 'expected a part of the ttl, 0 to 0.9'],
  ['{ module: ./a.mjs, ttl: 30s, ahead: 30s }', 'expected "ahead" to be shorter than "ttl"'],
  ['{ module: ./a.mjs, ttl: 30s, stampede: world }', 'expected one of node, region, cluster'],
  ['{ module: ./a.mjs, ttl: 30s, write: yes }', 'expected one of through, behind'],
  ['{ module: ./a.mjs, ttl: 30s, durable: true }', '"durable" is for a source that is written to'],
  ['{ module: ./a.mjs, ttl: 30s, write: through, delay: 1s }', '"delay" is for "write: behind"'],
  ['{ module: ./a.mjs, ttl: 30s, write: behind, unstored: 0 }', 'expected a whole number, 1 to 1000000'],
  ['{ module: ./a.mjs, ttl: 30s, failures: 0.5 }', 'expected a whole number, 1 to 1000'],
  ['{ module: ./a.mjs, ttl: 30s, store: yes }', 'unknown key "store"; a source has url or module'],
])('%s is refused: %s', (source, says) => {
  expect(problemsOf(source)[0]).toContain(says);
});

test.each([
  ['consistency: weak', 'not for consistency weak'],
  ['consistency: strong\n    home: us-east-1', 'not for consistency strong'],
  ['conflict: siblings', 'not for keys that keep siblings'],
])('a class of %s has no source', (rest, says) => {
  expect(problemsOf('{ module: ./a.mjs, ttl: 30s }', `    ${rest}\n`)[0]).toContain(says);
});

test('there are at most 16', () => {
  const classes = Array.from(
    { length: 17 },
    (_, at) => `  - match: ["p${at}:*"]\n    source: { module: ./a${at}.mjs, ttl: 1s }\n`,
  );
  expect(readClasses(`classes:\n${classes.join('')}`).problems[0]?.message).toBe('expected at most 16 sources in all');
});
