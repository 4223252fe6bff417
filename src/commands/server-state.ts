import { Authentication, type PasswordDigests } from './authentication.ts';
import { ClientRegistry } from './client-registry.ts';
import type { CommandIndex } from './command-index.ts';
import type { Engine } from './engine.ts';
import { KeyspaceNotifier } from './keyspace-notifier.ts';
import { parameterRows } from './parameter-rows.ts';
import { ParameterTable } from './parameters.ts';
import { PubsubHub } from './pubsub-hub.ts';
import { ServerSettings } from './server-settings.ts';
import { ServerStats } from './server-stats.ts';
import { Slowlog } from './slowlog.ts';
import { WaitingClients } from './waiting-clients.ts';
import { WatchRegistry } from './watch-registry.ts';

/** Clocks of the server that are not the time that commands judge expiry by. */
export interface ServerTime {
  /** Unix milliseconds; may jump. */
  wallMs(): number;
  /** Milliseconds that never go back, with fractions. */
  monotonicMs(): number;
}

/** What the process says of itself. */
export interface ProcessFacts {
  /** The product's version. */
  readonly version: string;
  readonly processId: number;
  readonly startedAtMs: number;
  /** 40 hex digits, chosen at the start. */
  readonly runId: string;
  /** `Linux 6.1 x86_64` */
  readonly system: string;
  /** `v24.1.0` */
  readonly runtime: string;
  readonly executable: string;
  readonly configFile: string;
  /** Bytes: what the heap and the buffers hold, the most that was, and what the process has from the system. */
  memory(): { readonly usedBytes: number; readonly peakBytes: number; readonly residentBytes: number };
  /** Seconds of processor time. */
  cpu(): { readonly userSeconds: number; readonly systemSeconds: number };
  /** Begins to stop the process in good order. */
  shutdown(): void;
  /** Tells the operator of an error of ours that a client met. */
  reportInternal(error: unknown, commandName: string): void;
}

/** Until when requests wait, CLIENT PAUSE. */
export interface Pause {
  readonly mode: 'write' | 'all';
  /** On the monotonic clock. */
  readonly untilMs: number;
}

/** All that the server knows beside the keyspace and the node: what connection and server commands work on. */
export class ServerState {
  readonly commands: CommandIndex;
  readonly engine: Engine;
  readonly time: ServerTime;
  readonly facts: ProcessFacts;
  readonly clients: ClientRegistry = new ClientRegistry();
  readonly settings: ServerSettings = new ServerSettings();
  readonly parameters: ParameterTable;
  readonly authentication: Authentication;
  readonly stats: ServerStats = new ServerStats();
  readonly slowlog: Slowlog = new Slowlog();
  readonly hub: PubsubHub = new PubsubHub();
  readonly watches: WatchRegistry = new WatchRegistry();
  readonly waiting: WaitingClients;
  readonly notifier: KeyspaceNotifier;
  #pause: Pause | null = null;
  /** Called after every change of the pause: the driver runs, or will run, what waited. */
  onPauseChanged: (pause: Pause | null) => void = () => undefined;

  constructor(options: {
    commands: CommandIndex;
    engine: Engine;
    time: ServerTime;
    facts: ProcessFacts;
    digests: PasswordDigests;
  }) {
    this.commands = options.commands;
    this.engine = options.engine;
    this.time = options.time;
    this.facts = options.facts;
    this.parameters = new ParameterTable(parameterRows, this.settings);
    this.waiting = new WaitingClients(this.clients);
    this.notifier = new KeyspaceNotifier(this.hub, this.settings);
    this.authentication = new Authentication(this.settings, options.digests);
    this.stats.sampleRate(options.time.monotonicMs());
    options.engine.listen({
      keyChanged: (key, event) => {
        if (event?.classLetter !== 'x') this.watches.touch(key);
        if (event !== null) this.notifier.notify(event.classLetter, event.event, key);
      },
      flushed: () => this.watches.touchAll(),
      message: (channel, message) => this.hub.deliver(channel, message),
    });
  }

  /** Whether clients of other machines are turned away: protected mode, and no password that would keep strangers out. */
  get isProtected(): boolean {
    return this.settings.protectedMode && !this.authentication.isRequired;
  }

  /** What requests have to wait for now, null for nothing. */
  get pause(): Pause | null {
    return this.#pause;
  }

  setPause(pause: Pause | null): void {
    this.#pause = pause;
    this.onPauseChanged(pause);
  }

  /** Undoes all that a client asked for that reaches beyond its connection: it is closed, or RESET. */
  leave(client: Parameters<PubsubHub['leave']>[0]): void {
    client.dropQueue();
    client.forgetSession();
    this.watches.unwatchAll(client);
    this.hub.leave(client);
    this.clients.monitors.delete(client);
    client.monitoring = false;
  }
}
