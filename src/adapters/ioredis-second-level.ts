import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Cluster, Redis, type ClusterOptions, type RedisOptions } from 'ioredis';
import { latin1Bytes } from '../base/bytes.ts';
import { CausewayError } from '../errors.ts';
import type {
  SecondLevel,
  SecondLevelDone,
  SecondLevelLease,
  SecondLevelValue,
  SecondLevelVerdict,
  SecondLevelWrite,
} from '../ports.ts';
import { Breaker, type BreakerState } from './cockatiel-breaker.ts';
import { valueName, versionName, VERSIONS_PATTERN } from './redis-names.ts';
import { HOLD_SCRIPT, RELEASE_SCRIPT, WRITE_SCRIPT } from './redis-scripts.ts';
import { guardRedis } from './redis-stream-guard.ts';

export interface RedisPlace {
  readonly host: string;
  readonly port: number;
}

/** Where a Redis is, and how it lets one in. */
export interface RedisOptionsOfNode {
  readonly kind: 'single' | 'sentinel' | 'cluster';
  /** The one, the sentinels, or some of the cluster's nodes. */
  readonly places: readonly RedisPlace[];
  /** What the sentinels call it; empty where there are none. */
  readonly masterName: string;
  readonly database: number;
  readonly username: string | null;
  readonly password: string | null;
  readonly sentinelPassword: string | null;
  readonly isEncrypted: boolean;
  /** A file with the certificates that it may be signed by; null for those that everybody trusts. */
  readonly certificatesFile: string | null;
  /** Stands before every name of a key. */
  readonly prefix: string;
}

export interface IoredisSecondLevelOptions extends RedisOptionsOfNode {
  /** Who holds the lease: no two processes are called the same. */
  readonly holder: string;
  readonly changed: (state: BreakerState) => void;
  /** The connection has a problem; the same one is not told twice in a row. */
  readonly troubled: (reason: string) => void;
}

/** The scripts as ioredis makes them commands of a client or a pipeline. */
interface Scripted {
  cwHold(lease: string, holder: string, spanMs: number, marginMs: number, epochMin: number): Promise<string[]>;
  cwRelease(lease: string, holder: string): Promise<number>;
  cwWrite(value: Buffer, version: Buffer, ...args: (string | number | Uint8Array)[]): Promise<string>;
}

/** What a connection attempt may take, and what a step may: after that it failed, whatever comes of it. */
const CONNECT_MS = 1_000;
const STEP_MS = 1_000;
/** A client's request may wait for this one. */
const READ_MS = 100;
const RECONNECT_MS_MAX = 1_000;
const BREAKER = { failures: 3, firstMs: 250, mostMs: 2_000 };
/** How long the right to write lasts, and how much later another may have it, for clocks that differ. */
const LEASE_MS = 8_000;
const LEASE_MARGIN_MS = 2_000;
/** A version outlives its value by this, which is longer than any lease: no write that was on its way comes later. */
const VERSION_KEPT_MS = 60_000;
const CLOSE_MS = 500;

const VERSION_SHAPE = /^\d+ \d+ \d+ string (\d+-\d+-\d+) ([0-9a-f]{40}) (\d+)$/;

/** The regional Redis by ioredis: one, one that sentinels watch, or a Redis Cluster. */
export class IoredisSecondLevel implements SecondLevel {
  readonly #options: IoredisSecondLevelOptions;
  readonly #client: Redis | Cluster;
  readonly #breaker: Breaker;
  readonly #lease: string;
  #saidLast = '';
  #isClosed = false;

