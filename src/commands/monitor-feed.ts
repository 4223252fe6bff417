import type { ByteRange } from '../base/bytes.ts';
import type { Args } from './context.ts';
import type { ServerState } from './server-state.ts';
import type { Session } from './session.ts';

/** Tells those who asked for MONITOR of a request: `1700000000.123456 [0 127.0.0.1:5000] "set" "k" "v"`. */
export function feedMonitors(server: ServerState, session: Session, args: Args, nowMs: number): void {
  const seconds = Math.floor(nowMs / 1000);
  const micros = String((nowMs - seconds * 1000) * 1000).padStart(6, '0');
  let line = `${seconds}.${micros} [0 ${session.connection.address}]`;
  for (let i = 0; i < args.count; i++) line += ` ${quoted(args.range(i))}`;
  for (const monitor of [...server.clients.monitors]) {
    if (monitor.closing) continue;
    monitor.connection.beginPush().simple(line);
    monitor.connection.endPush();
  }
}

const ESCAPES: ReadonlyMap<number, string> = new Map([
  [34, '\\"'],
  [92, '\\\\'],
  [10, '\\n'],
  [13, '\\r'],
  [9, '\\t'],
  [7, '\\a'],
  [8, '\\b'],
]);

/** Bytes in double quotes, with escapes for what does not print. */
function quoted({ buf, start, end }: ByteRange): string {
  let text = '"';
  for (let i = start; i < end; i++) {
    const byte = buf[i] as number;
    const escape = ESCAPES.get(byte);
    if (escape !== undefined) text += escape;
    else if (byte >= 32 && byte < 127) text += String.fromCharCode(byte);
    else text += `\\x${byte.toString(16).padStart(2, '0')}`;
  }
  return `${text}"`;
}
