import { setTimeout as delay } from 'node:timers/promises';
import { CausewayError, toCausewayError } from '../errors.ts';
import { formatAddress } from '../server/address.ts';
import { clusterNodesOf, connectTo, type NodesOptions } from './cluster-nodes.ts';
import { askId, askLost, askMembers, askProgress, type MemberLine, type ProgressAnswer } from './member-answers.ts';
import type { RespClient } from './resp-client.ts';
import { tableOf } from './table.ts';
import { printable, UsageError, type Terminal } from './usage.ts';

export interface ListOptions extends NodesOptions {
  /** Shows what the removed nodes that run alone have, too. */
  readonly lost?: boolean;
}

export interface RemoveOptions extends NodesOptions {
  /** Removes a node that is heard of, too. */
  readonly force?: boolean;
  /** How long the survivors may take to have all that any of them has, seconds. */
  readonly timeout?: number;
}

const TIMEOUT_S_DEFAULT = 30;
const POLL_MS = 50;

/** The nodes that could be reached, by their ids. */
interface Reached {
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

async function withReached<T>(options: NodesOptions, use: (reached: Reached) => Promise<T>): Promise<T> {
  const reached = await reach(options);
  try {
    if (reached.clients.size === 0)
      throw new CausewayError('ERR', `no node was reached: ${reached.failures.join('; ')}`);
    return await use(reached);
  } finally {
    for (const client of reached.clients.values()) client.close();
  }
}

/** Prints every node of the topology as the node with the newest members sees it. */
export async function memberList(options: ListOptions, terminal: Terminal): Promise<void> {
  await withReached(options, async (reached) => {
    const members = await newestMembers(reached);
    const rows = members.map((member) => [
      member.id,
      String(member.incarnation),
      member.state === 'self' ? 'live' : member.state,
      member.state === 'removed' ? `at epoch ${member['removed-at-epoch']}` : '',
      member['silent-ms'] === null ? '-' : (member['silent-ms'] / 1_000).toFixed(1),
      String(member['lag-transactions']),
    ]);
    terminal.write(`epoch ${members[0]?.epoch ?? 0}\n`);
    terminal.write(tableOf(['node', 'incarnation', 'state', 'since', 'silent s', 'behind'], rows));
    if (options.lost === true) {
      for (const { id, state } of members) if (state === 'removed') await writeLost(id, reached, terminal);
    }
    for (const failure of reached.failures) terminal.write(`not asked: ${printable(failure)}\n`);
  });
}

async function writeLost(id: string, { clients }: Reached, terminal: Terminal): Promise<void> {
  const client = clients.get(id);
  if (client === undefined) {
    terminal.write(`${id} was not reached: start it on its disk to see what it alone has\n`);
    return;
  }
  const writes = await askLost(client);
  terminal.write(`${id} alone has ${writes.length} writes\n`);
  const shown = writes.map((write) => write.map((part) => printable(part)));
  if (shown.length > 0) terminal.write(tableOf(['key', 'what', 'dot', 'value'], shown));
}

/** What the node with the highest epoch says; it is not one that was itself removed, where there is another. */
async function newestMembers({ clients }: Reached): Promise<MemberLine[]> {
  const answers = await Promise.all(
    [...clients].map(async ([id, client]) => ({ id, members: await askMembers(client) })),
  );
  const rank = ({ id, members }: { id: string; members: readonly MemberLine[] }): number => {
    const isOut = members.some((member) => member.id === id && member.state === 'removed');
    return (members[0]?.epoch ?? 0) - (isOut ? 0.5 : 0);
  };
  return answers.toSorted((left, right) => rank(right) - rank(left))[0]?.members ?? [];
}

/** The connections to all survivors of a node's removal. Throws where one of them was not reached, or there is none. */
function survivorsOf(
  id: string,
  members: readonly MemberLine[],
  { clients, failures }: Reached,
): Map<string, RespClient> {
  if (!members.some((member) => member.id === id)) {
    throw new UsageError(`unknown node "${id}"; there are ${members.map((member) => member.id).join(', ')}`);
  }
  const ids = members.filter((member) => member.id !== id && member.state !== 'removed').map((member) => member.id);
  if (ids.length === 0) throw new CausewayError('ERR', `${id} is the last member: it cannot be removed`);
  const missing = ids.filter((survivor) => !clients.has(survivor));
  if (missing.length > 0) {
    const why = failures.length === 0 ? 'no address of theirs was given' : failures.join('; ');
    throw new CausewayError('ERR', `nothing was changed: ${missing.join(', ')} must be reached too (${why})`);
  }
  return new Map([...clients].filter(([survivor]) => ids.includes(survivor)));
}

/**
 * Removes a node for good: fences it at every survivor, waits until all have what any of them has, and cuts it there. Run again
 * after it was stopped in the middle, it goes on. Where it cannot end, what it fenced is taken back before anything is removed.
 */
export async function memberRemove(id: string, options: RemoveOptions, terminal: Terminal): Promise<void> {
  await withReached(options, async (reached) => {
    const survivors = survivorsOf(id, await newestMembers(reached), reached);
    const before = await each(survivors, (client) => askProgress(client, id));
    if (options.force !== true) refuseLive(id, before);
    const deadlineMs = Date.now() + (options.timeout ?? TIMEOUT_S_DEFAULT) * 1_000;
    const done = [...before.values()].find((answer) => answer.state === 'removed');
    const epoch = done === undefined ? agreedEpoch(before) + 1 : done.epoch;
    const open = new Map([...survivors].filter(([survivor]) => before.get(survivor)?.state !== 'removed'));
    const fencedNow: string[] = [];
    let cut: ReadonlyMap<number, number>;
    let incarnation: number;
    try {
      for (const [survivor, client] of open) {
        await client.send('CW.MEMBER', 'FENCE', id, epoch - 1);
        if (before.get(survivor)?.state !== 'fenced') fencedNow.push(survivor);
      }
      if (open.size > 0) terminal.write(`fenced at ${[...open.keys()].join(', ')}\n`);
      const fenced = await until(survivors, id, deadlineMs, 'to write it down', (answer) => answer.durable === 1);
      cut = done === undefined ? highest(fenced) : pairsOf(done.has);
      incarnation = done?.incarnation ?? Math.max(...[...fenced.values()].map((answer) => answer.incarnation));
      await until(survivors, id, deadlineMs, 'to have all that any other has', (answer) => {
        const has = pairsOf(answer.has);
        return answer.durable === 1 && [...cut].every(([origin, seq]) => (has.get(origin) ?? 0) >= seq);
      });
    } catch (error) {
      const kept = await takeBack(id, survivors, done === undefined ? fencedNow : []);
      const still =
        kept.length === 0 ? '' : `; it is still fenced at ${kept.join(', ')}: run this again, or member unfence`;
      throw new CausewayError('ERR', `${id} was not removed: ${messageOf(error)}${still}`, { cause: error });
    }
    const flatCut = [...cut].flat();
    for (const client of open.values()) await client.send('CW.MEMBER', 'REMOVE', id, epoch, incarnation, ...flatCut);
    await until(survivors, id, deadlineMs, 'to write it down', (answer) => answer.durable === 1);
    terminal.write(`${id} is removed at epoch ${epoch}; what it alone had is on its disk, if anywhere\n`);
  });
}

/** Takes back what a removal fenced and did not finish, at every survivor. */
export async function memberUnfence(id: string, options: NodesOptions, terminal: Terminal): Promise<void> {
  await withReached(options, async (reached) => {
    const survivors = survivorsOf(id, await newestMembers(reached), reached);
    for (const [survivor, answer] of await each(survivors, (client) => askProgress(client, id))) {
      if (answer.state === 'removed')
        throw new CausewayError('ERR', `${survivor} has removed ${id}: end that with member remove`);
    }
    const undone = await each(survivors, (client) => client.send('CW.MEMBER', 'UNFENCE', id));
    const where = [...undone].filter(([, answer]) => answer === 1).map(([survivor]) => survivor);
    terminal.write(
      where.length === 0 ? `${id} was fenced nowhere\n` : `${id} is no longer fenced at ${where.join(', ')}\n`,
    );
  });
}

async function each<T>(
  clients: ReadonlyMap<string, RespClient>,
  ask: (client: RespClient) => Promise<T>,
): Promise<Map<string, T>> {
  return new Map(await Promise.all([...clients].map(async ([id, client]) => [id, await ask(client)] as const)));
}

/** Asks every survivor again until the condition holds of its answer. Throws BEHIND with the names of those of which it does not. */
async function until(
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

/** Unfences where this run fenced; gives those where that failed. */
async function takeBack(
  id: string,
  survivors: ReadonlyMap<string, RespClient>,
  fenced: readonly string[],
): Promise<string[]> {
  const kept: string[] = [];
  for (const survivor of fenced) {
    try {
      await survivors.get(survivor)?.send('CW.MEMBER', 'UNFENCE', id);
    } catch {
      kept.push(survivor);
    }
  }
  return kept;
}

function refuseLive(id: string, before: ReadonlyMap<string, ProgressAnswer>): void {
  const hearing = [...before].filter(([, answer]) => answer.state === 'live').map(([survivor]) => survivor);
  if (hearing.length === 0) return;
  throw new CausewayError(
    'ERR',
    `${id} is live: ${hearing.join(', ')} heard it just now. What it has not sent yet would be lost; stop it first, or say --force`,
  );
}

function agreedEpoch(before: ReadonlyMap<string, ProgressAnswer>): number {
  const epochs = new Set([...before.values()].map((answer) => answer.epoch));
  const [epoch, ...others] = epochs;
  if (epoch !== undefined && others.length === 0) return epoch;
  const said = [...before].map(([survivor, answer]) => `${survivor} ${answer.epoch}`).join(', ');
  throw new CausewayError('ERR', `the survivors are at different epochs (${said}): another change is under way`, {
    retry: 'later',
  });
}

function pairsOf(flat: readonly number[]): Map<number, number> {
  const pairs = new Map<number, number>();
  for (let at = 0; at + 1 < flat.length; at += 2) pairs.set(flat[at] ?? 0, flat[at + 1] ?? 0);
  return pairs;
}

/** The highest that any survivor has, of each origin. */
function highest(answers: ReadonlyMap<string, ProgressAnswer>): Map<number, number> {
  const cut = new Map<number, number>();
  for (const answer of answers.values()) {
    for (const [origin, seq] of pairsOf(answer.has)) cut.set(origin, Math.max(seq, cut.get(origin) ?? 0));
  }
  return cut;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? toCausewayError(error).message : String(error);
}
