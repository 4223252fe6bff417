import { run } from './program.ts';

// Whoever read the output has enough of it (`| head`): what is left to do is done all the same.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
});
// The exit code is set, not forced: what is still to be printed is.
process.exitCode = await run(process.argv.slice(2));
