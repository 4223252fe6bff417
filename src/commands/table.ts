import { causewayCommands } from './causeway.ts';
import { sessionCommands } from './causeway-session.ts';
import { classesCommands } from './classes.ts';
import { clientCommands } from './client.ts';
import { commandCommands } from './command.ts';
import type { CommandSpec } from './command-spec.ts';
import { configCommands } from './config.ts';
import { conflictsCommands } from './conflicts.ts';
import { connectionCommands } from './connection.ts';
import { dependencyCommands } from './dependencies.ts';
import { expireCommands } from './expire.ts';
import { feedCommands } from './feed.ts';
import { genericCommands } from './generic.ts';
import { hashCommands } from './hash.ts';
import { httpEntryCommands } from './http-entries.ts';
import { ifVersionCommands } from './if-version.ts';
import { infoCommands } from './info.ts';
import { invalidateCommands } from './invalidate.ts';
import { jsonCommands } from './json.ts';
import { latencyCommands } from './latency.ts';
import { leaseCommands } from './lease-commands.ts';
import { memberCommands } from './members.ts';
import { memoryCommands } from './memory.ts';
import { objectCommands } from './object.ts';
import { pubsubCommands } from './pubsub.ts';
import { scanCommands } from './scan.ts';
import { serverCommands } from './server.ts';
import { setCommands } from './set.ts';
import { siblingCommands } from './siblings.ts';
import { slowlogCommands } from './slowlog-commands.ts';
import { stringCommands } from './string.ts';
import { strongAuditCommands } from './strong-audit.ts';
import { strongConditionCommands } from './strong-conditions.ts';
import { strongGetCommands } from './strong-get.ts';
import { strongGroupCommands } from './strong-groups.ts';
import { strongKeyCommands } from './strong-keys.ts';
import { trackingCommands } from './client-tracking.ts';
import { tagCommands } from './tags.ts';
import { transactionCommands } from './transactions.ts';
import { versionedReadCommands } from './versioned-reads.ts';
import { waitCommands } from './wait.ts';

/** Every command that is offered, a row each. */
export const commandTable: readonly CommandSpec[] = [
  ...stringCommands,
  ...siblingCommands,
  ...versionedReadCommands,
  ...httpEntryCommands,
  ...hashCommands,
  ...setCommands,
  ...jsonCommands,
  ...genericCommands,
  ...expireCommands,
  ...scanCommands,
  ...connectionCommands,
  ...clientCommands,
  ...serverCommands,
  ...commandCommands,
  ...configCommands,
  ...infoCommands,
  ...objectCommands,
  ...memoryCommands,
  ...slowlogCommands,
  ...latencyCommands,
  ...pubsubCommands,
  ...transactionCommands,
  ...waitCommands,
  ...causewayCommands,
  ...trackingCommands,
  ...feedCommands,
  ...classesCommands,
  ...conflictsCommands,
  ...sessionCommands,
  ...ifVersionCommands,
  ...tagCommands,
  ...dependencyCommands,
  ...invalidateCommands,
  ...leaseCommands,
  ...memberCommands,
  ...strongKeyCommands,
  ...strongConditionCommands,
  ...strongGetCommands,
  ...strongGroupCommands,
  ...strongAuditCommands,
];
