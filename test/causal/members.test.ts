import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Members, type Row } from '../../src/causal/members.ts';
import type { Stamp } from '../../src/clock/stamp.ts';
import { VersionVector } from '../../src/clock/version-vector.ts';
import { runOptions } from '../support/fast-check-runs.ts';
import { numberOf, originFor, type Name } from '../support/scripted-node.ts';

const NAMES = ['A', 'B', 'C'] as const;
const members = NAMES.map((name) => ({ nodeNumber: numberOf(name), id: name, region: name === 'C' ? 'far' : 'near' }));
const ORIGINS = NAMES.map((name) => originFor(name));

type Seqs = readonly [number, number, number];
const vectorOf = (seqs: Seqs): VersionVector =>
  new VersionVector(ORIGINS.map((origin, at) => [origin, seqs[at] as number] as const).filter(([, seq]) => seq > 0));

const row = (name: Name, at: number, applied: Seqs, durable: Seqs = applied): Row => ({
  node: numberOf(name),
  incarnation: 1,
  stamp: at as Stamp,
  wallMs: at,
  applied: vectorOf(applied),
  durable: vectorOf(durable),
  incarnations: NAMES.flatMap((each) => [numberOf(each), 1]),
  heard: [],
  closedBelow: 0,
  epoch: 0,
});

const closed = new VersionVector();
const seqs = fc.tuple(fc.nat(4), fc.nat(4), fc.nat(4));

describe('stability against the definition', () => {
  it('is never beyond the least of durable rows that count, and reaches it when nothing is under way', () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ by: fc.nat(2), applied: seqs, durable: seqs, local: seqs }), {
          minLength: 1,
          maxLength: 25,
        }),
        (steps) => {
          const all = new Members(members, numberOf('A'));
          const stable = new VersionVector();
          const local = new VersionVector();
          // members only grow, and are no more durable than applied
          const held = NAMES.map(() => new VersionVector());
          const kept = NAMES.map(() => new VersionVector());
          const counting: Row[][] = NAMES.map(() => []);
          for (const [at, step] of steps.entries()) {
            const name = NAMES[step.by] as Name;
            const applied = held[step.by] as VersionVector;
            const durable = kept[step.by] as VersionVector;
            applied.merge(vectorOf(step.applied));
            durable.merge(vectorOf(step.durable));
            durable.lowerTo(applied);
            const said = { ...row(name, at + 1, [0, 0, 0]), applied: applied.clone(), durable: durable.clone() };
            all.take(said, at);
            (counting[step.by] as Row[]).push(said);
            local.merge(vectorOf(step.local));
            all.raiseStable(stable, { local, closed, epoch: 0 });
            // the definition: for each member, the best row of which all that the member had made is here
            for (const [origin, seq] of stable.dots()) {
              const isEverywhere = NAMES.every((_name, index) =>
                (counting[index] as Row[]).some(
                  (each) =>
                    local.get(ORIGINS[index] as never) >= each.applied.get(ORIGINS[index] as never) &&
                    each.durable.get(origin) >= seq,
                ),
              );
              expect(isEverywhere).toBe(true);
            }
          }
          // at rest: everybody has everything, and says so
          const everything: Seqs = [9, 9, 9];
          local.merge(vectorOf(everything));
          for (const [at, name] of NAMES.entries()) all.take(row(name, 1_000 + at, everything), 0);
          all.raiseStable(stable, { local, closed, epoch: 0 });
          expect(stable.equals(vectorOf(everything))).toBe(true);
        },
      ),
      runOptions(500, 5_000),
    );
  });

  it('counts the newest row of a member; an older one, come late, changes nothing', () => {
    const all = new Members(members, numberOf('A'));
    expect(all.take(row('B', 5, [1, 1, 1]), 0)).toBe(true);
    expect(all.take(row('B', 4, [9, 9, 9]), 1)).toBe(false);
    expect(all.take({ ...row('B', 1, [0, 0, 0]), incarnation: 2 }, 2)).toBe(true);
    expect(all.take(row('B', 9, [9, 9, 9]), 3)).toBe(false);
    expect(all.take({ ...row('B', 9, [9, 9, 9]), node: 999 as never }, 3)).toBe(false);
    expect([all.silentMs(numberOf('B'), 12), all.silentMs(numberOf('C'), 12)]).toEqual([10, Infinity]);
  });

  it('the clock floor is the least stamp of the rows that count, 0 until all have one', () => {
    const all = new Members(members, numberOf('A'));
    const stable = new VersionVector();
    const floorWith = (local: Seqs): number => {
      all.raiseStable(stable, { local: vectorOf(local), closed, epoch: 0 });
      return all.clockFloor();
    };
    all.take(row('A', 50, [1, 0, 0]), 0);
    all.take(row('B', 40, [1, 3, 0]), 0);
    expect(floorWith([1, 3, 0])).toBe(0);
    all.take(row('C', 30, [1, 0, 0]), 0);
    expect(floorWith([1, 3, 0])).toBe(30);
    all.take(row('C', 60, [1, 0, 2]), 0);
    expect(floorWith([1, 3, 1])).toBe(30);
    expect(floorWith([1, 3, 2])).toBe(40);
  });
});
