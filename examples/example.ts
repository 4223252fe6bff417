import { parseArgs } from 'node:util';

/** What an example starts, so that it ends with it. */
export interface Stage {
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal;
  /** Runs when the example ends, the latest first. */
  atEnd(release: () => unknown): void;
}

/** Runs `show`, and then what was given to `atEnd`: when it has ended, or at once with Ctrl-C. */
export async function runExample(name: string, about: string, show: (stage: Stage) => Promise<void>): Promise<void> {
  const usage = `npm run ${name} [-- --stay]\n\n${about}\n\n  --stay      leave everything running at the end, until Ctrl-C\n  -h, --help  show this`;
  let options: { help?: boolean | undefined; stay?: boolean | undefined };
  try {
    options = parseArgs({ options: { help: { type: 'boolean', short: 'h' }, stay: { type: 'boolean' } } }).values;
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${usage}`);
    process.exitCode = 2;
    return;
  }
  if (options.help === true) {
    console.log(usage);
    return;
  }
  const stop = new AbortController();
  const stopped = new Promise<void>((resolve) => stop.signal.addEventListener('abort', () => resolve()));
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => stop.abort());
  const releases: (() => unknown)[] = [];
  try {
    const shown = show({ signal: stop.signal, atEnd: (release) => releases.push(release) });
    await Promise.race([shown, stopped]);
    if (options.stay === true && !stop.signal.aborted) {
      console.log('\nEverything is left running. Ctrl-C stops it.');
      await stopped;
    }
  } finally {
    for (const release of releases.reverse()) await release();
  }
  console.log('\nStopped. Nothing is left behind.');
}

/** Fulfilled with what `find` gives as soon as that is something: what was written elsewhere is here an ocean later. */
export async function eventually<T>(find: () => Promise<T | null | undefined | false>): Promise<T> {
  for (;;) {
    const found = await find();
    if (found !== null && found !== undefined && found !== false) return found;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
