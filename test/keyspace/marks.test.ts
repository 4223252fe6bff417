import { expect, it } from 'vitest';
import { latin1Range } from '../../src/base/bytes.ts';
import { nodeNumber, originOf } from '../../src/clock/origin.ts';
import { VersionVector } from '../../src/clock/version-vector.ts';
import type { Stamp } from '../../src/clock/stamp.ts';
import { Update, UpdateKind } from '../../src/crdt/update.ts';
import { SlabKeyspace } from '../../src/keyspace/slab-keyspace.ts';

const KEY = latin1Range('key');

/** A keyspace with the updates of one origin, one transaction each. */
class Written {
  readonly keyspace: SlabKeyspace = new SlabKeyspace();
  readonly mark: Float64Array = new Float64Array(8);
  #seq = 0;

  apply(kind: UpdateKind, value: string, atMs = Infinity): void {
    const update = new Update();
    update.kind = kind;
    update.key.setFrom(KEY);
    update.value.setFrom(latin1Range(value));
    update.atMs = atMs;
    const seq = ++this.#seq;
    this.keyspace.apply(update, {
      origin: originOf(nodeNumber(1), 1),
      seq,
      stamp: seq as Stamp,
      deps: new VersionVector(),
    });
  }

  /** Whether the key's value can be kept by a mark. */
  takeMark(): boolean {
    return this.keyspace.markInto(this.keyspace.find(KEY, 0, 0), this.mark, 0);
  }

  isStill(): boolean {
    return this.keyspace.isStill(this.mark, 0);
  }
}

it('a value is still that of its mark until anything is written to the key', () => {
  for (const [kind, value] of [
    [UpdateKind.Set, 'other'],
    [UpdateKind.DeleteString, ''],
    [UpdateKind.Increment, '1'],
  ] as const) {
    const written = new Written();
    written.apply(UpdateKind.Set, 'value');
    expect(written.takeMark()).toBe(true);
    expect(written.isStill()).toBe(true);
    written.apply(kind, value);
    // an increment that names another base changes nothing
    expect([kind, written.isStill()]).toEqual([kind, kind === UpdateKind.Increment]);
  }
});

it('what an increment or time changes has no mark', () => {
  const counter = new Written();
  counter.apply(UpdateKind.Increment, '1');
  expect(counter.takeMark()).toBe(false);
  counter.apply(UpdateKind.Increment, '1');
  expect(counter.isStill()).toBe(false);
  const expiring = new Written();
  expiring.apply(UpdateKind.Set, 'value', 1_000);
  expect(expiring.takeMark()).toBe(false);
});
