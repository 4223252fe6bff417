import { createServer, type Server } from 'node:net';

/** Below the ports that the system gives out by itself, so that what is free now still is when it is bound, and between two lives of a process. */
const FIRST_PORT = 20_000;
const LAST_PORT = 32_000;
const STEP = 50;

/** Test processes that run at once begin at different ports. */
let next = FIRST_PORT + (process.pid % ((LAST_PORT - FIRST_PORT) / STEP)) * STEP;

/** The first of so many ports in a row on which nobody listens; asked again it gives others. */
export async function freePorts(count = 1): Promise<number> {
  for (let tries = 0; tries < (LAST_PORT - FIRST_PORT) / STEP; tries++) {
    if (next + count > LAST_PORT) next = FIRST_PORT;
    const first = next;
    next += count;
    if (await areFree(first, count)) return first;
  }
  throw new Error(`no ${count} free ports in a row`);
}

async function areFree(first: number, count: number): Promise<boolean> {
  const servers = Array.from({ length: count }, () => createServer());
  const results = await Promise.all(servers.map((server, at) => listens(server, first + at)));
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return results.every(Boolean);
}

async function listens(server: Server, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => resolve(true));
  });
}
