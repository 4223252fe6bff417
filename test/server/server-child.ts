/** A node in a process of its own, for tests that kill or starve it: its configuration is the argument, as JSON. */
import { startServer } from '../../src/server/server.ts';
import type { NodeConfig } from '../../src/server/node-config.ts';

const server = await startServer(JSON.parse(process.argv[2] ?? '') as NodeConfig);
await server.ready;
process.on('SIGTERM', () => void server.close().then(() => process.stdout.write('stopped\n')));
process.stdout.write(`${JSON.stringify(server.ports)}\n`);
