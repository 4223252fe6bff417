import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const PROGRAM = fileURLToPath(new URL('idle-server.ts', import.meta.url));

/** A process that answers and does nothing else, on whichever core is free: how long it takes to answer is the machine's and the client's. */
export interface Idle {
  readonly address: string;
  stop(): Promise<void>;
}

export async function startIdle(): Promise<Idle> {
  const child = spawn(process.execPath, [PROGRAM], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [port] = (await once(child.stdout, 'data')) as [Buffer];
  return {
    address: `127.0.0.1:${Number.parseInt(port.toString(), 10)}`,
    stop: async () => {
      const exited = once(child, 'exit');
      child.kill();
      await exited;
    },
  };
}
