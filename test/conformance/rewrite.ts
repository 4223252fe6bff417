import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { findRedisServer, RealRedis } from './real-redis.ts';
import { playScript, readScript } from './script.ts';

/** Writes what a real Redis replies into the scripts of this folder: `node test/conformance/rewrite.ts`. */
const executable = findRedisServer();
if (executable === null) throw new Error('there is no redis-server on the path to ask');
const redis = await RealRedis.start(executable);
for (const name of readdirSync(import.meta.dirname).filter((file) => file.endsWith('.txt'))) {
  const file = join(import.meta.dirname, name);
  // A reply line may be missing yet: a request is followed by another one, or by nothing.
  const text = readFileSync(file, 'utf8').replace(/^(> .*)\n(?=> |#|@|\n|$)/gm, '$1\n?\n');
  writeFileSync(file, await playScript(readScript(text), redis.port));
}
await redis.stop();
