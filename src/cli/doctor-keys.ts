import type { Finding } from './doctor-findings.ts';
import type { RespClient, RespValue } from './resp-client.ts';
import { printable } from './usage.ts';

/** How keys that were drawn at each node compare at all of them. */
export interface KeysCompared {
  readonly same: number;
  /** Keys that some node was changing whenever they were looked at. */
  readonly moving: number;
  /** Settled everywhere, and not the same. */
  readonly different: readonly string[];
  /** Keys whose names are no UTF-8, which a command line cannot name. */
  readonly unnamed: number;
}

/** A node that answers. */
type Answering = { readonly client: Pick<RespClient, 'send'> };

/** Keys asked for at once. */
const BATCH = 100;
/** A key that differs or moves is looked at again: what expired at one clock has not at another, and settles within a round of acknowledgements. */
const LOOKS = 5;
const LOOK_AGAIN_MS = 500;
const NAMED_MAX = 20;

/**
 * Draws `count` keys at each node and compares what all nodes show of them, also while they are written: two nodes at which a key is settled
 * (SPEC S8) have seen the same writes of it, so they must show the same. `drawn` is told how many keys are done.
 */
export async function compareKeys(
  asked: readonly Answering[],
  count: number,
  progress: (done: number, of: number) => void,
): Promise<KeysCompared> {
  const keys = new Set<string>();
  for (const { client } of asked) {
    const draws = Array.from({ length: count }, () => client.send('RANDOMKEY'));
    for (const key of await Promise.all(draws)) if (typeof key === 'string') keys.add(key);
  }
  const named = [...keys].filter((key) => !key.includes('\ufffd'));
  let left = named;
  let different: string[] = [];
  for (let look = 0; look < LOOKS && left.length > 0; look++) {
    if (look > 0) await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
    different = [];
    const again: string[] = [];
    for (let at = 0; at < left.length; at += BATCH) {
      const batch = left.slice(at, at + BATCH);
      for (const [index, verdict] of (await verdictsOf(asked, batch)).entries()) {
        const key = batch[index] ?? '';
        if (verdict !== 'same') again.push(key);
        if (verdict === 'different') different.push(key);
      }
      progress(named.length - again.length - Math.max(0, left.length - at - BATCH), named.length);
    }
    left = again;
  }
  return {
    same: named.length - left.length,
    moving: left.length - different.length,
    different,
    unnamed: keys.size - named.length,
  };
}

type Verdict = 'same' | 'moving' | 'different';

async function verdictsOf(asked: readonly Answering[], keys: readonly string[]): Promise<Verdict[]> {
  const answers = await Promise.all(asked.map(({ client }) => client.send('CW.DIGEST', 'KEY', ...keys)));
  return keys.map((_, at) => verdictOf(answers.map((answer) => pairAt(answer, at))));
}

function pairAt(answer: RespValue, at: number): readonly RespValue[] {
  const pair = Array.isArray(answer) ? (answer[at] as RespValue) : null;
  return Array.isArray(pair) ? (pair as readonly RespValue[]) : [null, 0];
}

function verdictOf(pairs: readonly (readonly RespValue[])[]): Verdict {
  const settled = pairs.filter(([, isSettled]) => isSettled === 1);
  if (new Set(settled.map(([hex]) => hex)).size > 1) return 'different';
  if (settled.length < pairs.length) return 'moving';
  return 'same';
}

/** What to say of it. */
export function findingOfKeys({ same, moving, different, unnamed }: KeysCompared, nodes: number): Finding {
  const all = same + moving + different.length;
  const rest = [
    moving === 0 ? '' : `, ${moving} were being changed all the time`,
    unnamed === 0 ? '' : `, ${unnamed} not compared (their names are no UTF-8)`,
  ].join('');
  if (different.length === 0 && same === 0 && moving > 0) {
    const text = `none of ${moving} keys drawn could be compared: what was written to them is not known to be at every member`;
    return { level: 'warning', text };
  }
  if (different.length === 0) {
    return { level: 'good', text: `${same} of ${all} keys drawn are the same at all ${nodes} nodes${rest}` };
  }
  const names = different.slice(0, NAMED_MAX).map((key) => JSON.stringify(printable(key)));
  const more = different.length > NAMED_MAX ? ` and ${different.length - NAMED_MAX} more` : '';
  return {
    level: 'problem',
    text: `${different.length} of ${all} keys drawn are settled and not the same at all nodes: ${names.join(', ')}${more}; \`inspect KEY\` shows what each has; report this${rest}`,
  };
}
