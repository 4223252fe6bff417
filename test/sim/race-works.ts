import { REGISTERS } from './causal-works.ts';
import { noted, STRONG_REGISTERS } from './strong-works.ts';
import { isError, pick, textOf, type Desk, type Script, type Work } from './work.ts';

/** Expiries are set to be long after the clients' work is over, or within it. */
const FAR_MS = 40_000;
const NEAR_MS = 500;
const NEAR_KEYS = 3;
const LATE_MS = 150;
/** Some values are long, so that what waits for its causes meets its bound. */
const LONG_RATE = 0.1;
const LONG_CHARS = 1_500;
const EDITS_MAX = 5;
const DOCUMENT_MEMBERS = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'];
const MEMBERS = ['b', 'c', 'd', 'e', 'f', 'g'];
/** Who works within the same moment names the same member of it, and nobody later: what went wrong is not put right by the next who comes. */
const MOMENT_MS = 300;

/**
 * Few keys of a kind, and what becomes wrong where two do it at once: `%` for a part, `#` for a value that is written once, `@` for a time
 * far away, `&` for a member, `~` for a member of this moment. What is behind `;` follows at once.
 */
const RACES: Readonly<Record<string, readonly string[]>> = {
  strings: ['SET race:s% #', 'SET race:s% #', 'DEL race:s%', 'GETDEL race:s%', 'SET race:s% #; DEL race:s%'],
  numbers: [
    ...['SET race:n% 5', 'INCRBY race:n% 2', 'INCRBY race:n% 3', 'DEL race:n%', 'SET race:n% 1; INCRBY race:n% 4'],
    ...['INCRBY race:c% 2', 'INCRBY race:c% 7', 'DEL race:c%'],
  ],
  sets: [
    ...['SADD race:t% &', 'SADD race:t% & & &', 'SREM race:t% & &', 'SREM race:t% &', 'DEL race:t%'],
    ...['SADD race:t% a; SREM race:t% a', 'PUBLISH races #'],
    ...['SADD race:t% ~', 'SADD race:t% ~; SREM race:t% ~', 'SADD race:t% ~ &; SREM race:t% ~'],
  ],
  hashes: [
    ...['HSET race:h% & #', 'HSET race:h% & # & #', 'HDEL race:h% & &', 'HINCRBY race:h% n 2', 'HDEL race:h% n'],
    ...['HSET race:h% a #; HDEL race:h% a', 'HINCRBY race:h% n 5; HDEL race:h% n', 'HSET race:h% a #'],
    ...['HSET race:h% ~ #', 'HSET race:h% ~ #; HDEL race:h% ~'],
  ],
  types: ['SET race:k% #', 'SADD race:k% m', 'HSET race:k% f #', 'DEL race:k%'],
  siblings: ['SET sib:r% #', 'SET sib:r% #', 'INCR sib:r%', 'DEL sib:r%'],
  expiries: [
    ...['HSET race:e% f #', 'PEXPIREAT race:e% @', 'PEXPIREAT race:e% @', 'PERSIST race:e%'],
    ...['SET race:x% #', 'PEXPIREAT race:x% @', 'PEXPIREAT race:x% @'],
  ],
  documents: ['JSON.SET race:j% $ "{\\"a\\":\\"#\\"}"', 'JSON.SET race:j% $.a "\\"#\\""', 'DEL race:j%'],
};

const race = (kind: readonly string[]): Work['script'] =>
  function* (desk: Desk): Script {
    for (let count = 1 + desk.random.below(4); count > 0; count--) {
      const atMs = desk.wallMs() + FAR_MS + desk.random.below(30_000);
      const long = desk.random.unit() < LONG_RATE ? 'x'.repeat(desk.random.below(LONG_CHARS)) : '';
      const requests = desk.random
        .pick(kind)
        .replaceAll('%', String(desk.random.below(2)))
        .replaceAll('@', String(atMs))
        .replaceAll('~', `m${Math.floor(desk.nowMs() / MOMENT_MS)}`)
        // one is met more often than the others
        .replaceAll('&', () => (desk.random.unit() < 0.4 ? 'a' : desk.random.pick(MEMBERS)))
        .replaceAll('#', `w${desk.id}.${count}${long}`);
      yield* requests.split('; ');
    }
  };

/** Of expiries that did not see one another the latest time counts (SPEC V3). */
function* setExpiry(desk: Desk): Script {
  const drawn = desk.random.unit();
  if (drawn < 0.4) return yield* showWhatIsWritten(desk, nearKey(desk));
  const farMs = desk.wallMs() + FAR_MS + desk.random.below(30_000);
  const nearMs = desk.wallMs() + NEAR_MS + desk.random.below(NEAR_MS);
  if (drawn < 0.5) yield `PEXPIREAT race:far ${farMs}`;
  else if (drawn < 0.6) yield* [`INCRBY race:soon 2`, `PEXPIREAT race:soon ${nearMs}`];
  else if (drawn < 0.7) yield 'INCRBY race:soon 3';
  else yield `PEXPIREAT ${nearKey(desk)} ${nearMs}`;
}

const nearKey = (desk: Desk): string => `race:near${desk.random.below(NEAR_KEYS)}`;

/** Who needs something still keeps it just before it expires: nobody has purged it by then (SPEC D9). */
function* keepWhatExpires(): Script {
  for (let at = 0; at < NEAR_KEYS; at++) {
    const reply = yield `PTTL race:near${at}`;
    const leftMs = Number(reply?.slice(1));
    if (leftMs > 0 && leftMs < LATE_MS) yield `PERSIST race:near${at}`;
  }
}

