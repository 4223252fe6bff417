import { randomBytes } from 'node:crypto';
import { SingleNode } from '../clients/single-node.ts';
import { execute, findProgram, type Executed, type ExecuteOptions } from './execute.ts';
import { absentTool, Checks, type SuiteResult } from './suite-result.ts';

const DEADLINE_MS = 120_000;
const BENCHMARK_TESTS = 'ping,set,get,incr,sadd,hset,mset,spop';
const BENCHMARK_ROWS = ['PING_INLINE', 'PING_MBULK', 'SET', 'GET', 'INCR', 'SADD', 'HSET', 'SPOP', 'MSET (10 keys)'];
const BENCHMARK_REQUESTS = 20_000;

/** Redis's own redis-cli and redis-benchmark against one node: what operators type must work unchanged. */
export async function run(): Promise<SuiteResult> {
  const cliFile = findProgram('redis-cli');
  const benchmarkFile = findProgram('redis-benchmark');
  if (cliFile === null || benchmarkFile === null) {
    return absentTool('redis-tools', cliFile === null ? 'redis-cli' : 'redis-benchmark');
  }
  const checks = new Checks('redis-tools');
  const node = await SingleNode.start();
  try {
    const at = ['-h', node.host, '-p', String(node.port)];
    await checkCommandLine(checks, new Tool(cliFile, at));
    await checkScans(checks, new Tool(cliFile, at));
    await checkWatching(checks, new Tool(cliFile, at));
    await checkBenchmark(checks, new Tool(benchmarkFile, at));
    await checks.check('the node lives and has nothing to complain about', async () => {
      if (node.hasEnded) throw new Error('it has ended');
      equal(node.log, '', 'its log');
    });
  } finally {
    await node.stop();
  }
  return checks.result();
}

/** A program with what it always gets told. */
class Tool {
  readonly #file: string;
  readonly #args: readonly string[];

  constructor(file: string, args: readonly string[]) {
    this.#file = file;
    this.#args = args;
  }

