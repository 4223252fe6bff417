import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { ReplyValue } from '../conformance/reply-value.ts';
import { TwoRegions } from './two-regions.ts';

/** `[1, "SET k v"]`, `["sync"]`, `["expect", 2, "GET k", "v"]`: see cases.json. */
type Step = readonly unknown[];

interface Case {
  readonly name: string;
  readonly steps: readonly Step[];
}

const { cases } = JSON.parse(readFileSync(new URL('cases.json', import.meta.url), 'utf8')) as {
  readonly cases: readonly Case[];
};

/** What a client makes of a reply. */
function plain(reply: ReplyValue): unknown {
  switch (reply.kind) {
    case 'null':
    case 'null-array':
      return null;
    case 'array':
    case 'set':
    case 'push':
      return reply.items.map(plain);
    case 'map': {
      const words = reply.items.map((item) => String(plain(item)));
      return Object.fromEntries(words.flatMap((word, at) => (at % 2 === 0 ? [[word, words[at + 1]]] : [])));
    }
    case 'error':
      return `error ${reply.text}`;
    default:
      return reply.text;
  }
}

/** The region of a step that names one, its line of words, and what else it says. */
function partsOf(step: Step): { region: number | null; line: string; values: readonly unknown[] } {
  const rest = typeof step[0] === 'number' ? step : step.slice(1);
  const region = typeof rest[0] === 'number' ? rest[0] : null;
  const [line = '', ...values] = region === null ? rest : rest.slice(1);
  return { region, line: String(line), values };
}

/** The commands that a case sends. */
function commandsOf(steps: readonly Step[]): string[] {
  const commands = steps
    .filter(([what]) => what !== 'sync')
    .map((step) => (step[0] === 'expect_ttl' ? 'TTL' : (partsOf(step).line.split(' ')[0] ?? '')));
  return [...new Set(commands)];
}

function checkStep(regions: TwoRegions, step: Step): void {
  const [what] = step;
  if (what === 'sync') {
    regions.sync();
    return;
  }
  const { region, line, values } = partsOf(step);
  if (typeof what === 'number') {
    expect(plain(regions.run(what, line)), `${line} in region ${what}`).not.toEqual(expect.stringMatching(/^error/));
    return;
  }
  for (const at of region === null ? [1, 2] : [region]) checkReply(regions, at, String(what), line, values);
}

function checkReply(regions: TwoRegions, region: number, what: string, line: string, values: readonly unknown[]): void {
  const [value, most] = values;
  const told = `${line} in region ${region}`;
  switch (what) {
    case 'expect':
    case 'expect_reply':
      // numbers are compared as RESP shows them
      expect(plain(regions.run(region, line)), told).toEqual(typeof value === 'number' ? String(value) : value);
      return;
    case 'expect_set':
      expect((plain(regions.run(region, line)) as string[]).sort(), told).toEqual(value);
      return;
    case 'expect_map':
      expect(plain(regions.run(region, line)), told).toEqual(value);
      return;
    case 'expect_ttl': {
      const seconds = Number(plain(regions.run(region, `TTL ${line}`)));
      expect(seconds, told).toBeGreaterThan(Number(value));
      expect(seconds, told).toBeLessThanOrEqual(Number(most));
      return;
    }
    case 'expect_same':
      expect(plain(regions.run(region, line)), told).toEqual(plain(regions.run(3 - region, line)));
      return;
    default:
      throw new Error(`a case has the step ${what}`);
  }
}

const { isOffered } = new TwoRegions();
const missingOf = ({ steps }: Case): string[] => commandsOf(steps).filter((command) => !isOffered(command));
const offered = cases.filter((each) => missingOf(each).length === 0);
const later = cases.filter((each) => missingOf(each).length > 0);

describe('two regions do what the documentation of Redis Active-Active says', () => {
  for (const { name, steps } of offered) {
    it(`does: ${name}`, () => {
      const regions = new TwoRegions();
      for (const step of steps) checkStep(regions, step);
    });
  }

  it('with every type that is offered: strings, counters, sets, hashes, expiry', () => {
    expect(offered.length + later.length).toBe(cases.length);
    expect(offered.length).toBeGreaterThanOrEqual(9);
  });
});

describe('cases of types that a later issue brings', () => {
  for (const each of later) {
    // fails as soon as the command is there, so that the case is not forgotten
    it(`not offered yet (${missingOf(each).join(' ')}): ${each.name}`, () => {
      const regions = new TwoRegions();
      for (const command of missingOf(each)) {
        expect(plain(regions.run(1, `${command} k 1 2`))).toMatch(/^error ERR unknown command/);
      }
    });
  }
});