  constructor(options: IoredisSecondLevelOptions) {
    this.#options = options;
    this.#breaker = new Breaker({ ...BREAKER, changed: options.changed });
    this.#lease = `cw:lease:{${options.prefix.replaceAll(/[{}]/g, '_')}}`;
    this.#client = connect(options);
    if (this.#client instanceof Cluster) this.#client.on('+node', guardRedis);
    else guardRedis(this.#client);
    this.#client.on('error', (error: Error) => this.#troubled(error));
    this.#client.on('ready', () => (this.#saidLast = ''));
    this.#client.defineCommand('cwHold', { numberOfKeys: 1, lua: HOLD_SCRIPT });
    this.#client.defineCommand('cwRelease', { numberOfKeys: 1, lua: RELEASE_SCRIPT });
    this.#client.defineCommand('cwWrite', { numberOfKeys: 2, lua: WRITE_SCRIPT });
  }

  get state(): BreakerState {
    return this.#breaker.state;
  }

  hold(epochMin: number, done: SecondLevelDone<SecondLevelLease>): void {
    this.#step(done, async () => {
      const { holder } = this.#options;
      const scripted = scriptedOf(this.#client);
      const [isHeld, epoch, until] = await scripted.cwHold(this.#lease, holder, LEASE_MS, LEASE_MARGIN_MS, epochMin);
      return {
        isHeld: isHeld === '1',
        epoch: Number(epoch),
        untilMs: Number(until),
        identity: isHeld === '1' ? await this.#identity() : '',
      };
    });
  }

  write(
    writes: readonly SecondLevelWrite[],
    lease: SecondLevelLease,
    isRepair: boolean,
    done: SecondLevelDone<readonly SecondLevelVerdict[]>,
  ): void {
    this.#step(done, async () => {
      if (this.#client instanceof Cluster) {
        const scripted = scriptedOf(this.#client);
        const replies = writes.map((write) => scripted.cwWrite(...this.#argsOf(write, lease, isRepair)));
        return (await Promise.allSettled(replies)).map((each) =>
          each.status === 'fulfilled' ? verdictOf(null, each.value) : verdictOf(asError(each.reason), null),
        );
      }
      const pipeline = this.#client.pipeline();
      const scripted = scriptedOf(pipeline);
      for (const write of writes) void scripted.cwWrite(...this.#argsOf(write, lease, isRepair));
      return ((await pipeline.exec()) ?? []).map(([error, reply]) => verdictOf(error, reply));
    });
  }

  #argsOf(
    { key, kind, parts, expiresAtMs, version, seq }: SecondLevelWrite,
    { epoch, untilMs }: SecondLevelLease,
    isRepair: boolean,
  ): Parameters<Scripted['cwWrite']> {
    const name = this.#options.prefix + key;
    const expires = expiresAtMs === Infinity ? 0 : Math.floor(expiresAtMs);
    const stamp = version === '' ? '0' : (version.split('-', 1)[0] ?? '0');
    const rest = version === '' ? `${kind} - - ${expires}` : `${kind} ${version} ${digestOf(parts)} ${expires}`;
    const values = parts.map((part) => Buffer.from(part.buffer, part.byteOffset, part.byteLength));
    const head = [epoch, seq, untilMs, kind, expires, stamp, rest, VERSION_KEPT_MS, isRepair ? 1 : 0];
    return [nameBytes(name), nameBytes(versionName(name)), ...head, ...values];
  }

  read(keys: readonly string[], done: SecondLevelDone<readonly (SecondLevelValue | null)[]>): void {
    const read = async (key: string): Promise<SecondLevelValue | null> => {
      const name = this.#options.prefix + key;
      const [value, version] = await this.#client.mgetBuffer(nameBytes(name), nameBytes(versionName(name)));
      return valueOf(value ?? null, version ?? null);
    };
    this.#run(done, READ_MS, () => Promise.all(keys.map(read)));
  }

  scan(
    cursor: string,
    count: number,
    done: SecondLevelDone<{ readonly keys: readonly string[]; readonly next: string | null }>,
  ): void {
    this.#step(done, async () => {
      const masters = this.#masters();
      const [index = '0', place = '0'] = cursor.split(':');
      const master = masters[Number(index)];
      if (master === undefined) return { keys: [], next: null };
      const [nextPlace, names] = await master.scanBuffer(place, 'MATCH', VERSIONS_PATTERN, 'COUNT', count);
      const next = nextPlace.toString('latin1');
      const isLast = next === '0' && Number(index) + 1 >= masters.length;
      const after = next === '0' ? `${Number(index) + 1}:0` : `${index}:${next}`;
      return { keys: names.flatMap((name) => this.#keyOf(name.toString('latin1'))), next: isLast ? null : after };
    });
  }

  /** The key that a version is of, where it has this node's prefix. */
  #keyOf(version: string): string[] {
    const { prefix } = this.#options;
    const name = valueName(version);
    return name === null || !name.startsWith(prefix) ? [] : [name.slice(prefix.length)];
  }

  publish(channel: string, message: string, done: SecondLevelDone<number>): void {
    this.#step(done, () => this.#client.publish(channel, message));
  }

  close(done: () => void): void {
    void this.#close(done);
  }

  async #close(done: () => void): Promise<void> {
    this.#isClosed = true;
    const release = scriptedOf(this.#client).cwRelease(this.#lease, this.#options.holder);
    await within(CLOSE_MS, release).catch(() => undefined);
    this.#client.disconnect();
    done();
  }

  #masters(): readonly Redis[] {
    return this.#client instanceof Cluster ? this.#client.nodes('master') : [this.#client];
  }

  /** Who answers: another process may have lost something, as one that was restarted or took over. */
  async #identity(): Promise<string> {
    const infos = await Promise.all(this.#masters().map((master) => master.info('server')));
    return infos
      .map((info) => /run_id:(\w+)/.exec(info)?.[1] ?? '')
      .sort()
      .join(' ');
  }

  /** Something that nobody's request waits for. What takes too long may hang for good: then the connection is made anew. */
  #step<T>(done: SecondLevelDone<T>, call: () => Promise<T>): void {
    this.#run(done, STEP_MS, call, () => this.#client.disconnect(true));
  }

