import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command, CommanderError, Option } from 'commander';
import { CONSISTENCIES } from '../classes/key-class.ts';
import { CausewayError, toCausewayError } from '../errors.ts';
import { ENVIRONMENT_TABLE } from '../server/config-table.ts';
import type { StartServer } from '../server/server-types.ts';
import { NODE_ACTIONS } from './node-actions.ts';
import { packageRoot, programEntry } from './package-root.ts';
import { RespError } from './resp-client.ts';
import {
  EXIT_FAILED,
  EXIT_OK,
  EXIT_USAGE,
  integerOption,
  listOption,
  numberOption,
  printable,
  standardTerminal,
  UsageError,
  type Terminal,
} from './usage.ts';

/** What a program is made of, where it is not the real thing: for tests. */
export interface ProgramParts {
  /** The script by which `up` starts its children. */
  readonly entry?: string;
  readonly startServer?: StartServer;
}

/** Region names that `up` starts when it is told none. */
const DEFAULT_REGIONS = ['us-east-1', 'eu-west-1', 'ap-southeast-1'];
const READY_FILE_HELP = 'what `causeway up --ready-file` wrote';
const PASSWORD_HELP = 'what the nodes ask of their clients; better said by CAUSEWAY_PASSWORD';

/**
 * Runs one command line (without the program's own name) to its end and gives the exit code: 0, 1 for a failure, 2 for
 * a wrong command line. Errors are one line on standard error, `causeway: CODE message`.
 */
export async function run(argv: readonly string[], parts: ProgramParts = {}): Promise<number> {
  const exit = { code: EXIT_OK };
  const program = buildProgram(exit, parts);
  try {
    await program.parseAsync(argv, { from: 'user' });
    return exit.code;
  } catch (thrown) {
    // Help and version arrive here too, with 0; commander has printed what there is to say.
    if (thrown instanceof CommanderError) return thrown.exitCode === 0 ? EXIT_OK : EXIT_USAGE;
    if (thrown instanceof RespError) {
      // What the node answered begins with a code already.
      process.stderr.write(`causeway: ${printable(thrown.message)}\n`);
      return EXIT_FAILED;
    }
    const error = isSystemError(thrown) ? new CausewayError('ERR', thrown.message) : toCausewayError(thrown);
    process.stderr.write(`causeway: ${error.code} ${error.message.replaceAll('\n', '; ')}\n`);
    // A fault of ours: whoever reports it needs to say where.
    if (error.code === 'Internal' && error !== thrown) console.error(thrown);
    return thrown instanceof UsageError ? EXIT_USAGE : EXIT_FAILED;
  }
}

/** Where an action leaves the exit code. */
interface Exit {
  code: number;
}

/** What the operating system refused: a folder that may not be written, for one. */
function isSystemError(thrown: unknown): thrown is NodeJS.ErrnoException {
  return thrown instanceof Error && 'syscall' in thrown && 'code' in thrown;
}

/** What commands get from the options of the program itself. */
function terminalOf(program: Command): Terminal {
  return standardTerminal(program.opts<{ color: boolean }>().color);
}

/** Each command loads its own part of the program only when it is run. */
function buildProgram(exit: Exit, parts: ProgramParts): Command {
  const program = new Command('causeway')
    .description('A geo-replicated cache that speaks the Redis protocol.')
    .version(readVersion(), '-v, --version')
    .option('--no-color', 'no colours on a terminal either')
    .exitOverride()
    .configureOutput({
      outputError: (text, write) => write(`causeway: CONFIG ${text.replace(/^error: /, '')}`),
    })
    .showSuggestionAfterError(false)
    .helpCommand(false);
  addUp(program, exit, parts);
  addServe(program, exit, parts);
  addWan(program);
  addNode(program);
  addMember(program);
  addGroup(program, exit);
  addReplay(program);
  addInspect(program, exit);
  addDoctor(program, exit);
  addWarm(program, exit);
  addClasses(program, exit);
  addAudit(program, exit);
  addVerify(program, exit);
  return program;
}

