/** A fault that is put into a shipped source by the tests, and must be found by the simulator's checks. */
export interface Fault {
  readonly id: string;
  /** The rule of SPEC.md, or the part of Raft, that it takes out. */
  readonly rule: string;
  /** What goes wrong with it. */
  readonly about: string;
  /** Below the repository. */
  readonly file: string;
  /** Is there exactly once. */
  readonly find: string;
  readonly replace: string;
}

/** Of each rule that protects a promise at least one fault that breaks it. */
export const FAULTS: readonly Fault[] = [
  // ── causal delivery ──
  {
    id: 'skip-dep',
    rule: 'D1',
    about: 'a transaction is applied before what it depends on',
    file: 'src/causal/hold-back.ts',
    find: 'if (held.reader.stamp > latestStamp || held.reader.missingDep(vector, closed, origin) !== null) break;',
    replace: 'if (held.reader.stamp > latestStamp) break;',
  },
  {
    id: 'forget-own-deps',
    rule: 'D1',
    about: 'a transaction does not say what its node had applied',
    file: 'src/node/own-stream.ts',
    find: 'if (this.#vectorChanged) {',
    replace: 'if (this.#vectorChanged && changes.length > 0) {',
  },
  {
    id: 'skip-gap',
    rule: 'D2',
    about: 'what an origin sent after a gap is taken as if nothing were missing',
    file: 'src/causal/hold-back.ts',
    find: "if (chunk.first > tail + 1) return 'gap';",
    replace: '',
  },
  {
    id: 'clock-not-seen',
    rule: 'D3',
    about: 'a write made after a remote one is stamped below it',
    file: 'src/node/region-node.ts',
    find: '    this.#replica.vector.raise(origin, held.nextSeq);\n    this.#replica.clock.see(stamp);\n',
    replace: '    this.#replica.vector.raise(origin, held.nextSeq);\n',
  },
  {
    id: 'stable-by-one-row',
    rule: 'D5',
    about: 'something counts as had by all when one member has it: tombstones go early',
    file: 'src/causal/members.ts',
    find: '      least.lowerTo(row.durable);\n',
    replace: '',
  },
  {
    id: 'stable-before-own',
    rule: 'D5',
    about: "a member's row counts although something it had made is not here",
    file: 'src/causal/members.ts',
    find: 'coversOwn(local, state.next) && this.#isSettled(state, state.next, local)',
    replace: 'true',
  },
  {
    id: 'forget-early',
    rule: 'D5',
    about: 'what is applied here is forgotten as if all had it',
    file: 'src/keyspace/slab-keyspace.ts',
    find: 'forgetStable(vector: VersionVector, stable: VersionVector, budget: number): void {',
    replace:
      'forgetStable(stable: VersionVector, _stable: VersionVector, budget: number): void { const vector = stable;',
  },
  {
    id: 'snapshot-keeps-removed',
    rule: 'D6',
    about: 'a snapshot brings back what was removed here',
    file: 'src/node/region-node.ts',
    find: '{ local: vector.clone(), remote: snapshot.vector });',
    replace: '{ local: stable.clone(), remote: snapshot.vector });',
  },
  {
    id: 'dot-reused',
    rule: 'D8',
    about: 'a restarted node numbers its transactions as if its life before had not been',
    file: 'src/causal/replica.ts',
    find: 'originOf(identity.nodeNumber, identity.incarnation)',
    replace: 'originOf(identity.nodeNumber, 1)',
  },
  // ── values ──
  {
    id: 'last-delivered-wins',
    rule: 'V1',
    about: 'of two concurrent writes the one delivered last stays',
    file: 'src/crdt/string-content.ts',
    find: '    if (compareWrites(context.stamp, context.origin, this.stamp, this.origin) < 0) return false;\n    this.value = value;',
    replace: '    this.value = value;',
  },
  {
    id: 'flush-takes-newer',
    rule: 'V2',
    about: 'FLUSHALL does not keep away an older write that comes after it',
    file: 'src/crdt/string-content.ts',
    find: '    if (flush !== null && compareWrites(context.stamp, context.origin, flush.stamp, flush.origin) < 0) return false;\n    if (compareWrites',
    replace: '    if (compareWrites',
  },
  {
    id: 'earliest-expiry',
    rule: 'V3',
    about: 'of two expiries the one added last counts',
    file: 'src/crdt/expiries.ts',
    find: 'if (isOn(write, baseOrigin, baseSeq) && write.atMs > latestMs) latestMs = write.atMs;',
    replace: 'if (isOn(write, baseOrigin, baseSeq)) latestMs = write.atMs;',
  },
  {
    id: 'increment-any-base',
    rule: 'V4',
    about: 'an increment counts on a value that it was not made on',
    file: 'src/crdt/string-content.ts',
    find: 'if (this.value !== null) return this.origin === baseOrigin && this.seq === baseSeq;',
    replace: 'if (this.value !== null) return true;',
  },
  {
    id: 'removal-takes-unseen',
    rule: 'V6',
    about: 'a removal from a set takes an add that it had not seen',
    file: 'src/crdt/set-content.ts',
    find: '    adds.removeCovered(context);\n    return adds.isEmpty && this.members.delete(member);',
    replace: '    return this.members.delete(member);',
  },
  // ── sessions ──
  {
    id: 'token-forgotten',
    rule: 'S1',
    about: 'a session that moves does not wait for what it has seen',
    file: 'src/commands/causeway-session.ts',
    find: 'const dots = node.sessions.read(args.text(1));\n  if (node.sessions.covers(dots)) {',
    replace: 'const dots = node.sessions.read(args.text(1));\n  if (timeoutMs >= 0) {',
  },
  // ── both tiers ──
  {
    id: 'no-admission',
    rule: 'T1',
    about: 'a leader takes a write before it shows what that depends on',
    file: 'src/groups/group.ts',
    find: 'if (this.#host.covers(frame.deps)) return this.#propose(ticket, frame, now);',
    replace: 'return this.#propose(ticket, frame, now);',
  },
  {
    id: 'strong-without-deps',
    rule: 'T1',
    about: 'what a strong write depends on is not in the log: it shows before its causes',
    file: 'src/groups/group-state.ts',
    find: "const deps = entry?.kind === 'commands' ? entry.deps : [];",
    replace: 'const deps: VectorEntries = [];',
  },
  {
    id: 'no-floor',
    rule: 'T3',
    about: 'a connection reads an older copy after its own strong write',
    file: 'src/commands/strong-gate.ts',
    find: 'if (!node.sessions.covers(dots)) raiseFloor(session, dots, STRONG_FLOOR_MS, true);',
    replace: '',
  },
  {
    id: 'run-twice',
    rule: 'T5',
    about: 'a request that is asked again is run again',
    file: 'src/groups/request-table.ts',
    find: "return forwarder.answers.get(serial) ?? 'run';",
    replace: "return 'run';",
  },
  {
    id: 'watch-ignored',
    rule: 'T5',
    about: 'an EXEC runs although a watched key was written',
    file: 'src/groups/group-state.ts',
    find: 'if (!watches.every(([key, version]) => this.#holds(key, version)))',
    replace: 'if (!watches.every(([key, version]) => this.#holds(key, version) || version > 0))',
  },
  {
    id: 'refused-but-appended',
    rule: 'T5',
    about: 'what may have happened is said not to have happened',
    file: 'src/groups/forwarder.ts',
    find: "if (answer.kind !== 'lost' && attempt >= 0) pending.open.splice(attempt, 1);",
    replace: 'if (attempt >= 0) pending.open.splice(attempt, 1);',
  },
  // ── Raft ──
  {
    id: 'count-old-term',
    rule: 'Raft 5.4.2',
    about: 'an entry of an earlier term is committed by counting',
    file: 'src/quorum/replication.ts',
    find: 'if (index <= state.commit || log.termAt(index) !== state.term) return;',
    replace: 'if (index <= state.commit) return;',
  },
  {
    id: 'answer-before-disk',
    rule: 'Raft figure 2',
    about: 'a follower says that it has entries that are not on its disk',
    file: 'src/quorum/following.ts',
    find: '    index: isWaiting ? matched : Math.min(matched, log.durableIndex),',
    replace: '    index: matched,',
  },
  {
    id: 'vote-forgotten',
    rule: 'Raft 5.2',
    about: 'a vote is not on disk before it is told',
    file: 'src/quorum/election.ts',
    find: '    if (state.votedFor === 0) state.durability.hardStateChanged();\n',
    replace: '',
  },
  {
    id: 'vote-for-any-log',
    rule: 'Raft 5.4.1',
    about: 'a vote goes to a candidate whose log lacks committed entries',
    file: 'src/quorum/election.ts',
    find: 'const isGranted = message.term === state.term && isFree && state.log.isUpToDate(message.lastIndex, message.lastTerm);',
    replace: 'const isGranted = message.term === state.term && isFree;',
  },
  {
    id: 'truncate-always',
    rule: 'Raft 5.3',
    about: 'a follower drops what matches when an old append comes late',
    file: 'src/quorum/following.ts',
    find: '    if (!isCompacted && log.termAt(entry.index) !== entry.term) break;\n    known += 1;',
    replace: '    if (!isCompacted) break;\n    known += 1;',
  },
  {
    id: 'commit-what-is-here',
    rule: 'Raft figure 2',
    about: 'a follower commits entries that the leader did not show to match',
    file: 'src/quorum/following.ts',
    find: 'state.commitUpTo(Math.min(message.commit, lastOfMessage));',
    replace: 'state.commitUpTo(Math.min(message.commit, log.lastIndex));',
  },
  {
    id: 'lease-for-ever',
    rule: 'Raft thesis 6.4.1',
    about: 'a leader that was cut off goes on to answer reads by its lease',
    file: 'src/quorum/read-index.ts',
    find: 'return state.nowMs < leaseUntilMs(state);',
    replace: 'return state.leading !== null;',
  },
  {
    id: 'read-before-own-commit',
    rule: 'Raft thesis 6.4',
    about: 'a new leader answers reads before it knows what is committed',
    file: 'src/quorum/read-index.ts',
    find: 'return state.commit >= leading.noopIndex;',
    replace: 'return leading.noopIndex > 0;',
  },
];
