import { createLog } from '../../src/adapters/pino-log.ts';
import { systemClock } from '../../src/adapters/system-clock.ts';
import { SystemEntropy } from '../../src/adapters/system-entropy.ts';
import { REPLICATION_LIMITS } from '../../src/causal/limits.ts';
import { nodeNumber } from '../../src/clock/origin.ts';
import type { Engine } from '../../src/commands/engine.ts';
import type { ProcessFacts } from '../../src/commands/server-state.ts';
import { RegionNode } from '../../src/node/region-node.ts';
import { RespServer } from '../../src/server/resp-server.ts';
import type { AdoptSocket } from '../../src/server/resp-socket.ts';
import { peerCodec } from '../../src/wire/peer-codec.ts';
import { RawClient } from './raw-client.ts';

/** A node of one region, without peers, a store or timers: what commands run on. */
export function loneNode(): RegionNode {
  const number = nodeNumber(64);
  const node = new RegionNode({
    identity: {
      clusterId: 'test',
      nodeId: 'us-east-1/a',
      region: 'us-east-1',
      nodeNumber: number,
      incarnation: 1,
      startId: 'us-east-1/a#1',
      rules: '',
    },
    members: [{ nodeNumber: number, id: 'us-east-1/a', region: 'us-east-1' }],
    limits: REPLICATION_LIMITS,
    codec: peerCodec,
    stampBound: 0,
    raiseStampBound: () => undefined,
    hasStore: false,
  });
  const now = { wallMs: systemClock.wallMs(), monotonicMs: systemClock.monotonicMs() };
  node.start(now);
  node.tick(now);
  return node;
}

/** Facts of a process that never is. */
export function fakeFacts(deeds: Partial<ProcessFacts> = {}): ProcessFacts {
  return {
    version: '9.8.7',
    processId: 4242,
    startedAtMs: systemClock.wallMs(),
    runId: 'a'.repeat(40),
    system: 'Test',
    runtime: 'v0',
    executable: '/bin/test',
    configFile: '',
    memory: () => ({ usedBytes: 1024, peakBytes: 2048, residentBytes: 4096 }),
    cpu: () => ({ userSeconds: 1, systemSeconds: 2 }),
    shutdown: () => undefined,
    reportInternal: (error) => {
      throw error;
    },
    ...deeds,
  };
}

export interface RigOptions {
  /** Stands between the server and the node. */
  readonly engine?: (node: RegionNode) => Engine;
  readonly parameters?: Readonly<Record<string, string>>;
  readonly facts?: Partial<ProcessFacts>;
  readonly adopt?: AdoptSocket;
}

/** A server on a free port with everything it needs, and clients that end with it. */
export class Rig {
  readonly node: RegionNode;
  readonly server: RespServer;
  readonly failures: unknown[] = [];
  readonly #clients: RawClient[] = [];
  port = 0;

  private constructor(options: RigOptions) {
    this.node = loneNode();
    this.server = new RespServer({
      engine: options.engine?.(this.node) ?? this.node,
      clock: systemClock,
      entropy: new SystemEntropy(),
      log: createLog({ level: 'silent', format: 'json' }),
      facts: fakeFacts(options.facts),
      parameters: options.parameters ?? {},
      touched: () => this.#turn(),
      failed: (error) => this.failures.push(error),
      ...(options.adopt === undefined ? {} : { adopt: options.adopt }),
    });
  }

  #turn(): void {
    this.node.flush({ wallMs: systemClock.wallMs(), monotonicMs: systemClock.monotonicMs() });
    this.node.takeOutputs();
    this.server.progress();
    if (this.node.isBehind) setImmediate(() => this.#turn());
  }

  static async start(options: RigOptions = {}): Promise<Rig> {
    const rig = new Rig(options);
    rig.port = await rig.server.listen('127.0.0.1', 0);
    return rig;
  }

  /** A new connection. */
  async client(): Promise<RawClient> {
    const client = await RawClient.open(this.port);
    this.#clients.push(client);
    return client;
  }

  async stop(): Promise<void> {
    for (const client of this.#clients) client.destroy();
    await this.server.close();
    if (this.failures.length > 0) throw this.failures[0];
  }
}
