import { REGISTERS } from './causal-works.ts';
import { noted, readCopyByAge, readStrongly, STRONG_PASSING, STRONG_REGISTERS, writeStrong } from './strong-works.ts';
import {
  isError,
  NS_A_MS,
  pick,
  rest,
  textOf,
  type Desk,
  type Reply,
  type Rest,
  type Script,
  type Work,
} from './work.ts';

/** Keys that are made and removed again and again; each value is written once. */
export const COMING_AND_GOING = ['gone:0', 'gone:1'] as const;

/** What is held for a time and renewed shortly before that ends: how long, and how late at most. */
const HELD_MS = 250;
const RENEWED_LATE_MS = 120;
const ROUNDS_MAX = 3;
/** As long as clocks that nothing is wrong with may be apart, or a little more. */
const RENEWALS = ['PERSIST %', 'PEXPIRE % 600', 'GETEX % PX 500', 'EXPIRE % 1'] as const;

/** How long strong values live that are to go, at least, and how often they are looked at. */
const PASSES_MS = 400;
const PASSING_LOOKS = 6;

/** How often a client looks that waits for something to change, and how many times. */
const LOOK_EVERY_MS = 20;
const LOOKS_MAX = 15;

/**
 * As who holds a lock or a login for a time: it makes sure, shortly before its node's clock says that it is over, that it goes on. Whoever
 * has hidden it by then, by a clock that is ahead, gets it back (SPEC V3, D9).
 */
function* holdOn(desk: Desk): Script {
  const key = `lease:${desk.choice % 2}`;
  const heldMs = HELD_MS + desk.random.below(HELD_MS);
  if ((yield `SET ${key} w${desk.id} PX ${heldMs}`) !== '+OK') return;
  for (let rounds = 1 + desk.random.below(ROUNDS_MAX); rounds > 0; rounds--) {
    const left = yield `PTTL ${key}`;
    const leftMs = Number(left?.slice(1));
    // gone, or for ever: somebody else's by now
    if (!(leftMs > 0)) return;
    yield rest(Math.max(0, leftMs - desk.random.below(RENEWED_LATE_MS)));
    yield desk.random.pick(RENEWALS).replace('%', key);
  }
}

function* come(desk: Desk): Script {
  const key = pick(COMING_AND_GOING, desk.choice);
  const start = desk.nowNs();
  const value = `v${desk.id}`;
  if ((yield `SET ${key} ${value}`) === '+OK') desk.note({ op: 'write', key, value, start, level: 'causal', ok: true });
}

/** As who takes what comes: waits for it, and removes it. */
function* take(desk: Desk): Script {
  const key = pick(COMING_AND_GOING, desk.choice);
  while (yield* lookUntil(desk, key, (value) => value !== null)) {
    const start = desk.nowNs();
    if ((yield `DEL ${key}`) !== ':1') return;
    desk.note({ op: 'del', key, value: null, start, level: 'causal', ok: true });
  }
}

function* look(desk: Desk, key: string): Generator<string, string | null | undefined, Reply> {
  const start = desk.nowNs();
  const reply = yield `GET ${key}`;
  if (reply === null || isError(reply)) return undefined;
  const value = textOf(reply);
  desk.note({ op: 'read', key, value, start, level: 'causal', ok: true });
  return value;
}

/** Whether it came to be so in time. */
function* lookUntil(
  desk: Desk,
  key: string,
  isSo: (value: string | null) => boolean,
): Generator<string | Rest, boolean, Reply> {
  for (let looks = 0; looks < LOOKS_MAX; looks++) {
    const value = yield* look(desk, key);
    if (value === undefined) return false;
    if (isSo(value)) return true;
    yield rest(LOOK_EVERY_MS);
  }
  return false;
}

/** As who waits until what it put there was taken: where the session goes then, that is gone as well (SPEC S1). */
function* lookUntilGone(desk: Desk): Script {
  const key = pick(COMING_AND_GOING, desk.choice);
  if ((yield* look(desk, key)) === null) yield* come(desk);
  yield* lookUntil(desk, key, (value) => value === null);
}

function* lookOnce(desk: Desk): Script {
  yield* look(desk, pick(COMING_AND_GOING, desk.choice));
}

/** As a page that shows what is new: the copy here, as long as it is not too old (SPEC T4). */
function* followCopy(desk: Desk): Script {
  const key = pick(STRONG_REGISTERS, desk.choice);
  for (let looks = 0; looks < LOOKS_MAX; looks++) {
    // each refusal of a group that has no quorum takes its time
    if (!(yield* readCopyByAge(desk, key))) return;
    yield rest(LOOK_EVERY_MS);
  }
}

/** A strong value goes when its time has come, for all at once, and does not come back: by the time of the log, no node's clock (SPEC D9). */
function* watchItGo(desk: Desk): Script {
  const key = pick(STRONG_PASSING, desk.choice);
  const livesMs = PASSES_MS + desk.random.below(PASSES_MS);
  const [value, start] = [`s${desk.id}`, desk.nowNs()];
  const reply = yield `SET ${key} ${value} PX ${livesMs}`;
  noted(desk, reply, { op: 'write', key, value, start, expires: start + livesMs * NS_A_MS });
  yield rest(livesMs / 2);
  for (let looks = 0; looks < PASSING_LOOKS; looks++) {
    if (!(yield* readCopyByAge(desk, key)) || !(yield* readStrongly(desk, key))) return;
    yield rest(livesMs / PASSING_LOOKS);
  }
}

/** A strong write that comes after a causal one: no node shows it without that (SPEC T1). */
function* writeBoth(desk: Desk): Script {
  const key = pick(REGISTERS, desk.choice);
  const value = `b${desk.id}`;
  const start = desk.nowNs();
  if ((yield `SET ${key} ${value}`) !== '+OK') return;
  desk.note({ op: 'write', key, value, start, level: 'causal', ok: true });
  yield* writeStrong(desk);
}

/** Work of clients that wait for something between two requests. */
export const patientWorks: Readonly<Record<string, Work>> = {
  'hold-on': { script: holdOn, weight: 1 },
  come: { script: come, weight: 1 },
  take: { script: take, weight: 1 },
  'look-until-gone': { script: lookUntilGone, weight: 1 },
  'look-if-gone': { script: lookOnce, weight: 1 },
  'write-both': { script: writeBoth, weight: 1 },
  'watch-it-go': { script: watchItGo, weight: 2 },
  'follow-copy': { script: followCopy, weight: 1 },
};
