import type { Entry, Message, PersistBatch } from '../../src/quorum/messages.ts';
import type { ConfigRefusal, ProposeRefusal } from '../../src/quorum/proposing.ts';
import type { ConfigChange } from '../../src/quorum/group-config.ts';
import type { ProposalPlace } from '../../src/quorum/own-proposals.ts';
import { Raft, type RaftOutputs } from '../../src/quorum/raft.ts';
import { wholeSource } from '../../src/quorum/whole-snapshot.ts';
import { Disk } from './disk.ts';
import { applied, bytesOf, EMPTY_MACHINE, machineBytes, machineOf, type MachineState } from './machine.ts';
import type { World } from './world.ts';

/** A read that is under way: what was committed anywhere when it began. */
export interface OpenRead {
  readonly committedBefore: number;
}

/** One member: its machine, disk, state machine and clock, and a driver such as a node has. */
export class Member {
  readonly id: number;
  readonly disk: Disk = new Disk();
  raft: Raft | null = null;
  machine: MachineState = EMPTY_MACHINE;
  /** How long a batch takes. */
  diskMs: () => number = () => 1;
  /** Its clock runs so much faster than the world's. */
  clockRate = 1;
  /** The state machine saves itself, and the log is compacted, when so many entries were applied since; 0 for never. */
  compactEvery = 0;
  isPaused = false;
  /** What comes within so long is one turn. */
  turnMs = 0;
  timerMs = Infinity;
  /** Since when the world sees this life. */
  life = 0;
  readonly openReads: Map<number, OpenRead> = new Map();
  readonly readsDone: { readonly id: number; readonly index: number | null }[] = [];
  readonly overwritten: ProposalPlace[] = [];
  readonly committed: Entry[] = [];
  readonly #world: World;
  readonly #backlog: (() => void)[] = [];
  readonly #inbox: Message[] = [];
  #underWay: PersistBatch | null = null;

  constructor(world: World, id: number) {
    this.#world = world;
    this.id = id;
  }

  get localMs(): number {
    return this.#world.nowMs * this.clockRate + this.id * 1e6;
  }

  start(): void {
    const { config, timing, limits, random } = this.#world;
    this.life += 1;
    this.machine = this.disk.machine ?? EMPTY_MACHINE;
    this.raft = new Raft({
      id: this.id,
      config,
      restored: this.disk.restored(),
      timing,
      limits,
      random: () => random.unit(),
    });
    this.#turn((raft) => raft.tick(this.localMs));
  }

