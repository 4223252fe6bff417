import type { CausewayError } from '../errors.ts';

/** What becomes of a request before it is run: it runs, its session waits and it is given again then, or why it is refused. */
export type Verdict = 'run' | 'wait' | CausewayError;
