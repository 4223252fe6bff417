import { nodeNumber } from '../../src/clock/origin.ts';
import { startServer } from '../../src/server/server.ts';
import type { RunningServer } from '../../src/server/server-types.ts';

const anyPort = { host: '127.0.0.1', port: 0 };

/** One node without peers or a store, as compared with one Redis; in this process, ready. */
export async function startLoneServer(): Promise<RunningServer> {
  const failed: { error: unknown }[] = [];
  const server = await startServer(
    {
      clusterId: 'conformance',
      region: 'us-east-1',
      nodeId: 'us-east-1/a',
      nodeNumber: nodeNumber(64),
      resp: anyPort,
      http: anyPort,
      peer: anyPort,
      dataDir: null,
      members: [],
      limits: {},
      doors: { requirepass: null, protectedMode: true, peerSecret: null, isPeerPortOpen: false },
      log: { level: 'silent', format: 'json' },
    },
    { onFatal: (error) => failed.push({ error }) },
  );
  await server.ready;
  const [failure] = failed;
  if (failure !== undefined) throw failure.error;
  return server;
}