  /** All that is not on disk is gone; a batch under way too, unless the disk had just done it: it is whole or not there. */
  crash(isBatchSaved = false): void {
    if (isBatchSaved && this.#underWay !== null) this.disk.write(this.#underWay, machineOf);
    this.#underWay = null;
    this.raft = null;
    this.timerMs = Infinity;
    this.isPaused = false;
    this.#backlog.length = 0;
    this.#inbox.length = 0;
    this.openReads.clear();
    this.life += 1;
  }

  /** The process stands still: messages wait, its clock goes on. */
  pause(): void {
    this.isPaused = true;
    this.timerMs = Infinity;
  }

  /** What came in meanwhile is there at once; `first` is what it hears before all else. */
  resume(first: () => void = () => {}): void {
    this.isPaused = false;
    first();
    for (const turn of this.#backlog.splice(0)) turn();
    this.tick();
  }

  tick(): void {
    this.#turn((raft) => raft.tick(this.localMs));
  }

  receive(message: Message): void {
    if (this.raft === null) return;
    if (this.isPaused) {
      const { life } = this;
      this.#backlog.push(() => {
        if (life === this.life) this.receive(message);
      });
      return;
    }
    this.#inbox.push(message);
    if (this.turnMs === 0) this.#takeIn();
    else if (this.#inbox.length === 1) {
      const { life } = this;
      this.#world.at(this.#world.nowMs + this.turnMs, () => {
        if (life === this.life) this.#takeIn();
      });
    }
  }

  #takeIn(): void {
    if (this.isPaused) this.#backlog.push(() => this.#takeIn());
    else {
      this.#turn((raft) => {
        for (const message of this.#inbox.splice(0)) {
          raft.step(message, this.localMs);
          this.#world.invariants.touched(this);
        }
      });
    }
  }

  propose(text: string): ProposalPlace | ProposeRefusal | 'down' {
    return this.#turn((raft) => raft.propose(bytesOf(text), this.localMs)) ?? 'down';
  }

  change(change: ConfigChange): ProposalPlace | ConfigRefusal | 'down' {
    return this.#turn((raft) => raft.proposeConfig(change, this.localMs)) ?? 'down';
  }

  read(id: number): void {
    if (this.raft === null || this.isPaused) return;
    this.openReads.set(id, { committedBefore: this.#world.invariants.committedUpTo });
    this.#turn((raft) => raft.readIndex(id, this.localMs));
  }

  transfer(to: number): string {
    return this.#turn((raft) => raft.transfer(to, this.localMs) ?? 'ok') ?? 'down';
  }

  campaign(): boolean {
    return this.#turn((raft) => raft.campaign(this.localMs)) ?? false;
  }

  /** The state machine saves itself at what is applied, and the log up to there may go. */
  compact(): void {
    this.#turn((raft) => {
      const meta = raft.snapshotMeta(this.machine.index);
      if (meta === null || meta.index <= (this.disk.snapshotMeta?.index ?? 0)) return;
      this.disk.saveMachine(meta, this.machine);
      raft.compacted(meta);
    });
  }

  /** Something happens to the machine, and then what it asks for is done. */
  #turn<T>(happen: (raft: Raft) => T): T | undefined {
    const { raft } = this;
    if (raft === null || this.isPaused) return undefined;
    const result = happen(raft);
    this.#world.invariants.touched(this);
    const outputs = raft.takeOutputs();
    // who looks again without a reason misses nothing
    if (!raft.isTouched) assertNothing(raft.takeOutputs());
    this.#carryOut(outputs, raft);
    const dueMs = (raft.nextTickMs() - this.id * 1e6) / this.clockRate;
    // A clock that runs otherwise may be due a rounding before its time.
    this.timerMs = Math.max(dueMs, this.#world.nowMs + (raft.nextTickMs() <= this.localMs ? 1 : 0));
    return result;
  }

  #carryOut(outputs: RaftOutputs, raft: Raft): void {
    const world = this.#world;
    for (const message of outputs.messages) {
      world.invariants.said(this, message);
      world.carry(message);
    }
    if (outputs.persist !== null) this.#persist(outputs.persist);
    if (outputs.install !== null) this.machine = this.disk.machine ?? EMPTY_MACHINE;
    for (const entry of outputs.committed) {
      this.machine = applied(this.machine, entry);
      this.committed.push(entry);
      world.invariants.applied(this, entry);
    }
    if (outputs.discardUpTo !== null) this.disk.discard(outputs.discardUpTo);
    for (const outcome of outputs.reads) {
      world.invariants.read(this, outcome);
      this.openReads.delete(outcome.id);
      this.readsDone.push(outcome);
    }
    for (const place of outputs.overwritten) {
      world.invariants.didNotHappen(place);
      this.overwritten.push(place);
    }
    for (const to of outputs.snapshotsWanted) this.#giveSnapshot(raft, to);
    const isDue =
      this.compactEvery > 0 && this.machine.index >= (this.disk.snapshotMeta?.index ?? 0) + this.compactEvery;
    if (isDue && raft.snapshotMeta(this.machine.index) !== null) world.at(world.nowMs, () => this.compact());
  }

  #persist(batch: PersistBatch): void {
    const { life } = this;
    this.#underWay = batch;
    this.#world.at(this.#world.nowMs + this.diskMs(), () => this.#saved(life, batch));
  }

  #saved(life: number, batch: PersistBatch): void {
    if (life !== this.life) return;
    if (this.isPaused) {
      this.#backlog.push(() => this.#saved(life, batch));
      return;
    }
    this.disk.write(batch, machineOf);
    this.#underWay = null;
    this.#turn((raft) => raft.persisted());
  }

  #giveSnapshot(raft: Raft, to: number): void {
    const { life } = this;
    this.#world.at(this.#world.nowMs + 1, () => {
      if (life !== this.life || raft !== this.raft) return;
      this.#turn(() => {
        const meta = raft.snapshotMeta(this.machine.index);
        if (meta === null) return;
        raft.sendSnapshot(to, wholeSource(meta, machineBytes(this.machine)));
      });
    });
  }
}

/** But for more of a snapshot, which the next tick brings. */
function assertNothing({
  messages,
  persist,
  install,
  committed,
  reads,
  snapshotsWanted,
  overwritten,
}: RaftOutputs): void {
  const said = messages.filter(({ type }) => type !== 'snapshot');
  const kept = persist === null ? 0 : persist.entries.length + (persist.hardState === null ? 0 : 1);
  const count = said.length + kept + committed.length + reads.length + snapshotsWanted.length + overwritten.length;
  if (count > 0 || install !== null) throw new Error('a machine that nothing came to has something to do');
}
