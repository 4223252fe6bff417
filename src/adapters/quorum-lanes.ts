import type { QuorumBatch, QuorumGroupBatch } from '../ports.ts';

/** What a commit that goes only into the tree changes there, by group. */
export interface TreeOnly {
  /** Whose log or promise it moves. */
  readonly heads: readonly string[];
  /** Whose log may be compacted once it is there. */
  readonly snapshots: readonly string[];
}

/**
 * Which commits may go by the journal. What only the tree gets is not there yet when a start puts the journal's records into it; a record
 * must not build on that. So the log of a group has one way to the disk at a time; states, which nothing builds on, are passed.
 */
export class QuorumLanes {
  readonly #heads: Map<string, number> = new Map();
  readonly #snapshots: Map<string, number> = new Map();

  /** Whether it brings the ends of logs and promises only, and what it builds on is in the journal or in the tree. */
  mayUseJournal({ groups }: QuorumBatch): boolean {
    return groups.every(
      (batch) =>
        !bringsMore(batch) &&
        !this.#heads.has(batch.group) &&
        (batch.compactTo === null || !this.#snapshots.has(batch.group)),
    );
  }

  /** A commit that does not goes into the tree's backlog. */
  enter({ groups }: QuorumBatch): TreeOnly {
    const treeOnly = {
      heads: groups.filter(movesHead).map(({ group }) => group),
      snapshots: groups.filter(({ snapshot }) => snapshot !== null).map(({ group }) => group),
    };
    for (const group of treeOnly.heads) add(this.#heads, group, 1);
    for (const group of treeOnly.snapshots) add(this.#snapshots, group, 1);
    return treeOnly;
  }

  /** It is in the tree. */
  leave({ heads, snapshots }: TreeOnly): void {
    for (const group of heads) add(this.#heads, group, -1);
    for (const group of snapshots) add(this.#snapshots, group, -1);
  }
}

/** There is time for it, and it is large: nothing is gained by writing it twice. */
function bringsMore({ dropsLog, snapshot, aside, state, audit }: QuorumGroupBatch): boolean {
  return dropsLog || snapshot !== null || aside !== null || state !== null || audit.length > 0;
}

function movesHead({ hardState, dropsLog, truncateFrom, entries, compactTo }: QuorumGroupBatch): boolean {
  return hardState !== null || dropsLog || truncateFrom !== null || entries.length > 0 || compactTo !== null;
}

function add(counts: Map<string, number>, group: string, count: number): void {
  const sum = (counts.get(group) ?? 0) + count;
  if (sum === 0) counts.delete(group);
  else counts.set(group, sum);
}
