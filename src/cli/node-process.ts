import { CausewayError } from '../errors.ts';
import type { NodeStats, ServerPorts } from '../server/server-types.ts';
import type { ChildConditions } from './child-conditions.ts';
import type { ChildMessage, ParentMessage } from './ipc.ts';
import { deferred, type Deferred } from './deferred.ts';
import { ManagedChild, type ManagedChildOptions } from './managed-child.ts';
import type { PlannedNode } from './cluster-plan.ts';
import type { NodeState } from './ready-file.ts';

const LISTEN_WITHIN_MS = 30_000;
const STOP_WITHIN_MS = 10_000;

/** How a process of one node is started. */
export type Launch = Pick<ManagedChildOptions, 'entry' | 'args' | 'logFile' | 'environment' | 'conditions'>;

/** One life of the process: what it has said so far. */
interface Life {
  readonly child: ManagedChild;
  readonly conditions: ChildConditions;
  readonly listening: Deferred<ServerPorts>;
  readonly ready: Deferred<void>;
}

/** A node of the cluster that `up` runs, over its lives. */
export class NodeProcess {
  readonly plan: PlannedNode;
  /** Told when the process ended, with how, whoever ended it. */
  readonly #onExit: (node: NodeProcess, how: string) => void;
  /** Told when it is ready after it had said that it was removed. */
  readonly #onBack: (node: NodeProcess) => void;
  #state: NodeState = 'stopped';
  #ports: ServerPorts | null = null;
  #stats: NodeStats | null = null;
  #life: Life | null = null;
  #removal: string | null = null;

  constructor(
    plan: PlannedNode,
    onExit: (node: NodeProcess, how: string) => void,
    onBack: (node: NodeProcess) => void = () => {},
  ) {
    this.plan = plan;
    this.#onBack = onBack;
    this.#onExit = onExit;
  }

  get id(): string {
    return this.plan.id;
  }

  get state(): NodeState {
    return this.#state;
  }

  get pid(): number | null {
    return this.#life?.child.pid ?? null;
  }

  /** What its process was started under. */
  get conditions(): ChildConditions {
    return this.#life?.conditions ?? {};
  }

  /** The ports it listens on, or listened on in its last life. */
  get ports(): ServerPorts | null {
    return this.#ports;
  }

  /** What it last said of itself; null while it does not run. */
  get stats(): NodeStats | null {
    return this.#state === 'running' ? this.#stats : null;
  }

  /** Why it runs and will not be ready: it was removed from the cluster. Null where it was not. */
  get removal(): string | null {
    return this.#removal;
  }

  /** Starts the process; fulfilled once it listens. Throws what the node said, PORTBUSY for one. */
  async launch(launch: Launch): Promise<void> {
    const listening = deferred<ServerPorts>();
    const ready = deferred<void>();
    const child = new ManagedChild({
      ...launch,
      onMessage: (message) => this.#receive(life, message),
      onExit: (how) => this.#ended(life, how),
    });
    const life: Life = { child, conditions: launch.conditions ?? {}, listening, ready };
    this.#life = life;
    this.#state = 'starting';
    this.#stats = null;
    this.#removal = null;
    try {
      this.#ports = await within(LISTEN_WITHIN_MS, listening.promise, `${this.id} does not listen`);
    } catch (error) {
      child.signal('SIGKILL');
      throw error;
    }
  }

  /** Where the members are that it dials. */
  tellPeers(members: ParentMessage['members']): void {
    this.#life?.child.send({ type: 'peers', members });
  }

  /** Fulfilled once the node is ready. Throws when it ends before, or ERR after `ms`. */
  async untilReady(ms: number): Promise<void> {
    const life = this.#life;
    if (life === null) throw new CausewayError('ERR', `${this.id} does not run`);
    await within(ms, life.ready.promise, `${this.id} is not ready`);
  }

  /** Fulfilled once it has ended. */
  async kill(): Promise<void> {
    this.#life?.child.signal('SIGKILL');
    await this.#life?.child.exited;
  }

  /** Asks it to end. Throws ERR when it has not done so after a while. */
  async stop(withinMs: number = STOP_WITHIN_MS): Promise<void> {
    const child = this.#life?.child;
    if (child === undefined) return;
    child.signal('SIGTERM');
    // One that stands still has to go on to hear it.
    child.signal('SIGCONT');
    if (!(await child.hasEndedWithin(withinMs))) {
      throw new CausewayError('ERR', `${this.id} has not ended ${withinMs / 1_000} s after SIGTERM`);
    }
  }

  pause(): void {
    if (this.#state !== 'running') return;
    this.#life?.child.signal('SIGSTOP');
    this.#state = 'paused';
  }

  resume(): void {
    if (this.#state !== 'paused') return;
    this.#life?.child.signal('SIGCONT');
    this.#state = 'running';
  }

  /** Ends it at once, without waiting. */
  abandon(): void {
    this.#life?.child.signal('SIGKILL');
  }

  #receive(life: Life, message: ChildMessage): void {
    if (message.type === 'listening') life.listening.resolve(message.ports);
    else if (message.type === 'stats') this.#stats = message;
    else if (message.type === 'removed') {
      this.#removal = message.message;
      const how = 'it runs for what it alone has; `causeway member join` lets it in again';
      life.ready.reject(new CausewayError('ERR', `${message.message}: ${how}`));
    } else if (message.type === 'ready') {
      const isBack = this.#removal !== null;
      this.#removal = null;
      if (this.#life === life && this.#state === 'starting') this.#state = 'running';
      life.ready.resolve();
      if (isBack) this.#onBack(this);
    }
  }

  #ended(life: Life, how: string): void {
    if (this.#life !== life) return;
    this.#life = null;
    this.#state = 'stopped';
    const { code, message } = life.child.failure(how);
    const error = new CausewayError(code, `${this.id}: ${message}`);
    life.listening.reject(error);
    life.ready.reject(error);
    const { complaint } = life.child;
    this.#onExit(this, complaint === null ? how : `${how}, ${complaint.code} ${complaint.message}`);
  }
}

/** The promise's outcome, or ERR that says what did not happen in time. */
export async function within<T>(ms: number, promise: Promise<T>, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new CausewayError('ERR', `${what} after ${ms / 1_000} s`, { retry: 'later' })), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