function addUp(program: Command, exit: Exit, parts: ProgramParts): void {
  program
    .command('up')
    .description('start a cluster on this machine: a process a node, and the WAN between the regions')
    .option('--regions <names>', 'regions of regions/topology.yaml', listOption, DEFAULT_REGIONS)
    .option('--nodes-per-region <count>', 'nodes in each region', integerOption(1, 26), 1)
    .option(
      '--port-base <port>',
      'all fixed ports lie in port … port+49; 0 takes free ones',
      integerOption(0, 65_486),
      6_400,
    )
    .option('--wan-scale <factor>', 'factor on the measured delays', numberOption(0, 100), 1)
    .option('--wan-jitter', 'vary delays as they varied when measured', false)
    .option('--requirepass <password>', 'what clients have to say; better said by CAUSEWAY_REQUIREPASS')
    .option('--classes <file>', 'classes of keys; regions/classes.yaml of the package otherwise')
    .option('--data-dir <dir>', 'keep the data there; a temporary folder otherwise')
    .option('--ready-file <file>', 'write there (JSON) what runs where, once every node is ready')
    .action(async (options) => {
      const { runUp } = await import('./up-command.ts');
      exit.code = await runUp(options, terminalOf(program), parts.entry ?? programEntry());
    });
}

function addServe(program: Command, exit: Exit, parts: ProgramParts): void {
  const width = Math.max(...ENVIRONMENT_TABLE.map(({ name }) => name.length)) + 2;
  const environment = ENVIRONMENT_TABLE.map((row) => `  ${row.name.padEnd(width)}${row.help}`);
  program
    .command('serve')
    .description('run one node')
    .requiredOption('--config <file>', "the region's file, such as regions/eu-west-1.yaml")
    .requiredOption('--node <letter>', 'which of its nodes')
    .addHelpText('after', `\nThe environment overrides the file:\n${environment.join('\n')}`)
    .action(async (options) => {
      const { runServe } = await import('./serve-command.ts');
      const { startServer } =
        parts.startServer === undefined ? await import('../server/server.ts') : { startServer: parts.startServer };
      exit.code = await runServe(options, startServer);
    });
  program
    .command('wan-shaper', { hidden: true })
    .description('run the WAN between regions')
    .option('--config <file>', 'administrative address, scale, forwards')
    .action(async (options) => {
      const { runWanShaper } = await import('./wan-shaper-command.ts');
      exit.code = await runWanShaper(options);
    });
}

function addWan(program: Command): void {
  const wan = program.command('wan').description('steer the WAN of a running cluster').helpCommand(false);
  const withAdmin = (command: Command): Command =>
    command
      .option('--ready-file <file>', READY_FILE_HELP)
      .option('--admin <url>', "the shaper's administrative address")
      .exitOverride();
  const oneDirection = new Option('--one-direction', 'only from A to B').default(false);
  withAdmin(wan.command('links').description('show the links between regions')).action(async (options) => {
    const { wanLinks } = await import('./wan-command.ts');
    await wanLinks(options, terminalOf(program));
  });
  for (const [name, description] of [
    ['cut', 'cut the link between two regions: both ways and noticed, or one way and silent'],
    ['heal', 'put a link back to what was measured'],
  ] as const) {
    withAdmin(wan.command(`${name} <a> <b>`).description(description))
      .addOption(oneDirection)
      .action(async (a, b, options) => {
        const { wanSteer } = await import('./wan-command.ts');
        await wanSteer(name, a, b, options, terminalOf(program));
      });
  }
  withAdmin(wan.command('slow <a> <b>').description('set the one-way delay of a link'))
    .requiredOption('--one-way-ms <ms>', 'the delay from now on, absolute', numberOption(0, 600_000))
    .addOption(oneDirection)
    .action(async (a, b, options) => {
      const { wanSteer } = await import('./wan-command.ts');
      await wanSteer('slow', a, b, options, terminalOf(program));
    });
}

