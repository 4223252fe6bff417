import { onTestFinished } from 'vitest';
import { CommandIndex } from '../../src/commands/command-index.ts';
import type { CommandSpec } from '../../src/commands/command-spec.ts';
import { ClientRegistry } from '../../src/commands/client-registry.ts';
import type { Fetching } from '../../src/commands/fetching.ts';
import { LatencyHistogram } from '../../src/commands/latency-histogram.ts';
import { ServerStats } from '../../src/commands/server-stats.ts';
import type { NodeTelemetry, PeerTelemetry } from '../../src/node/telemetry.ts';
import { createHttp } from '../../src/server/http.ts';
import { HttpFigures } from '../../src/server/http-figures.ts';
import type { MetricsSnapshot } from '../../src/server/metrics.ts';

export const QUIET_NODE: NodeTelemetry = {
  peers: [],
  keys: 0,
  invalidations: {
    made: { key: 0, tag: 0, pattern: 0 },
    heard: { key: 0, tag: 0, pattern: 0 },
    keys: 0,
    dependents: 0,
    dependentsMost: 0,
    cut: 0,
    lag: new LatencyHistogram(),
    running: 0,
    delayed: 0,
  },
  memory: { usedBytes: 0, limitBytes: 0, stubs: 0, evictedTotal: 0, refilledTotal: 0 },
  tombstones: 0,
  holdBackTransactions: 0,
  holdBackBytes: 0,
  pausedOrigins: 0,
  logTransactions: 0,
  logBytes: 0,
  recentChanges: 0,
  unsavedMs: 0,
  recentChangesBytes: 0,
  clockAheadMs: 0,
  conflicts: [],
  resolverFailures: [],
  classes: [],
  groups: [],
  madeTotal: 0,
  appliedTotal: 0,
  expiredKeysTotal: 0,
  snapshotsSentTotal: 0,
  snapshotsReceivedTotal: 0,
  refusedFramesTotal: 0,
};

export const PEER: PeerTelemetry = {
  id: 'eu-west-1/a',
  region: 'eu-west-1',
  connected: true,
  lagTransactions: 3,
  lagBytes: 400,
  lagMs: 12.5,
  rttMs: 75,
  silentMs: 5,
  clockOffsetMs: -1.5,
  sentBytes: 1000,
  receivedBytes: 2000,
};

function commandNamed(name: string, subcommands: readonly CommandSpec[] = []): CommandSpec {
  return { name, arity: 1, flags: [], group: 'generic', summary: '', run: () => undefined, subcommands };
}

/** An HTTP server on a free port whose answers the test sets. */
export class HttpRig {
  reasons: string[] = [];
  degraded: string[] = [];
  isProtected = false;
  node: NodeTelemetry = QUIET_NODE;
  readonly commands = new CommandIndex([commandNamed('get'), commandNamed('client', [commandNamed('client|list')])]);
  readonly stats = new ServerStats();
  port = 0;

  async start(host = '127.0.0.1'): Promise<this> {
    const http = createHttp(
      { host, port: 0 },
      {
        nodeId: 'us-east-1/a',
        unreadyReasons: () => this.reasons,
        degradedReasons: () => this.degraded,
        metrics: () => this.#snapshot(),
        isProtected: () => this.isProtected,
      },
    );
    onTestFinished(() => http.close());
    this.port = await http.listen();
    return this;
  }

  get(path: string): Promise<Response> {
    return fetch(`http://127.0.0.1:${this.port}${path}`);
  }

  #snapshot(): MetricsSnapshot {
    const { node, commands, stats } = this;
    const tracking = { clientCount: 0, sentCount: 0, keys: { keyCount: 0 } };
    const compensations = { pending: 0, told: 0, refused: 0, failedCalls: 0, untold: 0 };
    const fetching = { runningCount: 0 } as Fetching;
    const time = { wallMs: () => 0, monotonicMs: () => 0 };
    const none = { sources: null, sourceWrites: null, monitor: null };
    const resp = { clients: new ClientRegistry(), commands, stats, tracking, fetching, ...none, time };
    return {
      node,
      isReady: this.reasons.length === 0,
      resp,
      openBreakers: 0,
      compensations,
      http: new HttpFigures(),
      classes: [],
    };
  }
}
