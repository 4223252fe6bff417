import type { Dot } from '../../src/clock/dot.ts';
import { BEHIND, CHANGED, LEASED, ONCE, THROUGH, versionOf } from './sim-sources.ts';
import { isError, rest, textOf, type Desk, type Script, type Work } from './work.ts';

/** Any write of a string whose source is to have it. */
function* write(desk: Desk, prefix: string): Script {
  const key = `${prefix}${desk.choice % 3}`;
  const drawn = desk.random.unit();
  if (drawn < 0.2) yield `DEL ${key}`;
  else if (drawn < 0.35) yield `APPEND ${key} a${desk.id}`;
  else if (drawn < 0.5) {
    yield 'MULTI';
    yield `SET ${prefix}0 w${desk.id}`;
    yield `SET ${prefix}1 w${desk.id}`;
    yield 'EXEC';
  } else yield `SET ${key} w${desk.id}`;
}

/** Who writes within the same moment writes the same key, and nobody later: in the end each such race is seen. */
const RACE_MS = 200;

function* race(desk: Desk): Script {
  yield `SET ${BEHIND}race${Math.floor(desk.nowMs() / RACE_MS)} w${desk.id}`;
}

function* writeOnce(desk: Desk): Script {
  const key = `${ONCE}${desk.id}`;
  if ((yield `SET ${key} w${desk.id}`) !== '+OK') return;
  desk.source.written.push({ key, value: `w${desk.id}`, dot: desk.lastWrite() });
  if (desk.random.unit() < 0.5) return;
  // until it is answered nobody knows what is there
  const kept = desk.source.written.findIndex((each) => each.key === key);
  desk.source.written.splice(kept, 1);
  if ((yield `DEL ${key}`) === ':1') desk.source.written.push({ key, value: null, dot: desk.lastWrite() });
}

function* read(desk: Desk): Script {
  const prefix = desk.random.pick([BEHIND, THROUGH, CHANGED]);
  const key = `${prefix}${desk.choice % 3}`;
  yield desk.random.unit() < 0.1 ? `CW.GET ${key} LEVEL strong` : `GET ${key}`;
}

/** As an application beside the cache that changes the source and then says so: what was there before is not read any more, here at once and anywhere in the end. */
function* change(desk: Desk, key: string): Script {
  const version = desk.source.change(key);
  const isRemoval = desk.random.unit() < 0.5;
  const reply = yield isRemoval ? `DEL ${key}` : `CW.INVALIDATE KEY ${key}`;
  if (reply === null || isError(reply)) return;
  // where nothing loads by the node's hand, a removal of what is not there is none
  if (key.startsWith(LEASED) && reply === ':0') return;
  desk.source.invalidated.push({ key, version, dot: desk.lastWrite() });
  const found = yield `GET ${key}`;
  const value = found === null || isError(found) ? null : textOf(found);
  // an older value that comes after an invalidation goes when the record has come to whoever made it (SPEC I2)
  if (desk.source.hasClocks && isRemoval && value !== null && versionOf(value) < version)
    desk.wrong(`V8: ${key} shows ${value} after it was invalidated at v${version}`);
}

/** A lease is short, a client's load sometimes longer: what it brings then is nothing any more (SPEC F4). */
const LEASE_MS = 150;
/** So long a key is loaded and changed; what is wrong then stays. */
const LEASED_MS = 1_000;

const leasedKey = (desk: Desk): string => `${LEASED}${Math.floor(desk.nowMs() / LEASED_MS)}`;

/** As an application that loads by itself what is not here, or what is to be newer, for several of its own users at a time. */
function* loadByLease(desk: Desk): Script {
  const key = leasedKey(desk);
  const { random, source } = desk;
  const lease = `CW.LEASE ${key} ${1 + random.below(LEASE_MS)} ${random.pick(['', 'REGION '])}REFRESH`;
  let reply = yield lease;
  if (reply === ':0') {
    yield `CW.LEASEWAIT ${key} ${LEASE_MS}`;
    reply = yield lease;
  }
  const token = reply === null ? null : (/^"(.+)"$/.exec(reply)?.[1] ?? null);
  if (token === null) return;
  const value = source.values.get(key) ?? `v${source.change(key)}`;
  yield rest(random.below(2 * LEASE_MS));
  if (random.unit() < 0.5) yield lease;
  if ((yield `CW.FILL ${key} ${token} ${value}`) === ':1') judgeFill(desk, key, versionOf(value));
}

/** What is kept is no older than what its node knows to be over: nothing that came while it was loaded, and nothing that came before. */
function judgeFill(desk: Desk, key: string, version: number): void {
  const has = desk.vector();
  // an origin that is closed is covered, and what it made beyond its cut is void: a node that was removed as it ran invalidates for nobody (seed 7293)
  const isHere = (dot: Dot | null): boolean =>
    dot !== null && has.contains(dot.origin, dot.seq) && !has.isRetired(dot.origin);
  const over = desk.source.invalidated.find((each) => each.key === key && each.version > version && isHere(each.dot));
  if (over !== undefined) desk.wrong(`F4: ${key} is kept as v${version}, which was invalidated at v${over.version}`);
}

/** Work on keys that have a source: the product's own loads and stores, and those of clients. */
export const sourceWorks: Readonly<Record<string, Work>> = {
  'source-write': { script: (desk) => write(desk, BEHIND), weight: 2 },
  'source-through': { script: (desk) => write(desk, THROUGH), weight: 1 },
  'source-race': { script: race, weight: 0 },
  'source-once': { script: writeOnce, weight: 2 },
  'source-read': { script: read, weight: 3 },
  'source-change': { script: (desk) => change(desk, `${CHANGED}${desk.choice % 3}`), weight: 2 },
  'lease-load': { script: loadByLease, weight: 0 },
  'lease-change': { script: (desk) => change(desk, leasedKey(desk)), weight: 0 },
};
