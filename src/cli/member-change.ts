import { setTimeout as delay } from 'node:timers/promises';
import { CausewayError } from '../errors.ts';
import type { NodesOptions } from './cluster-nodes.ts';
import { askAgreement, askMembers, type AgreementAnswer, type MemberLine } from './member-answers.ts';
import { newestMembers, withReached, type Reached } from './member-reach.ts';
import { joinByHand, removeByHand, unfenceByHand } from './member-steps.ts';
import { RespError, type RespClient } from './resp-client.ts';
import { printable, UsageError, type Terminal } from './usage.ts';

export interface ChangeOptions extends NodesOptions {
  /** All nodes of this region, too. */
  readonly region?: string;
  /** How long the members may take to agree, seconds. */
  readonly timeout?: number;
  /** Goes from node to node where two members or fewer are left, in place of asking them to agree. */
  readonly alone?: boolean;
}

export interface RemoveOptions extends ChangeOptions {
  /** Removes a node that is heard of, too. */
  readonly force?: boolean;
}

const TIMEOUT_S_DEFAULT = 30;
const POLL_MS = 50;
/** Errors after which the same may be asked again. */
const PASSING = /^(BEHIND|UNCERTAIN|NOQUORUM|LOADING) /;

const isOut = ({ state }: MemberLine): boolean => state === 'removed' || state === 'held';

/**
 * Asks the members to remove nodes for good, in one change. They go on by themselves whatever becomes of this command; run again, it
 * shows how far they are.
 */
export async function memberRemove(ids: readonly string[], options: RemoveOptions, terminal: Terminal): Promise<void> {
  await withReached(options, async (reached) => {
    const members = await newestMembers(reached);
    const nodes = nodesOf(ids, options, members, (member) => !isOut(member));
    if (await isByHand(reached, options)) return removeByHand(onlyOne(nodes, 'removed'), reached, options, terminal);
    const isDone = (lines: readonly MemberLine[]): boolean =>
      nodes.every((id) => lineOf(lines, id).state === 'removed');
    const change = new AgreedChange('REMOVE', nodes, isDone, reached, members, options, terminal);
    if (!isDone(members)) {
      if (options.force !== true) await refuseLive(nodes, reached);
      await change.run();
    }
    const at = lineOf(change.members, nodes[0] ?? '')['removed-at-epoch'];
    const [is, it] =
      nodes.length === 1 ? ['is', 'it alone had is on its disk'] : ['are', 'they alone had is on their disks'];
    terminal.write(`${nodes.join(', ')} ${is} removed at epoch ${at}; what ${it}, if anywhere\n`);
  });
}

/** Asks the members to let removed nodes in again, as new ones with empty keyspaces. As `memberRemove`. */
export async function memberJoin(ids: readonly string[], options: ChangeOptions, terminal: Terminal): Promise<void> {
  await withReached(options, async (reached) => {
    const members = await newestMembers(reached);
    const nodes = nodesOf(ids, options, members, isOut);
    if (await isByHand(reached, options)) return joinByHand(onlyOne(nodes, 'let in'), reached, options, terminal);
    const isDone = (lines: readonly MemberLine[]): boolean => nodes.every((id) => !isOut(lineOf(lines, id)));
    if (isDone(members)) {
      for (const id of nodes) {
        const joinedAt = lineOf(members, id)['joined-at-epoch'];
        const since = joinedAt > 0 ? `, since it joined at epoch ${joinedAt}` : ' and was never removed';
        terminal.write(`${id} is a member${since}\n`);
      }
      return;
    }
    const change = new AgreedChange('JOIN', nodes, isDone, reached, members, options, terminal);
    await change.run();
    const at = lineOf(change.members, nodes[0] ?? '')['joined-at-epoch'];
    const who = nodes.length === 1 ? 'is a member' : 'are members';
    terminal.write(
      `${nodes.join(', ')} ${who} again at epoch ${at}, with an empty keyspace that is filled: by itself where the node runs, else when it is started\n`,
    );
  });
}

