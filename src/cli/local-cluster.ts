import { createServer } from 'node:net';
import { CausewayError } from '../errors.ts';
import { ENVIRONMENT_TABLE } from '../server/config-table.ts';
import { dials } from '../server/topology.ts';
import type { ServerPorts } from '../server/server-types.ts';
import { askAdmin } from '../wan/admin-client.ts';
import type { ForwardStatus } from '../wan/shaper.ts';
import type { ChildConditions } from './child-conditions.ts';
import { classesFileOf, LOOPBACK, loopback, type PlannedNode, type UpOptions } from './cluster-plan.ts';
import { deferred } from './deferred.ts';
import type { DataFolder } from './data-folder.ts';
import type { ParentMessage } from './ipc.ts';
import { ManagedChild } from './managed-child.ts';
import { NodeProcess, within, type Launch } from './node-process.ts';
import type { NodeAction } from './node-actions.ts';
import type { ReadyFile } from './ready-file.ts';

const SHAPER_WITHIN_MS = 30_000;
/** Longer than a node that is alone waits for peers. */
const READY_WITHIN_MS = 90_000;
const READYZ_WITHIN_MS = 2_000;
/** What nodes are given to stop in order, and then the shaper: together under the 5 s that `up` promises. */
const NODES_STOP_MS = 3_500;
const SHAPER_STOP_MS = 700;

export interface LocalClusterOptions {
  readonly up: UpOptions;
  readonly nodes: readonly PlannedNode[];
  readonly folder: DataFolder;
  /** The program that children run; what `programEntry` gives, but for tests. */
  readonly entry: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Something that the user should read has happened. */
  readonly onNotice: (text: string) => void;
  /** What the ready file says has changed. */
  readonly onChange: () => void;
  /** Without the shaper there is no cluster. */
  readonly onShaperLost: (error: CausewayError) => void;
}

/** A cluster on this machine: a process a node, and the shaper's. */
export class LocalCluster {
  readonly #options: LocalClusterOptions;
  readonly #nodes: readonly NodeProcess[];
  /** One action on a node after the other. */
  readonly #actions = new Map<string, Promise<unknown>>();
  #shaper: ManagedChild | null = null;
  #wanUrl = '';
  #isStopping = false;

