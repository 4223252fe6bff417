import { isUnknownCommand } from '../errors.ts';
import { durationMs, type Duration } from './client-options.ts';
import { loaded, loadTookTooLong, type LoadOptions } from './load-once.ts';
import { integerOf, textOf, type Reply } from './replies.ts';
import type { Argument } from './request-bytes.ts';
import type { Values } from './values.ts';

const LOAD_MS = 30_000;
/** Longer than the load, so that its fill comes in time. */
const LEASE_GRACE_MS = 1_000;
/** So long a request waits at the node for somebody else's load; then it is asked whether that is over. */
const WAIT_MS = 500;

export interface LeasedLoadOptions<T> extends LoadOptions<T> {
  /** How long what was loaded is kept on the nodes; as its class says where it is not given. */
  readonly ttl?: Duration;
  /** Tags of the key, by which it can be invalidated. */
  readonly tags?: readonly string[];
  /** Among whom one load at a time is enough: the processes of all regions, which is so where nothing is said, those of the node's region, or this one. */
  readonly once?: 'cluster' | 'region' | 'process';
}

/** A load of a key that shows nothing. */
export interface LoadedKey<T> {
  readonly key: string;
  readonly options: LeasedLoadOptions<T>;
  /** The key's value as its node has it now. */
  readonly read: () => Promise<T | null>;
  /** Writes the value where nobody else did: for keys and servers that know no leases. */
  readonly write: (value: T) => Promise<boolean>;
}

/** The node loads nothing for the key: it takes no fills, or is no node of ours. */
const UNKNOWN = -1;

/**
 * Loads a value under a lease of the node (CW.LEASE), and gives it with the lease: so one process loads at a time, and what was written or invalidated while it did, in any region, counts
 * more than what it brings. Waits while another one loads. What the load throws is its caller's; the others load then.
 */
export async function leasedLoad<T>(values: Values, loadedKey: LoadedKey<T>): Promise<T | null> {
  const { key, options, read } = loadedKey;
  const { load, loadMs = LOAD_MS, once = 'cluster' } = options;
  const endsMs = performance.now() + loadMs;
  if (once === 'process') return loadAndWrite(loadedKey, loadMs);
  for (;;) {
    const turn = await askForLease(values, key, loadMs, once);
    if (turn === UNKNOWN) return loadAndWrite(loadedKey, loadMs);
    if (typeof turn === 'string') return loadAndFill(values, loadedKey, turn, async () => loaded(key, load, loadMs));
    if (performance.now() >= endsMs) throw loadTookTooLong(key, loadMs);
    if (turn === 0) {
      const brought = await values.read(['CW.LEASEWAIT', key, WAIT_MS], [key], {}, { mayWait: true });
      if (Array.isArray(brought)) return values.decode<T>(key, brought[0] as Reply);
      if (brought === 0) continue;
    }
    const found = await read();
    if (found !== null) return found;
  }
}

/** A token, or a number as CW.LEASE gives it. */
async function askForLease(
  values: Values,
  key: string,
  loadMs: number,
  once: 'cluster' | 'region',
): Promise<string | number> {
  const args: Argument[] = ['CW.LEASE', key, loadMs + LEASE_GRACE_MS];
  if (once === 'region') args.push('REGION');
  try {
    const reply = await values.read(args, [key], {});
    return typeof reply === 'number' ? reply : textOf(reply);
  } catch (error) {
    if (isUnknownCommand(error)) return UNKNOWN;
    throw error;
  }
}

async function loadAndWrite<T>({ key, options, read, write }: LoadedKey<T>, loadMs: number): Promise<T | null> {
  const value = await loaded(key, options.load, loadMs);
  if (value === null || (await write(value))) return value;
  return (await read()) ?? value;
}

async function loadAndFill<T>(
  values: Values,
  { key, options, read }: LoadedKey<T>,
  token: string,
  load: () => Promise<T | null>,
): Promise<T | null> {
  const giveBack = async (): Promise<void> => {
    // where this does not come through its time, or the end of this connection, ends it
    await values.write(['CW.FILL', key, token], [key], {}).catch(() => undefined);
  };
  let isFilled = false;
  try {
    const value = await load();
    if (value === null) return null;
    const args: Argument[] = ['CW.FILL', key, token, values.encode(key, value)];
    if (options.ttl !== undefined) args.push('PX', durationMs('ttl', options.ttl));
    if (options.tags !== undefined && options.tags.length > 0) args.push('TAGS', ...options.tags);
    const reply = await values.write(args, [key], {});
    isFilled = true;
    if (reply !== null && integerOf(reply) === 1) return value;
    // somebody wrote it meanwhile, or it is only for who asked
    return (await read()) ?? value;
  } finally {
    if (!isFilled) await giveBack();
  }
}
