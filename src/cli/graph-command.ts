import { CausewayError } from '../errors.ts';
import { clusterNodesOf, withClient, type NodesOptions } from './cluster-nodes.ts';
import type { RespClient, RespValue } from './resp-client.ts';
import { EXIT_OK, printable, type Terminal } from './usage.ts';

/** Dependencies that are drawn at most. */
const EDGES_MAX = 100_000;

/** What lies deeper is left out. */
const PREFIX_CHARS_MAX = 300;

/** One key goes when another one is invalidated, or also when that is written. */
export interface Edge {
  readonly key: string;
  readonly on: string;
  readonly onWrites: boolean;
}

/**
 * Draws what keys are made of, as a node knows it: what depends on a key, or all there is. As text, what goes with a key below it; or in the language of
 * Graphviz. Throws ERR where no node runs, LIMIT for too much.
 */
export async function runGraph(
  key: string | undefined,
  options: NodesOptions & { readonly dot?: boolean },
  terminal: Terminal,
): Promise<number> {
  const node = clusterNodesOf(options).find(({ isRunning }) => isRunning);
  if (node === undefined) throw new CausewayError('ERR', 'no node of the cluster runs');
  const edges = await withClient(
    node.resp,
    (client) => (key === undefined ? allEdges(client) : edgesFrom(client, key)),
    options,
  );
  terminal.write(options.dot === true ? dotText(edges) : treeText(edges, key));
  return EXIT_OK;
}

function texts(reply: RespValue): string[] {
  if (!Array.isArray(reply)) throw new CausewayError('PROTOCOL', 'the reply is not of this version');
  return (reply as readonly RespValue[]).map(String);
}

async function allEdges(client: RespClient): Promise<Edge[]> {
  const edges: Edge[] = [];
  let cursor = '0';
  do {
    const reply = await client.send('CW.GRAPH', cursor);
    if (!Array.isArray(reply)) throw new CausewayError('PROTOCOL', 'the reply to CW.GRAPH is not of this version');
    const [next = null, page = null] = reply as readonly RespValue[];
    const words = texts(page);
    for (let at = 0; at + 2 < words.length; at += 3)
      edges.push({ key: words[at] ?? '', on: words[at + 1] ?? '', onWrites: words[at + 2] === 'writes' });
    if (edges.length > EDGES_MAX) throw tooMany();
    cursor = String(next);
  } while (cursor !== '0');
  return edges;
}

async function edgesFrom(client: RespClient, key: string): Promise<Edge[]> {
  const edges: Edge[] = [];
  const seen = new Set([key]);
  for (const on of seen) {
    const words = texts(await client.send('CW.DEPENDENTS', on));
    for (let at = 0; at + 1 < words.length; at += 2) {
      edges.push({ key: words[at] ?? '', on, onWrites: words[at + 1] === 'writes' });
      seen.add(words[at] ?? '');
    }
    if (edges.length > EDGES_MAX) throw tooMany();
  }
  return edges;
}

const tooMany = (): CausewayError => new CausewayError('LIMIT', `more than ${EDGES_MAX} dependencies`);

/** Text: below each key what goes with it, a star where it goes with its writes too. What is drawn already is not drawn again. */
export function treeText(edges: readonly Edge[], root?: string): string {
  const byOther = new Map<string, Edge[]>();
  for (const edge of edges) {
    const others = byOther.get(edge.on);
    if (others === undefined) byOther.set(edge.on, [edge]);
    else others.push(edge);
  }
  const dependents = new Set(edges.map(({ key }) => key));
  const tops = [...byOther.keys()].filter((on) => !dependents.has(on)).sort();
  const drawn = new Set<string>();
  const lines: string[] = [];
  const draw = (key: string, prefix: string, mark: string): void => {
    const below = (byOther.get(key) ?? []).toSorted((a, b) => (a.key < b.key ? -1 : 1));
    const isAgain = drawn.has(key) && below.length > 0;
    lines.push(`${mark}${printable(key)}${isAgain ? ' …' : ''}`);
    if (isAgain) return;
    if (prefix.length > PREFIX_CHARS_MAX) {
      lines.push(`${prefix}…`);
      return;
    }
    drawn.add(key);
    for (const [at, edge] of below.entries()) {
      const isLast = at === below.length - 1;
      const star = edge.onWrites ? '* ' : '';
      draw(edge.key, `${prefix}${isLast ? '   ' : '│  '}`, `${prefix}${isLast ? '└─ ' : '├─ '}${star}`);
    }
  };
  for (const top of root === undefined ? tops : [root]) draw(top, '', '');
  // what is left goes in circles
  for (const on of [...byOther.keys()].sort()) if (root === undefined && !drawn.has(on)) draw(on, '', '');
  return lines.length === 0 ? 'no key depends on another one\n' : `${lines.join('\n')}\n`;
}

/** For Graphviz: an arrow from a key to what goes with it, dashed where writes do not count. */
export function dotText(edges: readonly Edge[]): string {
  const quoted = (name: string): string => `"${printable(name).replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
  const lines = edges.map(
    ({ key, on, onWrites }) => `  ${quoted(on)} -> ${quoted(key)}${onWrites ? '' : ' [style=dashed]'};`,
  );
  return `digraph dependencies {\n${lines.sort().join('\n')}${lines.length === 0 ? '' : '\n'}}\n`;
}
