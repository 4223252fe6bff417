import * as Y from 'yjs';
import type { Origin } from '../clock/origin.ts';
import type { Operation, Place } from './document-edits.ts';
import { JSON_DEPTH_MAX, type Json, type JsonObject } from './document-json.ts';

/**
 * The one file that knows Yjs. A document is a Y.Doc whose top-level map holds the root under an empty name; objects are Y.Map,
 * arrays Y.Array, everything else a plain value.
 */
const TOP = '';
const ROOT = '';

/** The id under which a generation's base is built: below every origin's. */
const BASE_CLIENT = 1;
/** No update is ever made under it, so that Yjs never finds its own id in what others made (it would then choose one at random). */
const NO_CLIENT = 0;

/** Documents that are kept decoded at a time, in the whole process; the rest are bytes. */
const LIVE_DOCUMENTS_MAX = 128;

/** Elements that are added to a new array at a time: Yjs passes each as an argument, for which the stack has room for some ten thousands. */
const PUSHED_MAX = 10_000;

/** What Yjs encodes for a transaction that changed nothing. */
const NOTHING: Uint8Array = new Uint8Array(2);

/**
 * The id of an origin's edits in Yjs, injective in the origin (52 bits): even for edits made on the generation, odd for edits carried
 * over from another one, which are played again by everyone.
 */
export function clientIdOf(origin: Origin, carriedOver: boolean): number {
  return origin * 2 + (carriedOver ? 1 : 0);
}

type Shared = Json | Y.Map<unknown> | Y.Array<unknown>;

/** A value in a document, read where it stands: good until the document changes. */
export class DocumentNode {
  readonly #value: Shared;

  constructor(value: Shared) {
    this.#value = value;
  }

  get isObject(): boolean {
    return this.#value instanceof Y.Map;
  }

  get isArray(): boolean {
    return this.#value instanceof Y.Array;
  }

