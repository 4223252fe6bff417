import { sha256Hex } from '../adapters/sha256-digests.ts';
import type { ClassPolicy } from '../classes/class-policy.ts';
import { CommandIndex } from '../commands/command-index.ts';
import { commandTable } from '../commands/table.ts';
import { CausewayError } from '../errors.ts';
import { planGroup, type GroupPlan } from '../groups/group-plan.ts';
import { GROUP_LIMITS, GROUP_TIMING, MEMBERS_TIMING } from '../groups/limits.ts';
import { MEMBERS_NODES_MIN } from '../groups/members-plan.ts';
import type { StrongOptions } from '../node/strong-side.ts';
import type { Clock, Entropy, QuorumStore } from '../ports.ts';
import { groupCodec } from '../wire/group-codec.ts';
import { membersCodec } from '../wire/members-codec.ts';
import { keptReplies } from '../wire/resp/kept-reply.ts';
import type { NodeConfig } from './node-config.ts';
import { regionOf, type Topology } from './topology.ts';

type PlannedConfig = Pick<NodeConfig, 'nodeNumber' | 'region' | 'members'>;

/** The quorum groups that the classes ask for: the same at every node of the cluster. Throws CONFIG. */
export function planGroups(policy: ClassPolicy, config: PlannedConfig, topology: Topology): GroupPlan[] {
  const nodes = [{ nodeNumber: config.nodeNumber, region: config.region }, ...config.members];
  const plans = new Map<string, GroupPlan>();
  for (const { name, strong } of policy.classes) {
    if (strong === undefined || plans.has(strong.group)) continue;
    const home = regionOf(topology, strong.home);
    const regions = new Set(nodes.map(({ region }) => region));
    if (!regions.has(home.name)) {
      const there = [...regions].join(', ');
      throw new CausewayError(
        'CONFIG',
        `class ${name}: home ${home.name} has no node in this cluster, there are ${there}`,
      );
    }
    const distance = (from: string, to: string): number => topology.oneWayMs(from, to);
    plans.set(strong.group, planGroup(home.name, home.number, strong.survive, nodes, distance));
  }
  return [...plans.values()];
}

/** Whether a node agrees with the others on who is a member: a voter that keeps nothing over a restart could not. */
export function membersAgree({ members, dataDir }: Pick<NodeConfig, 'members' | 'dataDir'>): boolean {
  return dataDir !== null && members.length + 1 >= MEMBERS_NODES_MIN;
}

/** What a node is given for its groups; undefined where it has none. */
export function strongOptions(
  { groups = [], members, dataDir }: NodeConfig,
  store: QuorumStore | null,
  { votesSince, settleVotes }: Pick<StrongOptions, 'votesSince' | 'settleVotes'>,
  entropy: Entropy,
  clock: Clock,
): StrongOptions | undefined {
  const agree = membersAgree({ members, dataDir });
  if (groups.length === 0 && !agree) return undefined;
  return {
    plans: groups,
    ...(agree ? { members: { codec: membersCodec, timing: MEMBERS_TIMING } } : {}),
    timing: GROUP_TIMING,
    limits: GROUP_LIMITS,
    commands: new CommandIndex(commandTable),
    newReply: keptReplies(),
    sha256: sha256Hex,
    codec: groupCodec,
    random: () => entropy.unit(),
    now: () => ({ wallMs: clock.wallMs(), monotonicMs: clock.monotonicMs() }),
    votesSince,
    settleVotes,
    load: store === null ? null : (group) => store.load(group),
    readAudit: store === null ? null : (group, fromIndex) => store.audit(group, fromIndex),
  };
}
