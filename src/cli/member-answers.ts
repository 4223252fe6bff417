import { z } from 'zod';
import { CausewayError } from '../errors.ts';
import type { RespClient, RespValue } from './resp-client.ts';

export const MEMBER_STATES = ['self', 'live', 'silent', 'fenced', 'removed'] as const;

/** A line of CW.MEMBER LIST. */
export interface MemberLine {
  readonly id: string;
  readonly region: string;
  readonly incarnation: number;
  readonly state: (typeof MEMBER_STATES)[number];
  readonly 'silent-ms': number | null;
  readonly 'lag-transactions': number;
  readonly 'removed-at-epoch': number;
  readonly epoch: number;
}

/** CW.MEMBER PROGRESS. */
export interface ProgressAnswer {
  readonly epoch: number;
  readonly state: (typeof MEMBER_STATES)[number];
  readonly durable: number;
  readonly incarnation: number;
  /** Origin, sequence, origin, sequence … */
  readonly has: readonly number[];
}

const memberLines: z.ZodType<MemberLine[]> = z.array(
  z.object({
    id: z.string(),
    region: z.string(),
    incarnation: z.int(),
    state: z.enum(MEMBER_STATES),
    'silent-ms': z.number().nullable(),
    'lag-transactions': z.int(),
    'removed-at-epoch': z.int(),
    epoch: z.int(),
  }),
);

const progressAnswer: z.ZodType<ProgressAnswer> = z.object({
  epoch: z.int(),
  state: z.enum(MEMBER_STATES),
  durable: z.int(),
  incarnation: z.int(),
  has: z.array(z.int()),
});

/** Names and values by turns. */
function record(value: RespValue): Record<string, RespValue> {
  const items = Array.isArray(value) ? (value as readonly RespValue[]) : [];
  const pairs = new Map<string, RespValue>();
  for (let at = 0; at + 1 < items.length; at += 2) pairs.set(String(items[at]), items[at + 1] ?? null);
  return Object.fromEntries(pairs);
}

function checked<T>(schema: z.ZodType<T>, value: unknown): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new CausewayError('PROTOCOL', 'what answers there is not a node of this version');
}

/** Every node of the topology as the node at the other end sees it. */
export async function askMembers(client: RespClient): Promise<MemberLine[]> {
  const reply = await client.send('CW.MEMBER', 'LIST');
  return checked(memberLines, Array.isArray(reply) ? (reply as readonly RespValue[]).map(record) : reply);
}

/** How far the removal of a node is at the other end. */
export async function askProgress(client: RespClient, id: string): Promise<ProgressAnswer> {
  return checked(progressAnswer, record(await client.send('CW.MEMBER', 'PROGRESS', id)));
}

/** Which node is at the other end. */
export async function askId(client: RespClient): Promise<string> {
  return checked(z.object({ id: z.string() }), record(await client.send('CW.NODE'))).id;
}

/** What a removed node alone has: key, what, dot and value of each write. */
export async function askLost(client: RespClient): Promise<string[][]> {
  const writes = z.array(z.tuple([z.string(), z.string(), z.string(), z.string().nullable()]));
  return checked(writes, await client.send('CW.MEMBER', 'LOST')).map((write) => write.map((part) => part ?? '-'));
}
