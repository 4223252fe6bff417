import type { Log } from '../adapters/pino-log.ts';
import { systemClock } from '../adapters/system-clock.ts';
import { ByteRange, latin1Range, sameBytes } from '../base/bytes.ts';
import type { ComparedWith } from '../commands/comparison-figures.ts';
import { ConsistencyMonitor, type MonitorLimits } from '../commands/consistency-monitor.ts';
import type { Fetched } from '../commands/fetcher.ts';
import { freshUntilMs } from '../commands/freshness.ts';
import type { ServerState } from '../commands/server-state.ts';
import { utf8Text } from '../crdt/document-json.ts';
import { NO_SLOT } from '../keyspace/keyspace.ts';
import type { RegionNode } from '../node/region-node.ts';
import type { RegionalRedis } from './regional-redis.ts';

/** How often what came is looked at. */
const STEP_MS = 100;

export interface ConsistencyOptions {
  readonly state: ServerState;
  readonly node: Pick<RegionNode, 'states' | 'messages'>;
  readonly limits: MonitorLimits;
  readonly log: Log;
  readonly redis: RegionalRedis | null;
  readonly touched: () => void;
  /** Does work as a turn of the server's own. */
  readonly guarded: (work: () => void) => void;
}

/** Drives the monitor of a node, and compares what it looks at with the regional Redis and the sources (SPEC S10). */
export class Consistency {
  readonly #options: ConsistencyOptions;
  readonly #monitor: ConsistencyMonitor;
  readonly #timer: NodeJS.Timeout;
  #sourceAtMs = 0;

  constructor(options: ConsistencyOptions) {
    this.#options = options;
    const { state, node, limits, log, touched, guarded } = options;
    const nameOf = (key: string): string => utf8Text(key) ?? JSON.stringify(key);
    this.#monitor = new ConsistencyMonitor({
      engine: state.engine,
      states: node.states,
      messages: node.messages,
      keysPerSecond: limits.monitorKeysPerSecond,
      wallMs: () => systemClock.wallMs(),
      monotonicMs: () => systemClock.monotonicMs(),
      touched,
      told: (what, key, about) => {
        if (what === 'repaired') log.warn('a key that differed was put right', { key: nameOf(key), about });
        else log.error(`a key ${what === 'differs' ? 'differs' : 'is left different'}`, { key: nameOf(key), about });
      },
      publish: (channel, key) => state.hub.deliver(latin1Range(channel), latin1Range(key)),
      looked: (keys) => this.#looked(keys),
    });
    state.monitor = this.#monitor;
    const heard = (channel: ByteRange, text: ByteRange): void => this.#monitor.heard(channel, text);
    state.systemMessages.push(heard);
    node.messages.onMessage = heard;
    const step = (): void => this.#monitor.step();
    this.#timer = setInterval(() => guarded(step), STEP_MS);
    this.#timer.unref();
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #looked(keys: readonly string[]): void {
    const { redis, guarded, limits } = this.#options;
    // what differs there is written anew
    redis?.compare(keys, (key, isSame) => guarded(() => this.#compared('redis', key, isSame ? 'same' : 'repaired')));
    const nowMs = systemClock.monotonicMs();
    if ((nowMs - this.#sourceAtMs) * limits.monitorSourceKeysPerSecond < 1_000) return;
    if (keys.some((key) => this.#askSource(key))) this.#sourceAtMs = nowMs;
  }

  #compared(by: ComparedWith, key: string, verdict: 'same' | 'different' | 'repaired'): void {
    const { engine } = this.#options.state;
    const figures = this.#monitor.figuresOf(engine.node.classes.policy.classOfText(key));
    figures.compared[by]++;
    if (verdict !== 'same') figures.different[by]++;
    if (verdict === 'repaired') figures.repaired[by]++;
  }

  /** Asks for what the source of a key says now, where a loaded value shows that is fresh; says whether it did. */
  #askSource(text: string): boolean {
    const { sources, engine } = this.#options.state;
    const key = latin1Range(text);
    const keyClass = engine.node.classes.policy.classOf(key);
    if (sources === null || keyClass.source === undefined) return false;
    const nowMs = engine.nowMs(systemClock.wallMs());
    const slot = engine.keys.find(key, engine.keys.hashOf(key), nowMs);
    const untilMs = slot === NO_SLOT ? null : freshUntilMs(engine.keys, slot, keyClass.source);
    if (untilMs === null || untilMs <= nowMs) return false;
    const shown = new ByteRange();
    engine.keys.stringInto(slot, shown);
    const before = new ByteRange(shown.toBytes());
    const asked = (fetched: Fetched): void => {
      if (fetched.kind === 'absent') this.#compared('source', text, 'different');
      if (fetched.kind !== 'found' || fetched.value === null) return;
      // what it says comes in as a fill
      this.#compared('source', text, sameBytes(before, new ByteRange(fetched.value)) ? 'same' : 'repaired');
    };
    sources.ask(key, keyClass, asked, true);
    return true;
  }
}
