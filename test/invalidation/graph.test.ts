import { expect, test } from 'vitest';
import { dotText, runGraph, treeText } from '../../src/cli/graph-command.ts';
import { startWithClasses } from '../classes/class-rig.ts';

const edge = (on: string, key: string, onWrites = false): { key: string; on: string; onWrites: boolean } => ({
  key,
  on,
  onWrites,
});

test('the graph as text: each key once, cycles too, a star for writes', () => {
  const edges = [
    edge('a', 'c'),
    edge('a', 'b', true),
    edge('b', 'd'),
    edge('c', 'd'),
    edge('d', 'e'),
    edge('x', 'y'),
    edge('y', 'x'),
  ];
  expect(treeText(edges)).toBe('a\n├─ * b\n│  └─ d\n│     └─ e\n└─ c\n   └─ d …\nx\n└─ y\n   └─ x …\n');
  expect(treeText(edges, 'd')).toBe('d\n└─ e\n');
  expect(treeText([])).toBe('no key depends on another one\n');
  const chain = Array.from({ length: 5_000 }, (_, at) => edge(`k${at}`, `k${at + 1}`));
  const drawn = treeText(chain);
  // what is too deep to be drawn there is drawn below
  expect(drawn).toContain('─ k5000\n');
});

test('and in the language of Graphviz, whatever the names', () => {
  expect(dotText([edge('a', 'say "hi"\\'), edge('a', 'b\n', true)])).toBe(
    'digraph dependencies {\n  "a" -> "b\\\\u000a";\n  "a" -> "say \\"hi\\"\\\\" [style=dashed];\n}\n',
  );
  expect(dotText([])).toBe('digraph dependencies {\n}\n');
});

test('causeway inspect --graph asks a node', async () => {
  const rig = await startWithClasses('classes: []\n');
  await rig.server.ready;
  const client = rig.client();
  for (const key of ['page', 'site', '__proto__']) await client.set(key, 'v');
  await client.call('CW.DEPEND', 'page', 'WRITES', 'ON', 'product');
  await client.call('CW.DEPEND', 'site', 'ON', 'page');
  await client.call('CW.DEPEND', '__proto__', 'ON', 'constructor');
  const drawn = async (key: string | undefined, dot: boolean): Promise<string> => {
    let text = '';
    const terminal = { write: (part: string) => void (text += part), isTty: false } as never;
    const { options } = client;
    await runGraph(key, { nodes: [`${options.host}:${options.port}`], dot }, terminal);
    return text;
  };
  expect(await drawn('product', false)).toBe('product\n└─ * page\n   └─ site\n');
  expect(await drawn(undefined, false)).toBe('constructor\n└─ __proto__\nproduct\n└─ * page\n   └─ site\n');
  expect(await drawn('product', true)).toBe(
    'digraph dependencies {\n  "page" -> "site" [style=dashed];\n  "product" -> "page";\n}\n',
  );
});