  #run<T>(done: SecondLevelDone<T>, withinMs: number, call: () => Promise<T>, late?: () => void): void {
    void this.#tell(done, this.#answer(withinMs, call, late));
  }

  async #tell<T>(
    done: SecondLevelDone<T>,
    answer: Promise<[error: CausewayError | null, result: T | null]>,
  ): Promise<void> {
    const [error, result] = await answer;
    done(error, result);
  }

  async #answer<T>(
    withinMs: number,
    call: () => Promise<T>,
    late?: () => void,
  ): Promise<[error: CausewayError | null, result: T | null]> {
    try {
      return [null, await this.#breaker.run(() => within(withinMs, call()))];
    } catch (thrown) {
      const error = asError(thrown);
      if (error instanceof Late && !this.#isClosed) late?.();
      if (!Breaker.isRefusal(thrown)) this.#troubled(error);
      return [
        new CausewayError('ERR', `the regional Redis: ${error.message}`, { retry: 'later', cause: thrown }),
        null,
      ];
    }
  }

  #troubled({ message }: Error): void {
    if (this.#isClosed || message === this.#saidLast) return;
    this.#saidLast = message;
    this.#options.troubled(message);
  }
}

class Late extends Error {}

/** The same, failed when it takes longer. */
function within<T>(ms: number, call: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Late(`no answer within ${ms} ms`)), ms);
    call.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

function connect(options: IoredisSecondLevelOptions): Redis | Cluster {
  const { kind, places, username, password, isEncrypted, certificatesFile, database } = options;
  const tls = { ...(certificatesFile === null ? {} : { ca: readFileSync(certificatesFile) }) };
  const retry = (times: number): number => Math.min(RECONNECT_MS_MAX, 50 * 2 ** Math.min(times, 6));
  const common = {
    connectTimeout: CONNECT_MS,
    disconnectTimeout: CLOSE_MS,
    maxRetriesPerRequest: 0,
    // what was sent and not answered may have been done: it is decided anew what is to be done
    autoResendUnfulfilledCommands: false,
    autoResubscribe: false,
    reconnectOnError: (error: Error) => error.message.startsWith('READONLY'),
    ...(username === null ? {} : { username }),
    ...(password === null ? {} : { password }),
    ...(isEncrypted ? { tls } : {}),
  } satisfies RedisOptions;
  if (kind === 'cluster') {
    const cluster: ClusterOptions = {
      enableOfflineQueue: false,
      clusterRetryStrategy: retry,
      slotsRefreshTimeout: CONNECT_MS,
      slotsRefreshInterval: 5_000,
      redisOptions: common,
      // a certificate names the host, which a redirection by address does not
      ...(isEncrypted ? { dnsLookup: (address, callback) => callback(null, address) } : {}),
    };
    return new Cluster(
      places.map(({ host, port }) => ({ host, port })),
      cluster,
    );
  }
  const alone = { ...common, enableOfflineQueue: false, db: database, retryStrategy: retry };
  const [first] = places;
  if (kind === 'single') return new Redis({ ...alone, host: first?.host ?? '', port: first?.port ?? 0 });
  return new Redis({
    ...alone,
    name: options.masterName,
    sentinels: places.map(({ host, port }) => ({ host, port })),
    sentinelRetryStrategy: retry,
    ...(options.sentinelPassword === null ? {} : { sentinelPassword: options.sentinelPassword }),
    ...(isEncrypted ? { sentinelTLS: tls, enableTLSForSentinelMode: true } : {}),
  });
}

/** ioredis adds the scripts to an object as methods that its types cannot know. */
function scriptedOf(client: object): Scripted {
  return client as Scripted;
}

function nameBytes(name: string): Buffer {
  return Buffer.from(latin1Bytes(name).buffer);
}

function digestOf(parts: readonly Uint8Array[]): string {
  const digest = createHash('sha1');
  for (const part of parts) digest.update(part);
  return digest.digest('hex');
}

/** A value that is as it was mirrored: whatever another program put in its place is not ours to take. */
function valueOf(value: Buffer | null, version: Buffer | null): SecondLevelValue | null {
  if (value === null || version === null) return null;
  const [, text = '', digest = '', expires = ''] = VERSION_SHAPE.exec(version.toString('latin1')) ?? [];
  if (text === '' || digestOf([value]) !== digest) return null;
  return { value, version: text, expiresAtMs: expires === '0' ? Infinity : Number(expires) };
}

const VERDICTS: ReadonlySet<string> = new Set(['written', 'same', 'old', 'fenced', 'late', 'newer']);

/** Throws what is no answer of the Redis itself: then nothing is known of any. */
function verdictOf(error: Error | null, reply: unknown): SecondLevelVerdict {
  if (error !== null && error.name !== 'ReplyError') throw error;
  return typeof reply === 'string' && VERDICTS.has(reply) ? (reply as SecondLevelVerdict) : 'refused';
}

function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}
