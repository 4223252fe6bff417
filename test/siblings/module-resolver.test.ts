import { readFileSync } from 'node:fs';
import { describe, expect, onTestFinished, test } from 'vitest';
import { ModuleResolver } from '../../src/adapters/module-resolver.ts';
import { ModuleFault } from '../../src/adapters/module-fault.ts';
import { RESOLVER_INPUT_CHARS_MAX } from '../../src/classes/limits.ts';
import { siblingsOf } from './sibling-views.ts';

const NAMES = new Map([
  [64, 'us-east-1/a'],
  [128, 'eu-west-1/a'],
]);

async function load(code: string): Promise<ModuleResolver> {
  const resolver = await ModuleResolver.load(code, './merge.js', (node) => NAMES.get(node) ?? `node${node}`);
  onTestFinished(() => resolver.close());
  return resolver;
}

/** A module whose `resolve` has this body. */
const resolving = (body: string): Promise<ModuleResolver> =>
  load(`let calls = 0;\nexport function resolve(siblings) {\n${body}\n}`);

const show = (resolver: ModuleResolver, ...values: string[]): string =>
  Buffer.from(resolver.resolve(siblingsOf(...values)), 'latin1').toString();

function failure(resolver: ModuleResolver, ...values: string[]): unknown {
  try {
    return show(resolver, ...values);
  } catch (error) {
    return error;
  }
}

const named = (kind: string, reason: string): unknown =>
  expect.objectContaining({ kind, message: expect.stringContaining(reason) });

