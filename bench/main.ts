import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { choosing } from './choosing.ts';
import { documents } from './documents.ts';
import { invalidations } from './invalidations.ts';
import { eviction } from './eviction.ts';
import { levels } from './levels.ts';
import { memory } from './memory.ts';
import { near } from './near.ts';
import { overwrites } from './overwrites.ts';
import { patterns } from './patterns.ts';
import { besideRedis } from './redis.ts';
import { regionalRedis } from './regional-redis.ts';
import { regions } from './regions.ts';
import { scale } from './scale.ts';
import { strong } from './strong.ts';
import type { Bench } from './support/bench.ts';
import { types } from './types.ts';
import { wan } from './wan.ts';

const BENCHES: readonly Bench[] = [
  besideRedis,
  memory,
  eviction,
  near,
  invalidations,
  patterns,
  levels,
  regions,
  overwrites,
  regionalRedis,
  documents,
  types,
  scale,
  strong,
  choosing,
  wan,
];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    small: { type: 'boolean', default: false },
    seconds: { type: 'string', default: '30' },
    rate: { type: 'string', default: '10000' },
    cut: { type: 'string', default: '60' },
    operations: { type: 'string', default: '10000000' },
    requests: { type: 'string', default: '200000' },
    runs: { type: 'string', default: '5' },
    only: { type: 'string', default: '' },
    pipeline: { type: 'string' },
    bytes: { type: 'string' },
    peers: { type: 'string' },
    'port-base': { type: 'string', default: '7400' },
    json: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});

const chosen = BENCHES.filter((bench) => positionals.includes(bench.name));
if (values.help || chosen.length !== positionals.length || chosen.length === 0) {
  console.log(
    `npm run bench -- NAME … [--small] [--seconds 30] [--operations 10000000] [--port-base 7400] [--json FOLDER]
                  regions: [--rate 10000] [--cut 60] [--only apply,lag,catch-up]
                  scale: [--only 10x1x10000,3x9x10000], regions, nodes and keys
                  strong: [--only throughput]
                  choosing: [--only classes,tiers]
                  redis: [--requests 200000] [--runs 5] [--only GET,SET] [--pipeline 1,16,64] [--bytes 64,1024] [--peers 2,0]
--json writes NAME.json, and NAME.svg for benches that draw\n`,
  );
  for (const bench of BENCHES) console.log(`  ${bench.name.padEnd(12)} ${bench.summary}`);
  process.exit(values.help ? 0 : 2);
}

const numbers = (text: string | undefined): number[] | undefined => text?.split(',').map(Number);

let passed = true;
for (const bench of chosen) {
  console.log(
    `── ${bench.name}: ${cpus().length} cores (${cpus()[0]?.model ?? 'unknown'}), Node ${process.versions.node}, ${new Date().toISOString().slice(0, 10)}`,
  );
  const result = await bench.run({
    small: values.small,
    seconds: Number(values.seconds),
    rate: Number(values.rate),
    cutSeconds: Number(values.cut),
    operations: Number(values.operations),
    requests: Number(values.requests),
    runs: Number(values.runs),
    only: values.only.split(',').filter(Boolean),
    pipeline: numbers(values.pipeline),
    bytes: numbers(values.bytes),
    peers: numbers(values.peers),
    portBase: Number(values['port-base']),
  });
  console.log(result.text);
  if (values.json !== undefined) {
    mkdirSync(values.json, { recursive: true });
    writeFileSync(`${values.json}/${bench.name}.json`, `${JSON.stringify(result.json, null, 2)}\n`);
    if (result.svg !== undefined) writeFileSync(`${values.json}/${bench.name}.svg`, result.svg);
  }
  passed &&= result.passed;
}
process.exitCode = passed ? 0 : 1;
