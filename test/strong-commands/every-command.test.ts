import { describe, expect, test } from 'vitest';
import { keyPositions } from '../../src/commands/command-facts.ts';
import { CommandIndex, type CommandEntry } from '../../src/commands/command-index.ts';
import { commandTable } from '../../src/commands/table.ts';
import { StrongRegions } from '../support/strong-regions.ts';
import { EAST } from '../support/virtual-regions.ts';
import { WordArgs } from '../support/word-args.ts';

const INDEX = new CommandIndex(commandTable);

/** Every command and subcommand that names keys or may. */
function entries(): CommandEntry[] {
  const all = [...INDEX].flatMap((entry) => (entry.subcommands === null ? [entry] : [...entry.subcommands]));
  return all.filter(({ flags, spec }) => spec.keys !== undefined || flags.has('movablekeys'));
}

/** Requests on one strong key with all numbers of arguments that there may be, up to three beyond the least. */
function requestsOf({ flags, fullName, spec }: CommandEntry, filler: string): string[] {
  const name = fullName.replace('|', ' ');
  const nameWords = name.split(' ').length;
  const least = Math.abs(spec.arity);
  return Array.from({ length: spec.arity > 0 ? 1 : 4 }, (_, more) => {
    const rest = Array.from({ length: Math.max(0, least + more - nameWords) }, () => filler);
    if (flags.has('movablekeys')) rest.splice(0, 2, '1', 'position:1');
    const words = [...name.split(' '), ...rest];
    const entry = INDEX.findRequest(new WordArgs(words));
    const positions = entry === undefined ? [] : (keyPositions(entry, new WordArgs(words), 0) ?? []);
    for (const position of positions) words[position] = 'position:1';
    return words.join(' ');
  });
}

/** What the key holds beforehand. */
const CONTENTS = ['SET position:1 12', 'HSET position:1 f 12', 'SADD position:1 12', 'JSON.SET position:1 $ {"f":12}'];

describe('every command that names keys', () => {
  test.each(CONTENTS)(
    'answers on a strong key after %s, whatever its arguments, and the nodes stay equal',
    (content) => {
      const regions = new StrongRegions();
      const east = regions.connect(EAST);
      let answered = 0;
      for (const filler of ['12', '$', 'position:2']) {
        for (const request of entries().flatMap((entry) => requestsOf(entry, filler))) {
          east.run('DEL position:1');
          east.run(content);
          const answer = east.run(request);
          expect([request, answer]).toEqual([request, expect.not.stringMatching(/^-(Internal|UNCERTAIN|NOQUORUM) /)]);
          if (!answer.startsWith('-')) answered++;
        }
      }
      expect(answered).toBeGreaterThan(50);
      regions.sync();
      expect(new Set(regions.cluster.nodes.map((node) => node.digest())).size).toBe(1);
    },
  );
});
