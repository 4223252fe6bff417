import { parseInteger } from '../base/decimal.ts';
import { CONSISTENCIES, type Consistency, type KeyClass } from '../classes/key-class.ts';
import type { Args } from './context.ts';
import type { Session } from './session.ts';

/** What CW.GET asks for beside the key. */
export interface GetOptions {
  /** Null where it is not said. */
  readonly level: Consistency | null;
  /** The most that the copy may be old, in milliseconds; null for any age. */
  readonly maxStaleMs: number | null;
}

const STALE_MS_MAX = 2n ** 52n;

/** The options behind the key, null where they are none. */
export function getOptions(args: Args): GetOptions | null {
  let level: Consistency | null = null;
  let maxStaleMs: number | null = null;
  if (args.count % 2 !== 0) return null;
  for (let at = 2; at < args.count; at += 2) {
    if (args.word(at) === 'LEVEL' && level === null) {
      const word = args.text(at + 1).toLowerCase();
      level = CONSISTENCIES.find((known) => known === word) ?? null;
      if (level === null) return null;
    } else if (args.word(at) === 'MAXSTALE' && maxStaleMs === null) {
      const ms = parseInteger(args.range(at + 1));
      if (ms === null || ms < 0n || ms > STALE_MS_MAX) return null;
      maxStaleMs = Number(ms);
    } else return null;
  }
  return { level, maxStaleMs };
}

/**
 * The level at which a key is read: the one asked for, else the connection's, else the class's. Who says how old the copy may be
 * asks for the copy: that is `session` where nothing else than `strong` was said.
 */
export function levelOf({ level, maxStaleMs }: GetOptions, session: Session, keyClass: KeyClass): Consistency {
  if (level !== null) return level;
  const usual = session.level ?? keyClass.strong?.reads ?? keyClass.consistency;
  return usual === 'strong' && maxStaleMs !== null ? 'session' : usual;
}

/** Whether a read at a level must not be answered before this node has what the session saw. */
export function asksForFloor({ floor }: Session, level: Consistency): boolean {
  return floor !== null && (floor.isOwn || level === 'session' || level === 'strong');
}

/** Whether CW.GET waits for it: of strong keys it asks the leader instead. */
export function getNeedsFloor(
  session: Session,
  args: Args,
  classOf: (key: ReturnType<Args['range']>) => KeyClass,
): boolean {
  const options = getOptions(args);
  const keyClass = classOf(args.range(1));
  if (options === null || keyClass.strong !== undefined) return false;
  return asksForFloor(session, levelOf(options, session, keyClass));
}
