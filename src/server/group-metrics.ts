import type { MetricRow } from '../adapters/prom-metrics.ts';
import type { NodeTelemetry } from '../node/telemetry.ts';
import { durationSamples } from './duration-samples.ts';
import { MetricRows } from './metric-rows.ts';

interface GroupSnapshot {
  readonly node: Pick<NodeTelemetry, 'groups'>;
}

const groups = new MetricRows(
  ({ node }: GroupSnapshot) => node.groups,
  ({ name }) => ({ group: name }),
);

/** Every metric of the quorum groups of a node. Of those at the leader alone, as proposals, other nodes say nothing or what they counted while they led. */
export const GROUP_METRICS: readonly MetricRow<GroupSnapshot>[] = [
  groups.gauge('causeway_group_leader', 'Whether this node leads a group', ({ role }) => (role === 'leader' ? 1 : 0)),
  groups.gauge('causeway_group_has_leader', 'Whether a leader of a group is known here', ({ leader }) =>
    leader ? 1 : 0,
  ),
  groups.gauge(
    'causeway_group_leaderless_ms',
    'Time since a leader was known here, in milliseconds',
    (group) => group.leaderlessMs,
  ),
  groups.gauge('causeway_group_term', "A group's term", ({ term }) => term),
  groups.gauge(
    'causeway_group_voters',
    'Voters of a group',
    ({ members }) => members.filter(({ isVoter }) => isVoter).length,
  ),
  groups.gauge('causeway_group_commit_index', 'The last entry known to be committed', ({ commit }) => commit),
  groups.gauge('causeway_group_applied_index', 'The last entry run here', ({ applied }) => applied),
  groups.gauge('causeway_group_visible_index', 'The last entry shown to local reads here', ({ visible }) => visible),
  groups.gauge(
    'causeway_group_apply_lag',
    'Committed entries not run here yet',
    ({ commit, applied }) => commit - applied,
  ),
  groups.gauge('causeway_group_visible_lag', 'Entries run here that wait for their causes', ({ applied, visible }) =>
    Math.max(0, applied - visible),
  ),
  groups.gauge('causeway_group_age_ms', 'How old what local reads show can be, in milliseconds', ({ ageMs }) => ageMs),
  groups.samples(
    'gauge',
    'causeway_group_member_lag',
    'Entries that a member does not have on disk, as the leader knows',
    ({ members, lastIndex }, labels) =>
      members.flatMap(({ id, matched }) =>
        matched === null ? [] : [{ labels: { ...labels, member: id }, value: lastIndex - matched }],
      ),
  ),
  groups.counter(
    'causeway_group_proposals_total',
    'Requests put into the log while this node led',
    (group) => group.proposalsTotal,
  ),
  groups.samples(
    'counter',
    'causeway_group_refusals_total',
    'Requests made here that ended in an error of the group, by code',
    ({ refusals }, labels) => Array.from(refusals, ([code, value]) => ({ labels: { ...labels, code }, value })),
  ),
  groups.samples(
    'histogram',
    'causeway_group_quorum_duration_seconds',
    'From proposal to applied, at the leader',
    (group, labels) => durationSamples(group.quorumLatency, labels),
  ),
  groups.samples(
    'histogram',
    'causeway_group_sync_duration_seconds',
    'Until what a group promised was on disk here',
    (group, labels) => durationSamples(group.syncLatency, labels),
  ),
];
