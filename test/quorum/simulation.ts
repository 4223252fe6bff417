import type { ConfigChange } from '../../src/quorum/group-config.ts';
import type { Message } from '../../src/quorum/messages.ts';
import type { RaftTiming } from '../../src/quorum/options.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import type { Member } from './member.ts';
import { TIMING, World } from './world.ts';

/** What a run does to its members: all of it comes from the seed. */
export interface Plan {
  readonly seed: number;
  readonly voters: number;
  readonly learners: number;
  readonly lossRate: number;
  readonly duplicateRate: number;
  /** Old messages come again, long after. */
  readonly replayRate: number;
  readonly delayMs: number;
  readonly diskMs: number;
  readonly compactEvery: number;
  readonly turnMs: number;
  readonly durationMs: number;
  /** Mean time between two faults, and between two requests. */
  readonly faultMs: number;
  readonly askMs: number;
  /** Short ones give many leaders in a run. */
  readonly electionMs: number;
  readonly changesMembers: boolean;
  readonly clockDrift: number;
  /** Little: entries travel one by one. */
  readonly appendBytesMax: number;
  /** So many leaders are hit shortly after they begin to lead, when what they have is on some disks and not on others. */
  readonly deposeRate: number;
  /** So many of the faults are that one member hears the leader late for a while, and is behind without being alone. */
  readonly lagRate: number;
}

export function planOf(seed: number, durationMs: number): Plan {
  const random = new SeededRandom(seed);
  const electionMs = random.pick([300, 300, 1000]);
  const sometimes = (rate: number): number => (random.unit() < 0.5 ? 0 : random.unit() * rate);
  return {
    seed,
    voters: random.pick([1, 2, 3, 3, 3, 4, 5]),
    learners: random.pick([0, 0, 1, 2]),
    lossRate: sometimes(0.3),
    duplicateRate: sometimes(0.5),
    replayRate: sometimes(0.1),
    delayMs: electionMs * random.pick([0.003, 0.03, 0.1, 0.2]),
    diskMs: random.pick([0, 1, 20, 300]),
    compactEvery: random.pick([0, 5, 20]),
    turnMs: random.pick([0, 0, 1, 10]),
    durationMs,
    faultMs: electionMs * random.pick([0.3, 1, 3]),
    askMs: random.pick([30, 100, 500]),
    electionMs,
    changesMembers: random.unit() < 0.4,
    clockDrift: sometimes(0.04),
    appendBytesMax: random.pick([1, 4096]),
    deposeRate: sometimes(1),
    lagRate: random.pick([0, 0.3, 0.6]),
  };
}

/** As long to each other as usual. */
function timingOf(electionMs: number, keepsCommit: boolean): RaftTiming {
  const times = (part: number): number => Math.round((electionMs * part) / TIMING.electionMs);
  return {
    electionMs,
    electionSpreadMs: times(TIMING.electionSpreadMs),
    heartbeatMs: times(TIMING.heartbeatMs),
    commitNoteMs: keepsCommit ? times(TIMING.heartbeatMs / 3) : 0,
    gatherMs: keepsCommit ? times(TIMING.heartbeatMs / 4) : 0,
    spareMs: keepsCommit ? times(TIMING.heartbeatMs / 2) : 0,
    leaseMs: times(TIMING.leaseMs),
    pauseMs: times(TIMING.pauseMs),
  };
}

/** One run in a world that does everything wrong that it may, then heals and must work again. */
export class Simulation {
  readonly world: World;
  readonly plan: Plan;
  readonly #random: SeededRandom;
  #serial = 0;
  #nextId = 100;
  #lastTerm = 0;
  #isHealing = false;
  /** How much later than usual what one member says comes to another, by `from>to`. */
  readonly #lagMs: Map<string, number> = new Map();
  /** Nothing else breaks before: what takes some election times comes to its end. */
  #calmUntilMs = 0;

