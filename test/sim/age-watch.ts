import type { GroupStatus } from '../../src/commands/strong-view.ts';

/** By so much a clock that runs wrong may make an age too small: the faults make none slower than that. */
const CLOCK_RATE_MIN = 0.94;

interface Commit {
  readonly atMs: number;
  readonly index: number;
}

/** A copy that says how old it is shows all that was committed by then, whoever led (SPEC T4, K6): what a client asks by that age is no older. */
export class AgeWatch {
  /** Of each group, how far it was known to be committed and when at the latest; ascending in both. */
  readonly #commits: Map<string, Commit[]> = new Map();
  /** Ages that were looked at. */
  checks = 0;

  /** What nodes say of their groups, all at one time. */
  look(seen: readonly { readonly id: string; readonly group: GroupStatus }[], nowMs: number): string[] {
    for (const { group } of seen) this.#note(group.name, { atMs: nowMs, index: group.commit });
    return seen.flatMap(({ id, group: { name, visible, ageMs } }) => {
      if (ageMs === null) return [];
      this.checks++;
      const sinceMs = nowMs - ageMs / CLOCK_RATE_MIN;
      const index = this.#commits.get(name)?.findLast(({ atMs }) => atMs <= sinceMs)?.index ?? 0;
      if (index <= visible) return [];
      return [`T4: ${id} calls its copy of ${name} ${Math.ceil(ageMs)} ms old, shows ${visible}, and lacks ${index}`];
    });
  }

  #note(group: string, commit: Commit): void {
    const commits = this.#commits.get(group) ?? [];
    this.#commits.set(group, commits);
    if ((commits.at(-1)?.index ?? 0) < commit.index) commits.push(commit);
  }
}