  constructor(options: LocalClusterOptions) {
    this.#options = options;
    this.#nodes = options.nodes.map(
      (plan) =>
        new NodeProcess(
          plan,
          (node, how) => this.#onNodeExit(node, how),
          (node) => this.#onNodeBack(node),
        ),
    );
  }

  get nodes(): readonly NodeProcess[] {
    return this.#nodes;
  }

  /** Starts everything; fulfilled once every node is ready. Throws what went wrong first; `stop` is still to be called. */
  async start(): Promise<void> {
    await this.#checkPorts();
    await Promise.all([this.#startShaper(), ...this.#nodes.map((node) => node.launch(this.#launchOf(node)))]);
    await this.#connect();
    await Promise.all(
      this.#nodes.map(async (node) => {
        try {
          await untilReady(node);
        } catch (error) {
          if (node.removal === null) throw error;
          this.#options.onNotice(error instanceof Error ? error.message : node.removal);
        }
      }),
    );
  }

  /** What the ready file says, `admin` being where `up` itself is asked. */
  describe(admin: string): ReadyFile {
    return {
      pid: process.pid,
      wan: this.#wanUrl,
      wanPid: this.#shaper?.pid ?? null,
      admin,
      dataDir: this.#options.folder.path,
      nodes: this.#nodes.map((node) => ({
        id: node.id,
        region: node.plan.region,
        pid: node.pid,
        resp: loopback(node.ports?.resp ?? node.plan.respPort),
        http: loopback(node.ports?.http ?? node.plan.httpPort),
        state: node.state,
        ...(Object.keys(node.conditions).length === 0 ? {} : { conditions: node.conditions }),
      })),
    };
  }

  /**
   * Does it to a node, after what was asked before; fulfilled with what to tell the user. Conditions are those of a node that is started,
   * until it ends. Throws ERR or what the node said.
   */
  async act(id: string, action: NodeAction, conditions: ChildConditions = {}): Promise<string> {
    const node = this.#nodes.find((candidate) => candidate.id === id);
    if (node === undefined) {
      const known = this.#nodes.map((candidate) => candidate.id).join(', ');
      throw new CausewayError('CONFIG', `unknown node "${id}"; there are ${known}`);
    }
    const before = this.#actions.get(id) ?? Promise.resolve();
    const done = before.then(async () => this.#act(node, action, conditions));
    this.#actions.set(
      id,
      done.catch(() => undefined),
    );
    return done;
  }

  /** Stops everything in order, by force what does not. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    await Promise.all(
      this.#nodes.map(async (node) => {
        // Standing still it would miss the signal to end.
        await node.stop(NODES_STOP_MS).catch(() => node.kill());
      }),
    );
    this.#shaper?.signal('SIGTERM');
    const hasEnded = await this.#shaper?.hasEndedWithin(SHAPER_STOP_MS);
    if (hasEnded === false) this.#shaper?.signal('SIGKILL');
    await this.#shaper?.exited;
  }

  /** Ends every process at once, without waiting. */
  abandon(): void {
    this.#isStopping = true;
    for (const node of this.#nodes) node.abandon();
    this.#shaper?.signal('SIGKILL');
  }

  async #act(node: NodeProcess, action: NodeAction, conditions: ChildConditions): Promise<string> {
    if (this.#isStopping) throw new CausewayError('ERR', 'the cluster is being stopped');
    switch (action) {
      case 'start':
        return this.#startAgain(node, conditions);
      case 'kill':
        await node.kill();
        return `${node.id} is killed`;
      case 'stop':
        await node.stop();
        return `${node.id} is stopped`;
      case 'pause':
        return this.#afterSignal(node, 'paused', () => node.pause());
      case 'resume':
        return this.#afterSignal(node, 'running', () => node.resume());
    }
  }

  #afterSignal(node: NodeProcess, wanted: 'paused' | 'running', send: () => void): string {
    send();
    if (node.state !== wanted) throw new CausewayError('ERR', `${node.id} is ${node.state}`);
    this.#options.onChange();
    return `${node.id} is ${wanted}`;
  }

  async #startAgain(node: NodeProcess, conditions: ChildConditions): Promise<string> {
    if (node.state === 'running') return `${node.id} is running`;
    if (node.state === 'paused') throw new CausewayError('ERR', `${node.id} is paused; resume it`);
    if (node.pid === null) {
      await this.#relaunch(node, conditions);
      this.#options.onChange();
      await this.#connect();
    }
    // Under conditions it may never be: who asked for them looks at it.
    if (Object.keys(conditions).length > 0) return `${node.id} listens`;
    await untilReady(node);
    this.#options.onNotice(`${node.id} is ready again`);
    this.#options.onChange();
    return `${node.id} is ready`;
  }

  /** The same ports again; a peer port that was taken meanwhile is replaced, for nobody outside knows it. */
  async #relaunch(node: NodeProcess, conditions: ChildConditions): Promise<void> {
    const { ports } = node;
    try {
      await node.launch({ ...this.#launchOf(node), conditions });
    } catch (error) {
      const isPeerPort = error instanceof CausewayError && error.code === 'PORTBUSY' && ports !== null;
      if (!isPeerPort || !error.message.includes(String(ports.peer))) throw error;
      await node.launch({ ...this.#launchOf(node, { ...ports, peer: 0 }), conditions });
    }
  }

  #launchOf(node: NodeProcess, ports: ServerPorts | null = node.ports): Launch {
    const { folder, nodes, entry, up } = this.#options;
    const known = new Map<string, ServerPorts>();
    for (const other of this.#nodes) if (other.ports !== null) known.set(other.id, other.ports);
    if (ports !== null) known.set(node.id, ports);
    const config = folder.writeRegionFile(
      node.plan.region,
      nodes,
      known,
      up.requirepass,
      classesFileOf(up, (text) => folder.writeClassesFile(text)),
    );
    return {
      entry,
      args: ['serve', '--config', config, '--node', node.plan.letter],
      logFile: folder.logFile(node.id),
      environment: this.#childEnvironment(),
    };
  }

  /** Without what is meant for a single node. */
  #childEnvironment(): Record<string, string | undefined> {
    const environment = { ...this.#options.environment };
    for (const row of ENVIRONMENT_TABLE) if (row.oneNodeOnly) delete environment[row.name];
    return environment;
  }

  async #startShaper(): Promise<void> {
    const { folder, up, entry } = this.#options;
    const listening = deferred<string>();
    const config = folder.writeShaperFile({ scale: up.wanScale, hasJitter: up.wanJitter });
    const shaper = new ManagedChild({
      entry,
      args: ['wan-shaper', '--config', config],
      logFile: folder.logFile('wan'),
      environment: this.#childEnvironment(),
      onMessage: (message) => {
        if (message.type === 'shaper-listening') listening.resolve(message.adminUrl);
      },
      onExit: (how) => {
        const { code, message } = shaper.failure(how);
        const error = new CausewayError(code, `the WAN shaper: ${message}`);
        listening.reject(error);
        if (!this.#isStopping) this.#options.onShaperLost(error);
      },
    });
    this.#shaper = shaper;
    this.#wanUrl = await within(SHAPER_WITHIN_MS, listening.promise, 'the WAN shaper does not listen');
  }

  /** Tells the shaper where the nodes are, and every node where it finds those that it dials. */
  async #connect(): Promise<void> {
    const listening = this.#nodes.filter((node) => node.ports !== null);
    const links = listening.flatMap((from) => {
      return listening.filter((to) => dials(from.plan, to.plan)).map((to) => ({ from, to, target: peerAddress(to) }));
    });
    const distant = links.filter(({ from, to }) => from.plan.region !== to.plan.region);
    const forwards = distant.map(({ from, to, target }) => ({ from: from.id, to: to.id, target }));
    const answer = (await askAdmin(this.#wanUrl, '/links', { forwards })) as { forwards: ForwardStatus[] };
    const entrances = new Map(answer.forwards.map((forward) => [`${forward.from}>${forward.to}`, forward.listen]));
    for (const node of listening) {
      const members: ParentMessage['members'] = links
        .filter(({ from }) => from === node)
        .map(({ to, target }) => ({ id: to.id, url: `ws://${entrances.get(`${node.id}>${to.id}`) ?? target}` }));
      node.tellPeers(members);
    }
  }

  #onNodeBack(node: NodeProcess): void {
    this.#options.onNotice(`${node.id} joined again and is ready`);
    this.#options.onChange();
  }

  #onNodeExit(node: NodeProcess, how: string): void {
    if (this.#isStopping) return;
    this.#options.onNotice(`${node.id} has ended (${how}); its log: ${this.#options.folder.logFile(node.id)}`);
    this.#options.onChange();
  }

  async #checkPorts(): Promise<void> {
    for (const node of this.#options.nodes) {
      await checkPort(node.respPort, `Redis clients of ${node.id}`);
      await checkPort(node.httpPort, `HTTP of ${node.id}`);
    }
  }
}

/** Throws what the node said when it ended, or ERR with the reasons that it gives for not being ready. */
async function untilReady(node: NodeProcess): Promise<void> {
  try {
    await node.untilReady(READY_WITHIN_MS);
  } catch (error) {
    if (!(error instanceof CausewayError) || error.retry !== 'later') throw error;
    const reasons = await unreadyReasons(node);
    throw new CausewayError('ERR', `${error.message}: ${reasons}`, { retry: 'later', cause: error });
  }
}

/** What the node itself says under /readyz. */
async function unreadyReasons(node: NodeProcess): Promise<string> {
  try {
    const url = `http://${loopback(node.ports?.http ?? 0)}/readyz`;
    const response = await fetch(url, { signal: AbortSignal.timeout(READYZ_WITHIN_MS) });
    const { reasons } = (await response.json()) as { reasons?: readonly string[] };
    return reasons?.join(', ') ?? 'it gives no reason';
  } catch (error) {
    return `it does not say why (${error instanceof Error ? error.message : String(error)})`;
  }
}

function peerAddress(node: NodeProcess): string {
  return loopback(node.ports?.peer ?? 0);
}

/** Throws PORTBUSY that names the port and what it is for. */
async function checkPort(port: number, purpose: string): Promise<void> {
  if (port === 0) return;
  const probe = createServer();
  await new Promise<void>((resolve, reject) => {
    probe.once('error', (cause: NodeJS.ErrnoException) => {
      const why = cause.code === 'EADDRINUSE' ? 'is in use' : `cannot be used (${cause.message})`;
      const message = `port ${port} ${why}; it is for ${purpose}. Choose other ports with --port-base`;
      reject(new CausewayError('PORTBUSY', message, { cause }));
    });
    probe.listen({ host: LOOPBACK, port }, resolve);
  });
  await new Promise((resolve) => probe.close(resolve));
}
