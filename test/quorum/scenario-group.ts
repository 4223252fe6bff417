import type { ConfigChange } from '../../src/quorum/group-config.ts';
import { EntryKind, type Entry, type Message } from '../../src/quorum/messages.ts';
import { bytesOf } from './machine.ts';
import type { Member } from './member.ts';
import { World } from './world.ts';

/** The commands of scenario files over a group in virtual time. Each takes words and returns the lines that it says. */
export class ScenarioGroup {
  #world: World | null = null;
  #watched: readonly string[] = [];
  readonly #heard: string[] = [];
  #readId = 0;

  run(line: string): string[] {
    const [name = '', ...words] = line.split(/\s+/);
    const command = COMMANDS[name];
    if (command === undefined) throw new Error(`no command "${name}": there are ${Object.keys(COMMANDS).join(' ')}`);
    const said = command(this, words);
    return [...this.#heard.splice(0), ...said];
  }

  get world(): World {
    if (this.#world === null) throw new Error('begin with `group NUMBER…`');
    return this.#world;
  }

  /** `group 1 2 3 learner=4 limit.appendBytesMax=100 timing.electionMs=500` */
  begin(words: readonly string[]): void {
    const voters = words.filter((word) => !word.includes('=')).map(Number);
    const options = words.filter((word) => word.includes('=')).map((word) => word.split('=') as [string, string]);
    const learners = options.filter(([name]) => name === 'learner').map(([, value]) => Number(value));
    const section = (prefix: string): Record<string, number> =>
      Object.fromEntries(
        options
          .filter(([name]) => name.startsWith(`${prefix}.`))
          .map(([name, value]) => [name.slice(prefix.length + 1), Number(value)]),
      );
    this.#world = new World({ voters, learners, limits: section('limit'), timing: section('timing') });
    this.#world.tap = (message) => {
      if (this.#watched.includes(message.type)) this.#heard.push(described(message));
    };
  }

  watch(types: readonly string[]): void {
    this.#watched = types;
  }

  member(id = ''): Member {
    return this.world.member(Number(id));
  }

  each(say: (member: Member) => string): string[] {
    return this.world.all.map((member) => `${member.id}  ${member.raft === null ? 'down' : say(member)}`);
  }

  read(member: Member): number {
    this.#readId += 1;
    member.read(this.#readId);
    return this.#readId;
  }

  /** A log as it would be after an earlier life: its term, and the terms of its entries from 1 on. */
  givenLog(member: Member, term: number, terms: readonly number[]): void {
    member.crash();
    const entries = terms.map((of, offset): Entry => {
      return { index: offset + 1, term: of, kind: EntryKind.Command, data: bytesOf(`${offset + 1}.${of}`) };
    });
    const hardState = { term, votedFor: 0, commit: 0 };
    member.disk.write({ hardState, truncateFrom: null, entries, parts: [], snapshot: null }, () => {
      throw new Error('no snapshot is given');
    });
  }

  /** Makes `member` the leader: by a transfer, or by its campaign once nobody is kept to. */
  lead(member: Member): string[] {
    const { world } = this;
    const { leader } = world;
    if (leader !== undefined && leader !== member) leader.transfer(member.id);
    else {
      world.run(Math.max(0, 950 - world.nowMs));
      member.campaign();
    }
    world.run(200);
    return member.raft?.role === 'leader' ? [] : [`${member.id} does not lead`];
  }
}

function described(message: Message): string {
  const { from, to, term, type } = message;
  const head = `  ${from}>${to} term ${term}: ${type}`;
  switch (message.type) {
    case 'vote': {
      const kinds = `${message.isPreVote ? ' (pre)' : ''}${message.isTransfer ? ' (transfer)' : ''}`;
      return `${head}${kinds}, log ends at ${message.lastIndex} of term ${message.lastTerm}`;
    }
    case 'vote-response':
      return `${head}${message.isPreVote ? ' (pre)' : ''}, ${message.isGranted ? 'granted' : 'refused'}`;
    case 'append': {
      const what = message.entries.map((entry) => `${entry.index}.${entry.term}`).join(' ');
      return `${head} after ${message.previousIndex}.${message.previousTerm} [${what}] commit ${message.commit}`;
    }
    case 'append-response':
      return `${head} ${message.isAccepted ? 'accepted' : 'refused'} ${message.index}`;
    case 'snapshot':
      return `${head} of ${message.meta.index}.${message.meta.term}, bytes ${message.offset}-${message.offset + message.bytes.length}${message.isLast ? ', the last' : ''}`;
    case 'snapshot-response':
      return `${head} of ${message.index}, has ${message.received}${message.isDone ? ', done' : ''}`;
    case 'timeout-now':
      return head;
    case 'read-index':
    case 'read-index-response':
      return `${head}${'index' in message ? ` ${message.index}` : ''}`;
  }
}

/** `..3 1 1 2 | 2`: the compacted part, then terms, what is committed before the bar. */
function logLine({ raft }: Member): string {
  if (raft === null) return 'down';
  let base = raft.lastIndex;
  while (raft.entryAt(base) !== undefined) base -= 1;
  const words: string[] = base > 0 ? [`..${base}`] : [];
  if (raft.commit === base) words.push('|');
  for (let index = base + 1; index <= raft.lastIndex; index++) {
    words.push(String(raft.termAt(index)));
    if (index === raft.commit) words.push('|');
  }
  return words.join(' ');
}

function stateLine({ raft }: Member): string {
  if (raft === null) return 'down';
  const { commit, config, lastIndex, leader, role, term } = raft;
  const learners = config.learners.map((id) => ` +${id}`).join('');
  return `${role}, term ${term}, leader ${leader}, commit ${commit} of ${lastIndex}, members ${config.voters.join(' ')}${learners}`;
}

function placed(place: unknown): string {
  if (typeof place === 'string') return place;
  const { term, index } = place as { term: number; index: number };
  return `${index}.${term}`;
}

type Command = (group: ScenarioGroup, words: readonly string[]) => string[];

function silent(act: (group: ScenarioGroup, words: readonly string[]) => void): Command {
  return (group, words) => {
    act(group, words);
    return [];
  };
}

function numbers(words: readonly string[]): number[] {
  return words.map(Number);
}

const COMMANDS: Readonly<Record<string, Command>> = {
  group: silent((group, words) => group.begin(words)),
  watch: silent((group, words) => group.watch(words)),
  run: silent(({ world }, [ms]) => world.run(Number(ms))),
  lead: (group, [id]) => group.lead(group.member(id)),
  campaign: (group, [id]) => [group.member(id).campaign() ? 'asks for votes' : 'keeps to its leader'],
  propose: (group, [id, ...texts]) => [texts.map((text) => placed(group.member(id).propose(text))).join(' ')],
  change: (group, [id, kind, node]) => {
    return [placed(group.member(id).change({ kind: kind as ConfigChange['kind'], node: Number(node) }))];
  },
  add: silent(({ world }, [id]) => world.add(Number(id))),
  transfer: (group, [id, to]) => [group.member(id).transfer(Number(to))],
  read: (group, [id]) => {
    const member = group.member(id);
    const read = group.read(member);
    const done = member.readsDone.find((each) => each.id === read);
    return [done === undefined ? 'waits' : `index ${done.index}`];
  },
  reads: (group, [id]) => group.member(id).readsDone.map((read) => `read ${read.id}: index ${read.index}`),
  lease: (group) =>
    group.each(({ raft, localMs }) => (raft !== null && raft.leaseUntilMs > localMs ? 'lease' : 'no lease')),
  overwritten: (group, [id]) => [group.member(id).overwritten.map(placed).join(' ') || 'nothing'],
  isolate: silent(({ world }, ids) => numbers(ids).forEach((id) => world.isolate(id))),
  // `cut 1>2 2>3`: one way
  cut: silent(({ world }, pairs) => pairs.forEach((pair) => world.cut.add(pair))),
  // `part 1 2 / 3 4 5`
  part: silent(({ world }, words) => {
    const bar = words.indexOf('/');
    world.part(numbers(words.slice(0, bar)), numbers(words.slice(bar + 1)));
  }),
  heal: silent(({ world }) => world.heal()),
  crash: silent((group, ids) => ids.forEach((id) => group.member(id).crash())),
  start: silent((group, ids) => ids.forEach((id) => group.member(id).start())),
  pause: silent((group, ids) => ids.forEach((id) => group.member(id).pause())),
  resume: silent((group, ids) => ids.forEach((id) => group.member(id).resume())),
  compact: silent((group, ids) => ids.forEach((id) => group.member(id).compact())),
  // `disk 2 300`: its batches take so long
  disk: silent((group, [id, ms]) => {
    group.member(id).diskMs = () => Number(ms);
  }),
  // `delay 50`: every message takes so long
  delay: silent(({ world }, [ms]) => {
    world.fate = () => [Number(ms)];
  }),
  // `log 2 term 3 1 1 2`: 2 is down, was in term 3 and has entries of the terms 1 1 2 on its disk
  log: silent((group, [id, , term, ...terms]) => group.givenLog(group.member(id), Number(term), numbers(terms))),
  logs: (group) => group.each(logLine),
  state: (group) => group.each(stateLine),
  values: (group) => group.each(({ machine }) => machine.values.join(' ') || '-'),
  time: ({ world }) => [`${world.nowMs} ms`],
};