  constructor(plan: Plan) {
    this.plan = plan;
    this.#random = new SeededRandom(plan.seed ^ 0x5eed);
    const voters = Array.from({ length: plan.voters }, (_, index) => index + 1);
    const learners = Array.from({ length: plan.learners }, (_, index) => index + 11);
    this.world = new World({
      voters,
      learners,
      seed: plan.seed,
      timing: timingOf(plan.electionMs, this.#random.pick([true, false])),
      limits: { slackBytesMax: this.#random.pick([1, 500]), appendBytesMax: plan.appendBytesMax },
    });
    this.world.invariants.isConfigFixed = !plan.changesMembers;
    this.world.fate = (message) => this.#fate(message);
    this.world.tap = (message) => this.#sees(message);
    for (const member of this.world.all) this.#furnish(member);
  }

  #furnish(member: Member): void {
    const { plan } = this;
    member.diskMs = () => this.#exponential(plan.diskMs);
    member.compactEvery = plan.compactEvery;
    member.turnMs = plan.turnMs;
    member.clockRate = 1 + (this.#random.unit() - 0.5) * 2 * plan.clockDrift;
  }

  #exponential(mean: number): number {
    return -Math.log(1 - this.#random.unit()) * mean;
  }

  #fate({ from, to }: Message): readonly number[] {
    if (this.#isHealing) return [5];
    const { plan } = this;
    if (this.#random.unit() < plan.lossRate) return [];
    const delays = [this.#exponential(plan.delayMs) + (this.#lagMs.get(`${from}>${to}`) ?? 0)];
    if (this.#random.unit() < plan.duplicateRate) delays.push(this.#exponential(plan.delayMs * 3));
    if (this.#random.unit() < plan.replayRate) delays.push(this.#random.unit() * 10_000);
    return delays;
  }

  /** All of it; throws at the first thing that is not as it must be. */
  run(): void {
    const { plan, world } = this;
    this.#ask();
    this.#breakLater();
    world.run(plan.durationMs);
    this.#heal();
    this.#mustWork();
  }

  /** Clients: proposals and reads, of anybody. */
  #ask(): void {
    const { world } = this;
    if (this.#isHealing) return;
    const member = this.#random.pick(world.all);
    // Often one that leads no more and does not know it.
    const led = world.all.filter((each) => each.raft?.role === 'leader');
    const leader = led.length > 0 ? this.#random.pick(led) : member;
    this.#serial += 1;
    const what = this.#random.unit();
    if (what < 0.5)
      for (let count = this.#random.below(4); count >= 0; count--) leader.propose(`v${this.#serial}.${count}`);
    else if (what < 0.85) (what < 0.65 ? leader : member).read(this.#serial);
    else if (what < 0.89) leader.transfer(this.#random.pick(world.all).id);
    else if (what < 0.91) member.campaign();
    else if (this.plan.changesMembers) this.#changeMembers(leader);
    world.at(world.nowMs + this.#exponential(this.plan.askMs), () => this.#ask());
  }

  /** The first append of a term tells of a new leader. */
  #sees({ type, term, from }: Message): void {
    if (type !== 'append' || term <= this.#lastTerm) return;
    this.#lastTerm = term;
    if (this.#isHealing || this.#random.unit() >= this.plan.deposeRate) return;
    const { world } = this;
    world.at(world.nowMs + this.#exponential(this.plan.delayMs), () => {
      const leader = world.member(from);
      if (this.#isHealing || leader.raft === null) return;
      const others = [...world.members.keys()].filter((id) => id !== from);
      world.part(
        [from],
        others.filter(() => this.#random.unit() < 0.9),
      );
      world.at(world.nowMs + this.#exponential(2 * this.plan.electionMs), () => world.heal());
      if (this.#random.unit() < 0.7)
        this.#crash(
          leader,
          [0.5, 2, 4].map((times) => times * this.plan.electionMs),
        );
    });
  }

  #crash(member: Member, meansMs: readonly number[]): void {
    const { world } = this;
    if (member.raft === null) return;
    member.crash(this.#random.unit() < 0.5);
    world.at(world.nowMs + this.#exponential(this.#random.pick(meansMs)), () => {
      if (member.raft === null) member.start();
    });
  }

  #changeMembers(leader: Member): void {
    const { raft } = leader;
    if (raft === null) return;
    const { voters, learners } = raft.config;
    const kind = this.#random.pick<ConfigChange['kind']>(['add-voter', 'add-learner', 'promote', 'demote', 'remove']);
    const isNew = kind.startsWith('add');
    const known = kind === 'promote' ? learners : kind === 'demote' ? voters : [...voters, ...learners];
    // A node number is never used again: what it promised in an earlier life is gone with its disk.
    if (!isNew && (known.length === 0 || voters.length + learners.length < 3)) return;
    if (isNew && voters.length + learners.length >= 7) return;
    const node = isNew ? this.#nextId++ : this.#random.pick(known);
    if (isNew) this.#furnish(this.world.add(node));
    leader.change({ kind, node });
  }

  #breakLater(): void {
    const { world } = this;
    if (this.#isHealing) return;
    world.at(Math.max(world.nowMs, this.#calmUntilMs) + this.#exponential(this.plan.faultMs), () => {
      if (this.#isHealing) return;
      this.#breakSomething();
      this.#breakLater();
      // Most of it is over soon, so that there are many leaders in a run.
      if (this.#random.unit() < 0.7) {
        world.at(world.nowMs + this.#exponential(3 * this.plan.electionMs), () => world.heal());
      }
    });
  }

  /**
   * One follower hears its leader late, though in time to keep to it, and is handed the leadership meanwhile: it campaigns past all others'
   * leader, perhaps when that has given it up and the others have gone on.
   */
  #lag(leader: Member): void {
    const { world } = this;
    const { electionMs } = this.plan;
    const others = leader.raft?.config.voters.filter((voter) => voter !== leader.id) ?? [];
    if (others.length === 0) return;
    const id = this.#random.pick(others);
    const way = `${leader.id}>${id}`;
    this.#lagMs.set(way, electionMs * (0.5 + this.#random.unit()));
    for (const times of [1, 3])
      world.at(world.nowMs + this.#exponential(times * electionMs), () => leader.transfer(id));
    const untilMs = world.nowMs + this.#exponential(5 * electionMs);
    world.at(untilMs, () => this.#lagMs.delete(way));
    if (this.#random.unit() < 0.5) this.#calmUntilMs = untilMs;
  }

  #breakSomething(): void {
    const { world } = this;
    const random = this.#random;
    if (random.unit() < this.plan.lagRate && world.leader !== undefined) return this.#lag(world.leader);
    const member = random.pick(world.all);
    const ids = [...world.members.keys()];
    const target = random.unit() < 0.5 ? (world.leader ?? member) : member;
    switch (random.below(9)) {
      case 0:
        world.isolate(target.id);
        return;
      case 1: {
        const side = ids.filter(() => random.unit() < 0.5);
        world.part(
          side,
          ids.filter((id) => !side.includes(id)),
        );
        return;
      }
      case 2:
        for (const from of ids) for (const to of ids) if (random.unit() < 0.2) world.cut.add(`${from}>${to}`);
        return;
      case 3:
        world.heal();
        return;
      // One follower and its leader do not hear each other, all others hear both.
      case 6: {
        const { leader } = world;
        if (leader !== undefined)
          world.part([leader.id], [random.pick(ids.filter((id) => id !== leader.id || ids.length === 1))]);
        return;
      }
      // The leader is alone, and all that promised it anything start anew.
      case 7: {
        const { leader } = world;
        if (leader === undefined) return;
        world.isolate(leader.id);
        for (const other of world.all) {
          if (other === leader || other.raft === null) continue;
          other.crash(random.unit() < 0.5);
          other.start();
        }
        return;
      }
      case 4: {
        this.#crash(target, [1, 500, 3000]);
        return;
      }
      case 5:
        target.pause();
        // who asks it first, before it has heard of what happened meanwhile, is told nothing old
        world.at(world.nowMs + this.#exponential(2 * this.plan.electionMs), () =>
          target.resume(() => target.read((this.#serial += 1))),
        );
        return;
      default:
        world.heal();
    }
  }

  #heal(): void {
    this.#isHealing = true;
    const { world } = this;
    world.heal();
    for (const member of world.all) {
      if (member.isPaused) member.resume();
      if (member.raft === null) member.start();
      member.diskMs = () => 1;
    }
  }

  /** What is healed elects, commits, answers reads and brings all members to the same state. */
  #mustWork(): void {
    const { world } = this;
    let place: unknown = null;
    world.until(() => {
      const { leader } = world;
      if (
        leader === undefined ||
        (typeof place === 'object' &&
          place !== null &&
          'index' in place &&
          world.invariants.committedUpTo >= (place.index as number))
      ) {
        return typeof place === 'object' && place !== null;
      }
      if (typeof place !== 'object' || place === null || world.steps % 200 === 0) place = leader.propose('last');
      return false;
    });
    world.until(() => {
      const { leader } = world;
      if (leader?.raft === null || leader?.raft === undefined) return false;
      const { voters, learners } = leader.raft.config;
      const { index, digest } = leader.machine;
      return [...voters, ...learners].every((id) => {
        const { machine } = world.member(id);
        return machine.index === index && machine.digest === digest && index === leader.raft?.lastIndex;
      });
    });
  }
}
