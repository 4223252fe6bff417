import type { ByteRange } from '../base/bytes.ts';
import { isSystemKey } from '../base/system-keys.ts';
import type { SourceRule } from '../classes/key-class.ts';
import { Authentication, type PasswordDigests } from './authentication.ts';
import { ChangeFeed } from './change-feed.ts';
import { ClientRegistry } from './client-registry.ts';
import type { CommandIndex } from './command-index.ts';
import type { ConsistencyMonitor } from './consistency-monitor.ts';
import type { Engine } from './engine.ts';
import { Fetching } from './fetching.ts';
import { Leases } from './leases.ts';
import type { RegionalLevel } from './regional-level.ts';
import { KeyspaceNotifier } from './keyspace-notifier.ts';
import { parameterRows } from './parameter-rows.ts';
import { ParameterTable } from './parameters.ts';
import { PubsubHub } from './pubsub-hub.ts';
import { ServerSettings } from './server-settings.ts';
import { ServerStats } from './server-stats.ts';
import { Slowlog } from './slowlog.ts';
import { Tracking } from './tracking.ts';
import type { SourceFetcher } from './source-fetcher.ts';
import type { SourceWrites } from './source-writes.ts';
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
  readonly tracking: Tracking;
  readonly feed: ChangeFeed;
  readonly waiting: WaitingClients;
  /** What asks elsewhere for keys that are not here. */
  readonly fetching: Fetching;
  /** Null where there is no regional Redis. */
  regional: RegionalLevel | null = null;
  /** Loads that clients make. */
  readonly leases: Leases;
  /** What is on its way to the sources of classes that say so; null where nothing is written to a source. */
  sourceWrites: SourceWrites | null = null;
  /** Whether a source is not asked now, because it failed. */
  isSourceLeftAlone: (rule: SourceRule) => boolean = () => false;
  readonly notifier: KeyspaceNotifier;
  #pause: Pause | null = null;
  /** What loads from sources, null where nothing does. */
  sources: SourceFetcher | null = null;
  /** Called for a message of a member, this one too, on a channel of the product's own. */
  readonly systemMessages: ((channel: ByteRange, message: ByteRange) => void)[] = [];
  /** What compares keys with other nodes, null where nothing does. */
  monitor: ConsistencyMonitor | null = null;
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
    this.settings.memoryLimit = this.engine.memory.limit;
    this.parameters = new ParameterTable(parameterRows, this.settings);
    this.waiting = new WaitingClients(this.clients);
    this.feed = new ChangeFeed(options.engine, options.time, (error) => options.facts.reportInternal(error, 'cw.feed'));
    this.tracking = new Tracking(this.clients, options.engine, this.settings);
    this.fetching = new Fetching(this);
    this.leases = new Leases(options.engine, options.time);
    this.notifier = new KeyspaceNotifier(this.hub, this.settings);
    this.authentication = new Authentication(this.settings, options.digests);
    this.stats.sampleRate(options.time.monotonicMs());
    options.engine.listen({
      keyChanged: (key, event) => {
        if (isSystemKey(key)) return;
        if (event?.classLetter !== 'x') {
          this.watches.touch(key);
          this.fetching.keyChanged(key);
          if (this.leases.isActive) this.leases.keyChanged(key);
        }
        if (this.tracking.isOn) this.tracking.keyChanged(key, event === null);
        if (this.feed.isOn) this.feed.keyChanged(key, event);
        this.monitor?.keyChanged(key);
        if (event !== null) this.notifier.notify(event.classLetter, event.event, key);
      },
      flushed: () => {
        this.watches.touchAll();
        this.fetching.keyChanged(null);
        this.leases.keyChanged(null);
        if (this.tracking.isOn) this.tracking.flushed();
        if (this.feed.isOn) this.feed.flushed();
        this.monitor?.keyChanged(null);
      },
      message: (channel, message) => {
        if (!isSystemKey(channel)) this.hub.deliver(channel, message);
        else if (!this.leases.message(channel, message)) for (const take of this.systemMessages) take(channel, message);
      },
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
    this.fetching.endAhead(client);
    this.watches.unwatchAll(client);
    this.hub.leave(client);
    this.tracking.stop(client);
    this.leases.leave(client);
    client.feed?.close();
    client.feed = null;
    client.tracksVersions = false;
    this.clients.monitors.delete(client);
    client.monitoring = false;
  }
}
