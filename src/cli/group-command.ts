import { setTimeout as delay } from 'node:timers/promises';
import { CausewayError } from '../errors.ts';
import type { NodesOptions } from './cluster-nodes.ts';
import { askGroups, type GroupAnswer } from './group-answers.ts';
import { MEMBERS_GROUP } from '../groups/members-plan.ts';
import { withReached, type Reached } from './member-reach.ts';
import { RespError, type RespClient } from './resp-client.ts';
import { tableOf } from './table.ts';
import { bold, EXIT_FAILED, EXIT_OK, printable, UsageError, type Terminal } from './usage.ts';

export interface ChangeOptions extends NodesOptions {
  /** Seconds. */
  readonly timeout?: number;
}

export interface AddOptions extends ChangeOptions {
  readonly learner?: boolean;
}

export interface RemoveOptions extends ChangeOptions {
  readonly force?: boolean;
}

const TIMEOUT_SECONDS = 30;
const AGAIN_MS = 200;
/** What may be otherwise a moment later. */
const PASSING = /^(BEHIND|UNCERTAIN|NOQUORUM) /;

/** What every node that was reached says of every group, by its id. */
type Views = ReadonlyMap<string, readonly GroupAnswer[]>;

async function viewsOf({ clients }: Reached): Promise<Views> {
  return new Map(await Promise.all([...clients].map(async ([id, client]) => [id, await askGroups(client)] as const)));
}

/** What is known best: by the leader of the highest term, else by who is at the highest term and furthest. */
function bestView(name: string, views: Views): GroupAnswer | undefined {
  const all = [...views.values()].flat().filter((group) => group.name === name);
  const rank = ({ term, role, commit }: GroupAnswer): readonly number[] => [term, role === 'leader' ? 1 : 0, commit];
  return all.toSorted((left, right) => {
    const [ours, theirs] = [rank(left), rank(right)];
    const at = ours.findIndex((value, index) => value !== theirs[index]);
    return at < 0 ? 0 : (theirs[at] ?? 0) - (ours[at] ?? 0);
  })[0];
}

function namesOf(views: Views): string[] {
  return [...new Set([...views.values()].flat().map(({ name }) => name))].toSorted();
}

function groupNamed(name: string, views: Views): GroupAnswer {
  const group = bestView(name, views);
  if (group !== undefined) return group;
  const names = namesOf(views).filter((known) => known !== MEMBERS_GROUP);
  const there = names.length === 0 ? 'no class of keys is strong' : `there are ${names.join(', ')}`;
  throw new UsageError(`unknown group "${name}"; ${there}`);
}

/** Prints every group and its members. The exit code is 1 where a group has no leader that is known to a node. */
export async function groupStatus(options: NodesOptions, terminal: Terminal): Promise<number> {
  return withReached(options, async (reached) => {
    const views = await viewsOf(reached);
    const names = namesOf(views);
    if (names.every((name) => name === MEMBERS_GROUP)) terminal.write('No class of keys is strong.\n');
    const groups = names.map((name) => groupNamed(name, views));
    for (const group of groups) terminal.write(statusText(group, views, terminal));
    for (const failure of reached.failures) terminal.write(`not asked: ${printable(failure)}\n`);
    return groups.every(({ leader }) => leader !== null) ? EXIT_OK : EXIT_FAILED;
  });
}

function statusText(group: GroupAnswer, views: Views, terminal: Terminal): string {
  const { commit, home, leader, name, survive, term } = group;
  const led =
    leader === null
      ? `no leader for ${(group['leaderless-ms'] / 1_000).toFixed(1)} s: ${home === null ? 'no member can be removed or joined' : 'its keys are not served'}`
      : `led by ${leader}`;
  const rows = group.members.map((member) => {
    const own = views.get(member.id)?.find((view) => view.name === name);
    const silentMs = member['silent-ms'];
    return [
      member.id,
      member.id === leader ? 'leader' : member.role,
      String(own?.applied ?? '-'),
      String(own?.visible ?? '-'),
      String(member.lag ?? '-'),
      String(own?.['age-ms'] ?? '-'),
      silentMs === null ? '-' : (silentMs / 1_000).toFixed(1),
    ];
  });
  return (
    `${bold(terminal, printable(name))}  ${printable(led)}, term ${term}, commit ${commit} (${home === null ? 'decides who is a member' : `home ${home}, survive ${survive}`})\n` +
    tableOf(['node', 'role', 'applied', 'visible', 'behind', 'age ms', 'silent s'], rows, '  ')
  );
}

