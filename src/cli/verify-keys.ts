import { z } from 'zod';
import { ByteRange } from '../base/bytes.ts';
import { Glob } from '../base/glob.ts';
import { CONSISTENCIES, type Consistency } from '../classes/key-class.ts';
import { checked, record } from './member-answers.ts';
import type { RespClient, RespValue } from './resp-client.ts';

/** A class in CW.CLASSES. */
interface ClassAnswer {
  readonly class: string;
  readonly patterns: readonly string[];
  readonly consistency: Consistency;
  readonly 'ttl-ms': number | null;
  readonly conflict: string;
}

const classAnswers: z.ZodType<ClassAnswer[]> = z.array(
  z.object({
    class: z.string(),
    patterns: z.array(z.string()),
    consistency: z.enum(CONSISTENCIES),
    'ttl-ms': z.number().nullable(),
    conflict: z.string(),
  }),
);

/** Under which names a run writes, so that its keys are of the classes that it looks at and of nobody else. */
export interface VerifyKeys {
  /** What no other run is called. */
  readonly run: string;
  /** Of causal keys, the last writer winning; null where no class of keys is such a one. */
  readonly causal: string | null;
  /** Of strong keys, one a quorum group that was found. */
  readonly strong: readonly { readonly prefix: string; readonly group: string; readonly isAudited: boolean }[];
}

/** Groups of strong keys that a run looks at; more would have too few operations each. */
const GROUPS_MAX = 3;
/** What stands behind a prefix in the names of a run's keys. */
const SAMPLES = ['1r0', '1c0', '1m0', 'mark'];

/** Finds them by what the node at the other end says of its classes. `name` is what no other run is called. */
export async function findKeys(client: Pick<RespClient, 'send'>, name: string): Promise<VerifyKeys> {
  const reply = await client.send('CW.CLASSES');
  const rows = (Array.isArray(reply) ? (reply as readonly RespValue[]) : []).map(record);
  const classes = checked(classAnswers, rows);
  const own = `causeway-verify:${name}:`;
  const prefixes = [own, ...classes.flatMap(({ patterns }) => patterns.flatMap((each) => literalOf(each) ?? []))];
  const candidates = prefixes.map((prefix) => (prefix === own ? own : prefix + own));
  const causal = candidates.find((prefix) => SAMPLES.every((sample) => isCausal(classOf(classes, prefix + sample))));
  return { run: name, causal: causal ?? null, strong: await findStrong(client, classes, candidates) };
}

async function findStrong(
  client: Pick<RespClient, 'send'>,
  classes: readonly ClassAnswer[],
  candidates: readonly string[],
): Promise<VerifyKeys['strong']> {
  const found = new Map<string, VerifyKeys['strong'][number]>();
  for (const prefix of candidates) {
    const isStrong = SAMPLES.every((sample) => classOf(classes, prefix + sample)?.consistency === 'strong');
    if (!isStrong) continue;
    const home = await client.send('CW.HOME', `${prefix}${SAMPLES[0]}`);
    const group = Array.isArray(home) ? String((home as readonly RespValue[])[2]) : null;
    if (group === null) continue;
    const explained = record(await client.send('CW.CLASSES', 'EXPLAIN', `${prefix}${SAMPLES[0]}`));
    const isAudited = explained['audit'] !== 'none';
    // The records of audited keys stay for ever: better the others, where there are any.
    const isWorse = found.get(group)?.isAudited === false || (found.has(group) && isAudited);
    if (!isWorse) found.set(group, { prefix, group, isAudited });
  }
  return [...found.values()].slice(0, GROUPS_MAX);
}

function isCausal(keyClass: ClassAnswer | undefined): boolean {
  if (keyClass === undefined || keyClass['ttl-ms'] !== null || keyClass.conflict !== 'lww') return false;
  return keyClass.consistency !== 'strong' && keyClass.consistency !== 'weak';
}

/** The class of a key: of the first pattern that matches, else the last one. */
function classOf(classes: readonly ClassAnswer[], key: string): ClassAnswer | undefined {
  const bytes = new ByteRange(Buffer.from(key));
  const matches = (pattern: string): boolean => new Glob(new ByteRange(Buffer.from(pattern))).matches(bytes);
  return (
    classes.find(({ patterns }) => patterns.some(matches)) ?? classes.find(({ patterns }) => patterns.length === 0)
  );
}

/** What keys begin with that a pattern matches, where that is all it asks. */
function literalOf(pattern: string): string | null {
  return /^[^*?[\\]+\*$/.test(pattern) ? pattern.slice(0, -1) : null;
}
