import { endingOf, pick, type Desk, type Script, type Work } from './work.ts';

const KEYS = ['risk:freight:1', 'risk:freight:2', 'plan:freight'] as const;
/** So large that a few of them fill a line for a second. */
const BYTES = 700_000;

function* writeFreight(desk: Desk): Script {
  const reply = yield `SET ${pick(KEYS, desk.choice)} ${`<${desk.id}>`.padEnd(BYTES, '.')}`;
  if (reply === null) return;
  desk.freight.answers++;
  if (endingOf(reply) === 'nothing') desk.freight.refused.add(desk.id);
  else if (reply !== '+OK' && !reply.startsWith('-')) desk.wrong(`a large write is answered ${reply.slice(0, 80)}`);
}

function* readFreight(desk: Desk): Script {
  const reply = yield `GET ${pick(KEYS, desk.choice)}`;
  if (reply === null) return;
  desk.freight.answers++;
  if (reply === 'nil' || reply.startsWith('-')) return;
  const id = Number(/^"<(\d+)>\.*"$/.exec(reply)?.[1] ?? '0');
  if (id === 0 || reply.length !== BYTES + 2) desk.wrong(`a large read gives ${reply.slice(0, 80)}`);
  else if (desk.freight.refused.has(id)) desk.wrong(`${id} was said not to be written, and is read`);
}

/** Large values of strong keys: only in runs that are about them. */
export const freightWorks: Readonly<Record<string, Work>> = {
  'freight-write': { script: writeFreight, weight: 0 },
  'freight-read': { script: readFreight, weight: 0 },
};
