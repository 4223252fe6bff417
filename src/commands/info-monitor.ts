import { utf8Latin1 } from '../classes/utf8.ts';
import type { CommandContext } from './context.ts';

/** INFO monitor: a line a class of which keys were compared. */
export function monitorFields({ server }: CommandContext): [name: string, value: string | number][] {
  const figures = Array.from(server.monitor?.figures ?? []);
  const lines = figures.map(([name, { compared, different, repaired, ageMs, lagMs }], index): [string, string] => [
    `compared${index}`,
    `name=${utf8Latin1(JSON.stringify(name))},regions=${compared.regions},redis=${compared.redis},source=${compared.source},` +
      `different_regions=${different.regions},different_redis=${different.redis},different_source=${different.source},` +
      `repaired_regions=${repaired.regions},repaired_redis=${repaired.redis},repaired_source=${repaired.source},` +
      `age_ms=${ageMs?.toFixed(0) ?? ''},lag_ms=${lagMs?.toFixed(0) ?? ''}`,
  ]);
  return [['monitor_on', server.monitor === null ? 0 : 1], ...lines];
}