/** What is written shows, also where something that has expired is still there (SPEC V7). */
function* showWhatIsWritten(desk: Desk, key: string): Script {
  if ((yield `HSET ${key} f w${desk.id}`)?.startsWith(':') !== true) return;
  const wroteMs = desk.nowMs();
  const found = yield `HEXISTS ${key} f`;
  // a read that had to wait may have met what others did meanwhile
  if (found === ':0' && desk.nowMs() === wroteMs) desk.wrong(`V7: what was just written to ${key} does not show`);
}

/** Members of one document, several at a time, so that its history grows until a node begins a new generation (SPEC V9). */
function* editDocument(desk: Desk): Script {
  const key = 'race:doc';
  if ((yield `EXISTS ${key}`) === ':0') yield `JSON.SET ${key} $ {}`;
  for (let count = 2 + desk.random.below(EDITS_MAX); count > 0; count--) {
    const members = DOCUMENT_MEMBERS.filter(() => desk.random.unit() < 0.7);
    const value = desk.id * 100 + count;
    if (desk.random.unit() < 0.2) yield `JSON.DEL ${key} $.${desk.random.pick(DOCUMENT_MEMBERS)}`;
    else yield `JSON.MERGE ${key} $ "{${members.map((member) => `\\"${member}\\":${value}`).join(',')}}"`;
  }
}

/** A region counts once it has what was written (SPEC S3). */
function* writeAndWait(desk: Desk): Script {
  if ((yield `SET race:w w${desk.id}`) !== '+OK') return;
  const reply = yield `WAIT ${1 + (desk.choice % 3)} 400`;
  if (reply?.startsWith(':') !== true) return;
  const having = desk.regionsWithLastWrite();
  if (Number(reply.slice(1)) > having) desk.wrong(`S3: WAIT counts ${reply} regions, ${having} have it`);
}

/** What is written on what was just read is above it, whatever the node's clock says (SPEC D3). */
function* overwrite(desk: Desk): Script {
  const key = pick(REGISTERS, desk.choice);
  const start = desk.nowNs();
  const found = yield `GET ${key}`;
  if (found === null || isError(found)) return;
  desk.note({ op: 'read', key, value: textOf(found), start, level: 'causal', ok: true });
  const value = `o${desk.id}`;
  const begun = desk.nowNs();
  if ((yield `SET ${key} ${value}`) !== '+OK') return;
  desk.note({ op: 'write', key, value, start: begun, level: 'causal', ok: true });
  const again = desk.nowNs();
  const read = yield `GET ${key}`;
  if (read === null || isError(read)) return;
  desk.note({ op: 'read', key, value: textOf(read), start: again, level: 'causal', ok: true });
}

/** A read of the copy, at once after a strong write on the same connection: it shows that write, or a later one (SPEC T2). */
function* writeAndReadCopy(desk: Desk): Script {
  const key = pick(STRONG_REGISTERS, desk.choice);
  const value = `s${desk.id}`;
  // before the write, so that nothing is asked between its answer and the read
  yield 'CW.LEVEL causal';
  const start = desk.nowNs();
  const reply = yield `SET ${key} ${value}`;
  noted(desk, reply, { op: 'write', key, value, start });
  const begun = desk.nowNs();
  const found = reply === '+OK' ? yield `GET ${key}` : null;
  yield 'CW.LEVEL class';
  if (found === null || isError(found)) return;
  desk.note({ op: 'read', key, value: textOf(found), start: begun, level: 'causal', ok: true });
}

/** Work that meets other work on the same keys: only where clients race. */
export const raceWorks: Readonly<Record<string, Work>> = {
  ...Object.fromEntries(
    Object.entries(RACES).map(([kind, list]) => [`race-${kind}`, { script: race(list), weight: 0 }]),
  ),
  'race-expiry': { script: setExpiry, weight: 0 },
  'race-persist': { script: keepWhatExpires, weight: 0 },
  'race-document': { script: editDocument, weight: 0 },
  'race-wait': { script: writeAndWait, weight: 0 },
  overwrite: { script: overwrite, weight: 0 },
  'strong-write-copy': { script: writeAndReadCopy, weight: 0 },
};

const [TRIP, TRIP_GONE] = ['trip', 'trip-gone'];

/** Looks for something, moves, and looks again: three actions, of which the first and the last are one of these. */
export const TRIPS: Readonly<Record<string, readonly (readonly [before: string, after: string])[]>> = {
  [TRIP]: [
    ['look-for-once', 'look-for-once'],
    ['read', 'read'],
  ],
  [TRIP_GONE]: [['look-until-gone', 'look-if-gone']],
};

/** What clients do where they race. A run has few of these, so that they do meet (Groce and others, "Swarm Testing", 2012). */
export const RACING_WORK: readonly (readonly string[])[] = [
  ...Object.keys(RACES).map((kind) => [`race-${kind}`]),
  ['race-expiry', 'race-persist'],
  ['race-document', 'race-documents'],
  ['race-document'],
  ['race-wait'],
  ['overwrite', 'overwrite', TRIP],
  ['make-once', 'remove-once', TRIP, TRIP],
  ['take', TRIP_GONE],
  ['hold-on'],
  ['strong-write-copy', 'strong-write', 'strong-copy'],
  ['strong-watch', 'strong-watch', 'strong-cas', 'strong-write'],
  ['strong-once', 'strong-add', 'strong-counter'],
  ['strong-note', 'strong-note', 'strong-stale', 'strong-write'],
  ['follow-copy', 'write-both', 'watch-it-go'],
  ['source-race'],
  ['source-change', 'source-read'],
  ['lease-load', 'lease-load', 'lease-change'],
  ['invalidated-write', 'invalidated-write', 'invalidated-end', 'invalidated-read', 'invalidated-both'],
];
