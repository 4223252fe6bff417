import { toCausewayError, type CausewayError } from '../errors.ts';
import { loadConfig, requireLinkUrls } from '../server/config.ts';
import type { NodeConfig } from '../server/node-config.ts';
import type { RunningServer, ServerPorts, StartServer } from '../server/server-types.ts';
import { StartsAgain } from '../server/starts-again.ts';
import { loadTopology } from '../server/topology.ts';
import { isChildOfUp, untilAskedToEnd } from './child-life.ts';
import { deferred } from './deferred.ts';
import { readParentMessage, tellParent, type ParentMessage } from './ipc.ts';
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
  const link = linkToParent();
  let again: ServerPorts | null = null;
  for (;;) {
    const fatal = deferred<CausewayError>();
    const server: RunningServer = await startServer(again === null ? config : onPorts(config, again), {
      onFatal: (error) => fatal.resolve(error),
      onRemoved: ({ message }) => tellParent({ type: 'removed', message }),
    });
    const stopReporting = link.reportTo(server);
    const failure = await Promise.race([asked, fatal.promise]);
    stopReporting();
    again = server.ports;
    if (failure !== undefined && !(failure instanceof StartsAgain)) {
      tellParent({ type: 'failed', code: failure.code, message: failure.message });
      process.stderr.write(`causeway: ${failure.code} ${failure.message}\n`);
    }
    await server.close();
    if (failure instanceof StartsAgain) continue;
    return failure === undefined ? EXIT_OK : EXIT_FAILED;
  }
}

/** The same node on the ports that it had, so that whoever knows them finds it again. */
function onPorts(config: NodeConfig, ports: ServerPorts): NodeConfig {
  return {
    ...config,
    resp: { ...config.resp, port: ports.resp },
    http: { ...config.http, port: ports.http },
    peer: { ...config.peer, port: ports.peer },
  };
}

/** What `up` is told and tells, over the lives of the node. */
interface ParentLink {
  /** Says over IPC what there is to say of the node, until the returned function is called. */
  reportTo(server: RunningServer): () => void;
}

function linkToParent(): ParentLink {
  if (!isChildOfUp()) return { reportTo: () => () => undefined };
  let server: RunningServer | null = null;
  let peers: ParentMessage['members'] | null = null;
  process.on('message', (message) => {
    const parsed = readParentMessage(message);
    if (parsed === null) return;
    peers = parsed.members;
    server?.setPeers(parsed.members);
  });
  return {
    reportTo(of) {
      server = of;
      if (peers !== null) of.setPeers(peers);
      tellParent({ type: 'listening', ports: of.ports });
      of.ready.then(
        () => tellParent({ type: 'ready' }),
        (error: unknown) => {
          const { code, message } = toCausewayError(error);
          if (server === of) tellParent({ type: 'failed', code, message });
        },
      );
      const timer = setInterval(() => tellParent({ type: 'stats', ...of.stats() }), STATS_EVERY_MS);
      return () => {
        clearInterval(timer);
        server = null;
      };
    },
  };
}