function addNode(program: Command): void {
  const node = program.command('node').description('act on nodes of a running cluster').helpCommand(false);
  node
    .command('list')
    .description('show the nodes')
    .requiredOption('--ready-file <file>', READY_FILE_HELP)
    .action(async (options) => {
      const { nodeList } = await import('./node-command.ts');
      nodeList(options.readyFile, terminalOf(program));
    });
  for (const [action, { help }] of Object.entries(NODE_ACTIONS)) {
    node
      .command(`${action} <id>`)
      .description(help)
      .requiredOption('--ready-file <file>', READY_FILE_HELP)
      .action(async (id, options) => {
        const { nodeAct } = await import('./node-command.ts');
        await nodeAct(action, id, options.readyFile, terminalOf(program));
      });
  }
}

function addMember(program: Command): void {
  const member = program.command('member').description('say who is a member of a cluster').helpCommand(false);
  const withNodes = (command: Command): Command =>
    command
      .option('--ready-file <file>', READY_FILE_HELP)
      .option('--nodes <addresses>', 'host:port of all nodes, comma separated', listOption)
      .option('--password <password>', PASSWORD_HELP)
      .exitOverride();
  const withTimeout = (command: Command): Command =>
    withNodes(command).option(
      '--timeout <seconds>',
      'how long the members may take to agree',
      numberOption(0.1, 86_400),
      30,
    );
  const limit = ['--limit <lines>', 'lines of a list that are shown', integerOption(1, 10_000_000), 1_000] as const;
  withNodes(member.command('list').description('show every node of the topology, and whether it is a member'))
    .option('--lost', 'and what nodes that were removed and run on their disks alone have', false)
    .option(...limit)
    .action(async (options) => {
      const { memberList } = await import('./member-list.ts');
      await memberList(options, terminalOf(program));
    });
  const region = ['--region <region>', 'all nodes of a region, in one change'] as const;
  const alone = [
    '--alone',
    'where two members or fewer are left, which cannot agree: goes from one to the other',
    false,
  ] as const;
  withNodes(member.command('status').description('show who decides on the members, and how far a change is')).action(
    async (options) => {
      const { memberStatus } = await import('./member-change.ts');
      await memberStatus(options, terminalOf(program));
    },
  );
  withTimeout(member.command('remove [ids...]').description('remove nodes that are lost for good'))
    .option(...region)
    .option('--force', 'a node that is live, too', false)
    .option('--alone', 'one of two: if the other one removes this one as well, there are two clusters', false)
    .action(async (ids, options) => {
      const { memberRemove } = await import('./member-change.ts');
      await memberRemove(ids, options, terminalOf(program));
    });
  withTimeout(member.command('join [ids...]').description('let removed nodes in again, with an empty keyspace'))
    .option(...region)
    .option(...alone)
    .action(async (ids, options) => {
      const { memberJoin } = await import('./member-change.ts');
      await memberJoin(ids, options, terminalOf(program));
    });
  withNodes(member.command('offer <id>').description('write again what a node alone had that was removed and joined'))
    .option('--absent', 'also where nothing is there, be it that it was removed since', false)
    .option(...limit)
    .action(async (id, options) => {
      const { memberOffer } = await import('./member-list.ts');
      await memberOffer(id, options, terminalOf(program));
    });
  withNodes(member.command('unfence <id>').description('take back a change that has not come to its end'))
    .option(...alone)
    .action(async (id, options) => {
      const { memberUnfence } = await import('./member-change.ts');
      await memberUnfence(id, options, terminalOf(program));
    });
}

