import { z } from 'zod';
import { checked, record } from './member-answers.ts';
import { listOf, type RespClient } from './resp-client.ts';

/** A member of a group in CW.GROUPS. What only the leader knows is null elsewhere. */
export interface MemberAnswer {
  readonly id: string;
  readonly role: 'voter' | 'learner';
  readonly matched: number | null;
  readonly lag: number | null;
  readonly 'silent-ms': number | null;
}

/** A group in CW.GROUPS, as one node sees it. */
export interface GroupAnswer {
  readonly name: string;
  /** Null of the group that decides who is a member. */
  readonly home: string | null;
  readonly survive: string | null;
  readonly role: string;
  readonly term: number;
  readonly leader: string | null;
  readonly commit: number;
  readonly applied: number;
  readonly visible: number;
  readonly lease: number;
  readonly 'age-ms': number | null;
  readonly 'leaderless-ms': number;
  readonly members: readonly MemberAnswer[];
}

const member: z.ZodType<MemberAnswer> = z.object({
  id: z.string(),
  role: z.enum(['voter', 'learner']),
  matched: z.int().nullable(),
  lag: z.int().nullable(),
  'silent-ms': z.int().nullable(),
});

const groups: z.ZodType<GroupAnswer[]> = z.array(
  z.object({
    name: z.string(),
    home: z.string().nullable(),
    survive: z.string().nullable(),
    role: z.string(),
    term: z.int(),
    leader: z.string().nullable(),
    commit: z.int(),
    applied: z.int(),
    visible: z.int(),
    lease: z.int(),
    'age-ms': z.int().nullable(),
    'leaderless-ms': z.int(),
    members: z.array(member),
  }),
);

/** CW.GROUPS. Throws PROTOCOL for an answer of another shape. */
export async function askGroups(client: RespClient): Promise<GroupAnswer[]> {
  const answers = listOf(await client.send('CW.GROUPS')).map((each) => {
    const group = record(each);
    return { ...group, members: listOf(group['members']).map(record) };
  });
  return checked(groups, answers);
}
