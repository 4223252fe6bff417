import { toCausewayError, type CausewayError } from '../errors.ts';
import { loadConfig, requireLinkUrls } from '../server/config.ts';
import type { RunningServer, StartServer } from '../server/server-types.ts';
import { loadTopology } from '../server/topology.ts';
import { isChildOfUp, untilAskedToEnd } from './child-life.ts';
import { deferred } from './deferred.ts';
import { readParentMessage, tellParent } from './ipc.ts';
import { regionsFolder } from './package-root.ts';
import { EXIT_FAILED, EXIT_OK } from './usage.ts';

const STATS_EVERY_MS = 1_000;

export interface ServeOptions {
  /** The region's file. */
  readonly config: string;
  /** The node's letter. */
  readonly node: string;
}

/** Runs one node until it is asked to end. Under `up` it reports over IPC and is told there where its peers are. */
export async function runServe(options: ServeOptions, startServer: StartServer): Promise<number> {
  try {
    return await serve(options, startServer);
  } catch (thrown) {
    const error = toCausewayError(thrown);
    tellParent({ type: 'failed', code: error.code, message: error.message });
    throw error;
  } finally {
    if (process.connected) process.disconnect();
  }
}

async function serve(options: ServeOptions, startServer: StartServer): Promise<number> {
  const asked = untilAskedToEnd();
  const config = loadConfig(options.config, {
    node: options.node,
    topology: loadTopology(regionsFolder()),
    environment: process.env,
  });
  if (!isChildOfUp()) requireLinkUrls(config);
  const fatal = deferred<CausewayError>();
  const server = await startServer(config, { onFatal: (error) => fatal.resolve(error) });
  const stopReporting = reportTo(server);
  const failure = await Promise.race([asked, fatal.promise]);
  stopReporting();
  if (failure !== undefined) {
    tellParent({ type: 'failed', code: failure.code, message: failure.message });
    process.stderr.write(`causeway: ${failure.code} ${failure.message}\n`);
  }
  await server.close();
  return failure === undefined ? EXIT_OK : EXIT_FAILED;
}

/** Says over IPC what there is to say of the node, until the returned function is called. */
function reportTo(server: RunningServer): () => void {
  if (!isChildOfUp()) return () => undefined;
  process.on('message', (message) => {
    const parsed = readParentMessage(message);
    if (parsed !== null) server.setPeers(parsed.members);
  });
  tellParent({ type: 'listening', ports: server.ports });
  server.ready.then(
    () => tellParent({ type: 'ready' }),
    (error: unknown) => {
      const { code, message } = toCausewayError(error);
      tellParent({ type: 'failed', code, message });
    },
  );
  const timer = setInterval(() => tellParent({ type: 'stats', ...server.stats() }), STATS_EVERY_MS);
  return () => clearInterval(timer);
}
