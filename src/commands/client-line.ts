import type { Session } from './session.ts';

/** The letters of CLIENT LIST's `flags`. */
function flagsOf(session: Session): string {
  let flags = '';
  if (session.monitoring) flags += 'O';
  if (session.subscribed) flags += 'P';
  if (session.queue !== null) flags += 'x';
  if (session.blocked !== null) flags += 'b';
  if (session.tracking !== null) flags += 't';
  if (session.tracking?.isRedirectBroken === true) flags += 'R';
  if (session.tracking?.isBroadcast === true) flags += 'B';
  if (session.watchBroken) flags += 'd';
  if (session.noEvict) flags += 'e';
  return flags === '' ? 'N' : flags;
}

/** One client as CLIENT LIST and CLIENT INFO show it, in Redis's fields. */
export function clientLine(session: Session, nowMs: number): string {
  const { connection } = session;
  const seconds = (sinceMs: number): number => Math.max(0, Math.floor((nowMs - sinceMs) / 1000));
  const memoryBytes = connection.queryBytes + connection.queryFreeBytes + connection.outputBytes + session.queuedBytes;
  const fields: [string, string | number][] = [
    ['id', session.id],
    ['addr', connection.address],
    ['laddr', connection.localAddress],
    ['fd', connection.descriptor],
    ['name', session.name],
    ['age', seconds(session.connectedAtMs)],
    ['idle', seconds(session.lastActiveAtMs)],
    ['flags', flagsOf(session)],
    ['db', 0],
    ['sub', session.channels.size],
    ['psub', session.patterns.size],
    ['ssub', 0],
    ['multi', session.queue === null ? -1 : session.queue.length],
    ['qbuf', connection.queryBytes],
    ['qbuf-free', connection.queryFreeBytes],
    ['argv-mem', 0],
    ['multi-mem', session.queuedBytes],
    ['rbs', 0],
    ['rbp', 0],
    ['obl', 0],
    ['oll', connection.outputBytes > 0 ? 1 : 0],
    ['omem', connection.outputBytes],
    ['tot-mem', memoryBytes],
    ['events', 'r'],
    ['cmd', session.lastCommand ?? 'NULL'],
    ['user', 'default'],
    ['redir', session.tracking?.redirect ?? -1],
    ['resp', session.respVersion],
    ['lib-name', session.libraryName],
    ['lib-ver', session.libraryVersion],
  ];
  return fields.map(([name, value]) => `${name}=${value}`).join(' ');
}
