import { spawn } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { isAlive, untilGone, Workshop } from './programs.ts';

let workshop: Workshop;
beforeEach(() => {
  workshop = new Workshop();
});
afterEach(async () => workshop.clean());

test.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)('npm start: %s to npm stops everything', async (signal) => {
  const { npm_lifecycle_event: _event, ...environment } = process.env;
  const npm = spawn('npm', ['start', '--', '--port-base', '0', '--ready-file', workshop.readyFile], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...environment, TMPDIR: workshop.folder },
  });
  let output = '';
  npm.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  const ended = new Promise((resolve) => npm.once('close', resolve));
  while (!existsSync(workshop.readyFile) || !output.includes('Ctrl-C')) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const ready = workshop.ready();
  const pids = [ready.pid, ready.wanPid, ...ready.nodes.map((node) => node.pid)];
  expect(pids.filter(isAlive)).toHaveLength(5);
  expect(output).toContain(`npm run -s causeway -- inspect greeting --ready-file ${workshop.readyFile}`);
  npm.kill(signal);
  await untilGone(pids);
  await ended;
  expect(readdirSync(workshop.folder).filter((name) => name.startsWith('causeway-'))).toEqual([]);
});
