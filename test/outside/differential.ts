import { join } from 'node:path';
import { SingleNode } from '../clients/single-node.ts';
import { execute, findProgram } from './execute.ts';
import { absentTool, Checks, type SuiteResult } from './suite-result.ts';

const MAIN = join(import.meta.dirname, '..', 'differential', 'main.ts');
const DEADLINE_MS = 600_000;
/** Each of the two runs. */
const COMMANDS = 60_000;

/** Random commands to a real redis-server and to us: to the dispatcher in one process, and to a node over a socket. */
export async function run(): Promise<SuiteResult> {
  if (findProgram('redis-server') === null) return absentTool('differential', 'redis-server');
  const checks = new Checks('differential');
  await checks.check(`${COMMANDS} random commands, in one process`, async () => compare([]));
  const node = await SingleNode.start();
  try {
    await checks.check(`${COMMANDS} random commands, to a node`, async () => compare(['--port', String(node.port)]));
  } finally {
    await node.stop();
  }
  return checks.result();
}

async function compare(args: readonly string[]): Promise<void> {
  const options = ['--commands', String(COMMANDS), ...args];
  const end = await execute(process.execPath, [MAIN, ...options], { deadlineMs: DEADLINE_MS });
  if (end.code !== 0) throw new Error(end.timedOut ? `no end after ${DEADLINE_MS} ms` : end.stderr || end.stdout);
  process.stdout.write(`${end.stdout.trim().split('\n').at(-1)}\n`);
}