function addGroup(program: Command, exit: Exit): void {
  const group = program
    .command('group')
    .description('look at and change the quorum groups of strong keys')
    .helpCommand(false);
  const withNodes = (command: Command): Command =>
    command
      .option('--ready-file <file>', READY_FILE_HELP)
      .option(
        '--nodes <addresses>',
        'host:port of nodes, comma separated; one is enough to change something',
        listOption,
      )
      .option('--password <password>', PASSWORD_HELP)
      .exitOverride();
  const withTimeout = (command: Command): Command =>
    withNodes(command).option('--timeout <seconds>', 'how long the group may take', numberOption(0.1, 86_400), 30);
  withNodes(group.command('status').description('show every group: leader, members, how far and how old')).action(
    async (options) => {
      const { groupStatus } = await import('./group-command.ts');
      exit.code = await groupStatus(options, terminalOf(program));
    },
  );
  withTimeout(
    group
      .command('transfer <group> <node>')
      .description('hand leadership to a voter; away from home it stays there for ten minutes'),
  ).action(async (name, node, options) => {
    const { groupTransfer } = await import('./group-command.ts');
    await groupTransfer(name, node, options, terminalOf(program));
  });
  withTimeout(group.command('add <group> <node>').description('make a node a voter, once it has caught up'))
    .option('--learner', 'a learner: it gets the log and does not vote', false)
    .action(async (name, node, options) => {
      const { groupAdd } = await import('./group-command.ts');
      await groupAdd(name, node, options, terminalOf(program));
    });
  withTimeout(group.command('remove <group> <node>').description('take a node out that is gone'))
    .option('--force', 'one that runs, too: it serves no strong keys of the group from then on', false)
    .action(async (name, node, options) => {
      const { groupRemove } = await import('./group-command.ts');
      await groupRemove(name, node, options, terminalOf(program));
    });
}

function addReplay(program: Command): void {
  program
    .command('replay <file>')
    .description('play price rows (CSV) into the cluster, as quote:SYMBOL hashes')
    .option('--speed <days>', 'trading days a second', numberOption(0.01, 1_000_000), 10)
    .option('--ready-file <file>', READY_FILE_HELP)
    .option('--nodes <addresses>', 'host:port of nodes, comma separated', listOption)
    .option('--password <password>', PASSWORD_HELP)
    .action(async (file, options) => {
      const { runReplay } = await import('./replay-command.ts');
      await runReplay(file, options, terminalOf(program));
    });
}

function addInspect(program: Command, exit: Exit): void {
  program
    .command('inspect [key]')
    .description('show a key in every region: value, dots, stamps, who wins and why')
    .option('--graph', 'draw what depends on the key, or all dependencies, as a node knows them')
    .option('--dot', 'with --graph: for Graphviz')
    .option('--ready-file <file>', READY_FILE_HELP)
    .option('--nodes <addresses>', 'host:port of nodes, comma separated', listOption)
    .option('--password <password>', PASSWORD_HELP)
    .action(async (key, options) => {
      if (options.graph === true) {
        const { runGraph } = await import('./graph-command.ts');
        exit.code = await runGraph(key, options, terminalOf(program));
        return;
      }
      if (key === undefined) throw new UsageError('say which key, or --graph');
      const { runInspect } = await import('./inspect-command.ts');
      exit.code = await runInspect(key, options, terminalOf(program));
    });
}

function addDoctor(program: Command, exit: Exit): void {
  program
    .command('doctor')
    .description('examine a cluster while it works: do all nodes answer, agree, keep up, and show the same keys')
    .option('--ready-file <file>', READY_FILE_HELP)
    .option('--nodes <addresses>', 'host:port of nodes, comma separated', listOption)
    .option('--password <password>', PASSWORD_HELP)
    .option('--keys <count>', 'keys drawn at each node and compared everywhere', integerOption(0, 100_000), 500)
    .option('--json', 'findings as JSON')
    .action(async (options) => {
      const { runDoctor } = await import('./doctor-command.ts');
      exit.code = await runDoctor(options, terminalOf(program));
    });
}

function addWarm(program: Command, exit: Exit): void {
  program
    .command('warm <file>')
    .description('read the keys of a file, one a line, at every node: they are in memory before clients ask for them')
    .option('--ready-file <file>', READY_FILE_HELP)
    .option('--nodes <addresses>', 'host:port of nodes, comma separated', listOption)
    .option('--password <password>', PASSWORD_HELP)
    .action(async (file: string, options) => {
      const { runWarm } = await import('./warm-command.ts');
      exit.code = await runWarm(file, options, terminalOf(program));
    });
}

