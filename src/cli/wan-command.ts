import { z } from 'zod';
import { CausewayError } from '../errors.ts';
import { askAdmin } from '../wan/admin-client.ts';
import type { LinkStatus } from '../wan/shaper.ts';
import { readReadyFile } from './ready-file.ts';
import { tableOf } from './table.ts';
import { UsageError, type Terminal } from './usage.ts';

/** Which shaper. */
export interface WanOptions {
  readonly readyFile?: string;
  readonly admin?: string;
}

export interface SteerOptions extends WanOptions {
  readonly oneDirection?: boolean;
  readonly oneWayMs?: number;
}

const linksAnswer: z.ZodType<{ links: LinkStatus[] }> = z.object({
  links: z.array(
    z.object({
      from: z.string(),
      to: z.string(),
      state: z.enum(['open', 'cut', 'slow']),
      oneWayMs: z.number(),
      measuredOneWayMs: z.number(),
      queuedBytes: z.number(),
      bytesTotal: z.number(),
    }),
  ),
});

/** Prints every link between regions. */
export async function wanLinks(options: WanOptions, terminal: Terminal): Promise<void> {
  const answer = readAnswer(await askAdmin(adminUrlOf(options), '/links'));
  terminal.write(linksText(answer.links));
}

/** Cuts, slows or heals a link; returns once it is in force. */
export async function wanSteer(
  what: 'cut' | 'slow' | 'heal',
  from: string,
  to: string,
  options: SteerOptions,
  terminal: Terminal,
): Promise<void> {
  const { oneDirection = false, oneWayMs } = options;
  const body = { from, to, oneDirection, ...(oneWayMs === undefined ? {} : { oneWayMs }) };
  const answer = readAnswer(await askAdmin(adminUrlOf(options), `/${what}`, body));
  terminal.write(linksText(answer.links));
}

function adminUrlOf(options: WanOptions): string {
  if ((options.readyFile === undefined) === (options.admin === undefined)) {
    throw new UsageError('say which WAN: --ready-file FILE (what `causeway up` wrote) or --admin URL');
  }
  return options.admin ?? readReadyFile(options.readyFile ?? '').wan;
}

function readAnswer(value: unknown): { links: LinkStatus[] } {
  const parsed = linksAnswer.safeParse(value);
  if (!parsed.success) throw new CausewayError('PROTOCOL', 'what answers there is not the WAN shaper of this version');
  return parsed.data;
}

function linksText(links: readonly LinkStatus[]): string {
  if (links.length === 0) return 'no links: all nodes are in one region\n';
  const rows = links.map((link) => [
    link.from,
    link.to,
    link.state,
    link.state === 'cut' ? '-' : link.oneWayMs.toFixed(1),
    link.measuredOneWayMs.toFixed(1),
    String(link.queuedBytes),
  ]);
  return tableOf(['from', 'to', 'state', 'one-way ms', 'measured ms', 'bytes under way'], rows);
}
