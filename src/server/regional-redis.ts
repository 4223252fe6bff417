import type { BreakerState } from '../adapters/cockatiel-breaker.ts';
import { IoredisSecondLevel } from '../adapters/ioredis-second-level.ts';
import type { Log } from '../adapters/pino-log.ts';
import { isSystemKey } from '../base/system-keys.ts';
import { ByteRange, latin1Range } from '../base/bytes.ts';
import type { KeyClass } from '../classes/key-class.ts';
import type { VersionVector } from '../clock/version-vector.ts';
import type { Origin } from '../clock/origin.ts';
import { versionText } from '../clock/key-version.ts';
import type { Fetcher } from '../commands/fetcher.ts';
import type { Fetching } from '../commands/fetching.ts';
import type { RegionalLevel } from '../commands/regional-level.ts';
import type { CausewayError } from '../errors.ts';
import { ContentType, NO_SLOT, type Slot } from '../keyspace/keyspace.ts';
import type { MirrorLimits } from '../mirror/limits.ts';
import { Mirror, type MirrorStep } from '../mirror/mirror.ts';
import { WarmStart, type WarmStep } from '../mirror/warm-start.ts';
import type { RegionNode } from '../node/region-node.ts';
import type { Clock, SecondLevelValue } from '../ports.ts';
import type { RedisConfig } from './redis-config.ts';
import { infoOfRedis, type RedisFigures } from './redis-figures.ts';

export interface RegionalRedisOptions {
  readonly config: RedisConfig;
  readonly node: RegionNode;
  readonly limits: MirrorLimits;
  readonly clock: Clock;
  readonly log: Log;
  /** Something that a client may wait for has come. */
  readonly progressed: () => void;
  /** Something was written: the node is to be flushed. */
  readonly touched: () => void;
  /** Where requests wait for what is not here. */
  readonly fetching: Pick<Fetching, 'add' | 'remove'>;
  /** Does work as a turn of the server's own. */
  readonly guarded: (work: () => void) => void;
}

/** Changes are gathered for so long: many are of the same few keys. */
const GATHER_MS = 5;
/** How often a node that is not in a state to write looks whether it is. */
const LOOK_MS = 100;

/**
 * The regional Redis of a node: drives the mirror. Nothing here is on the way of a request; what the Redis says, or that it says nothing,
 * comes in later turns.
 */
export class RegionalRedis implements RegionalLevel {
  readonly #options: RegionalRedisOptions;
  readonly #mirror: Mirror;
  readonly #redis: IoredisSecondLevel;
  /** What comes before anything is mirrored; null where nothing is to be taken. */
  readonly #warm: WarmStart | null;
  readonly #refill: Fetcher | null;
  /** What this node and those that it has heard had at their starts. */
  readonly #known: VersionVector;
  #isHeard = false;
  #toldAtMs = -Infinity;
  #timer: NodeJS.Timeout | null = null;
  #timerDueMs = Infinity;
  #isClosed = false;
  /** Keys of classes that say `through` which the request that runs has changed; null while none runs. */
  #writtenThrough: string[] | null = null;

