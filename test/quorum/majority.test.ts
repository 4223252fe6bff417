import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { majorityOf, majorityValue, voteOutcome, type VoteOutcome } from '../../src/quorum/majority.ts';
import { runOptions } from '../support/fast-check-runs.ts';

interface Case {
  readonly file: string;
  readonly cmd: 'committed' | 'vote';
  readonly cfg: readonly number[];
  /** The other half of a joint configuration: both must agree. */
  readonly cfgj: readonly number[] | null;
  /** Of all ids in order; `_` for none. */
  readonly vals: readonly string[];
  readonly expect: string;
}

const CASES = JSON.parse(
  readFileSync(join(import.meta.dirname, 'data', 'raft-quorum-cases.json'), 'utf8'),
) as readonly Case[];

const OUTCOMES: Readonly<Record<string, VoteOutcome>> = { VoteWon: 'won', VoteLost: 'lost', VotePending: 'pending' };

function committed({ cfg, cfgj, vals }: Case): string {
  const ids = [...new Set([...cfg, ...(cfgj ?? [])])].sort((one, other) => one - other);
  const valueOf = (id: number): number => {
    const value = vals[ids.indexOf(id)];
    return value === undefined || value === '_' ? 0 : Number(value);
  };
  const index = Math.min(majorityValue(cfg, valueOf), majorityValue(cfgj ?? [], valueOf));
  return index === Infinity ? '<empty majority quorum>∞' : String(index);
}

function voted({ cfg, cfgj, vals }: Case): VoteOutcome {
  const ids = [...new Set([...cfg, ...(cfgj ?? [])])].sort((one, other) => one - other);
  const votes = new Map(ids.flatMap((id, at) => (vals[at] === '_' ? [] : [[id, vals[at] === 'y'] as const])));
  const both = [voteOutcome(cfg, votes), voteOutcome(cfgj ?? [], votes)];
  return both.find((each) => each === 'lost') ?? both.find((each) => each === 'pending') ?? 'won';
}

describe('the cases of etcd', () => {
  it('are all there', () => {
    expect(CASES).toHaveLength(127);
  });

  it.each(CASES.map((each, index) => [index, each] as const))('%i', (_, each) => {
    if (each.cmd === 'committed') expect(committed(each)).toBe(each.expect);
    else expect(voted(each)).toBe(OUTCOMES[each.expect]);
  });
});

/** Every set of `size` of the voters. */
function subsets(voters: readonly number[], size: number): number[][] {
  const [first, ...rest] = voters;
  if (size === 0) return [[]];
  if (first === undefined) return [];
  return [...subsets(rest, size - 1).map((subset) => [first, ...subset]), ...subsets(rest, size)];
}

describe('majorities against all sets there are', () => {
  const values = fc.array(fc.nat({ max: 6 }), { minLength: 1, maxLength: 7 });

  it('the value of a majority is the best that all of some majority have', () => {
    fc.assert(
      fc.property(values, (of) => {
        const voters = of.map((_, index) => index);
        const majorities = subsets(voters, majorityOf(voters.length));
        const best = Math.max(...majorities.map((majority) => Math.min(...majority.map((voter) => of[voter] ?? 0))));
        expect(majorityValue(voters, (voter) => of[voter] ?? 0)).toBe(best);
      }),
      runOptions(500, 10_000),
    );
  });

  it('a vote is won when some majority granted it, lost when none can any more', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(true, false, null), { minLength: 1, maxLength: 7 }), (of) => {
        const voters = of.map((_, index) => index);
        const votes = new Map(of.flatMap((each, index) => (each === null ? [] : [[index, each] as const])));
        // Strangers say nothing.
        votes.set(100, true).set(101, false);
        const majorities = subsets(voters, majorityOf(voters.length));
        const isWon = majorities.some((majority) => majority.every((voter) => of[voter] === true));
        const isLost = majorities.every((majority) => majority.some((voter) => of[voter] === false));
        expect(voteOutcome(voters, votes)).toBe(isWon ? 'won' : isLost ? 'lost' : 'pending');
      }),
      runOptions(500, 10_000),
    );
  });

  it('any two share a member, also of configurations that differ by one', () => {
    for (let size = 1; size <= 6; size++) {
      const voters = Array.from({ length: size }, (_, index) => index);
      for (const other of [voters, [...voters, size]]) {
        for (const one of subsets(voters, majorityOf(size))) {
          for (const another of subsets(other, majorityOf(other.length))) {
            expect(one.some((voter) => another.includes(voter))).toBe(true);
          }
        }
      }
    }
  });
});
