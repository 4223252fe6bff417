import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { addressOf, type Address } from '../server/address.ts';
import { askAdmin } from '../wan/admin-client.ts';
import type { ChildConditions } from './child-conditions.ts';
import { clusterNodesOf, connectTo, type NodesOptions } from './cluster-nodes.ts';
import { ComposeFile } from './compose-file.ts';
import { checked, record } from './member-answers.ts';
import type { NodeAction } from './node-actions.ts';
import { readReadyFile, type ReadyFile } from './ready-file.ts';
import { RespError } from './resp-client.ts';
import { printable, UsageError } from './usage.ts';

/** What can be done to a cluster that is verified. */
export const FAULT_KINDS = ['kill', 'pause', 'cut', 'slow', 'clock', 'disk'] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];

export interface TargetOptions extends NodesOptions {
  /** A compose file whose containers run. */
  readonly compose?: string;
}

export interface VerifyNode {
  readonly id: string;
  readonly region: string;
  readonly address: Address;
}

/** A pair of regions and what a message takes one way. */
export interface WanLink {
  readonly from: string;
  readonly to: string;
  readonly measuredOneWayMs: number;
}

export type Steering = { readonly from: string; readonly to: string; readonly oneDirection: boolean };

/** The cluster that is verified, and what can be done to it from here. */
export interface VerifyCluster {
  /** Nodes that answered. */
  readonly nodes: readonly VerifyNode[];
  /** What is to be said of those that did not. */
  readonly notes: readonly string[];
  readonly faults: ReadonlySet<FaultKind>;
  /** Why there are no others, where there are not. */
  readonly otherFaults: string;
  /** Both directions of each pair of regions; none where the WAN is not ours. */
  readonly links: readonly WanLink[];
  act(node: VerifyNode, action: NodeAction, conditions?: ChildConditions): Promise<void>;
  cut(steering: Steering): Promise<void>;
  slow(steering: Steering, oneWayMs: number): Promise<void>;
  healLink(link: Steering): Promise<void>;
  /** `open`, `cut` or `slow` by `from>to`. */
  linkStates(): Promise<ReadonlyMap<string, string>>;
  /** Whether the node's process runs, standing still or not. */
  state(node: VerifyNode): Promise<string>;
  /** The longest file that the node keeps. */
  longestFileBytes(node: VerifyNode): number;
}

const linksAnswer = z.object({
  links: z.array(z.object({ from: z.string(), to: z.string(), state: z.string(), measuredOneWayMs: z.number() })),
});
const nodesAnswer = z.object({ nodes: z.array(z.object({ id: z.string(), state: z.string() })) });
const nodeAnswer = z.object({ id: z.string(), region: z.string() });

/** The cluster that the options name. Throws a usage error where they name none, or where none of its nodes answers. */
export async function openCluster(options: TargetOptions): Promise<VerifyCluster> {
  const { compose, readyFile, nodes } = options;
  if ([compose, readyFile, nodes].filter((each) => each !== undefined).length !== 1) {
    throw new UsageError(
      'say which cluster: --ready-file FILE (what `causeway up` wrote), --nodes host:port,… or --compose FILE: one of them',
    );
  }
  if (compose !== undefined) return composeCluster(ComposeFile.read(compose), options);
  return readyFile === undefined ? nodesCluster(options) : upCluster(readyFile, options);
}

/** Whoever answers under the addresses, as it calls itself. */
async function reach(
  addresses: readonly { readonly id: string; readonly resp: Address }[],
  options: NodesOptions,
): Promise<Pick<VerifyCluster, 'nodes' | 'notes'>> {
  const answers = await Promise.all(
    addresses.map(async ({ id, resp }): Promise<VerifyNode | string> => {
      try {
        const client = await connectTo(resp, options);
        try {
          return { ...checked(nodeAnswer, record(await client.send('CW.NODE'))), address: resp };
        } finally {
          client.close();
        }
      } catch (error) {
        const why = error instanceof Error ? error.message : String(error);
        const isLocked = why.startsWith('NOAUTH') || why.startsWith('WRONGPASS');
        const how = isLocked ? ' (--password or CAUSEWAY_PASSWORD says which)' : '';
        return `${id} is left out: ${error instanceof RespError ? 'it answers ' : ''}${printable(why)}${how}`;
      }
    }),
  );
  const notes = answers.filter((answer) => typeof answer === 'string');
  const nodes = answers.filter((answer) => typeof answer !== 'string');
  if (nodes.length === 0) throw new UsageError(`no node can be asked: ${notes.join('; ') || 'none runs'}`);
  return { nodes, notes };
}

const NOT_HERE = (): never => {
  throw new UsageError('this cannot be done to this cluster from here');
};

async function nodesCluster(options: NodesOptions): Promise<VerifyCluster> {
  return {
    ...(await reach(clusterNodesOf(options), options)),
    faults: new Set(),
    otherFaults: 'they take the --ready-file of `causeway up`, and some of them a --compose file',
    links: [],
    act: NOT_HERE,
    cut: NOT_HERE,
    slow: NOT_HERE,
    healLink: NOT_HERE,
    linkStates: NOT_HERE,
    state: NOT_HERE,
    longestFileBytes: NOT_HERE,
  };
}

