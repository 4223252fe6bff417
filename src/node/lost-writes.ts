import type { Origin } from '../clock/origin.ts';
import type { LostWrite } from '../commands/membership-view.ts';
import type { EntryState } from '../crdt/entry.ts';
import { isSiblingsState } from '../crdt/string-forms.ts';

/** What a key still holds of the writes of which `isLost` says so: values, removals of strings and documents, increments. */
export function* lostWritesOf(
  key: string,
  [string, hash, set, , document]: EntryState,
  isLost: (origin: Origin, seq: number) => boolean,
): Generator<LostWrite> {
  const found = function* (what: string, origin: number, seq: number, value: string | null): Generator<LostWrite> {
    if (origin !== 0 && isLost(origin as Origin, seq)) yield { key, what, origin: origin as Origin, seq, value };
  };
  if (string !== null) {
    const [registers, runs] = isSiblingsState(string) ? string : [[string], null];
    for (const [value, , origin, seq, registerRuns] of [...registers, [null, 0, 0, 0, runs] as const]) {
      yield* found(value === null ? 'removal' : 'string', origin, seq, value);
      for (const [by, , last, , integer, units] of registerRuns ?? [])
        yield* found('increment', by, last, `${integer} ${units}`);
    }
  }
  for (const [field, writes, runs] of hash ?? []) {
    for (const [value, , origin, seq] of writes) yield* found(`field ${field}`, origin, seq, value);
    for (const [by, , last, , integer, units] of runs ?? [])
      yield* found(`increment of field ${field}`, by, last, `${integer} ${units}`);
  }
  for (const [member, adds] of set ?? [])
    for (const [, , origin, seq] of adds) yield* found('member', origin, seq, member);
  if (document !== undefined) {
    const [, origin, seq, content] = document;
    yield* found(content === null ? 'removal' : 'document', origin, seq, null);
  }
}
