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
import { readReadyFile } from './ready-file.ts';
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
  /** Both directions of each pair of regions; none where the WAN is not ours. */
  readonly links: readonly WanLink[];
  act(node: VerifyNode, action: NodeAction, conditions?: ChildConditions): Promise<void>;
  cut(steering: Steering): Promise<void>;
  slow(steering: Steering, oneWayMs: number): Promise<void>;
  healLink(link: Steering): Promise<void>;
  /** Whether the node's process runs, standing still or not. */
  state(node: VerifyNode): Promise<string>;
  /** The longest file that the node keeps. */
  longestFileBytes(node: VerifyNode): number;
}

const linksAnswer = z.object({
  links: z.array(z.object({ from: z.string(), to: z.string(), measuredOneWayMs: z.number() })),
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
        return `${id} is left out: ${error instanceof RespError ? 'it answers ' : ''}${printable(why)}`;
      }
    }),
  );
  const notes = answers.filter((answer) => typeof answer === 'string');
  const nodes = answers.filter((answer) => typeof answer !== 'string');
  if (nodes.length === 0) throw new UsageError(`no node can be asked: ${notes.join('; ')}`);
  return { nodes, notes };
}

const NOT_HERE = (): never => {
  throw new UsageError('this cannot be done to this cluster from here');
};

async function nodesCluster(options: NodesOptions): Promise<VerifyCluster> {
  return {
    ...(await reach(clusterNodesOf(options), options)),
    faults: new Set(),
    links: [],
    act: NOT_HERE,
    cut: NOT_HERE,
    slow: NOT_HERE,
    healLink: NOT_HERE,
    state: NOT_HERE,
    longestFileBytes: NOT_HERE,
  };
}

/** What the shaper's address offers; nothing where nobody answers there. */
async function wanOf(url: string | null): Promise<Pick<VerifyCluster, 'links' | 'cut' | 'slow' | 'healLink'>> {
  const steer = async (what: string, body: object): Promise<void> => {
    await askAdmin(url ?? '', `/${what}`, body);
  };
  const ask = async (): Promise<readonly WanLink[]> => checked(linksAnswer, await askAdmin(url ?? '', '/links')).links;
  return {
    links: url === null ? [] : await ask().catch(() => []),
    cut: async (steering) => steer('cut', steering),
    slow: async (steering, oneWayMs) => steer('slow', { ...steering, oneWayMs }),
    healLink: async (steering) => steer('heal', steering),
  };
}

async function upCluster(readyFile: string, options: NodesOptions): Promise<VerifyCluster> {
  const { admin, dataDir, wan } = readReadyFile(readyFile);
  const shaper = await wanOf(wan);
  const hasWan = shaper.links.length > 0;
  return {
    ...(await reach(clusterNodesOf(options), options)),
    ...shaper,
    faults: new Set(FAULT_KINDS.filter((kind) => hasWan || (kind !== 'cut' && kind !== 'slow'))),
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
    act: async (node, action) => file.act(serviceOf(node), action),
    state: async (node) => file.state(serviceOf(node)),
    longestFileBytes: NOT_HERE,
  };
}

function longestFileBytes(folder: string): number {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return Math.max(0, ...files.map(({ name, parentPath }) => statSync(join(parentPath, name)).size));
}
