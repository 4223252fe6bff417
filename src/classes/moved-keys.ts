import { CausewayError } from '../errors.ts';

/** So many keys of each kind are named. */
const NAMED_MAX = 3;
const NAMED_CHARS_MAX = 64;

/** What an operator does where keys move. */
export const KEYS_STAY: string =
  'keys are not converted. With the classes file of before at all nodes write what is to stay under names that do not move, remove these keys with DEL, ' +
  'and start with the new file when no node has them any more';

/** Who has a key: the quorum group's name, null where no group has. */
export type KeyOwner = string | null;

/**
 * Keys that are here from when their class was strong and is no more, was not and is, or had another home. They cannot be taken over: a
 * group's log alone makes its keys, and what lies about of another owner would come back or go when that owner next speaks of it.
 */
export class MovedKeys {
  /** By what became of them. */
  readonly #moves: Map<string, { count: number; readonly names: string[] }> = new Map();

  note(key: string, was: KeyOwner, is: KeyOwner): void {
    if (was === is) return;
    const text = `${ownerText(was)} before and ${ownerText(is)} now`;
    const move = this.#moves.get(text) ?? { count: 0, names: [] };
    this.#moves.set(text, move);
    move.count++;
    if (move.names.length < NAMED_MAX) move.names.push(JSON.stringify(key.slice(0, NAMED_CHARS_MAX)));
  }

  /** What moves, for people; empty for nothing. */
  get text(): string {
    return [...this.#moves]
      .map(([text, { count, names }]) => {
        const keys = count === 1 ? '1 key' : `${count} keys`;
        return `${keys} (${names.join(', ')}${count > names.length ? ' …' : ''}) ${count === 1 ? 'is' : 'are'} ${text}`;
      })
      .join('; ');
  }

  /** Throws CONFIG where some are. */
  refuse(): void {
    if (this.#moves.size === 0) return;
    throw new CausewayError(
      'CONFIG',
      `the classes file moves keys that are in the data folder: ${this.text}: ${KEYS_STAY}`,
    );
  }
}

function ownerText(owner: KeyOwner): string {
  return owner === null ? 'not strong' : `of group ${owner}`;
}
