import type { ActiveClasses } from '../classes/active-classes.ts';
import type { NodeNames } from '../clock/dot.ts';
import { nodeOf, type Origin } from '../clock/origin.ts';
import type { EntryState } from '../crdt/entry.ts';
import { isGroupOrigin } from '../groups/group-plan.ts';
import { MovedKeys, type KeyOwner } from '../classes/moved-keys.ts';
import { registersOf } from './lost-writes.ts';

/** Compares who wrote what a store's keys show with who owns them by the classes of now. */
export class KeyOwners {
  readonly #names: NodeNames;
  readonly #classes: ActiveClasses;
  readonly #moved: MovedKeys = new MovedKeys();

  /** `names` has those of groups by the node number of their streams. */
  constructor(names: NodeNames, classes: ActiveClasses) {
    this.#names = names;
    this.#classes = classes;
  }

  note(key: string, state: EntryState): void {
    const is = this.#classes.ownerOf(key);
    for (const was of this.#ownersOf(state)) this.#moved.note(key, was, is);
  }

  /** Throws CONFIG where some key is another's now. */
  refuse(): void {
    this.#moved.refuse();
  }

  #ownersOf(state: EntryState): Set<KeyOwner> {
    const owners = new Set<KeyOwner>();
    for (const origin of liveOriginsOf(state) as Iterable<Origin>)
      owners.add(isGroupOrigin(origin) ? (this.#names(nodeOf(origin)) ?? ANOTHER_GROUP) : null);
    return owners;
  }
}

/** For people, in the place of a group's name. */
const ANOTHER_GROUP = '(gone from the file)';

/** Origins of all that a key holds which is no removal. */
function* liveOriginsOf(state: EntryState): Generator<number> {
  const [, hash, set, , document] = state;
  for (const [value, , origin, , runs] of registersOf(state)) {
    if (value !== null) yield origin;
    for (const [by] of runs) yield by;
  }
  for (const [, writes, runs] of hash ?? []) {
    for (const [, , origin] of writes) yield origin;
    for (const [by] of runs ?? []) yield by;
  }
  for (const [, adds] of set ?? []) for (const [, , origin] of adds) yield origin;
  if (document !== undefined && document[3] !== null) yield document[1];
}
