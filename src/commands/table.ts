import { causewayCommands } from './causeway.ts';
import { sessionCommands } from './causeway-session.ts';
import { classesCommands } from './classes.ts';
import { clientCommands } from './client.ts';
import { commandCommands } from './command.ts';
import type { CommandSpec } from './command-spec.ts';
import { configCommands } from './config.ts';
import { conflictsCommands } from './conflicts.ts';
import { connectionCommands } from './connection.ts';
import { expireCommands } from './expire.ts';
import { genericCommands } from './generic.ts';
import { hashCommands } from './hash.ts';
import { infoCommands } from './info.ts';
import { jsonCommands } from './json.ts';
import { latencyCommands } from './latency.ts';
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
import { transactionCommands } from './transactions.ts';
import { waitCommands } from './wait.ts';

/** Every command that is offered, a row each. */
export const commandTable: readonly CommandSpec[] = [
  ...stringCommands,
  ...siblingCommands,
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
  ...classesCommands,
  ...conflictsCommands,
  ...sessionCommands,
  ...memberCommands,
  ...strongKeyCommands,
  ...strongConditionCommands,
  ...strongGetCommands,
  ...strongGroupCommands,
  ...strongAuditCommands,
];
