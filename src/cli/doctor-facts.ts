import { z } from 'zod';
import { connectTo, type ClusterNode, type NodesOptions } from './cluster-nodes.ts';
import { checked, record } from './member-answers.ts';
import { askGroups, type GroupAnswer } from './group-answers.ts';
import { listOf, type RespClient, type RespValue } from './resp-client.ts';

/** How a node stands to one other, CW.PEERS. */
export interface PeerFacts {
  readonly id: string;
  readonly isConnected: boolean;
  /** Null where it is not known. */
  readonly lagMs: number | null;
  readonly lagTransactions: number;
}

/** What one node says of itself. */
export interface NodeFacts {
  readonly id: string;
  readonly version: string;
  readonly isReady: boolean;
  readonly reasons: string;
  readonly degraded: string;
  readonly keys: number;
  /** What members must agree on, and what is said of the classes beyond it, as texts that are equal where it is the same. */
  readonly rules: string;
  readonly classes: string;
  readonly peers: readonly PeerFacts[];
  readonly groups: readonly GroupAnswer[];
  /** Its wall clock minus ours, and how far that may be off: half of the round trip. Milliseconds. */
  readonly clockMs: number;
  readonly clockErrorMs: number;
  /** INFO, by name. */
  readonly info: ReadonlyMap<string, string>;
}

/** A node that was asked, or why it said nothing. */
export type Asked =
  | { readonly node: ClusterNode; readonly facts: NodeFacts; readonly client: RespClient }
  | { readonly node: ClusterNode; readonly silence: string };

/** How long a node may take to answer: a sick one is told of, not waited for. */
const ANSWER_MS = 5_000;
/** Asked so often for its time: the shortest round trip says most. */
const CLOCK_ROUNDS = 5;

/** Asks a node all that a check-up needs; the connection stays open for more where it answered. */
export async function askNode(node: ClusterNode, options: NodesOptions): Promise<Asked> {
  if (!node.isRunning) return { node, silence: 'does not run' };
  let client: RespClient | null = null;
  try {
    client = await connectTo(node.resp, options, ANSWER_MS);
    return { node, facts: await factsOf(client), client };
  } catch (error) {
    client?.close();
    return { node, silence: error instanceof Error ? error.message : String(error) };
  }
}

const selfShape = z.object({
  id: z.string(),
  version: z.string(),
  ready: z.int(),
  reasons: z.string(),
  degraded: z.string(),
});

const peersShape = z.array(
  z.object({
    id: z.string(),
    connected: z.int(),
    'lag-transactions': z.int(),
    // decimals come as texts
    'lag-ms': z.coerce.number().nullable(),
  }),
);

async function factsOf(client: RespClient): Promise<NodeFacts> {
  const self = checked(selfShape, record(await client.send('CW.NODE')));
  const peers = checked(peersShape, recordsOf(await client.send('CW.PEERS')));
  const classes = recordsOf(await client.send('CW.CLASSES'));
  const info = infoOf(String(await client.send('INFO', 'everything')));
  return {
    id: self.id,
    version: self.version,
    isReady: self.ready === 1,
    reasons: self.reasons,
    degraded: self.degraded,
    keys: Number(await client.send('DBSIZE')),
    rules: info.get('classes_rules') ?? '',
    // how much was written to a class is each node's own
    classes: JSON.stringify(classes.map((keyClass) => ({ ...keyClass, writes: null, conflicts: null }))),
    peers: peers.map((peer) => ({
      id: peer.id,
      isConnected: peer.connected === 1,
      lagMs: peer['lag-ms'],
      lagTransactions: peer['lag-transactions'],
    })),
    groups: await askGroups(client),
    ...(await clockOf(client)),
    info,
  };
}

async function clockOf(client: RespClient): Promise<{ clockMs: number; clockErrorMs: number }> {
  let best = { clockMs: 0, clockErrorMs: Infinity };
  for (let round = 0; round < CLOCK_ROUNDS; round++) {
    const beganMs = performance.now();
    const [seconds, micros] = listOf(await client.send('TIME')).map(Number);
    const errorMs = (performance.now() - beganMs) / 2;
    const nodeMs = Number(seconds) * 1_000 + Number(micros) / 1_000;
    if (errorMs < best.clockErrorMs) best = { clockMs: nodeMs - (Date.now() - errorMs), clockErrorMs: errorMs };
  }
  return best;
}

function infoOf(text: string): Map<string, string> {
  const lines = text.split(/\r?\n/).filter((line) => line.includes(':') && !line.startsWith('#'));
  return new Map(lines.map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)]));
}

const recordsOf = (reply: RespValue): Record<string, RespValue>[] => listOf(reply).map(record);
