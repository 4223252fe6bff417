import type { CommandSpec } from './command-spec.ts';
import type { CommandContext } from './context.ts';
import { infoSections } from './info-sections.ts';

/** What INFO leaves out unless it is asked for. */
const ONLY_WHEN_ASKED: ReadonlySet<string> = new Set(['commandstats', 'latencystats']);

function sectionsAsked({ args }: CommandContext): Set<string> {
  const asked = new Set<string>();
  const words = args.count === 1 ? ['default'] : Array.from({ length: args.count - 1 }, (_, i) => args.text(i + 1));
  for (const word of words) {
    const name = word.toLowerCase();
    if (name === 'all' || name === 'everything') for (const section of infoSections.keys()) asked.add(section);
    else if (name === 'default') {
      for (const section of infoSections.keys()) if (!ONLY_WHEN_ASKED.has(section)) asked.add(section);
    } else if (infoSections.has(name)) asked.add(name);
  }
  return asked;
}

/** The text that INFO answers with. */
function infoText(context: CommandContext, sections: ReadonlySet<string>): string {
  const parts: string[] = [];
  for (const [name, { title, fields }] of infoSections) {
    if (!sections.has(name)) continue;
    parts.push(
      `# ${title}\r\n${fields(context)
        .map((field) => `${field[0]}:${field[1]}\r\n`)
        .join('')}`,
    );
  }
  return parts.join('\r\n');
}

/** INFO. */
export const infoCommands: readonly CommandSpec[] = [
  {
    name: 'info',
    arity: -1,
    flags: ['loading', 'stale'],
    group: 'server',
    summary: 'Return information and statistics about the server',
    run: (context) => context.reply.verbatim(infoText(context, sectionsAsked(context))),
  },
];
