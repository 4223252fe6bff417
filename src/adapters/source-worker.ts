import { parentPort, workerData } from 'node:worker_threads';
import { STORED, type SourceWrite, type StoreVerdict } from './key-source.ts';

/** What a source's thread is started with. */
export interface SourceThreadStart {
  /** A file URL. */
  readonly module: string;
  readonly role: ModuleRole;
}

/** Whether a module loads and stores values, or is told of lost writes. */
export type ModuleRole = 'source' | 'hook';

/** Keys are text where they are UTF-8, else bytes. */
type Key = string | Uint8Array;

/** A write as a module is given it: text where it is UTF-8, else bytes; null for a removal. */
interface ModuleWrite {
  readonly key: Key;
  readonly value: Key | null;
  readonly version: string;
}

/** What a source module exports. */
interface SourceModule {
  readonly load?: (key: Key) => unknown;
  readonly loadMany?: (keys: readonly Key[]) => unknown;
  readonly store?: (key: Key, value: Key | null, write: ModuleWrite) => unknown;
  readonly storeMany?: (writes: readonly ModuleWrite[]) => unknown;
}

/** What a hook module exports. */
interface HookModule {
  /** Given what was lost, as an address is (SPEC S9). */
  readonly compensate?: (lost: unknown) => unknown;
}

export type SourceAsk =
  | { readonly id: number; readonly keys: readonly Uint8Array[] }
  | { readonly id: number; readonly writes: readonly SourceWrite[] };

/**
 * Of each key its value, null for none; or of each write what became of it; or why it cannot be told. The first, of id 0, says that the module
 * is loaded, and whether it stores.
 */
export type SourceTold =
  | { readonly id: number; readonly values: readonly (Uint8Array | null)[] }
  | { readonly id: number; readonly verdicts: readonly StoreVerdict[] }
  | { readonly id: number; readonly stores: boolean }
  | { readonly id: number; readonly error: string };

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function keyOf(bytes: Uint8Array): Key {
  try {
    return utf8.decode(bytes);
  } catch {
    return bytes;
  }
}

function valueOf(given: unknown): Uint8Array | null {
  if (given === null || given === undefined) return null;
  if (typeof given === 'string') return new TextEncoder().encode(given);
  if (given instanceof Uint8Array) return given;
  throw new TypeError(`the module gave ${typeof given}, expected a string, bytes, or null for no value`);
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error)).slice(0, 300);

async function valuesOf({ load, loadMany }: SourceModule, keys: readonly Key[]): Promise<(Uint8Array | null)[]> {
  if (loadMany !== undefined && (keys.length > 1 || load === undefined)) {
    const given: unknown = await loadMany(keys);
    if (!Array.isArray(given) || given.length !== keys.length)
      throw new TypeError(`loadMany gave no list of ${keys.length} values, one for each key in their order`);
    return given.map(valueOf);
  }
  return Promise.all(keys.map(async (key) => valueOf(await load?.(key))));
}

/** What it throws with `refused: true` it will never take; all else may be tried again. */
function verdictOf(thrown: unknown): StoreVerdict {
  const isRefused = typeof thrown === 'object' && thrown !== null && 'refused' in thrown && thrown.refused === true;
  return { kind: isRefused ? 'refused' : 'failed', reason: messageOf(thrown) };
}

async function storedBy({ store, storeMany }: SourceModule, writes: readonly SourceWrite[]): Promise<StoreVerdict[]> {
  const given = writes.map(({ key, value, version }): ModuleWrite => {
    return { key: keyOf(key), value: value === null ? null : keyOf(value), version };
  });
  if (storeMany !== undefined && (given.length > 1 || store === undefined)) {
    let told: unknown;
    try {
      told = await storeMany(given);
    } catch (error) {
      const verdict = verdictOf(error);
      // of several it does not say which
      if (verdict.kind === 'refused' && given.length === 1) return [verdict];
      throw error;
    }
    if (told === undefined || told === null) return given.map(() => STORED);
    if (!Array.isArray(told) || told.length !== given.length)
      throw new TypeError(`storeMany gave no list of ${given.length} answers, one for each write in their order`);
    return told.map((each: unknown) => (each === null || each === undefined ? STORED : verdictOf(each)));
  }
  return await Promise.all(
    given.map(async (write): Promise<StoreVerdict> => {
      try {
        await store?.(write.key, write.value, write);
        return STORED;
      } catch (error) {
        return verdictOf(error);
      }
    }),
  );
}

/** A hook as a source that has nothing: what is stored in it is told to it. */
function hookOf({ compensate }: HookModule): SourceModule {
  if (typeof compensate !== 'function') throw new TypeError('exports no compensate');
  return { load: () => null, store: (_id, lost) => compensate(JSON.parse(String(lost))) };
}

function sourceIn(loaded: SourceModule & { readonly default?: SourceModule }): SourceModule {
  const source =
    typeof loaded.load === 'function' || typeof loaded.loadMany === 'function' ? loaded : (loaded.default ?? {});
  if (typeof source.load !== 'function' && typeof source.loadMany !== 'function')
    throw new TypeError('exports neither load nor loadMany');
  return source;
}

const { module: path, role } = workerData as SourceThreadStart;
const port = parentPort;
if (port !== null) {
  const tell = (told: SourceTold): void => port.postMessage(told);
  try {
    const loaded: unknown = await import(path);
    const source = role === 'hook' ? hookOf(loaded as HookModule) : sourceIn(loaded as SourceModule);
    port.on('message', (ask: SourceAsk) => {
      const { id } = ask;
      const told: Promise<SourceTold> =
        'keys' in ask
          ? valuesOf(source, ask.keys.map(keyOf)).then((values) => ({ id, values }))
          : storedBy(source, ask.writes).then((verdicts) => ({ id, verdicts }));
      told.then(tell, (error: unknown) => tell({ id, error: messageOf(error) }));
    });
    tell({ id: 0, stores: typeof source.store === 'function' || typeof source.storeMany === 'function' });
  } catch (error) {
    tell({ id: 0, error: messageOf(error) });
  }
}