  async run(args: readonly string[], options: Partial<ExecuteOptions> = {}): Promise<Executed> {
    const end = await execute(this.#file, [...this.#args, ...args], { deadlineMs: DEADLINE_MS, ...options });
    if (end.timedOut) throw new Error(`${args.join(' ')} did not end: ${end.stdout.slice(-400)}`);
    return end;
  }

  /** What it prints when all goes well. Throws when it complains. */
  async output(args: readonly string[], input?: string): Promise<string> {
    const { code, stdout, stderr } = await this.run(args, input === undefined ? {} : { input });
    if (code !== 0 || stderr !== '') throw new Error(`${args.join(' ')} ended with ${code}: ${stderr}${stdout}`);
    return stdout;
  }
}

async function checkCommandLine(checks: Checks, cli: Tool): Promise<void> {
  await checks.check('redis-cli: a command a call', async () => {
    equal(await cli.output(['set', 'greeting', 'hello']), 'OK\n', 'set');
    equal(await cli.output(['get', 'greeting']), 'hello\n', 'get');
    equal(await cli.output(['get', 'nothing']), '\n', 'get of nothing');
    equal(await cli.output(['--no-raw', 'hset', 'fields', 'a', '1', 'b', '2']), '(integer) 2\n', 'hset');
    equal(await cli.output(['--csv', 'hgetall', 'fields']), '"a","1","b","2"\n', 'csv');
  });
  await checks.check('redis-cli -3: maps, sets and doubles of RESP3', async () => {
    equal(await cli.output(['-3', '--json', 'hgetall', 'fields']), '{"a":"1","b":"2"}\n', 'json');
    equal(await cli.output(['-3', '--no-raw', 'hgetall', 'fields']), '1# "a" => "1"\n2# "b" => "2"\n', 'map');
    await cli.output(['sadd', 'members', 'x']);
    equal(await cli.output(['-3', '--no-raw', 'smembers', 'members']), '1~ "x"\n', 'set');
  });
  await checks.check('redis-cli: errors as Redis words them, and -e ends with 1', async () => {
    const error = await cli.run(['-e', 'incr', 'greeting']);
    equal(error.code, 1, 'exit code');
    equal((error.stdout + error.stderr).trim(), 'ERR value is not an integer or out of range', 'message');
  });
  await checks.check('redis-cli: a script on standard input, MULTI among it', async () => {
    const script = 'set n 1\nmulti\nincr n\nincr n\nexec\nget n\n';
    equal(await cli.output([], script), 'OK\nOK\nQUEUED\nQUEUED\n2\n3\n3\n', 'replies');
  });
  await checks.check('redis-cli -x: a long value on standard input', async () => {
    const value = randomBytes(50_000).toString('base64');
    await cli.output(['-x', 'set', 'file'], value);
    equal(await cli.output(['get', 'file']), `${value}\n`, 'value');
  });
  await checks.check('redis-cli --pipe: mass insertion', async () => {
    const requests = Array.from({ length: 10_000 }, (_, index) => {
      const words = ['SET', `pipe:${index}`, `value ${index}`];
      return `*3\r\n${words.map((word) => `$${word.length}\r\n${word}\r\n`).join('')}`;
    });
    match(await cli.output(['--pipe'], requests.join('')), /errors: 0, replies: 10000\n/);
    equal(await cli.output(['get', 'pipe:9999']), 'value 9999\n', 'value');
  });
  await checks.check('redis-cli info: sections with their fields', async () => {
    const info = await cli.output(['info', 'everything']);
    for (const field of ['redis_version', 'uptime_in_seconds', 'connected_clients', 'used_memory', 'keyspace_hits']) {
      match(info, new RegExp(`^${field}:\\S+\\r$`, 'm'));
    }
    match(info, /^db0:keys=\d+,expires=\d+/m);
  });
}

async function checkScans(checks: Checks, cli: Tool): Promise<void> {
  await checks.check('redis-cli --scan: every key once', async () => {
    const keys = (await cli.output(['--scan', '--pattern', 'pipe:*'])).trim().split('\n');
    equal(new Set(keys).size, 10_000, 'different keys');
    equal(await cli.output(['--scan', '--pattern', 'greet*']), 'greeting\n', 'by pattern');
  });
  await checks.check('redis-cli --bigkeys: the biggest of each type', async () => {
    const report = await cli.output(['--bigkeys']);
    match(report, /Biggest +hash found '"fields"' has 2 fields/);
    match(report, /Biggest +set found '"members"' has 1 members/);
    match(report, /Biggest string found '"file"' has \d{5} bytes/);
  });
  await checks.check('redis-cli --memkeys: memory by key', async () => {
    match(await cli.output(['--memkeys']), /Biggest string found '"file"' has \d{5,} bytes/);
  });
}

async function checkWatching(checks: Checks, cli: Tool): Promise<void> {
  await checks.check('redis-cli --latency: a figure after one second', async () => {
    match(await cli.output(['--latency', '-i', '1']), /^\d+ \d+ \d+\.\d+ \d+$/m);
  });
  await checks.check('redis-cli --stat: lines of figures', async () => {
    const { stdout } = await cli.run(['--stat', '-i', '0.1'], { interruptAt: /^\d+ +[\d.]+[KMG].*\n/m });
    match(stdout, /^10\d\d\d +[\d.]+[KMG] +\d+ +\d+ +\d+ \(\+\d+\) +\d+/m);
  });
  await checks.check('redis-cli monitor: what others send, as they send it', async () => {
    let isWatching = false;
    const { stdout } = await cli.run(['monitor'], {
      interruptAt: /"watched"/,
      onOutput: () => {
        if (isWatching) return;
        isWatching = true;
        void cli.run(['set', 'watched', 'a "quoted"\nvalue']);
      },
    });
    match(stdout, /^\d+\.\d{6} \[0 127\.0\.0\.1:\d+\] "set" "watched" "a \\"quoted\\"\\nvalue"$/m);
  });
  await checks.check('redis-cli subscribe: what is published', async () => {
    let isListening = false;
    const { stdout } = await cli.run(['--csv', 'psubscribe', 'news.*'], {
      interruptAt: /pmessage/,
      onOutput: () => {
        if (isListening) return;
        isListening = true;
        void cli.run(['publish', 'news.sea', 'calm']);
      },
    });
    match(stdout, /"psubscribe","news\.\*",1\n/);
    match(stdout, /"pmessage","news\.\*","news\.sea","calm"/);
  });
}

async function checkBenchmark(checks: Checks, benchmark: Tool): Promise<void> {
  const runs: readonly (readonly [string, readonly string[]])[] = [
    ['as it comes', []],
    ['-P 16: pipelines', ['-P', '16']],
    ['-P 16 -c 50 -d 1024: values of 1 KiB', ['-P', '16', '-c', '50', '-d', '1024']],
    ['-r 10000 --threads 2: many keys', ['-r', '10000', '--threads', '2']],
  ];
  for (const [name, options] of runs) {
    await checks.check(`redis-benchmark ${name}`, async () => {
      const args = ['-t', BENCHMARK_TESTS, '-n', String(BENCHMARK_REQUESTS), '--csv', ...options];
      const rows = (await benchmark.output(args)).trim().split('\n').slice(1);
      const rates = new Map(rows.map((row) => [row.split('","')[0]?.slice(1), Number(row.split('","')[1])]));
      for (const test of BENCHMARK_ROWS) {
        const rate = rates.get(test);
        if (rate === undefined || !(rate > 0)) throw new Error(`no figure for ${test}:\n${rows.join('\n')}`);
      }
    });
  }
  await checks.check('redis-benchmark -3: a command of its own', async () => {
    const args = ['-3', '-n', '5000', '-P', '4', '--csv', 'hset', 'bench', '__rand_int__', 'x'];
    match(await benchmark.output(args), /^"hset bench __rand_int__ x","\d+/m);
  });
}

function equal(actual: unknown, expected: unknown, what: string): void {
  if (actual !== expected) {
    throw new Error(`${what}: expected ${JSON.stringify(expected)}, got ${JSON.stringify(actual)?.slice(0, 400)}`);
  }
}

function match(text: string, pattern: RegExp): void {
  if (!pattern.test(text)) throw new Error(`expected ${pattern} in ${JSON.stringify(text.slice(-600))}`);
}