type Shaped = Pick<VerifyCluster, 'links' | 'cut' | 'slow' | 'healLink' | 'linkStates'>;

/** What the shaper's address offers; nothing where nobody answers there. */
async function wanOf(url: string | null): Promise<Shaped> {
  const steer = async (what: string, body: object): Promise<void> => {
    await askAdmin(url ?? '', `/${what}`, body);
  };
  const ask = async (): Promise<z.infer<typeof linksAnswer>['links']> =>
    checked(linksAnswer, await askAdmin(url ?? '', '/links')).links;
  return {
    links: url === null ? [] : await ask().catch(() => []),
    cut: async (steering) => steer('cut', steering),
    slow: async (steering, oneWayMs) => steer('slow', { ...steering, oneWayMs }),
    healLink: async (steering) => steer('heal', steering),
    linkStates: async () => new Map((await ask()).map(({ from, state, to }) => [`${from}>${to}`, state])),
  };
}

async function upCluster(readyFile: string, options: NodesOptions): Promise<VerifyCluster> {
  const ready = readReadyFile(readyFile);
  const { admin, dataDir, wan } = ready;
  const shaper = await wanOf(wan);
  const hasWan = shaper.links.length > 0;
  // One that stands still takes a connection and says nothing.
  const running = clusterNodesOf(options).filter(({ id }) => stateIn(ready, id) === 'running');
  const reached = await reach(running, options);
  const states = hasWan ? await shaper.linkStates() : new Map<string, string>();
  return {
    nodes: reached.nodes,
    notes: [...leftBroken(ready, readyFile), ...leftCut(states), ...reached.notes],
    ...shaper,
    faults: new Set(FAULT_KINDS.filter((kind) => hasWan || (kind !== 'cut' && kind !== 'slow'))),
    otherFaults: 'there is no WAN between regions here',
    async act({ id }, action, conditions = {}) {
      await askAdmin(admin, '/nodes', { id, action, conditions });
    },
    async state({ id }) {
      const { nodes } = checked(nodesAnswer, await askAdmin(admin, '/nodes'));
      return nodes.find((node) => node.id === id)?.state ?? 'unknown';
    },
    longestFileBytes: ({ id }) => longestFileBytes(join(dataDir, 'nodes', id)),
  };
}

function stateIn({ nodes }: ReadyFile, id: string): string {
  return nodes.find((node) => node.id === id)?.state ?? 'unknown';
}

/** What is not as it is meant to be when a run begins: perhaps since another one that was killed. */
function leftBroken({ nodes }: ReadyFile, readyFile: string): string[] {
  const how = (action: string, id: string): string => `\`causeway node ${action} ${id} --ready-file ${readyFile}\``;
  return nodes.flatMap(({ conditions = {}, id, state }) => {
    if (state === 'paused') return [`${id} is left out, it is paused: ${how('resume', id)}`];
    if (state !== 'running') return [`${id} is left out, it is ${state}: ${how('start', id)}`];
    const under = [
      ...(conditions.clockAheadMs === undefined ? [] : [`its clock ${conditions.clockAheadMs} ms ahead`]),
      ...(conditions.fileBytesMax === undefined ? [] : ['its disk nearly full']),
    ];
    return under.length === 0 ? [] : [`${id} runs with ${under.join(' and ')}: ${how('kill', id)} and start it again`];
  });
}

function leftCut(states: ReadonlyMap<string, string>): string[] {
  return [...states].flatMap(([pair, state]) => {
    const [from = '', to = ''] = pair.split('>');
    const word = state === 'cut' ? 'cut' : 'slower than measured';
    return state === 'open'
      ? []
      : [`from ${from} to ${to} the WAN is ${word} already: \`causeway wan heal ${from} ${to}\``];
  });
}

async function composeCluster(file: ComposeFile, options: NodesOptions): Promise<VerifyCluster> {
  const shaper = await wanOf(file.wanUrl);
  const addresses = file.nodes.map(({ service, resp }) => ({ id: service, resp: addressOf(resp, file.path) }));
  const { nodes, notes } = await reach(addresses, options);
  const serviceOf = ({ address }: VerifyNode): string =>
    addresses.find(({ resp }) => resp.port === address.port && resp.host === address.host)?.id ?? '';
  const hasEngine = await file.hasEngine();
  const kinds: FaultKind[] = [];
  if (hasEngine) kinds.push('kill', 'pause');
  if (shaper.links.length > 0) kinds.push('cut', 'slow');
  return {
    nodes,
    notes: hasEngine ? notes : [...notes, 'no container engine answers here: containers are not killed or paused'],
    ...shaper,
    faults: new Set(kinds),
    otherFaults:
      'clocks and disks take the --ready-file of `causeway up`, the others a container engine and a WAN shaper',
    act: async (node, action) => file.act(serviceOf(node), action),
    state: async (node) => file.state(serviceOf(node)),
    longestFileBytes: NOT_HERE,
  };
}

function longestFileBytes(folder: string): number {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return Math.max(0, ...files.map(({ name, parentPath }) => statSync(join(parentPath, name)).size));
}
