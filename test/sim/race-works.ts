import { REGISTERS } from './causal-works.ts';
import { noted, STRONG_REGISTERS } from './strong-works.ts';
import { isError, pick, textOf, type Desk, type Script, type Work } from './work.ts';

/** Keys that expire long after the clients' work is over. */
export const FAR_KEYS = ['race:far0', 'race:far1'] as const;
const FAR_MS = 40_000;

/** Few keys, and what becomes wrong where two do it at once: `%` for a part, `#` for a value that is written once. */
const RACES: readonly string[] = [
  ...['SET race:s% #', 'SET race:s% #', 'DEL race:s%'],
  ...['SET race:n% 5', 'INCRBY race:n% 2', 'INCRBY race:n% 3', 'DEL race:n%'],
  ...['SADD race:t% m', 'SADD race:t% m', 'SREM race:t% m', 'DEL race:t%'],
  ...['HSET race:h% f #', 'HDEL race:h% f'],
];

function* race(desk: Desk): Script {
  for (let count = 1 + desk.random.below(4); count > 0; count--) {
    const request = desk.random.pick(RACES);
    yield request.replaceAll('%', String(desk.random.below(2))).replaceAll('#', `w${desk.id}.${count}`);
  }
}

/** Of expiries that did not see one another the latest time counts (SPEC V3). */
function* setFarExpiry(desk: Desk): Script {
  const key = pick(FAR_KEYS, desk.choice);
  const drawn = desk.random.unit();
  if (drawn < 0.2) yield `HSET ${key} f w${desk.id}`;
  else if (drawn < 0.3) yield `PERSIST ${key}`;
  else yield `PEXPIREAT ${key} ${desk.wallMs() + FAR_MS + desk.random.below(30_000)}`;
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
}

/** A read of the copy, at once after a strong write on the same connection: it shows that write, or a later one (SPEC T3). */
function* writeAndReadCopy(desk: Desk): Script {
  const key = pick(STRONG_REGISTERS, desk.choice);
  const value = `s${desk.id}`;
  const start = desk.nowNs();
  const reply = yield `SET ${key} ${value}`;
  noted(desk, reply, { op: 'write', key, value, start });
  if (reply !== '+OK') return;
  const begun = desk.nowNs();
  yield 'CW.LEVEL causal';
  const found = yield `GET ${key}`;
  yield 'CW.LEVEL class';
  if (found === null || isError(found)) return;
  desk.note({ op: 'read', key, value: textOf(found), start: begun, level: 'causal', ok: true });
}

/** Work that meets other work on the same keys: only where a scenario may have races at all. */
export const raceWorks: Readonly<Record<string, Work>> = {
  race: { script: race, weight: 0 },
  'race-expiry': { script: setFarExpiry, weight: 0 },
  overwrite: { script: overwrite, weight: 0 },
  'strong-write-copy': { script: writeAndReadCopy, weight: 0 },
};
