import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { NodeConfig } from '../../src/server/node-config.ts';
import type { ServerPorts } from '../../src/server/server-types.ts';

/** A node in a process of its own; `shell` is run before it in the same process. */
export async function startChild(
  config: NodeConfig,
  shell = 'true',
): Promise<{ process: ChildProcess; ports: ServerPorts; errors: () => string }> {
  const script = `${shell}; exec "$0" "$@"`;
  const args = ['-c', script, process.execPath, join(import.meta.dirname, 'server-child.ts'), JSON.stringify(config)];
  const started = spawn('sh', args, { stdio: ['ignore', 'pipe', 'pipe'] });
  onTestFinished(() => void started.kill('SIGKILL'));
  let errors = '';
  started.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
  const [line] = (await Promise.race([once(started.stdout, 'data'), once(started, 'close')])) as [Buffer | number];
  if (!(line instanceof Buffer)) throw new Error(`the node ended: ${errors}`);
  return { process: started, ports: JSON.parse(line.toString()) as ServerPorts, errors: () => errors };
}
