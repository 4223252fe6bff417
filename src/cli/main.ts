import { run } from './program.ts';

// Whoever read the output has enough of it (`| head`): what is left to do is done all the same.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
});
// A process ends when its last look-up of a name has: where no name server answers, the ten seconds and more that the C library
// gives it (resolv.conf(5)) are longer than whoever stops a container waits. So a look-up ends after about three.
process.env['RES_OPTIONS'] ??= 'timeout:1 attempts:2';
// The exit code is set, not forced: what is still to be printed is.
process.exitCode = await run(process.argv.slice(2));
