import fc from 'fast-check';
import { runs } from './fast-check-runs.ts';

// Making a long history smaller can take hours and all memory, in one call that no time limit of a test ends: a failure would look like a run
// that never ends. What was found by then is told with its seed.
fc.configureGlobal({ interruptAfterTimeLimit: runs(50_000) });
