import { CausewayError } from '../errors.ts';
import { askProgress, type ProgressAnswer } from './member-answers.ts';
import type { ChangeOptions, RemoveOptions } from './member-change.ts';
import {
  agreedEpoch,
  each,
  messageOf,
  newestMembers,
  newOperation,
  survivorsOf,
  until,
  type Reached,
} from './member-reach.ts';
import type { RespClient } from './resp-client.ts';
import type { Terminal } from './usage.ts';

const TIMEOUT_S_DEFAULT = 30;

const deadlineOf = (options: ChangeOptions): number => Date.now() + (options.timeout ?? TIMEOUT_S_DEFAULT) * 1_000;

const isOut = ({ state }: ProgressAnswer): boolean => state === 'removed' || state === 'held';

/*
 * The members of a cluster too small to agree: an operator goes from one to the other in place of their group, and has to reach all
 * of them (RULES D7).
 */

/**
 * Removes a node for good: fences it at every survivor, waits until all have what any of them has, and cuts it there. Run again
 * after it was stopped in the middle, it goes on. Where it cannot end, what it fenced is taken back before anything is removed.
 */
export async function removeByHand(
  id: string,
  reached: Reached,
  options: RemoveOptions,
  terminal: Terminal,
): Promise<void> {
  const survivors = survivorsOf(id, await newestMembers(reached), reached);
  const before = await each(survivors, (client) => askProgress(client, id));
  if (options.force !== true) refuseLive(id, before);
  const deadlineMs = deadlineOf(options);
  const operation = newOperation();
  const done = [...before.values()].find((answer) => answer.state === 'removed');
  const epoch = done === undefined ? agreedEpoch(before) + 1 : done.epoch;
  const open = new Map([...survivors].filter(([survivor]) => before.get(survivor)?.state !== 'removed'));
  const begun: string[] = [];
  let cut: ReadonlyMap<number, number>;
  let incarnation: number;
  try {
    for (const [survivor, client] of open) {
      await client.send('CW.MEMBER', 'FENCE', id, epoch - 1, operation, ...(options.alone === true ? ['ALONE'] : []));
      if (before.get(survivor)?.state !== 'fenced') begun.push(survivor);
    }
    if (open.size > 0) terminal.write(`fenced at ${[...open.keys()].join(', ')}\n`);
    const isFenced = (answer: ProgressAnswer): boolean =>
      answer.durable === 1 && (answer.state === 'removed' || answer.operation === operation);
    const fenced = await until(survivors, id, deadlineMs, 'to write it down', isFenced);
    cut = done === undefined ? highest(fenced) : pairsOf(done.has);
    incarnation = done?.incarnation ?? Math.max(...[...fenced.values()].map((answer) => answer.incarnation));
    await until(survivors, id, deadlineMs, 'to have all that any other has', (answer) => {
      const has = pairsOf(answer.has);
      return answer.durable === 1 && [...cut].every(([origin, seq]) => (has.get(origin) ?? 0) >= seq);
    });
  } catch (error) {
    throw await notDone(`${id} was not removed`, error, id, survivors, done === undefined ? begun : [], operation);
  }
  const flatCut = [...cut].flat();
  for (const client of open.values())
    await client.send('CW.MEMBER', 'REMOVE', id, epoch, incarnation, operation, ...flatCut);
  await until(
    survivors,
    id,
    deadlineMs,
    'to write it down',
    ({ state, durable }) => state === 'removed' && durable === 1,
  );
  terminal.write(`${id} is removed at epoch ${epoch}; what it alone had is on its disk, if anywhere\n`);
}

/**
 * Lets a removed node in again, as a new one with an empty keyspace: every member counts it again first, so that nothing becomes
 * stable without it, and then takes it. Run again after it was stopped in the middle, it goes on.
 */