describe('a resolver module', () => {
  test('is given each sibling oldest first as text, with its time and node', async () => {
    const resolver = await resolving('return JSON.stringify(siblings)');
    expect(JSON.parse(show(resolver, 'größe\0', '"'))).toEqual([
      { value: 'größe\0', stampMs: 1_800_000_000_000, node: 'us-east-1/a' },
      { value: '"', stampMs: 1_800_000_000_001, node: 'eu-west-1/a' },
    ]);
  });

  test('gives a text of any characters', async () => {
    const resolver = await resolving('return siblings.map(({ value }) => value).join("\\0")');
    expect(show(resolver, 'é', '😀', '')).toBe('é\0😀\0');
  });

  test('carries nothing from one call to the next', async () => {
    const resolver = await resolving(
      'calls++; globalThis.seen = (globalThis.seen ?? 0) + 1; Array.prototype.x = 1; return `${calls} ${seen}`',
    );
    expect([show(resolver, 'a', 'b'), show(resolver, 'a', 'b'), show(resolver, 'c', 'd')]).toEqual([
      '1 1',
      '1 1',
      '1 1',
    ]);
  });

  test.each([
    ['the time', 'return String(Date.now())', 'Date is not offered to resolvers: every node must get the same result'],
    ['a date', 'return String(new Date(0))', 'Date is not offered'],
    [
      'chance',
      'return String(Math.random())',
      'Math.random is not offered to resolvers: every node must get the same result',
    ],
    ['a clock', 'return String(performance.now())', 'performance is not offered'],
    ['timers', 'setTimeout(() => 1); return ""', "'setTimeout' is not defined"],
    ['Node', 'return process.version', "'process' is not defined"],
    ['the collector', 'return String(new WeakRef({}).deref())', "'WeakRef' is not defined"],
    ['an error of its own', '\nthrow new TypeError("no\\nway")', 'it threw TypeError: no way (./merge.js:4'],
    ['an error that is none', 'throw 5', 'it threw 5'],
    [
      'an error that answers questions for ever',
      'throw { get name() { for (;;); }, get message() { for (;;); } }',
      'it ',
    ],
  ])('that asks for %s fails by name', async (_, body, reason) => {
    const resolver = await resolving(body);
    const first = failure(resolver, 'a', 'b');
    expect(first).toMatchObject({
      kind: expect.stringMatching(/threw|endless/),
      message: expect.stringContaining(reason),
    });
    expect(failure(resolver, 'a', 'b')).toEqual(first);
  });

  test.each([
    ['', 'undefined'],
    ['return null', 'null'],
    ['return 5', 'number'],
    ['return siblings', 'object'],
    ['return Promise.resolve("x")', 'object'],
  ])('that gives no string is told what it gave: %s', async (body, type) => {
    expect(failure(await resolving(body), 'a', 'b')).toEqual(
      named('result', `it gave ${type} where a string is expected`),
    );
  });

  test.each([
    ['a loop', 'for (;;);'],
    ['a loop that catches what ends it', 'for (;;) { try { for (;;); } catch {} finally { for (;;); } }'],
    ['a pattern that tries everything', 'return String(/(a+)+b/.test("a".repeat(50)))'],
    ['a loop of calls', 'for (;;) JSON.parse(JSON.stringify(siblings))'],
  ])('without an end is ended: %s; and the next call is as the first', async (_, endless) => {
    const resolver = await resolving(`if (siblings[0].value === 'bad') { ${endless} } return 'fine'`);
    expect(failure(resolver, 'bad', 'b')).toEqual(named('endless', 'it did not end within'));
    expect(show(resolver, 'a', 'b')).toBe('fine');
  });

  test.each([
    ['objects', 'const all = []; for (;;) all.push({})', 'memory'],
    ['texts', 'const all = []; for (;;) all.push("x".repeat(1e6) + all.length)', 'memory'],
    ['one array', 'return String(new Array(1e8).fill(1).length)', 'memory'],
    ['calls', 'return resolve(siblings)', 'memory'],
    ['a result', 'return "x".repeat(1.5e6)', 'result'],
  ])('that takes too much is ended: %s; and the next call is as the first', async (_, body, kind) => {
    const resolver = await resolving(`if (siblings[0].value === 'bad') { ${body} } return 'fine'`);
    const first = failure(resolver, 'bad', 'b');
    expect(first).toMatchObject({ kind });
    expect(show(resolver, 'a', 'b')).toBe('fine');
    expect(failure(resolver, 'bad', 'b')).toEqual(first);
  });

  test('that has failed deep inside goes as deep as before', async () => {
    const resolver = await resolving(`
      const depth = () => { let calls = 0; const down = () => { calls++; down(); }; try { down(); } catch {} return calls; };
      if (siblings[0].value === 'bad') eval('['.repeat(1e6));
      return String(depth());`);
    const before = show(resolver, 'a', 'b');
    for (let round = 0; round < 20; round++)
      expect(failure(resolver, 'bad', 'b')).toEqual(named('threw', 'stack overflow'));
    expect(show(resolver, 'a', 'b')).toBe(before);
    expect(Number(before)).toBeGreaterThan(100);
  });

  test('that does not end three times in a row is not run for a while', async () => {
    const resolver = await resolving('if (siblings[0].value === "bad") for (;;); return "fine"');
    for (let round = 0; round < 2; round++)
      expect(failure(resolver, 'bad', 'b')).toEqual(named('endless', 'within 1000000 steps'));
    expect(show(resolver, 'a', 'b')).toBe('fine');
    for (let round = 0; round < 3; round++)
      expect(failure(resolver, 'bad', 'b')).toEqual(named('endless', 'within 1000000 steps'));
    expect(failure(resolver, 'a', 'b')).toEqual(
      named('suspended', 'it did not end again and again, so it is not run for 30 s'),
    );
  });

  test('that stays in one built-in function is ended from outside, and is not run for a while', async () => {
    const resolver = await resolving('const many = []; many.length = 4_294_967_295; return String(many.indexOf(1))');
    expect(failure(resolver, 'a', 'b')).toEqual(named('endless', 'was ended from outside'));
    expect(failure(resolver, 'a', 'b')).toEqual(named('suspended', 'is not run for 30 s'));
  });

  test('is not asked about what it cannot be given', async () => {
    const resolver = await resolving('return "fine"');
    const bytes = siblingsOf('a', 'b').map((sibling) => ({ ...sibling, value: '\xff' }));
    expect(() => resolver.resolve(bytes)).toThrow('a value is not UTF-8');
    expect(failure(resolver, 'a', 'x'.repeat(RESOLVER_INPUT_CHARS_MAX))).toEqual(named('shape', 'above the 1048576'));
  });

  test.each([
    ['an error in its syntax', '\nexport function resolve( {', 2, 'SyntaxError: '],
    ['no resolve', 'export const merge = 1', null, 'exports no function "resolve"'],
    ['a resolve that is no function', 'export const resolve = 1', null, 'exports no function "resolve"'],
    ['an import', 'import "node:fs"; export function resolve() {}', null, "could not load module 'node:fs'"],
    [
      'an error while it loads',
      '\n\nnull.x; export function resolve() {}',
      3,
      "TypeError: cannot read property 'x' of null",
    ],
    ['a loop while it loads', 'for (;;);', 1, 'it did not end within'],
  ])('with %s is not loaded', async (_, code, line, reason) => {
    const fault = await load(code).then(
      () => null,
      (error: unknown) => error,
    );
    expect(fault).toBeInstanceOf(ModuleFault);
    expect(fault).toMatchObject({ line, message: expect.stringContaining(reason) });
  });

  test('is in the README as it works', async () => {
    const [, code = ''] = /```js\n(\/\/ \.\/merge-quotes\.js[^]*?)```/.exec(readFileSync('README.md', 'utf8')) ?? [];
    const resolver = await load(code);
    expect(show(resolver, '{"bid":1,"ask":3}', '{"bid":2,"ask":4}')).toBe('{"bid":2,"ask":3}');
  });

  test('is known by the SHA-256 of its code', async () => {
    const resolver = await load('export function resolve() { return "" }');
    expect(resolver.codeDigest).toBe('30734268f4bfc8a0ca0f3e1048b5a51df0995564ab3fc90c8a1f260136666971');
  });
});