function addClasses(program: Command, exit: Exit): void {
  program
    .command('classes')
    .description('what is promised for which keys')
    .helpCommand(false)
    .command('check <file>')
    .description('explain a classes file; with a cluster, put it into force there where that is safe')
    .option('--ready-file <file>', READY_FILE_HELP)
    .option('--nodes <addresses>', 'host:port of nodes, comma separated', listOption)
    .option('--password <password>', PASSWORD_HELP)
    .action(async (file, options) => {
      const { runClassesCheck } = await import('./classes-command.ts');
      exit.code = await runClassesCheck(file, options, terminalOf(program));
    });
}

function addAudit(program: Command, exit: Exit): void {
  const audit = program.command('audit').description('who wrote what of audited strong keys').helpCommand(false);
  audit
    .command('export')
    .description('write the records as lines of JSON, up to what there is now')
    .option('--ready-file <file>', READY_FILE_HELP)
    .option(
      '--nodes <addresses>',
      'host:port of nodes, comma separated: what one lacks is taken from another',
      listOption,
    )
    .option('--data-dir <dir>', "a node's data folder, in the place of nodes: it may run or not")
    .option('--password <password>', PASSWORD_HELP)
    .option('--group <name>', 'one quorum group, such as us-east-1/region; all otherwise')
    .option('--from <index>', 'log index to begin with', integerOption(1, Number.MAX_SAFE_INTEGER))
    .option('--out <file>', 'a new file; standard output otherwise')
    .action(async (options) => {
      const { runAuditExport } = await import('./audit-export.ts');
      exit.code = await runAuditExport(options);
    });
  audit
    .command('check <files...>')
    .description(
      'follow the chain in exported files, taken as one, and name the first record that was changed, removed or added',
    )
    .option('--group <name>', 'the only group that may be in them')
    .option('--start <hash>', 'what the first record follows on; without it the files begin with record 1')
    .option('--head <hash>', 'the hash that the last record has')
    .option(
      '--against <addresses>',
      'host:port of nodes: the files must end where the first that answers ends',
      listOption,
    )
    .option('--password <password>', PASSWORD_HELP)
    .action(async (files, options) => {
      const { runAuditCheck } = await import('./audit-check.ts');
      exit.code = await runAuditCheck(files, options, terminalOf(program));
    });
}

function addVerify(program: Command, exit: Exit): void {
  program
    .command('verify')
    .description(
      'check the promises on a running cluster: clients everywhere, faults where asked for, a verdict a promise',
    )
    .option('--ready-file <file>', READY_FILE_HELP)
    .option('--nodes <addresses>', 'host:port of nodes, comma separated', listOption)
    .option('--compose <file>', 'a compose file whose containers run (COMPOSE_PROJECT_NAME as for compose)')
    .option('--password <password>', PASSWORD_HELP)
    .option('--minutes <minutes>', 'how long clients work, such as 0.5', numberOption(0.01, 100_000), 1)
    .option('--seed <seed>', 'the same clients do the same things; by chance otherwise', integerOption(0, 2 ** 32 - 1))
    .option(
      '--faults <kinds>',
      'none, all, or some of kill, pause, cut, slow, clock, disk: never on a cluster that others need',
      listOption,
      ['none'],
    )
    .addOption(
      new Option(
        '--level <level>',
        'what clients ask of their reads; what the class of each key says otherwise',
      ).choices([...CONSISTENCIES]),
    )
    .option('--history <file>', 'where what happened is written, as JSON lines; causeway-verify-TIME.jsonl otherwise')
    .addHelpText(
      'after',
      [
        '',
        'It writes keys of its own only, whose names say causeway-verify, and removes them in the end.',
        'What it breaks it mends before it ends; Ctrl-C ends it sooner, twice without a verdict.',
        'The exit code is 0 where every promise held, 1 where one is broken, 2 where nothing could be',
        'asked, 3 where nothing was seen broken and not all could be looked at.',
      ].join('\n'),
    )
    .action(async (options) => {
      const { runVerify } = await import('./verify-command.ts');
      exit.code = await runVerify(options, terminalOf(program));
    });
}

function readVersion(): string {
  const manifest = JSON.parse(readFileSync(join(packageRoot(), 'package.json'), 'utf8')) as { version: string };
  return `causeway ${manifest.version} (Node ${process.versions.node})`;
}
