import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { documents } from './documents.ts';
import { overwrites } from './overwrites.ts';
import { regions } from './regions.ts';
import { scale } from './scale.ts';
import { strong } from './strong.ts';
import type { Bench } from './support/bench.ts';
import { types } from './types.ts';
import { wan } from './wan.ts';

const BENCHES: readonly Bench[] = [regions, overwrites, documents, types, scale, strong, wan];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    small: { type: 'boolean', default: false },
    seconds: { type: 'string', default: '30' },
    rate: { type: 'string', default: '2000' },
    operations: { type: 'string', default: '10000000' },
    'port-base': { type: 'string', default: '7400' },
    json: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});

const chosen = BENCHES.filter((bench) => positionals.includes(bench.name));
if (values.help || chosen.length !== positionals.length || chosen.length === 0) {
  console.log(
    `npm run bench -- NAME … [--small] [--seconds 30] [--rate 2000] [--operations 10000000] [--port-base 7400] [--json FOLDER]\n`,
  );
  for (const bench of BENCHES) console.log(`  ${bench.name.padEnd(12)} ${bench.summary}`);
  process.exit(values.help ? 0 : 2);
}

let passed = true;
for (const bench of chosen) {
  console.log(
    `── ${bench.name}: ${cpus().length} cores (${cpus()[0]?.model ?? 'unknown'}), Node ${process.versions.node}, ${new Date().toISOString().slice(0, 10)}`,
  );
  const result = await bench.run({
    small: values.small,
    seconds: Number(values.seconds),
    rate: Number(values.rate),
    operations: Number(values.operations),
    portBase: Number(values['port-base']),
  });
  console.log(result.text);
  if (values.json !== undefined) {
    mkdirSync(values.json, { recursive: true });
    writeFileSync(`${values.json}/${bench.name}.json`, `${JSON.stringify(result.json, null, 2)}\n`);
  }
  passed &&= result.passed;
}
process.exitCode = passed ? 0 : 1;
