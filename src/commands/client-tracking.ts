import { parseInteger } from '../base/decimal.ts';
import { TRACKED_PREFIXES_MAX, TRACKED_PREFIX_BYTES_MAX } from '../base/client-limits.ts';
import type { CommandFlag, CommandSpec } from './command-spec.ts';
import type { Args, CommandContext } from './context.ts';
import { overLimit, refuse, syntaxError } from './refusals.ts';
import type { ServerState } from './server-state.ts';
import type { Session } from './session.ts';
import type { ClientTracking } from './tracking.ts';

interface TrackingOptions {
  redirect: number;
  isBroadcast: boolean;
  isOptIn: boolean;
  isOptOut: boolean;
  isNoLoop: boolean;
  readonly prefixes: string[];
}

function redirectOf(server: ServerState, args: Args, at: number, before: number): number {
  if (before !== 0) throw refuse('A client can only redirect to a single other client');
  const id = parseInteger(args.range(at));
  if (id === null) throw refuse('value is not an integer or out of range');
  if (server.clients.get(Number(id)) === undefined) throw refuse('The client ID you want redirect to does not exist');
  return Number(id);
}

/** A prefix of keys. Throws ERR for one that is too long. */
export function prefixOf(args: Args, at: number): string {
  const prefix = args.text(at);
  if (prefix.length > TRACKED_PREFIX_BYTES_MAX)
    throw overLimit('prefix is too long', 'tracked-prefix-bytes-max', TRACKED_PREFIX_BYTES_MAX);
  return prefix;
}

function optionsOf({ args, server }: CommandContext): TrackingOptions {
  const options: TrackingOptions = {
    redirect: 0,
    isBroadcast: false,
    isOptIn: false,
    isOptOut: false,
    isNoLoop: false,
    prefixes: [],
  };
  for (let at = 3; at < args.count; at++) {
    const word = args.word(at);
    const hasValue = at + 1 < args.count;
    if (word === 'REDIRECT' && hasValue) options.redirect = redirectOf(server, args, ++at, options.redirect);
    else if (word === 'BCAST') options.isBroadcast = true;
    else if (word === 'OPTIN') options.isOptIn = true;
    else if (word === 'OPTOUT') options.isOptOut = true;
    else if (word === 'NOLOOP') options.isNoLoop = true;
    else if (word === 'PREFIX' && hasValue) options.prefixes.push(prefixOf(args, ++at));
    else throw syntaxError();
  }
  return options;
}

const switchedMode = (what: string): Error =>
  refuse(
    `You can't switch ${what} before disabling tracking for this client, and then re-enabling it with a different mode.`,
  );

/** Whether the options go together, and with what the client asked for before. */
function checkOptions(options: TrackingOptions, before: ClientTracking | null): void {
  const { isBroadcast, isOptIn, isOptOut, prefixes } = options;
  if (!isBroadcast && prefixes.length > 0) throw refuse('PREFIX option requires BCAST mode to be enabled');
  if (before !== null && before.isBroadcast !== isBroadcast) throw switchedMode('BCAST mode on/off');
  if (isBroadcast && (isOptIn || isOptOut)) throw refuse('OPTIN and OPTOUT are not compatible with BCAST');
  if (isOptIn && isOptOut) throw refuse("You can't specify both OPTIN mode and OPTOUT mode");
  if ((isOptIn && before?.mode === 'optout') || (isOptOut && before?.mode === 'optin'))
    throw switchedMode('OPTIN/OPTOUT mode');
  if (isBroadcast) checkPrefixes(prefixes, before?.prefixes ?? new Set());
}

const overlap = (left: string, right: string): boolean => left.startsWith(right) || right.startsWith(left);

/** Refuses prefixes that are too many, or of which one is the beginning of another: a change is told once. */
export function checkPrefixes(prefixes: readonly string[], before: ReadonlySet<string>): void {
  if (prefixes.length + before.size > TRACKED_PREFIXES_MAX)
    throw overLimit('too many prefixes', 'tracked-prefixes-max', TRACKED_PREFIXES_MAX);
  for (const [at, prefix] of prefixes.entries()) {
    const existing = [...before].find((known) => overlap(known, prefix));
    if (existing !== undefined) throw overlaps(prefix, `an existing prefix '${existing}'`);
    const other = prefixes.slice(at + 1).find((next) => overlap(next, prefix));
    if (other !== undefined) throw overlaps(prefix, `another provided prefix '${other}'`);
  }
}