  constructor(options: RegionalRedisOptions) {
    this.#options = options;
    const { config, node, limits, log } = options;
    this.#mirror = new Mirror(
      {
        nodeId: node.nodeId,
        keys: node.keys,
        nowMs: () => node.nowMs(options.clock.wallMs()),
        isMirrored: (key) => node.classes.policy.classOf(key).mirror !== undefined && !isSystemKey(key),
        versionOf: (slot) => this.#versionOf(slot),
        isEvicted: () => false,
      },
      limits,
      config.channel !== null,
    );
    this.#known = node.vector();
    this.#warm = config.warm === 'no' ? null : this.#openWarm();
    this.#refill = this.#warm === null ? null : this.#refillOf(this.#warm);
    this.#redis = new IoredisSecondLevel({
      ...config,
      holder: `${node.nodeId}#${node.origin}`,
      changed: (state) => this.#breakerChanged(state),
      troubled: (reason) => log.debug('the regional Redis', { reason }),
    });
  }

  /** From now on what changes is mirrored. */
  start(): void {
    const { node } = this.#options;
    node.onKeyChanged = (key) => {
      this.#mirror.changed(key);
      this.#warm?.changed(key);
      const isThrough = key !== null && node.classes.policy.classOf(key).mirror === 'through';
      if (isThrough) this.#writtenThrough?.push(key.toLatin1());
      this.#armAt(isThrough ? 0 : GATHER_MS);
    };
    if (this.#refill !== null) this.#options.fetching.add(this.#refill);
    this.#armAt(0);
  }

  #openWarm(): WarmStart {
    const { node, clock, limits } = this.#options;
    return new WarmStart(
      {
        keys: node.keys,
        nowMs: () => node.nowMs(clock.wallMs()),
        isTaken: (key) => isTaken(node.classes.policy.classOf(key)) && !isSystemKey(key),
        hasApplied: ({ origin, seq }) => this.#known.contains(origin as Origin, seq),
        isOld: (stamp, key) => node.invalidations.isOld(stamp, key),
        fill: (key, value, expiresAtMs, stamp) => {
          const range = new ByteRange(value);
          node.transact(node.nowMs(clock.wallMs()), (tx) =>
            tx.fill(key, node.keys.hashOf(key), range, expiresAtMs, stamp),
          );
          this.#options.touched();
        },
      },
      limits,
    );
  }

  /** Asks it for keys that a request names before the warm start has come to them. */
  #refillOf(warm: WarmStart): Fetcher {
    return {
      kind: 'redis',
      serves: isTaken,
      // what was removed is known once what the others had is here
      isNeeded: ({ key }) => this.#isHeard && warm.mayHave(key),
      ask: (key, _keyClass, done) => {
        const text = key.toLatin1();
        const took = (value: SecondLevelValue | null): void => {
          warm.readAhead(text, value);
          // where it does not answer it is as with a key that is not there: its turn may come
          done(this.#shows(text) ? { kind: 'found', value: null } : { kind: 'absent' });
        };
        this.#redis.read([text], (_error, values) => this.#options.guarded(() => took(values?.[0] ?? null)));
      },
    };
  }

  #shows(key: string): boolean {
    const { node, clock } = this.#options;
    const range = latin1Range(key);
    return node.keys.find(range, node.keys.hashOf(range), node.nowMs(clock.wallMs())) !== NO_SLOT;
  }

  /** A key was removed that shows nothing: what is there of it is over too. */
  removed(key: ByteRange): void {
    this.#warm?.changed(key);
  }

  /** Why the node is not ready: what it takes from the Redis is to be here first. */
  unreadyReasons(): string[] {
    const { warm } = this.#options.config;
    if (warm !== 'wait' || this.#warm === null || this.#warm.isOver) return [];
    // who hears nobody cannot know what was removed, and serves without
    if (this.#options.node.refusal(false, false) === null && !this.#isHeard && !this.#hears()) return [];
    const { looked, taken } = this.#warm.progress;
    return [`warming: ${taken} of ${looked} values taken from the regional Redis`];
  }

  /** Whether what the others had is here; then it is known what need not be taken. */
  #hears(): boolean {
    const heard = this.#options.node.membership.heard();
    if (heard === null) return false;
    for (const vector of heard) this.#known.merge(vector);
    this.#isHeard = true;
    return true;
  }

  get isActive(): boolean {
    return this.#options.node.classes.policy.classes.some(({ mirror }) => mirror === 'through');
  }

  begin(): void {
    this.#writtenThrough = [];
  }

  whenMirrored(): (() => boolean) | null {
    const keys = this.#writtenThrough ?? [];
    this.#writtenThrough = null;
    if (keys.length === 0) return null;
    // while it does not answer nobody waits for it
    const isDone = (): boolean =>
      this.#redis.state !== 'closed' || !this.#mirror.isHolder || !keys.some((key) => this.#mirror.isPending(key));
    return isDone() ? null : isDone;
  }

  info(): [name: string, value: string | number][] {
    return infoOfRedis(this.figures());
  }

  /** Compares what the Redis has of plain strings with what they show here, where this node writes; what differs is written anew. */
  compare(keys: readonly string[], told: (key: string, isSame: boolean) => void): void {
    if (!this.#mirror.isHolder || this.#mirror.isComparing || this.#redis.state !== 'closed') return;
    const versions = new Map<string, string>();
    for (const key of keys) {
      const version = this.#mirror.isPending(key) ? '' : this.#mirroredVersion(key);
      if (version !== '') versions.set(key, version);
    }
    const asked = [...versions.keys()];
    if (asked.length === 0) return;
    this.#redis.read(asked, (_error, values) => {
      for (const [at, key] of asked.entries()) {
        // what changed meanwhile is on its way
        if (values === null || this.#mirror.isPending(key) || this.#mirroredVersion(key) !== versions.get(key))
          continue;
        const isSame = values[at]?.version === versions.get(key);
        if (!isSame) this.#mirror.changed(latin1Range(key));
        told(key, isSame);
      }
      this.#armAt(GATHER_MS);
    });
  }

  /** The version of a plain string that the mirror should have; empty for all else. */
  #mirroredVersion(key: string): string {
    const { node, clock, limits } = this.#options;
    const range = latin1Range(key);
    if (isSystemKey(range) || node.classes.policy.classOf(range).mirror === undefined) return '';
    const slot = node.keys.find(range, node.keys.hashOf(range), node.nowMs(clock.wallMs()));
    if (slot === NO_SLOT || node.keys.typeOf(slot) !== ContentType.String) return '';
    const value = new ByteRange();
    node.keys.stringInto(slot, value);
    return value.length > limits.mirrorValueBytesMax ? '' : this.#versionOf(slot);
  }

  #versionOf(slot: Slot): string {
    const version = this.#options.node.keys.versions.at(slot);
    return 'state' in version ? '' : versionText(version);
  }

  figures(): RedisFigures {
    return {
      url: this.#options.config.url,
      breaker: this.#redis.state,
      isHolder: this.#mirror.isHolder,
      waiting: this.#mirror.waiting,
      isComparing: this.#mirror.isComparing,
      mirror: this.#mirror.counts,
      warm: this.#warm?.progress ?? null,
    };
  }

  /** What is not as it should be, and keeps no client from anything. */
  degradedReasons(): string[] {
    if (this.#redis.state === 'closed') return [];
    return ['redis: the regional Redis does not answer; its values are as old as that'];
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#options.node.onKeyChanged = null;
    await new Promise<void>((resolve) => this.#redis.close(resolve));
  }

  #breakerChanged(state: BreakerState): void {
    const { log } = this.#options;
    if (state === 'open') log.warn('the regional Redis does not answer; the node goes on without it');
    else if (state === 'closed') log.info('the regional Redis answers again');
  }

  /** Sees to it that the next step is looked for in so many milliseconds at the latest. */
  #armAt(inMs: number): void {
    const dueMs = this.#options.clock.monotonicMs() + inMs;
    if (this.#isClosed || dueMs >= this.#timerDueMs) return;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timerDueMs = dueMs;
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.#timerDueMs = Infinity;
      this.#look();
    }, inMs);
  }

  #look(): void {
    if (this.#isClosed) return;
    // what a starting node shows is older than what its region may have written
    if (this.#options.node.refusal(false, false) !== null) return this.#armAt(LOOK_MS);
    const { clock } = this.#options;
    if (this.#warm !== null && !this.#warm.isOver) return this.#warmUp(this.#warm);
    const step = this.#mirror.next(clock.monotonicMs());
    if (step === null) this.#armAt(this.#mirror.dueInMs(clock.monotonicMs()));
    else this.#do(step);
  }

  #warmUp(warm: WarmStart): void {
    if (!this.#isHeard && !this.#hears()) return this.#armAt(LOOK_MS);
    const nowMs = this.#options.clock.monotonicMs();
    const step = warm.next(nowMs);
    if (step !== null) return this.#doWarm(warm, step);
    this.#armAt(Math.max(1, warm.dueInMs(nowMs)));
  }

  #doWarm(warm: WarmStart, step: WarmStep): void {
    const nowMs = (): number => this.#options.clock.monotonicMs();
    const told =
      <T>(took: (result: T) => void) =>
      (error: CausewayError | null, result: T | null): void => {
        if (error !== null || result === null) warm.failed(nowMs());
        else took(result);
        this.#tellWarm(warm);
        this.#look();
      };
    if (step.kind === 'read')
      return this.#redis.read(
        step.keys,
        told((values) => warm.read(values)),
      );
    this.#redis.scan(
      step.cursor,
      SCAN_COUNT,
      told(({ keys, next }) => warm.scanned(keys, next, nowMs())),
    );
  }

  #tellWarm({ progress }: WarmStart): void {
    const { log, clock } = this.#options;
    const nowMs = clock.monotonicMs();
    if (!progress.isOver && nowMs - this.#toldAtMs < TOLD_EVERY_MS) return;
    this.#toldAtMs = nowMs;
    const { looked, taken, gaveUp, isOver } = progress;
    const about = { looked, taken, ...(gaveUp === '' ? {} : { gaveUp }) };
    if (isOver && this.#refill !== null) this.#options.fetching.remove(this.#refill);
    log.info(isOver ? 'warmed from the regional Redis' : 'warming from the regional Redis', about);
  }

  #do(step: MirrorStep): void {
    const redis = this.#redis;
    const mirror = this.#mirror;
    const nowMs = (): number => this.#options.clock.monotonicMs();
    const told =
      <T>(took: (result: T) => void) =>
      (error: CausewayError | null, result: T | null): void => {
        if (error !== null || result === null) mirror.failed(nowMs());
        else took(result);
        this.#look();
        this.#options.progressed();
      };
    switch (step.kind) {
      case 'hold':
        return redis.hold(
          step.epochMin,
          told((lease) => mirror.held(lease, nowMs())),
        );
      case 'write':
        return redis.write(
          step.writes,
          step.lease,
          step.isPass,
          told((verdicts) => mirror.wrote(verdicts, nowMs())),
        );
      case 'scan':
        return redis.scan(
          step.cursor,
          SCAN_COUNT,
          told(({ keys, next }) => mirror.scanned(keys, next, nowMs())),
        );
      case 'publish':
        return redis.publish(
          this.#options.config.channel ?? '',
          step.message,
          told(() => mirror.published()),
        );
    }
  }
}

/** Whether values of a class are taken from there: they are mirrored, and one write each. */
function isTaken({ mirror, consistency, conflict }: KeyClass): boolean {
  return mirror !== undefined && consistency !== 'strong' && conflict.kind === 'lww';
}

const SCAN_COUNT = 500;
/** How often the log says how far a warm start is. */
const TOLD_EVERY_MS = 1_000;
