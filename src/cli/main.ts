import { run } from './program.ts';

// The exit code is set, not forced: what is still to be printed is.
process.exitCode = await run(process.argv.slice(2));
