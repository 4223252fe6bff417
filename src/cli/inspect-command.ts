import { CausewayError } from '../errors.ts';
import { clusterNodesOf, withClient, type ClusterNode, type NodesOptions } from './cluster-nodes.ts';
import { RespError, type RespClient, type RespValue } from './resp-client.ts';
import { bold, EXIT_FAILED, EXIT_OK, printable, type Terminal } from './usage.ts';

/** One line of an explanation. */
type Line = readonly [name: string, value: string];

/** What a node says of a key, or why it says nothing. */
export type Explanation =
  | { readonly node: string; readonly lines: readonly Line[] }
  | { readonly node: string; readonly silence: string };

/**
 * Asks every node for what it knows of a key (CW.EXPLAIN; of a strong one its leader and version, too) and prints it, and whether they agree. The exit code is 0
 * when every node was asked and all say the same.
 */
export async function runInspect(key: string, options: NodesOptions, terminal: Terminal): Promise<number> {
  const nodes = clusterNodesOf(options);
  const explanations = await Promise.all(nodes.map(async (node) => explain(node, key, options)));
  for (const explanation of explanations) terminal.write(explanationText(explanation, terminal));
  const { isAgreed, text } = verdict(explanations);
  terminal.write(`${bold(terminal, text)}\n`);
  return isAgreed ? EXIT_OK : EXIT_FAILED;
}

async function explain(node: ClusterNode, key: string, options: NodesOptions): Promise<Explanation> {
  if (!node.isRunning) return { node: node.id, silence: 'does not run' };
  try {
    return await withClient(
      node.resp,
      async (client) => {
        const lines = readLines(await client.send('CW.EXPLAIN', key));
        return { node: node.id, lines: [...lines, ...(await strongLines(client, key))] };
      },
      options,
    );
  } catch (error) {
    return { node: node.id, silence: error instanceof Error ? error.message : String(error) };
  }
}

/** Of a strong key the leader that the node knows of, and the version that it gets from there; nothing of others. */
async function strongLines(client: RespClient, key: string): Promise<Line[]> {
  const home = await client.send('CW.HOME', key);
  if (!Array.isArray(home)) return [];
  const [, leader = null, group = null] = home as readonly RespValue[];
  return [
    ['leader', leader === null ? 'none is known' : textOf(leader)],
    ['version', await versionText(client, key, textOf(group))],
  ];
}

/** The log index of the last write; the node's own words where the group does not answer. */
async function versionText(client: RespClient, key: string, group: string): Promise<string> {
  try {
    const version = await client.send('CW.VERSION', key);
    return version === 0 ? 'none: the key is not there' : `${textOf(version)} in the log of ${group}`;
  } catch (error) {
    if (error instanceof RespError) return error.message;
    throw error;
  }
}

/** Names and values by turns in an array, an array of such pairs, or text of `name value` lines. */
export function readLines(reply: RespValue): Line[] {
  if (typeof reply === 'string') {
    return reply.split(/\r?\n/).flatMap((line): Line[] => {
      const [name = '', ...rest] = line.trim().split(/\s+/);
      return name === '' ? [] : [[name, rest.join(' ')]];
    });
  }
  if (!Array.isArray(reply)) throw new CausewayError('PROTOCOL', 'the reply to CW.EXPLAIN is not of this version');
  const items = reply as readonly RespValue[];
  if (items.every((item) => Array.isArray(item))) {
    return items.map((item): Line => {
      const [name, value] = item as readonly RespValue[];
      return [textOf(name ?? ''), textOf(value ?? '')];
    });
  }
  const lines: Line[] = [];
  for (let i = 0; i < items.length; i += 2) lines.push([textOf(items[i] ?? ''), textOf(items[i + 1] ?? '')]);
  return lines;
}

function textOf(value: RespValue): string {
  if (value === null) return '(none)';
  if (Array.isArray(value)) return value.map((item: RespValue) => textOf(item)).join(' ');
  return typeof value === 'object' ? (value as Error).message : String(value);
}

function explanationText(explanation: Explanation, terminal: Terminal): string {
  const title = bold(terminal, explanation.node);
  if ('silence' in explanation) return `${title}\n  ${printable(explanation.silence)}\n\n`;
  const width = Math.max(0, ...explanation.lines.map(([name]) => name.length));
  const lines = explanation.lines.map(([name, value]) => `  ${printable(name).padEnd(width)}  ${printable(value)}\n`);
  return `${title}\n${lines.length === 0 ? '  (nothing)\n' : lines.join('')}\n`;
}

/** Whether all say the same, and what to tell of it. */
export function verdict(explanations: readonly Explanation[]): { isAgreed: boolean; text: string } {
  const asked = explanations.filter((explanation) => 'lines' in explanation);
  const silent = explanations.length - asked.length;
  const first = asked[0];
  if (first === undefined) return { isAgreed: false, text: 'No node could be asked.' };
  const differing = new Set<string>();
  for (const other of asked.slice(1)) {
    const length = Math.max(first.lines.length, other.lines.length);
    for (let i = 0; i < length; i += 1) {
      const [mine, theirs] = [first.lines[i], other.lines[i]];
      if (mine?.[0] !== theirs?.[0] || mine?.[1] !== theirs?.[1]) differing.add(mine?.[0] ?? theirs?.[0] ?? '');
    }
  }
  const silentText = silent === 0 ? '' : ` ${silent} of ${explanations.length} could not be asked.`;
  if (differing.size > 0) {
    return { isAgreed: false, text: `The nodes differ in: ${[...differing].join(', ')}.${silentText}` };
  }
  const agree = asked.length === 1 ? 'One node was asked.' : `All ${asked.length} nodes agree.`;
  return { isAgreed: silent === 0, text: `${agree}${silentText}` };
}