/** Takes back the removal or the join under way that a node is part of. */
export async function memberUnfence(id: string, options: ChangeOptions, terminal: Terminal): Promise<void> {
  await withReached(options, async (reached) => {
    const members = await newestMembers(reached);
    lineOf(members, id);
    if (await isByHand(reached, options)) return unfenceByHand(id, reached, terminal);
    const change = new AgreedChange('UNDO', [id], () => false, reached, members, options, terminal);
    const underWay = await change.underWay();
    if (!underWay.nodes.includes(id)) {
      terminal.write(`${id} is neither fenced nor waited for\n`);
      return;
    }
    await change.ask();
    const what = underWay.change === 'join' ? 'waited for' : 'fenced';
    terminal.write(`${underWay.nodes.join(', ')} ${underWay.nodes.length === 1 ? 'is' : 'are'} no longer ${what}\n`);
  });
}

/** Prints who decides on the members, and how far a change of them is. */
export async function memberStatus(options: NodesOptions, terminal: Terminal): Promise<void> {
  await withReached(options, async ({ clients, failures }) => {
    for (const [id, client] of clients) {
      const answer = await askAgreement(client);
      if (answer === null)
        terminal.write(`${id}: fewer than three nodes, or no data folders: operators go from one to the other\n`);
      else {
        const leader = answer.leader ?? 'nobody that is known';
        terminal.write(`${id}: epoch ${answer.epoch}, led by ${leader}, votes: ${answer.voters.join(', ')}\n`);
        if (answer.change !== null) terminal.write(`  ${underWayText(answer)}\n`);
      }
    }
    for (const failure of failures) terminal.write(`not asked: ${printable(failure)}\n`);
  });
}

function underWayText({ change, nodes, step, waiting }: AgreementAnswer): string {
  return `${change} of ${nodes.join(', ')}: ${step}, waiting for ${waiting.join(', ')}`;
}

/** Whether an operator goes from node to node: the cluster has too few nodes to agree, or the operator says that too few are left. */
async function isByHand({ clients }: Reached, { alone }: ChangeOptions): Promise<boolean> {
  if (alone === true) return true;
  const answers = await Promise.all([...clients.values()].map(askAgreement));
  return answers.every((answer) => answer === null);
}

function onlyOne(nodes: readonly string[], what: string): string {
  const [id, ...others] = nodes;
  if (id === undefined || others.length > 0) throw new UsageError(`without agreement one node is ${what} at a time`);
  return id;
}

function lineOf(members: readonly MemberLine[], id: string): MemberLine {
  const line = members.find((member) => member.id === id);
  if (line !== undefined) return line;
  throw new UsageError(`unknown node "${id}"; there are ${members.map((member) => member.id).join(', ')}`);
}

function nodesOf(
  ids: readonly string[],
  { region }: ChangeOptions,
  members: readonly MemberLine[],
  isMeant: (member: MemberLine) => boolean,
): string[] {
  for (const id of ids) lineOf(members, id);
  const there = members.filter((member) => member.region === region);
  if (region !== undefined && there.length === 0) {
    const regions = [...new Set(members.map((member) => member.region))];
    throw new UsageError(`unknown region "${region}"; there are ${regions.join(', ')}`);
  }
  // run again, it is about those of before
  const meant = there.some(isMeant) ? there.filter(isMeant) : there;
  const nodes = [...new Set([...ids, ...meant.map(({ id }) => id)])];
  if (nodes.length === 0) throw new UsageError('say which node, or --region REGION');
  return nodes;
}

async function refuseLive(nodes: readonly string[], { clients }: Reached): Promise<void> {
  for (const id of nodes) {
    const hearing: string[] = [];
    for (const [at, client] of clients)
      if (!nodes.includes(at) && lineOf(await askMembers(client), id).state === 'live') hearing.push(at);
    if (hearing.length === 0) continue;
    throw new CausewayError(
      'ERR',
      `${id} is live: ${hearing.join(', ')} heard it just now. What it has not sent yet would be lost; stop it first, or say --force`,
    );
  }
}

