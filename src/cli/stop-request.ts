import { deferred } from './deferred.ts';

/** npm passes on what the terminal has already sent to all of its processes: the same signal this soon is one. */
const SAME_SIGNAL_MS = 200;
const PARENT_CHECK_MS = 500;

export interface StopRequest {
  /** Fulfilled with why when everything is to stop. */
  readonly asked: Promise<string>;
  /** No longer listens. */
  release(): void;
}

/**
 * SIGINT, SIGTERM and SIGHUP ask `up` to stop; a second one calls `onSecond`. So does the end of npm, when npm
 * started this: a SIGHUP ends npm without being passed on.
 */
export function listenForStop(onSecond: () => void): StopRequest {
  const stop = deferred<string>();
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  let firstAtMs: number | null = null;
  const ask = (why: string): void => {
    const nowMs = performance.now();
    if (firstAtMs === null) {
      firstAtMs = nowMs;
      stop.resolve(why);
    } else if (nowMs - firstAtMs > SAME_SIGNAL_MS) onSecond();
  };
  for (const signal of signals) process.on(signal, ask);
  const parent = process.ppid;
  const isUnderNpm = process.env['npm_lifecycle_event'] !== undefined;
  const timer = setInterval(() => {
    if (!isUnderNpm || process.ppid === parent) return;
    clearInterval(timer);
    ask('npm has ended');
  }, PARENT_CHECK_MS);
  // Nobody reads what is printed any more: `npm start | head`.
  const onOutputError = (): void => ask('the output is closed');
  process.stdout.on('error', onOutputError);
  return {
    asked: stop.promise,
    release() {
      clearInterval(timer);
      for (const signal of signals) process.off(signal, ask);
    },
  };
}
