import type { GroupStatus } from '../../src/commands/strong-view.ts';
import type { QuorumBatch, QuorumGroupBatch } from '../../src/ports.ts';
import { majorityOf } from '../../src/quorum/majority.ts';
import type { Disk, VirtualNode } from '../support/virtual-node.ts';

/** What a disk holds of a group's log, by what was committed to it. */
class DiskLog {
  readonly terms: Map<number, number> = new Map();
  term = 0;
  votedFor = 0;
  commit = 0;
  /** Up to here a snapshot, or the state, holds it all. */
  base = 0;

  has(index: number, term: number): boolean {
    return index <= this.base || this.terms.get(index) === term;
  }

  get last(): number {
    return Math.max(this.base, ...this.terms.keys());
  }
}

interface Committed {
  readonly term: number;
}

/**
 * Raft's safety over whole nodes, by what they write to their disks (names as in etcd's TLA+ specification, etcdraft.tla): terms and votes never go
 * back, entries of one index and term are one (LogMatchingInv), one order is committed (LogInv), by a majority's disks (QuorumLogInv), nothing
 * committed is cut off, one leader a term (MoreThanOneLeaderInv) who has all that was committed (LeaderCompletenessInv).
 */
export class RaftWatch {
  readonly #logs: Map<Disk, Map<string, DiskLog>> = new Map();
  readonly #identities: Map<string, string> = new Map();
  readonly #committed: Map<string, Map<number, Committed>> = new Map();
  readonly #leaders: Map<string, string> = new Map();
  readonly #wrong: (what: string) => void;
  readonly counts = { entries: 0, commits: 0, elections: 0, snapshots: 0, truncations: 0 };
  readonly #hasLostDisks: () => boolean;

  /** Once a disk is lost a majority may have less on disk than it promised. */
  constructor(wrong: (what: string) => void, hasLostDisks: () => boolean) {
    this.#wrong = wrong;
    this.#hasLostDisks = hasLostDisks;
  }

  #logOf(disk: Disk, group: string): DiskLog {
    let logs = this.#logs.get(disk);
    if (logs === undefined) this.#logs.set(disk, (logs = new Map()));
    let log = logs.get(group);
    if (log === undefined) logs.set(group, (log = new DiskLog()));
    return log;
  }

  committed(node: VirtualNode, batch: QuorumBatch, nodes: readonly VirtualNode[]): void {
    for (const part of batch.groups) this.#take(node, part, nodes);
  }

  #take(node: VirtualNode, batch: QuorumGroupBatch, nodes: readonly VirtualNode[]): void {
    const log = this.#logOf(node.disk, batch.group);
    const name = `${node.id} of ${batch.group}`;
    this.#promise(name, log, batch);
    if (batch.dropsLog) {
      log.terms.clear();
      this.counts.snapshots++;
    }
    if (batch.snapshot !== null) log.base = Math.max(log.base, batch.snapshot.index);
    if (batch.truncateFrom !== null) this.#truncate(name, log, batch.truncateFrom);
    for (const { index, term, kind, data } of batch.entries) {
      this.counts.entries++;
      log.terms.set(index, term);
      const key = `${batch.group} ${index} ${term}`;
      const identity = `${kind} ${Buffer.from(data).toString('base64')}`;
      const known = this.#identities.get(key);
      if (known === undefined) this.#identities.set(key, identity);
      else if (known !== identity) this.#wrong(`${name} has another entry ${index} of term ${term}`);
    }
    if (batch.hardState !== null) this.#commit(node, batch.group, log, batch.hardState.commit, nodes);
  }

  #promise(name: string, log: DiskLog, { hardState }: QuorumGroupBatch): void {
    if (hardState === null) return;
    if (hardState.term < log.term) this.#wrong(`${name}: the term fell from ${log.term} to ${hardState.term}`);
    if (hardState.term === log.term && log.votedFor !== 0 && hardState.votedFor !== log.votedFor)
      this.#wrong(`${name} voted twice in term ${log.term}`);
    if (hardState.commit < log.commit)
      this.#wrong(`${name}: the commit index fell from ${log.commit} to ${hardState.commit}`);
    log.term = hardState.term;
    log.votedFor = hardState.votedFor;
  }

  #truncate(name: string, log: DiskLog, from: number): void {
    this.counts.truncations++;
    if (from <= log.commit) this.#wrong(`${name} cuts off ${from}, and ${log.commit} was committed`);
    for (const index of log.terms.keys()) if (index >= from) log.terms.delete(index);
  }

  #commit(node: VirtualNode, group: string, log: DiskLog, commit: number, nodes: readonly VirtualNode[]): void {
    let all = this.#committed.get(group);
    if (all === undefined) this.#committed.set(group, (all = new Map()));
    const from = log.commit;
    log.commit = Math.max(log.commit, commit);
    for (let index = from + 1; index <= commit; index++) {
      const term = log.terms.get(index);
      if (term === undefined) continue;
      const known = all.get(index);
      if (known === undefined) {
        all.set(index, { term });
        this.counts.commits++;
        this.#checkQuorumHas(node, group, index, term, nodes);
      } else if (known.term !== term)
        this.#wrong(`${node.id} commits ${group}:${index} of term ${term}, others of term ${known.term}`);
    }
  }

  #checkQuorumHas(node: VirtualNode, group: string, index: number, term: number, nodes: readonly VirtualNode[]): void {
    const status = node.core.strong.groups().find(({ name }) => name === group);
    if (status === undefined || this.#hasLostDisks()) return;
    const voters = status.members.filter(({ isVoter }) => isVoter).map(({ id }) => id);
    const without = voters.filter((id) => {
      const voter = nodes.find((each) => each.id === id);
      return voter === undefined || !this.#logOf(voter.disk, group).has(index, term);
    });
    if (without.length >= majorityOf(voters.length))
      this.#wrong(
        `${node.id} has ${group}:${index} as committed, which ${without.join(' ')} of its voters do not have`,
      );
  }

  /** Looks at who leads. */
  look(node: VirtualNode, groups: readonly GroupStatus[]): void {
    for (const status of groups) if (status.role === 'leader') this.#lead(node, status);
  }

  #lead(node: VirtualNode, { name, term, lastIndex }: GroupStatus): void {
    const key = `${name} ${term}`;
    const known = this.#leaders.get(key);
    const leader = `${node.id}#${node.life}`;
    if (known === leader) return;
    if (known !== undefined) this.#wrong(`${known} and ${leader} lead term ${term} of ${name}`);
    this.#leaders.set(key, leader);
    this.counts.elections++;
    const log = this.#logOf(node.disk, name);
    for (const [index, committed] of this.#committed.get(name) ?? []) {
      if (committed.term >= term) continue;
      if (index > lastIndex || !log.has(index, committed.term))
        this.#wrong(`${node.id} leads term ${term} of ${name} without the committed entry ${index}`);
    }
  }
}