/** Hands leadership of a group to one of its voters. */
export async function groupTransfer(
  name: string,
  node: string,
  options: ChangeOptions,
  terminal: Terminal,
): Promise<void> {
  await withReached(options, async (reached) => {
    const before = groupNamed(name, await viewsOf(reached));
    const change = new Change(name, reached, before, options, terminal);
    await change.ask('TRANSFER', node);
    terminal.write(`${name} is led by ${node}${before.leader === node ? ', as before' : ''}\n`);
    if (!node.startsWith(`${before.home}/`))
      terminal.write(`Home is ${before.home}: in ten minutes, or after an election, leadership goes back there.\n`);
  });
}

/** Makes a node a voter, by way of a learner where it is no member, or a learner. */
export async function groupAdd(name: string, node: string, options: AddOptions, terminal: Terminal): Promise<void> {
  await withReached(options, async (reached) => {
    const before = groupNamed(name, await viewsOf(reached));
    const change = new Change(name, reached, before, options, terminal);
    const isMember = before.members.some(({ id }) => id === node);
    if (options.learner === true || !isMember) {
      await change.ask('ADD', node, 'LEARNER');
      terminal.write(`${node} is a learner of ${name}\n`);
    }
    if (options.learner !== true) {
      await change.ask('ADD', node, 'VOTER');
      terminal.write(`${node} is a voter of ${name}\n`);
    }
    await tellVoters(name, reached, terminal);
  });
}

/** Takes a node out of a group. */
export async function groupRemove(
  name: string,
  node: string,
  options: RemoveOptions,
  terminal: Terminal,
): Promise<void> {
  await withReached(options, async (reached) => {
    const before = groupNamed(name, await viewsOf(reached));
    const change = new Change(name, reached, before, options, terminal);
    await change.ask('REMOVE', node, ...(options.force === true ? ['FORCE'] : []));
    terminal.write(`${node} is no member of ${name}\n`);
    await tellVoters(name, reached, terminal);
  });
}

async function tellVoters(name: string, reached: Reached, terminal: Terminal): Promise<void> {
  const { members } = groupNamed(name, await viewsOf(reached));
  const voters = members.filter(({ role }) => role === 'voter').map(({ id }) => id);
  const lost = Math.floor((voters.length - 1) / 2);
  terminal.write(`voters: ${voters.join(', ')}; ${lost} of them may be lost\n`);
  if (voters.length % 2 === 0) terminal.write('One voter fewer would outlive as much, and writes would be faster.\n');
}

/** Asks for changes of one group, again while what refuses them may pass. */
class Change {
  readonly #name: string;
  readonly #client: RespClient;
  readonly #deadlineMs: number;
  readonly #terminal: Terminal;

  constructor(name: string, { clients }: Reached, view: GroupAnswer, options: ChangeOptions, terminal: Terminal) {
    const client = clients.get(view.leader ?? '') ?? [...clients.values()][0];
    if (client === undefined) throw new CausewayError('ERR', 'no node was reached');
    this.#name = name;
    this.#client = client;
    this.#deadlineMs = Date.now() + (options.timeout ?? TIMEOUT_SECONDS) * 1_000;
    this.#terminal = terminal;
  }

  async ask(verb: string, node: string, ...words: string[]): Promise<void> {
    let told = '';
    for (;;) {
      try {
        await this.#client.send('CW.GROUP', verb, this.#name, node, ...words);
        return;
      } catch (error) {
        if (!(error instanceof RespError) || !PASSING.test(error.message) || Date.now() > this.#deadlineMs) throw error;
        if (error.message !== told) this.#terminal.write(`waiting: ${printable(error.message)}\n`);
        told = error.message;
      }
      await delay(AGAIN_MS);
    }
  }
}