const overlaps = (prefix: string, other: string): Error =>
  refuse(`Prefix '${prefix}' overlaps with ${other}. Prefixes for a single client must not overlap.`);

function tracking(context: CommandContext): void {
  const { args, reply, server, session } = context;
  const options = optionsOf(context);
  const word = args.word(2);
  if (word === 'ON') {
    checkOptions(options, session.tracking);
    const { isBroadcast, isNoLoop, isOptIn, isOptOut, prefixes, redirect } = options;
    server.tracking.start(session, {
      redirect,
      isBroadcast,
      isNoLoop,
      mode: isOptIn ? 'optin' : isOptOut ? 'optout' : 'all',
      prefixes: new Set(isBroadcast && prefixes.length === 0 ? [''] : prefixes),
    });
  } else if (word === 'OFF') server.tracking.stop(session);
  else throw syntaxError();
  reply.ok();
}

/** CLIENT CACHING yes | no: of the next request, or the MULTI that it begins. */
function caching({ args, reply, session }: CommandContext): void {
  const { tracking: own } = session;
  if (own === null) {
    throw refuse(
      'CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled',
    );
  }
  const word = args.word(2);
  if (word === 'YES') {
    if (own.mode !== 'optin') throw refuse('CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.');
  } else if (word === 'NO') {
    if (own.mode !== 'optout') throw refuse('CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.');
  } else throw syntaxError();
  own.isCachingSaid = true;
  reply.ok();
}

function flagsOf(own: ClientTracking | null): string[] {
  if (own === null) return ['off'];
  const flags = ['on'];
  if (own.isBroadcast) flags.push('bcast');
  if (own.mode !== 'all') {
    flags.push(own.mode);
    if (own.isCachingSaid) flags.push(own.mode === 'optin' ? 'caching-yes' : 'caching-no');
  }
  if (own.isNoLoop) flags.push('noloop');
  if (own.isRedirectBroken) flags.push('broken_redirect');
  return flags;
}

const redirectionOf = ({ tracking: own }: Session): number => own?.redirect ?? -1;

function trackingInfo({ reply, session }: CommandContext): void {
  const flags = flagsOf(session.tracking);
  const prefixes = [...(session.tracking?.prefixes ?? [])].sort();
  reply.map(3);
  reply.bulkText('flags');
  reply.set(flags.length);
  for (const flag of flags) reply.bulkText(flag);
  reply.bulkText('redirect');
  reply.integer(redirectionOf(session));
  reply.bulkText('prefixes');
  reply.array(prefixes.length);
  for (const prefix of prefixes) reply.bulkText(prefix);
}

/** CW.TRACKING VERSIONS on | off: whether invalidations carry versions (SPEC S6). */
function ownTracking({ args, reply, session }: CommandContext): void {
  const word = args.word(2);
  if (args.word(1) !== 'VERSIONS' || (word !== 'ON' && word !== 'OFF')) throw syntaxError();
  session.tracksVersions = word === 'ON';
  reply.ok();
}

const flags: readonly CommandFlag[] = ['noscript', 'loading', 'stale'];

function row(name: string, arity: number, summary: string, run: CommandSpec['run']): CommandSpec {
  return { name: `client|${name}`, arity, flags, group: 'connection', summary, run };
}

/** The subcommands of CLIENT that are about client-side caching. */
export const clientTrackingCommands: readonly CommandSpec[] = [
  row('tracking', -3, 'Tell the connection of changes of what it has read, or of all below prefixes', tracking),
  row('caching', 3, 'Whether the keys of the next request are tracked, in OPTIN and OPTOUT mode', caching),
  row('trackinginfo', 2, 'Client-side caching of the connection', trackingInfo),
  row('getredir', 2, 'The client that invalidations are redirected to', ({ reply, session }) =>
    reply.integer(redirectionOf(session)),
  ),
];

/** What Redis has no word for. */
export const trackingCommands: readonly CommandSpec[] = [
  {
    name: 'cw.tracking',
    arity: 3,
    flags,
    group: 'causeway',
    summary: 'Whether invalidations carry versions: VERSIONS on or off',
    run: ownTracking,
  },
];
