import { REGISTERS } from './causal-works.ts';
import { noted, STRONG_REGISTERS } from './strong-works.ts';
import { isError, pick, textOf, type Desk, type Script, type Work } from './work.ts';

/** Expiries are set to be long after the clients' work is over, or within it. */
const FAR_MS = 40_000;
const NEAR_MS = 400;
/** Some values are long, so that what waits for its causes meets its bound. */
const LONG_RATE = 0.1;
const LONG_CHARS = 1_500;

/** Few keys, and what becomes wrong where two do it at once: `%` for a part, `#` for a value that is written once, `@` for a time far away. */
const RACES: readonly string[] = [
  ...['SET race:s% #', 'SET race:s% #', 'DEL race:s%', 'GETDEL race:s%'],
  ...['SET race:n% 5', 'INCRBY race:n% 2', 'INCRBY race:n% 3', 'DEL race:n%'],
  ...['SADD race:t% m', 'SADD race:t% m', 'SREM race:t% m', 'DEL race:t%'],
  ...['HSET race:h% f #', 'HSET race:h% f #', 'HDEL race:h% f', 'HINCRBY race:h% n 2', 'HDEL race:h% n'],
  ...['SET race:k% #', 'SADD race:k% m', 'HSET race:k% f #', 'DEL race:k%'],
  ...['SET sib:r% #', 'SET sib:r% #', 'INCR sib:r%', 'DEL sib:r%'],
  ...['PEXPIREAT race:h% @', 'PEXPIREAT race:h% @', 'PEXPIREAT race:s% @', 'PEXPIREAT race:t% @', 'PERSIST race:h%'],
  ...['JSON.SET race:j% $ "{\\"a\\":\\"#\\"}"', 'JSON.SET race:j% $.a "\\"#\\""', 'DEL race:j%'],
];

function* race(desk: Desk): Script {
  for (let count = 1 + desk.random.below(4); count > 0; count--) {
    const atMs = desk.wallMs() + FAR_MS + desk.random.below(30_000);
    const request = desk.random
      .pick(RACES)
      .replaceAll('%', String(desk.random.below(2)))
      .replaceAll('@', String(atMs));
    const long = desk.random.unit() < LONG_RATE ? 'x'.repeat(desk.random.below(LONG_CHARS)) : '';
    yield request.replaceAll('#', `w${desk.id}.${count}${long}`);
  }
}

/** Of expiries that did not see one another the latest time counts, PERSIST is one of them, and what expires is not purged before (SPEC V3, D9). */
function* setExpiry(desk: Desk): Script {
  const isNear = desk.random.unit() < 0.5;
  const key = `race:${isNear ? 'near' : 'far'}`;
  const drawn = desk.random.unit();
  if (drawn < 0.2) yield `HSET ${key} f w${desk.id}`;
  else if (drawn < 0.3) yield `PERSIST ${key}`;
  else if (drawn < 0.4) yield `INCRBY ${key}n 2`;
  else {
    const atMs = desk.wallMs() + (isNear ? desk.random.below(NEAR_MS) : FAR_MS + desk.random.below(30_000));
    yield `PEXPIREAT ${key}${drawn < 0.5 ? 'n' : ''} ${atMs}`;
  }
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
  race: { script: race, weight: 0 },
  'race-expiry': { script: setExpiry, weight: 0 },
  overwrite: { script: overwrite, weight: 0 },
  'strong-write-copy': { script: writeAndReadCopy, weight: 0 },
};

/** What clients do where they race, by how often. */
export const RACING_WORK: readonly string[] = [
  ...['race', 'race', 'race', 'race', 'race'],
  ...['race-expiry', 'race-expiry', 'overwrite', 'overwrite'],
  ...['strong-write-copy', 'strong-watch', 'strong-watch', 'strong-note', 'strong-cas', 'strong-stale'],
];
