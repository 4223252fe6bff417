import { who } from './told.ts';
import { Findings, type Verdict } from './verdict.ts';

/** How much of something a node had at some time, and how much it may have. */
export interface BoundSample {
  readonly node: string;
  /** What was measured, its unit last: `log bytes`, `held transactions`. */
  readonly what: string;
  readonly value: number;
  readonly limit: number;
}

/**
 * Bounded memory: no sample of a log, a hold-back queue, a table or a process is past its limit; with a limit of 0 after quiet it says that
 * nothing is left over. Of each node and measure the worst is told.
 */
export function checkBounds(samples: Iterable<BoundSample>): Verdict {
  const findings = new Findings();
  const worst = new Map<string, BoundSample>();
  const nodes = new Set<string>();
  let checked = 0;
  for (const sample of samples) {
    checked++;
    nodes.add(sample.node);
    // what is no number is not within a limit
    if (sample.value <= sample.limit) continue;
    const name = JSON.stringify([sample.node, sample.what]);
    const before = worst.get(name);
    if (before === undefined || sample.value - sample.limit > before.value - before.limit) worst.set(name, sample);
  }
  for (const { node, what, value, limit } of worst.values())
    findings.add({
      pattern: 'PastLimit',
      text: `${who(node)} had ${value} ${what}, and may have ${limit}`,
      operations: [],
    });
  return findings.verdict('bounds', checked, `samples of ${nodes.size} nodes`);
}
