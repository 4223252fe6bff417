/** What one unit of Redis's suite printed. */
export interface UnitLog {
  readonly passed: readonly string[];
  readonly failed: readonly FailedTest[];
  readonly skipped: readonly string[];
  /** How many were left out by their tags. */
  readonly ignored: number;
  /** Why the unit did not run to its end, null when it did. */
  readonly ended: string | null;
}

export interface FailedTest {
  readonly test: string;
  readonly problem: string;
}

const ANSI_COLOUR = /\x1b\[[0-9;]*m/g;
const STATUS = /^\[(ok|err|skip|ignore|exception|TIMEOUT|1\/1 done|testing|ready)\]: (.*)$/;

/** Reads the log of `runtest` for one unit. */
export function parseUnitLog(text: string): UnitLog {
  const passed: string[] = [];
  const failed: { test: string; problem: string }[] = [];
  const skipped: string[] = [];
  let ignored = 0;
  let isDone = false;
  let broken: string | null = null;
  // An error goes on over several lines, up to the next status.
  let continues: ((line: string) => void) | null = null;
  for (const line of text.replaceAll(ANSI_COLOUR, '').split('\n')) {
    const [, status, rest = ''] = STATUS.exec(line) ?? [];
    if (line.trim() === 'The End') break;
    if (status === undefined) {
      continues?.(line);
      continue;
    }
    continues = null;
    if (status === 'ok') passed.push(rest.replace(/ \(\d+ ms\)$/, ''));
    else if (status === 'skip') skipped.push(rest);
    else if (status === 'ignore') ignored++;
    else if (status === '1/1 done') isDone = true;
    else if (status === 'err') {
      const entry = { test: rest.replace(/ in tests\/\S+\.tcl$/, ''), problem: '' };
      failed.push(entry);
      continues = (more) => (entry.problem = `${entry.problem} ${more.trim()}`.trim());
    } else if (status === 'exception' || status === 'TIMEOUT') {
      broken = `${status} ${rest}`;
      continues = (more) => (broken = `${broken ?? ''} ${more.trim()}`);
    }
  }
  return { passed, failed, skipped, ignored, ended: broken ?? (isDone ? null : 'it was cut short') };
}
