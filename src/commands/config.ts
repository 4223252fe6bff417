import { latin1Range } from '../base/bytes.ts';
import { Glob } from '../base/glob.ts';
import type { CommandFlag, CommandSpec } from './command-spec.ts';
import { container } from './container.ts';
import type { CommandContext } from './context.ts';
import { helpOf } from './help.ts';
import { patternOf } from './patterns.ts';
import { refuse, wrongArity } from './refusals.ts';

function configGet({ args, reply, server }: CommandContext): void {
  const globs: Glob[] = [];
  for (let i = 2; i < args.count; i++) {
    patternOf(args.range(i));
    globs.push(new Glob(latin1Range(args.text(i)), { nocase: true }));
  }
  const found = server.parameters.matching(globs);
  reply.map(found.length);
  for (const [name, value] of found) {
    reply.bulkText(name);
    reply.bulkText(value);
  }
}

function configSet({ args, reply, server }: CommandContext): void {
  if (args.count % 2 !== 0) throw wrongArity('config|set');
  const pairs: [string, string][] = [];
  for (let i = 2; i < args.count; i += 2) pairs.push([args.text(i), args.text(i + 1)]);
  server.parameters.set(pairs);
  reply.ok();
}

function resetStat({ reply, server }: CommandContext): void {
  server.stats.reset(server.engine.expiredKeys);
  for (const entry of server.commands) entry.resetFigures();
  reply.ok();
}

const flags: readonly CommandFlag[] = ['admin', 'noscript', 'loading', 'stale'];

/** CONFIG. */
export const configCommands: readonly CommandSpec[] = [
  container('config', 'server', 'A container for server configuration commands', [
    {
      name: 'config|get',
      arity: -3,
      flags,
      group: 'server',
      summary: 'Get the values of configuration parameters',
      run: configGet,
    },
    {
      name: 'config|set',
      arity: -4,
      flags,
      group: 'server',
      summary: 'Set configuration parameters to the given values, until the node stops',
      run: configSet,
    },
    {
      name: 'config|resetstat',
      arity: 2,
      flags,
      group: 'server',
      summary: 'Reset the stats returned by INFO',
      run: resetStat,
    },
    {
      name: 'config|rewrite',
      arity: 2,
      flags,
      group: 'server',
      summary: "Refused: the configuration file is the operator's",
      run: () => {
        throw refuse('The configuration file is not written by the server: change it and start the node again');
      },
    },
    helpOf(
      'config',
      'server',
      [
        'GET <pattern>',
        '    Return parameters matching the glob-like <pattern> and their values.',
        'SET <directive> <value>',
        '    Set the configuration <directive> to <value>, until the node stops.',
        'RESETSTAT',
        '    Reset statistics reported by the INFO command.',
        'REWRITE',
        '    Refused: the configuration file is not written by the server.',
      ],
      ['loading', 'stale'],
    ),
  ]),
];
