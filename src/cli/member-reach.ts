import { randomInt } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { CausewayError, toCausewayError } from '../errors.ts';
import { formatAddress } from '../server/address.ts';
import { clusterNodesOf, connectTo, type NodesOptions } from './cluster-nodes.ts';
import { askId, askMembers, askProgress, type MemberLine, type ProgressAnswer } from './member-answers.ts';
import type { RespClient } from './resp-client.ts';
import { UsageError } from './usage.ts';

const POLL_MS = 50;
/** Operations are told apart by their numbers: two operators must not choose the same. */
const OPERATION_MAX = 2 ** 47;

/** The nodes that could be reached, by their ids. */
export interface Reached {
  readonly clients: Map<string, RespClient>;
  /** Of the others, why not. */
  readonly failures: string[];
}

async function reach(options: NodesOptions): Promise<Reached> {
  const clients = new Map<string, RespClient>();
  const failures: string[] = [];
  await Promise.all(
    clusterNodesOf(options).map(async (node) => {
      try {
        if (!node.isRunning) throw new CausewayError('ERR', 'does not run');
        const client = await connectTo(node.resp, options);
        const id = await askId(client);
        if (clients.has(id)) client.close();
        else clients.set(id, client);
      } catch (error) {
        failures.push(`${node.id} (${formatAddress(node.resp)}): ${messageOf(error)}`);
      }
    }),
  );
  return { clients, failures };
}

/** Runs `use` with a connection to every node that answers, and closes them in the end. Throws ERR where none does. */
export async function withReached<T>(options: NodesOptions, use: (reached: Reached) => Promise<T>): Promise<T> {
  const reached = await reach(options);
  try {
    if (reached.clients.size === 0)
      throw new CausewayError('ERR', `no node was reached: ${reached.failures.join('; ')}`);
    return await use(reached);
  } finally {
    for (const client of reached.clients.values()) client.close();
  }
}

/** What the node with the highest epoch says; it is not one that was itself removed, where there is another. */
export async function newestMembers({ clients }: Reached): Promise<MemberLine[]> {
  const answers = await Promise.all(
    [...clients].map(async ([id, client]) => ({ id, members: await askMembers(client) })),
  );
  const rank = ({ id, members }: { id: string; members: readonly MemberLine[] }): number => {
    const isOut = members.some((member) => member.id === id && member.state === 'removed');
    return (members[0]?.epoch ?? 0) - (isOut ? 0.5 : 0);
  };
  return answers.toSorted((left, right) => rank(right) - rank(left))[0]?.members ?? [];
}

/** The connections to all members but one, which is to be removed or to join. Throws where one of them was not reached, or there is none. */
export function survivorsOf(
  id: string,
  members: readonly MemberLine[],
  { clients, failures }: Reached,
): Map<string, RespClient> {
  if (!members.some((member) => member.id === id)) {
    throw new UsageError(`unknown node "${id}"; there are ${members.map((member) => member.id).join(', ')}`);
  }
  const ids = members
    .filter((member) => member.id !== id && member.state !== 'removed' && member.state !== 'held')
    .map((member) => member.id);
  if (ids.length === 0) throw new CausewayError('ERR', `${id} would have no other member`);
  const missing = ids.filter((survivor) => !clients.has(survivor));
  if (missing.length > 0) {
    const why = failures.length === 0 ? 'no address of theirs was given' : failures.join('; ');
    throw new CausewayError('ERR', `nothing was changed: ${missing.join(', ')} must be reached too (${why})`);
  }
  return new Map([...clients].filter(([survivor]) => ids.includes(survivor)));
}

/** Asks all of them at once. */
export async function each<T>(
  clients: ReadonlyMap<string, RespClient>,
  ask: (client: RespClient) => Promise<T>,
): Promise<Map<string, T>> {
  return new Map(await Promise.all([...clients].map(async ([id, client]) => [id, await ask(client)] as const)));
}

/** Asks every survivor again until the condition holds of its answer. Throws BEHIND with the names of those of which it does not. */
export async function until(
  survivors: ReadonlyMap<string, RespClient>,
  id: string,
  deadlineMs: number,
  what: string,
  holds: (answer: ProgressAnswer) => boolean,
): Promise<Map<string, ProgressAnswer>> {
  const answers = new Map<string, ProgressAnswer>();
  for (;;) {
    for (const [survivor, client] of survivors) {
      if (answers.has(survivor)) continue;
      const answer = await askProgress(client, id);
      if (holds(answer)) answers.set(survivor, answer);
    }
    const waiting = [...survivors.keys()].filter((survivor) => !answers.has(survivor));
    if (waiting.length === 0) return answers;
    if (Date.now() > deadlineMs) throw new CausewayError('BEHIND', `${waiting.join(', ')} took too long ${what}`);
    await delay(POLL_MS);
  }
}

/** A number of its own for what an operator begins. */
export function newOperation(): number {
  return randomInt(1, OPERATION_MAX);
}

/** The epoch that all are at. Throws ERR where they are not. */
export function agreedEpoch(before: ReadonlyMap<string, ProgressAnswer>): number {
  const epochs = new Set([...before.values()].map((answer) => answer.epoch));
  const [epoch, ...others] = epochs;
  if (epoch !== undefined && others.length === 0) return epoch;
  const said = [...before].map(([survivor, answer]) => `${survivor} ${answer.epoch}`).join(', ');
  throw new CausewayError('ERR', `the survivors are at different epochs (${said}): another change is under way`, {
    retry: 'later',
  });
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? toCausewayError(error).message : String(error);
}