/** One change of the members, asked of any of those that stay. */
class AgreedChange {
  readonly #words: readonly [verb: 'CHANGE', kind: string] | readonly [verb: 'UNDO'];
  readonly #nodes: readonly string[];
  readonly #isDone: (members: readonly MemberLine[]) => boolean;
  /** Members that stay, by id. */
  readonly #others: ReadonlyMap<string, RespClient>;
  readonly #deadlineMs: number;
  readonly #terminal: Terminal;
  /** As seen last. */
  members: readonly MemberLine[];
  #told = '';

  constructor(
    kind: 'REMOVE' | 'JOIN' | 'UNDO',
    nodes: readonly string[],
    isDone: (members: readonly MemberLine[]) => boolean,
    { clients }: Reached,
    members: readonly MemberLine[],
    options: ChangeOptions,
    terminal: Terminal,
  ) {
    this.#words = kind === 'UNDO' ? ['UNDO'] : ['CHANGE', kind];
    this.#nodes = nodes;
    this.#isDone = isDone;
    this.#others = new Map([...clients].filter(([id]) => !nodes.includes(id) && !isOut(lineOf(members, id))));
    this.#deadlineMs = Date.now() + (options.timeout ?? TIMEOUT_S_DEFAULT) * 1_000;
    this.#terminal = terminal;
    this.members = members;
  }

  /** Begins it, and waits until all members that were reached know its end. Throws BEHIND where that takes too long: it goes on. */
  async run(): Promise<void> {
    await this.ask();
    for (;;) {
      const done = await Promise.all([...this.#others.values()].map((client) => this.#isKnownAt(client)));
      if (done.every(Boolean)) return;
      const answer = await this.underWay();
      if (answer.change !== null) this.#tell(underWayText(answer));
      if (Date.now() > this.#deadlineMs) {
        const how = 'the members go on by themselves; member status shows how far, member unfence takes it back';
        throw new CausewayError('BEHIND', `${this.#told || 'it'} takes too long: ${how}`);
      }
      await delay(POLL_MS);
    }
  }

  /** Asks until it is taken, while what refuses it may pass. */
  async ask(): Promise<void> {
    const { client } = await this.#asked();
    for (;;) {
      try {
        await client.send('CW.MEMBER', ...this.#words, ...(await this.#about(client)));
        return;
      } catch (error) {
        // what was not known to have been taken was
        if (await this.#isKnownAt(client)) return;
        if (!(error instanceof RespError) || !PASSING.test(error.message) || Date.now() > this.#deadlineMs) throw error;
        this.#tell(error.message);
      }
      await delay(POLL_MS);
    }
  }

  async #about(client: RespClient): Promise<readonly (string | number)[]> {
    if (this.#words[0] === 'UNDO') return [];
    return [(await askMembers(client))[0]?.epoch ?? 0, ...this.#nodes];
  }

  async #isKnownAt(client: RespClient): Promise<boolean> {
    const members = await askMembers(client);
    if (!this.#isDone(members)) return false;
    this.members = members;
    return true;
  }

  /** What is under way, as the member with the newest knowledge says: the leader, or any that has one. */
  async underWay(): Promise<AgreementAnswer> {
    return (await this.#asked()).answer;
  }

  async #asked(): Promise<{ readonly client: RespClient; readonly answer: AgreementAnswer }> {
    const all: { id: string; client: RespClient; answer: AgreementAnswer }[] = [];
    for (const [id, client] of this.#others) {
      const answer = await askAgreement(client);
      if (answer !== null) all.push({ id, client, answer });
    }
    const rank = ({ id, answer }: (typeof all)[number]): number =>
      answer.epoch + (answer.leader === id ? 0.5 : 0) + (answer.leader === null ? 0 : 0.25);
    const [first] = all.toSorted((left, right) => rank(right) - rank(left));
    if (first === undefined)
      throw new CausewayError('ERR', 'nothing was changed: a member that stays must be reached, and none was');
    return first;
  }

  #tell(line: string): void {
    if (line === this.#told) return;
    this.#told = line;
    this.#terminal.write(`waiting: ${printable(line)}\n`);
  }
}
