import type { MetricRow, MetricSample } from '../adapters/prom-metrics.ts';
import type { GroupTelemetry, NodeTelemetry } from '../node/telemetry.ts';
import { durationSamples } from './duration-samples.ts';

type Row = MetricRow<{ readonly node: NodeTelemetry }>;

/** Every metric of the quorum groups of a node. Of those at the leader alone, as proposals, other nodes say nothing or what they counted while they led. */
export const GROUP_METRICS: readonly Row[] = [
  gauge('causeway_group_leader', 'Whether this node leads a group', ({ role }) => (role === 'leader' ? 1 : 0)),
  gauge('causeway_group_has_leader', 'Whether a leader of a group is known here', ({ leader }) => (leader ? 1 : 0)),
  gauge(
    'causeway_group_leaderless_ms',
    'Time since a leader was known here, in milliseconds',
    (group) => group.leaderlessMs,
  ),
  gauge('causeway_group_term', "A group's term", ({ term }) => term),
  gauge('causeway_group_voters', 'Voters of a group', ({ members }) => members.filter(({ isVoter }) => isVoter).length),
  gauge('causeway_group_commit_index', 'The last entry known to be committed', ({ commit }) => commit),
  gauge('causeway_group_applied_index', 'The last entry run here', ({ applied }) => applied),
  gauge('causeway_group_visible_index', 'The last entry shown to local reads here', ({ visible }) => visible),
  gauge('causeway_group_apply_lag', 'Committed entries not run here yet', ({ commit, applied }) => commit - applied),
  gauge('causeway_group_visible_lag', 'Entries run here that wait for their causes', ({ applied, visible }) =>
    Math.max(0, applied - visible),
  ),
  gauge('causeway_group_age_ms', 'How old what local reads show can be, in milliseconds', ({ ageMs }) => ageMs),
  row(
    'gauge',
    'causeway_group_member_lag',
    'Entries that a member does not have on disk, as the leader knows',
    (group) =>
      group.members.flatMap(({ id, matched }) =>
        matched === null ? [] : [{ labels: { group: group.name, member: id }, value: group.lastIndex - matched }],
      ),
  ),
  row('counter', 'causeway_group_proposals_total', 'Requests put into the log while this node led', (group) => [
    { labels: { group: group.name }, value: group.proposalsTotal },
  ]),
  row(
    'counter',
    'causeway_group_refusals_total',
    'Requests made here that ended in an error of the group, by code',
    (group) => Array.from(group.refusals, ([code, value]) => ({ labels: { group: group.name, code }, value })),
  ),
  row('histogram', 'causeway_group_quorum_duration_seconds', 'From proposal to applied, at the leader', (group) =>
    durationSamples(group.quorumLatency, { group: group.name }),
  ),
  row('histogram', 'causeway_group_sync_duration_seconds', 'Until what a group promised was on disk here', (group) =>
    durationSamples(group.syncLatency, { group: group.name }),
  ),
];

function row(type: Row['type'], name: string, help: string, read: (group: GroupTelemetry) => MetricSample[]): Row {
  return { name, type, help, read: ({ node }) => node.groups.flatMap(read) };
}

/** A sample a group; what is not known is left out. */
function gauge(name: string, help: string, value: (group: GroupTelemetry) => number | null): Row {
  return row('gauge', name, help, (group) => {
    const known = value(group);
    return known === null ? [] : [{ labels: { group: group.name }, value: known }];
  });
}