  /** A string, number, boolean or null; undefined for an object or array. */
  get scalar(): string | number | boolean | null | undefined {
    return isShared(this.#value) ? undefined : (this.#value as string | number | boolean | null);
  }

  /** Members or elements. */
  get size(): number {
    if (this.#value instanceof Y.Map) return this.#value.size;
    return this.#value instanceof Y.Array ? this.#value.length : 0;
  }

  /** Names of an object's members, in the order in which they were first set. */
  names(): string[] {
    return this.#value instanceof Y.Map ? orderedNames(this.#value) : [];
  }

  member(name: string): DocumentNode | null {
    if (!(this.#value instanceof Y.Map) || !this.#value.has(name)) return null;
    return new DocumentNode(this.#value.get(name) as Shared);
  }

  element(index: number): DocumentNode | null {
    if (!(this.#value instanceof Y.Array) || index < 0 || index >= this.#value.length) return null;
    return new DocumentNode(this.#value.get(index) as Shared);
  }

  elements(): DocumentNode[] {
    return this.#value instanceof Y.Array
      ? this.#value.toArray().map((element) => new DocumentNode(element as Shared))
      : [];
  }

  toJson(): Json {
    return jsonOf(this.#value);
  }
}

const isShared = (value: unknown): value is Y.Map<unknown> | Y.Array<unknown> =>
  value instanceof Y.Map || value instanceof Y.Array;

/**
 * The names of a map's members by the place of the first write of each: the same on every replica, whatever came first there,
 * and what a client expects that set them one after the other.
 */
function orderedNames(map: Y.Map<unknown>): string[] {
  const found: { readonly name: string; readonly client: number; readonly clock: number }[] = [];
  for (const [name, item] of map._map) {
    if (item.deleted) continue;
    let first = item;
    while (first.left !== null) first = first.left;
    found.push({ name, client: first.id.client, clock: first.id.clock });
  }
  found.sort((left, right) => left.client - right.client || left.clock - right.clock);
  return found.map(({ name }) => name);
}

function jsonOf(value: Shared): Json {
  if (value instanceof Y.Array) return value.toArray().map((element) => jsonOf(element as Shared));
  if (!(value instanceof Y.Map)) return value;
  const object: JsonObject = new Map();
  for (const name of orderedNames(value)) object.set(name, jsonOf(value.get(name) as Shared));
  return object;
}

function sharedOf(value: Json): Shared {
  if (Array.isArray(value)) {
    const array = new Y.Array<unknown>();
    for (let at = 0; at < value.length; at += PUSHED_MAX) array.push(value.slice(at, at + PUSHED_MAX).map(sharedOf));
    return array;
  }
  if (!(value instanceof Map)) return value;
  const map = new Y.Map<unknown>();
  for (const [name, member] of value) map.set(name, sharedOf(member));
  return map;
}

/** The decoded documents, the one used last at the end. */
const live: Set<SharedDocument> = new Set();

/** A document's content: a Y.Doc while it is used, encoded bytes otherwise. */
export class SharedDocument {
  #bytes: Uint8Array | null;
  #doc: Y.Doc | null = null;
  /** What the transaction that ended last changed. */
  #changes: Uint8Array = NOTHING;

  private constructor(bytes: Uint8Array | null) {
    this.#bytes = bytes;
  }

  /** The content of a new generation: the same bytes wherever it is built. */
  static fromJson(json: Json): SharedDocument {
    const document = new SharedDocument(null);
    document.#as(document.#open(), BASE_CLIENT, (top) => top.set(ROOT, sharedOf(json)));
    return document;
  }

  /** Bytes that `encode` made, here or elsewhere; they are not looked at before they are needed. */
  static fromBytes(bytes: Uint8Array): SharedDocument {
    return new SharedDocument(bytes);
  }

  /** Encoded bytes of a value without history. */
  static freshBytes(json: Json): number {
    const document = SharedDocument.fromJson(json);
    const { length } = document.encode();
    document.release();
    return length;
  }

  /** Not to be used any more: it makes room for others at once. */
  release(): void {
    live.delete(this);
    this.#doc?.destroy();
    this.#doc = null;
  }

  copy(): SharedDocument {
    return new SharedDocument(this.encode());
  }

  get root(): DocumentNode {
    const root = this.#live().getMap(TOP).get(ROOT);
    return new DocumentNode(root === undefined ? null : (root as Shared));
  }

  encode(): Uint8Array {
    this.#bytes ??= Y.encodeStateAsUpdate(this.#live());
    return this.#bytes;
  }

  /** Plays an edit as a writer and returns what Yjs made of it. */
  play(operations: readonly Operation[], client: number): Uint8Array {
    return this.#as(this.#live(), client, (top) => {
      for (const operation of operations) play(top, operation);
    });
  }

  #as(doc: Y.Doc, client: number, change: (top: Y.Map<unknown>) => void): Uint8Array {
    this.#changes = NOTHING;
    doc.clientID = client;
    doc.transact(() => change(doc.getMap(TOP)));
    doc.clientID = NO_CLIENT;
    return this.#changes;
  }

  /** Takes in an update of which everything it builds on is here; says whether it was taken. */
  merge(update: Uint8Array): boolean {
    const doc = this.#live();
    Y.applyUpdate(doc, update);
    if (doc.store.pendingStructs === null && doc.store.pendingDs === null) return true;
    doc.store.pendingStructs = null;
    doc.store.pendingDs = null;
    return false;
  }

  /** Whether an update is one that `play` could have made as `client`, with everything that it builds on here. */
  accepts(update: Uint8Array, client: number): boolean {
    const parts = decoded(update);
    return parts !== null && new UpdateCheck(this.#live(), client).accepts(parts);
  }

  #live(): Y.Doc {
    live.delete(this);
    live.add(this);
    if (this.#doc !== null) return this.#doc;
    const bytes = this.#bytes;
    const doc = this.#open();
    if (bytes !== null) Y.applyUpdate(doc, bytes);
    this.#bytes = bytes;
    return doc;
  }

  #open(): Y.Doc {
    const doc = new Y.Doc({ guid: 'document' });
    doc.clientID = NO_CLIENT;
    doc.on('update', (update: Uint8Array) => {
      this.#changes = update;
      this.#bytes = null;
    });
    this.#doc = doc;
    live.add(this);
    for (const oldest of live) {
      if (live.size <= LIVE_DOCUMENTS_MAX) break;
      if (oldest !== this) oldest.#rest();
    }
    return doc;
  }

  #rest(): void {
    live.delete(this);
    if (this.#doc === null) return;
    this.#bytes ??= Y.encodeStateAsUpdate(this.#doc);
    this.#doc.destroy();
    this.#doc = null;
  }
}

type Decoded = ReturnType<typeof Y.decodeUpdate>;

/** Longest run of one struct. */
const STRUCT_LENGTH_MAX = 2 ** 31;

/** The parts of an update if each is of a kind that we make; null when it is none or has others. Nothing is applied. */
function decoded(update: Uint8Array): Decoded | null {
  let parts: Decoded;
  try {
    parts = Y.decodeUpdate(update);
  } catch {
    return null;
  }
  return parts.structs.every(isKnownStruct) ? parts : null;
}

function isKnownStruct(struct: Y.Item | Y.GC | Y.Skip): boolean {
  if (struct.id.client === NO_CLIENT || !(struct.length >= 1 && struct.length <= STRUCT_LENGTH_MAX)) return false;
  if (struct instanceof Y.GC) return true;
  if (!(struct instanceof Y.Item)) return false;
  const { content } = struct;
  if (content instanceof Y.ContentAny) return content.arr.every(isScalar);
  if (content instanceof Y.ContentType) return isShared(content.type);
  return content instanceof Y.ContentDeleted;
}

const isScalar = (value: unknown): boolean =>
  value === null ||
  typeof value === 'string' ||
  typeof value === 'boolean' ||
  (typeof value === 'number' && Number.isFinite(value));

/** Whether bytes can be an edit's: all of one writer. What they build on is looked at where they are applied. */
export function isDocumentUpdate(update: Uint8Array): boolean {
  const parts = decoded(update);
  return parts !== null && new Set(parts.structs.map((struct) => struct.id.client)).size <= 1;
}

/** Whether bytes are a whole document; they are tried on a scratch copy. */
export function isWholeDocument(bytes: Uint8Array): boolean {
  const parts = decoded(bytes);
  if (parts === null) return false;
  const doc = new Y.Doc({ guid: 'scratch' });
  doc.clientID = NO_CLIENT;
  try {
    Y.applyUpdate(doc, bytes);
  } catch {
    return false;
  }
  if (doc.store.pendingStructs !== null || doc.store.pendingDs !== null) return false;
  for (const structs of doc.store.clients.values())
    for (const struct of structs) if (levelOf(struct) > JSON_DEPTH_MAX) return false;
  const root = doc.getMap(TOP).get(ROOT);
  return root !== undefined;
}

/** How many containers a struct is in. */
function levelOf(struct: Y.Item | Y.GC | Y.Skip): number {
  let level = 0;
  let item = struct instanceof Y.Item ? struct : null;
  while (item !== null && level <= JSON_DEPTH_MAX) {
    const { parent } = item;
    item = isShared(parent) ? parent._item : null;
    level++;
  }
  return level;
}

/** Looks at an update of one writer before it is applied: it goes on where the writer left off and builds on what is here. */
class UpdateCheck {
  readonly #doc: Y.Doc;
  readonly #client: number;
  readonly #start: number;
  #clock: number;
  /** The update's own structs: their first clocks, ascending, and their levels. */
  readonly #clocks: number[] = [];
  readonly #levels: number[] = [];

  constructor(doc: Y.Doc, client: number) {
    this.#doc = doc;
    this.#client = client;
    this.#start = Y.getState(doc.store, client);
    this.#clock = this.#start;
  }

  accepts(parts: Decoded): boolean {
    for (const struct of parts.structs) {
      if (struct.id.client !== this.#client || struct.id.clock !== this.#clock) return false;
      if (struct instanceof Y.Item && !this.#acceptsItem(struct)) return false;
      this.#clock += struct.length;
    }
    for (const [client, deletes] of parts.ds.clients) {
      for (const { clock, len } of deletes) if (!(len >= 1 && clock + len <= this.#stateOf(client))) return false;
    }
    return true;
  }

  #stateOf(client: number): number {
    return client === this.#client ? this.#clock : Y.getState(this.#doc.store, client);
  }

  #isHere(id: Y.ID): boolean {
    return id.clock < this.#stateOf(id.client);
  }

  #acceptsItem(item: Y.Item): boolean {
    const { origin, rightOrigin } = item;
    const parent: unknown = item.parent;
    if (origin !== null && !this.#isHere(origin)) return false;
    if (rightOrigin !== null && !this.#isHere(rightOrigin)) return false;
    let level = 1;
    if (typeof parent === 'string') {
      if (parent !== TOP || item.parentSub !== ROOT) return false;
    } else if (parent instanceof Y.ID) {
      if (!this.#isHere(parent)) return false;
      level = this.#levelAt(parent) + 1;
    } else if (origin !== null || rightOrigin !== null) {
      level = this.#levelAt((origin ?? rightOrigin) as Y.ID);
    } else return false;
    this.#clocks.push(this.#clock);
    this.#levels.push(level);
    return level <= JSON_DEPTH_MAX + 1;
  }

  #levelAt(id: Y.ID): number {
    if (id.client !== this.#client || id.clock < this.#start) {
      const structs = this.#doc.store.clients.get(id.client) ?? [];
      const found = structs[Y.findIndexSS(structs, id.clock)];
      return found === undefined ? 0 : levelOf(found);
    }
    let low = 0;
    let high = this.#clocks.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#clocks[middle] as number) <= id.clock) low = middle + 1;
      else high = middle;
    }
    return this.#levels[low - 1] ?? 0;
  }
}

/** The container that holds a place's last step; null when there is none of the right kind. */
function containerOf(
  top: Y.Map<unknown>,
  place: Place,
): { readonly container: Y.Map<unknown> | Y.Array<unknown>; readonly step: string | number } | null {
  let container: Y.Map<unknown> | Y.Array<unknown> = top;
  let step: string | number = ROOT;
  for (const next of place) {
    const value: unknown = valueAt(container, step);
    if (!isShared(value)) return null;
    container = value;
    step = next;
  }
  return { container, step };
}

function valueAt(container: Y.Map<unknown> | Y.Array<unknown>, step: string | number): Shared | undefined {
  if (container instanceof Y.Map)
    return typeof step === 'string' ? (container.get(step) as Shared | undefined) : undefined;
  return typeof step === 'number' && step < container.length ? (container.get(step) as Shared) : undefined;
}

function put(container: Y.Map<unknown> | Y.Array<unknown>, step: string | number, value: Shared): void {
  if (container instanceof Y.Map) {
    if (typeof step === 'string') container.set(step, value);
    return;
  }
  if (typeof step !== 'number' || step >= container.length) return;
  container.delete(step, 1);
  container.insert(step, [value]);
}

function play(top: Y.Map<unknown>, operation: Operation): void {
  const found = containerOf(top, operation[1]);
  if (found === null) return;
  const { container, step } = found;
  const value = valueAt(container, step);
  switch (operation[0]) {
    case 'set':
      put(container, step, sharedOf(operation[2]));
      break;
    case 'remove':
      if (value === undefined) break;
      if (container instanceof Y.Map) container.delete(String(step));
      else container.delete(Number(step), 1);
      break;
    case 'add':
      if (typeof value === 'number' && Number.isFinite(value + operation[2]))
        put(container, step, value + operation[2]);
      break;
    case 'append':
      if (typeof value === 'string') put(container, step, value + operation[2]);
      break;
    case 'insert':
      if (value instanceof Y.Array) value.insert(Math.min(operation[2], value.length), operation[3].map(sharedOf));
      break;
    case 'take':
      if (value instanceof Y.Array && operation[2] < value.length) value.delete(operation[2], 1);
      break;
  }
}
