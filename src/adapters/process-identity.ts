import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';

/**
 * Names a process so that it can be told from a later one with the same number: a killed node's successor in a container
 * often gets the very same one.
 */
export interface ProcessIdentity {
  readonly pid: number;
  readonly host: string;
  /** When it started, as the system tells it; null where it does not. */
  readonly startedAt: string | null;
}

export function ownIdentity(): ProcessIdentity {
  return { pid: process.pid, host: hostname(), startedAt: startOf(process.pid) };
}

/**
 * Whether that process still runs. A process of another host (a container that was made anew) cannot be asked and counts
 * as gone: refusing to start after every crash would be worse, and two nodes on one folder still never share an incarnation.
 */
export function isAlive(identity: ProcessIdentity): boolean {
  if (identity.host !== hostname()) return false;
  if (identity.startedAt !== null) return identity.startedAt === startOf(identity.pid);
  return identity.pid !== process.pid && takesSignals(identity.pid);
}

/** Boot and clock tick of the start of a process on Linux; null when there is no such process, or no such system. */
function startOf(pid: number): string | null {
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The command's name stands in parentheses and may hold anything, so fields are counted from the last one.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const [state, startTicks] = [fields[0], fields[19]];
    // A zombie holds nothing any more: its parent has just not asked for it yet.
    return state === 'Z' || startTicks === undefined ? null : `${boot}:${startTicks}`;
  } catch {
    return null;
  }
}

function takesSignals(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}
