import type { MembershipRecord } from '../causal/membership-record.ts';
import type { MembersCodec, MembersStored } from '../groups/members-group.ts';
import type { ChangeStep, KnownIncarnations, MembersChange, MembersEntry } from '../groups/members-state.ts';
import type { NodeNumber } from '../clock/origin.ts';
import { INCARNATION_MAX } from '../clock/origin.ts';
import { flatJoins, flatRemovals, joins, removals } from './membership-codec.ts';
import { array, count, flag, flat, node, NODES_MAX, packr, refuse, unpack, vector } from './msgpack-checks.ts';

/** Numbers on the wire and on disk: never renumber, only add. */
const Form = { begin: 1, report: 2, release: 3 } as const;
const STEPS: readonly ChangeStep[] = ['fence', 'even', 'settle', 'hold'];

const nodes = (value: unknown): NodeNumber[] => array(value, NODES_MAX, 'nodes').map((each) => node(each));
const step = (value: unknown): ChangeStep => STEPS[count(value, 'a step')] ?? refuse('a step is none');
const kindOf = (value: unknown): 'remove' | 'join' => (flag(value, 'a change') ? 'join' : 'remove');
const flatKind = (kind: 'remove' | 'join'): number => (kind === 'join' ? 1 : 0);

const flatRecord = ({ epoch, removals: gone, joins: again }: MembershipRecord): unknown[] => [
  epoch,
  flatRemovals(gone),
  flatJoins(again),
];

function record(value: unknown): MembershipRecord {
  const [epoch, gone, again] = array(value, 3, 'the members');
  return { epoch: count(epoch, 'an epoch'), removals: removals(gone), joins: joins(again) };
}

function incarnations(value: unknown): KnownIncarnations {
  return array(value, NODES_MAX, 'incarnations').map((pair) => {
    const [of, life] = array(pair, 2, 'an incarnation');
    const newest = count(life, 'an incarnation');
    return newest <= INCARNATION_MAX ? ([node(of), newest] as const) : refuse(`incarnation ${newest} is none`);
  });
}

function entryParts(entry: MembersEntry): unknown[] {
  switch (entry.kind) {
    case 'begin': {
      const { change, nodes: of, topology, expectedEpoch, known } = entry;
      return [Form.begin, flatKind(change), of, topology, expectedEpoch, flatRecord(known)];
    }
    case 'report': {
      const { operation, step: at, node: from, has, incarnations: lives } = entry;
      return [Form.report, operation, STEPS.indexOf(at), from, flat(has), lives];
    }
    case 'release':
      return [Form.release, entry.operation];
  }
}

function entryOf([form, a, b, c, d, e]: readonly unknown[]): MembersEntry {
  switch (form) {
    case Form.begin:
      return {
        kind: 'begin',
        change: kindOf(a),
        nodes: nodes(b),
        topology: nodes(c),
        expectedEpoch: count(d, 'an epoch'),
        known: record(e),
      };
    case Form.report:
      return {
        kind: 'report',
        operation: count(a, 'an operation'),
        step: step(b),
        node: node(c),
        has: vector(d),
        incarnations: incarnations(e),
      };
    case Form.release:
      return { kind: 'release', operation: count(a, 'an operation') };
    default:
      return refuse(`the members have no entry ${String(form).slice(0, 16)}`);
  }
}

function flatChange(change: MembersChange | null): unknown {
  if (change === null) return null;
  const { kind, operation, nodes: of, others, step: at, reported, cut, incarnations: lives } = change;
  return [flatKind(kind), operation, of, others, STEPS.indexOf(at), reported, flat(cut), lives];
}

function changeOf(value: unknown): MembersChange | null {
  if (value === null) return null;
  const [kind, operation, of, others, at, reported, cut, lives] = array(value, 8, 'a change of the members');
  return {
    kind: kindOf(kind),
    operation: count(operation, 'an operation'),
    nodes: nodes(of),
    others: nodes(others),
    step: step(at),
    reported: nodes(reported),
    cut: vector(cut),
    incarnations: incarnations(lives),
  };
}

function storedOf([applied, members, change, voters, learners]: readonly unknown[]): MembersStored {
  return {
    image: { applied: count(applied, 'an index'), record: record(members), change: changeOf(change) },
    base: { voters: nodes(voters), learners: nodes(learners) },
  };
}

/** What the members' group sends and keeps: msgpack arrays, checked whole on the way in. */
export const membersCodec: MembersCodec = {
  encodeEntry: (entry) => packr.pack(entryParts(entry)),
  decodeEntry: (bytes) => entryOf(unpack(bytes)),
  encodeStored: ({ image: { applied, record: members, change }, base }) =>
    packr.pack([applied, flatRecord(members), flatChange(change), base.voters, base.learners]),
  decodeStored: (bytes) => storedOf(unpack(bytes)),
};
