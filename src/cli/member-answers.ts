import { z } from 'zod';
import { CausewayError } from '../errors.ts';
import type { RespClient, RespValue } from './resp-client.ts';

const MEMBER_STATES = ['self', 'live', 'silent', 'fenced', 'removed', 'held'] as const;

/** A line of CW.MEMBER LIST. */
export interface MemberLine {
  readonly id: string;
  readonly region: string;
  readonly incarnation: number;
  readonly state: (typeof MEMBER_STATES)[number];
  readonly 'silent-ms': number | null;
  readonly 'lag-transactions': number;
  readonly 'removed-at-epoch': number;
  readonly 'joined-at-epoch': number;
  readonly epoch: number;
}

/** CW.MEMBER PROGRESS. */
export interface ProgressAnswer {
  readonly epoch: number;
  readonly state: (typeof MEMBER_STATES)[number];
  readonly durable: number;
  readonly incarnation: number;
  /** Whose change it is, 0 for none. */
  readonly operation: number;
  readonly settled: number;
  readonly 'joined-at-epoch': number;
  readonly 'joined-from': number;
  /** Origin, sequence, origin, sequence … */
  readonly has: readonly number[];
}

/** CW.MEMBER AGREEMENT. */
export interface AgreementAnswer {
  readonly leader: string | null;
  readonly change: string | null;
  readonly step: string | null;
  readonly epoch: number;
  readonly voters: readonly string[];
  readonly nodes: readonly string[];
  readonly waiting: readonly string[];
}

/** A write in a list: key, what, dot, value, and a reason where it was offered. */
export type WriteLine = readonly string[];

/** CW.MEMBER LOST: a page. */
export interface LostAnswer {
  readonly next: number;
  readonly transactions: number;
  readonly left: number;
  readonly offered: number;
  readonly writes: readonly WriteLine[];
}

/** CW.MEMBER OFFER: a page. */
export interface OfferAnswer {
  readonly next: number;
  readonly offered: number;
  readonly already: number;
  readonly kept: readonly WriteLine[];
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
    'joined-at-epoch': z.int(),
    epoch: z.int(),
  }),
);

const progressAnswer: z.ZodType<ProgressAnswer> = z.object({
  epoch: z.int(),
  state: z.enum(MEMBER_STATES),
  durable: z.int(),
  incarnation: z.int(),
  operation: z.int(),
  settled: z.int(),
  'joined-at-epoch': z.int(),
  'joined-from': z.int(),
  has: z.array(z.int()),
});

const agreementAnswer: z.ZodType<AgreementAnswer> = z.object({
  leader: z.string().nullable(),
  change: z.string().nullable(),
  step: z.string().nullable(),
  epoch: z.int(),
  voters: z.array(z.string()),
  nodes: z.array(z.string()),
  waiting: z.array(z.string()),
});

const writeLines = z.array(z.array(z.string().nullable()));
const lostAnswer = z.tuple([z.int(), z.int(), z.int(), z.int(), writeLines]);
const offerAnswer = z.tuple([z.int(), z.int(), z.int(), writeLines]);

/** Names and values by turns, as RESP2 sends a map. */
export function record(value: RespValue): Record<string, RespValue> {
  const items = Array.isArray(value) ? (value as readonly RespValue[]) : [];
  const pairs = new Map<string, RespValue>();
  for (let at = 0; at + 1 < items.length; at += 2) pairs.set(String(items[at]), items[at + 1] ?? null);
  return Object.fromEntries(pairs);
}

/** An answer of that shape. Throws PROTOCOL. */
export function checked<T>(schema: z.ZodType<T>, value: unknown): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new CausewayError('PROTOCOL', 'what answers there is not a node of this version');
}

/** Every node of the topology as the node at the other end sees it. */
export async function askMembers(client: RespClient): Promise<MemberLine[]> {
  const reply = await client.send('CW.MEMBER', 'LIST');
  return checked(memberLines, Array.isArray(reply) ? (reply as readonly RespValue[]).map(record) : reply);
}

/** How far a change of the members is at the other end. */
export async function askProgress(client: RespClient, id: string): Promise<ProgressAnswer> {
  return checked(progressAnswer, record(await client.send('CW.MEMBER', 'PROGRESS', id)));
}

/** The members' group as the node at the other end knows it; null where its cluster is too small for one. */
export async function askAgreement(client: RespClient): Promise<AgreementAnswer | null> {
  const reply = await client.send('CW.MEMBER', 'AGREEMENT');
  return reply === null ? null : checked(agreementAnswer, record(reply));
}

/** Which node is at the other end. */
export async function askId(client: RespClient): Promise<string> {
  return checked(z.object({ id: z.string() }), record(await client.send('CW.NODE'))).id;
}

/** A page of what a node that was removed alone has. */
export async function askLost(client: RespClient, cursor: number): Promise<LostAnswer> {
  const reply = await client.send('CW.MEMBER', 'LOST', 'CURSOR', cursor);
  const [next, transactions, left, offered, writes] = checked(lostAnswer, reply);
  return { next, transactions, left, offered, writes: writes.map(linesOf) };
}

/** Lets a node offer a page of what it set aside. */
export async function askOffer(client: RespClient, cursor: number, isAbsentTaken: boolean): Promise<OfferAnswer> {
  const absent = isAbsentTaken ? ['ABSENT'] : [];
  const reply = await client.send('CW.MEMBER', 'OFFER', 'CURSOR', cursor, ...absent);
  const [next, offered, already, kept] = checked(offerAnswer, reply);
  return { next, offered, already, kept: kept.map(linesOf) };
}

function linesOf(write: readonly (string | null)[]): WriteLine {
  return write.map((part) => part ?? '-');
}