export async function joinByHand(
  id: string,
  reached: Reached,
  options: ChangeOptions,
  terminal: Terminal,
): Promise<void> {
  const others = survivorsOf(id, await newestMembers(reached), reached);
  const before = await each(others, (client) => askProgress(client, id));
  const open = new Map([...others].filter(([other]) => isOut(before.get(other) as ProgressAnswer)));
  const done = [...before.values()].find((answer) => !isOut(answer));
  if (open.size === 0) {
    const joinedAt = done?.['joined-at-epoch'] ?? 0;
    terminal.write(
      `${id} is a member${joinedAt > 0 ? `, since it joined at epoch ${joinedAt}` : ' and was never removed'}\n`,
    );
    return;
  }
  const removedAt = Math.max(...[...before.values()].filter(isOut).map((answer) => answer.epoch));
  if (done !== undefined && done['joined-at-epoch'] <= removedAt)
    throw new CausewayError('ERR', `the removal of ${id} has not come to its end: run member remove again`);
  const deadlineMs = deadlineOf(options);
  const operation = newOperation();
  const epoch = done === undefined ? agreedEpoch(before) + 1 : done['joined-at-epoch'];
  const incarnation =
    done?.['joined-from'] ?? Math.max(...[...before.values()].map((answer) => answer.incarnation)) + 1;
  const begun: string[] = [];
  try {
    const isLetGo = (answer: ProgressAnswer): boolean =>
      !isOut(answer) || (answer.settled === 1 && answer.durable === 1);
    await until(others, id, deadlineMs, 'to let go of its earlier lives', isLetGo);
    for (const [other, client] of open) {
      await client.send('CW.MEMBER', 'HOLD', id, epoch - 1, operation);
      if (before.get(other)?.state !== 'held') begun.push(other);
    }
    terminal.write(`waited for at ${[...open.keys()].join(', ')}\n`);
    const isHeld = (answer: ProgressAnswer): boolean =>
      answer.durable === 1 && (!isOut(answer) || (answer.state === 'held' && answer.operation === operation));
    await until(others, id, deadlineMs, 'to write it down', isHeld);
  } catch (error) {
    throw await notDone(`${id} has not joined`, error, id, others, done === undefined ? begun : [], operation);
  }
  for (const client of open.values()) await client.send('CW.MEMBER', 'JOIN', id, epoch, incarnation, operation);
  await until(others, id, deadlineMs, 'to write it down', (answer) => !isOut(answer) && answer.durable === 1);
  terminal.write(
    `${id} is a member again at epoch ${epoch}: it comes with an empty keyspace, by itself where it runs, else when it is started\n`,
  );
}

/**
 * Takes back what a change fenced or held and did not finish, at every other member. It takes the change over first, everywhere: who
 * began it may still be at work, and what it sends is refused from then on.
 */
export async function unfenceByHand(id: string, reached: Reached, terminal: Terminal): Promise<void> {
  const others = survivorsOf(id, await newestMembers(reached), reached);
  const before = await each(others, (client) => askProgress(client, id));
  const pending = [...before].filter(([, answer]) => answer.operation > 0);
  if (pending.length === 0) {
    terminal.write(`${id} is neither fenced nor waited for anywhere\n`);
    return;
  }
  const removed = [...before].find(([, answer]) => answer.state === 'removed');
  if (removed !== undefined && pending.some(([, answer]) => answer.state === 'fenced'))
    throw new CausewayError('ERR', `${removed[0]} has removed ${id}: end that with member remove`);
  const step = pending.some(([, answer]) => answer.state === 'held') ? 'HOLD' : 'FENCE';
  const operation = newOperation();
  const epoch = agreedEpoch(before);
  const deadlineMs = deadlineOf({});
  for (const client of others.values())
    await client.send('CW.MEMBER', step, id, epoch, operation, ...(step === 'FENCE' ? ['ALONE'] : []));
  await until(
    others,
    id,
    deadlineMs,
    'to write it down',
    (answer) => answer.operation === operation && answer.durable === 1,
  );
  await each(others, (client) => client.send('CW.MEMBER', 'UNFENCE', id, operation));
  const where = pending
    .map(([other]) => other)
    .toSorted()
    .join(', ');
  terminal.write(`${id} is no longer ${step === 'HOLD' ? 'waited for' : 'fenced'} at ${where}\n`);
}

/** What to throw when a change cannot end: what this run began is taken back. */
async function notDone(
  what: string,
  error: unknown,
  id: string,
  others: ReadonlyMap<string, RespClient>,
  begun: readonly string[],
  operation: number,
): Promise<CausewayError> {
  const kept: string[] = [];
  for (const other of begun) {
    try {
      await others.get(other)?.send('CW.MEMBER', 'UNFENCE', id, operation);
    } catch {
      kept.push(other);
    }
  }
  const still =
    kept.length === 0 ? '' : `; the change is still under way at ${kept.join(', ')}: run this again, or member unfence`;
  return new CausewayError('ERR', `${what}: ${messageOf(error)}${still}`, { cause: error });
}

function refuseLive(id: string, before: ReadonlyMap<string, ProgressAnswer>): void {
  const hearing = [...before].filter(([, answer]) => answer.state === 'live').map(([survivor]) => survivor);
  if (hearing.length === 0) return;
  throw new CausewayError(
    'ERR',
    `${id} is live: ${hearing.join(', ')} heard it just now. What it has not sent yet would be lost; stop it first, or say --force`,
  );
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
