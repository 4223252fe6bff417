import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { incarnationOf, nodeNumber, originOf, type Origin } from '../../src/clock/origin.ts';
import { VersionVector } from '../../src/clock/version-vector.ts';
import { runOptions } from '../support/fast-check-runs.ts';

const NODES = [64, 128].map(nodeNumber);
const LIVES = [1, 2, 3];
const SEQS = [1, 2, 3, 4];

/** The dumb twin: the set of all dots contained, among those there can be here. */
class DotSet {
  readonly dots: Set<string> = new Set();

  raise(origin: Origin, seq: number): void {
    if (incarnationOf(origin) === 0) {
      const node = (origin - incarnationOf(origin)) / 2 ** 32;
      for (const life of LIVES) if (life < seq) this.#add(originOf(nodeNumber(node), life), Infinity);
    } else this.#add(origin, seq);
  }

  #add(origin: Origin, upTo: number): void {
    for (const seq of SEQS) if (seq <= upTo) this.dots.add(`${origin}:${seq}`);
  }

  covers(other: DotSet): boolean {
    return [...other.dots].every((dot) => this.dots.has(dot));
  }
}

const entry = fc.oneof(
  { weight: 4, arbitrary: fc.tuple(fc.constantFrom(...NODES), fc.constantFrom(...LIVES), fc.constantFrom(...SEQS)) },
  { weight: 1, arbitrary: fc.tuple(fc.constantFrom(...NODES), fc.constant(0), fc.constantFrom(1, 2, 3)) },
);
const entries = fc.array(
  entry.map(([node, life, seq]): [Origin, number] => [originOf(node, life), seq]),
  { maxLength: 8 },
);

function both(raises: readonly (readonly [Origin, number])[]): [VersionVector, DotSet] {
  const vector = new VersionVector();
  const set = new DotSet();
  for (const [origin, seq] of raises) {
    vector.raise(origin, seq);
    set.raise(origin, seq);
  }
  return [vector, set];
}

const agree = (vector: VersionVector, set: DotSet): void => {
  for (const node of NODES) {
    for (const life of LIVES) {
      const origin = originOf(node, life);
      for (const seq of SEQS) expect(vector.contains(origin, seq)).toBe(set.dots.has(`${origin}:${seq}`));
    }
  }
};

/** What a floor covers beyond the sequences that a test has is not in the other's entries, so `covers` is asked of real dots only. */
const realDots = (vector: VersionVector): boolean => [...vector.dots()].every(([, seq]) => seq <= 4);

describe('a version vector against the set of its dots', () => {
  it('contains what was raised, in any order, floors too', () => {
    fc.assert(
      fc.property(entries, (raises) => {
        const [vector, set] = both(raises);
        agree(vector, set);
        agree(vector.clone(), set);
        const [reversed] = both(raises.toReversed());
        expect(reversed.equals(vector)).toBe(true);
        for (const [origin] of vector.dots()) expect(vector.isRetired(origin)).toBe(false);
      }),
      runOptions(500, 5_000),
    );
  });

  it('merges, covers, and says what changed', () => {
    fc.assert(
      fc.property(entries, entries, (left, right) => {
        const [a, setA] = both(left);
        const [b, setB] = both(right);
        if (realDots(b))
          expect(a.covers(new VersionVector([...b.dots()]))).toBe(
            [...b.dots()].every(([origin, seq]) => setA.dots.has(`${origin}:${seq}`)),
          );
        const changes = b.changesSince(a);
        const raised = a.clone();
        for (const [origin, seq] of changes) raised.raise(origin, seq);
        const merged = a.clone();
        merged.merge(b);
        expect(merged.equals(raised)).toBe(true);
        agree(merged, both([...left, ...right])[1]);
        expect(merged.includes(a) && merged.includes(b)).toBe(true);
        expect(a.includes(b)).toBe(b.changesSince(a).length === 0);
        expect(setB.covers(setB)).toBe(true);
      }),
      runOptions(500, 5_000),
    );
  });

  it('meets: what both contain, without what only a floor on both sides covers', () => {
    fc.assert(
      fc.property(entries, entries, (left, right) => {
        const [a, setA] = both(left);
        const [b, setB] = both(right);
        const wanted = new Set([...setA.dots].filter((dot) => setB.dots.has(dot)));
        const meet = a.clone();
        meet.lowerTo(b);
        for (const [origin, seq] of meet.dots()) {
          expect(a.contains(origin, seq) && b.contains(origin, seq)).toBe(true);
        }
        for (const dot of wanted) {
          const [origin, seq] = dot.split(':').map(Number) as [Origin, number];
          if (!a.isRetired(origin)) expect(meet.contains(origin, seq)).toBe(true);
        }
      }),
      runOptions(500, 5_000),
    );
  });

  it('is the same however it is looked at between the changes', () => {
    const looks = fc.constantFrom('nothing', 'get', 'entries', 'clone', 'lower', 'changes');
    fc.assert(
      fc.property(entries, entries, fc.array(looks, { minLength: 8, maxLength: 8 }), (raises, other, between) => {
        const looked = new VersionVector();
        let plain = new VersionVector();
        const copies: [VersionVector, string][] = [];
        const textOf = (vector: VersionVector): string =>
          JSON.stringify([...vector.entries()].sort(([a], [b]) => a - b));
        for (const [at, [origin, seq]] of raises.entries()) {
          // each is made anew of what it says, so that nothing is remembered beside it
          plain = new VersionVector([...plain.entries()]);
          expect(looked.raise(origin, seq)).toBe(plain.raise(origin, seq));
          const look = between[at];
          if (look === 'get') for (const [each] of other) expect(looked.get(each)).toBe(plain.get(each));
          if (look === 'entries') expect(textOf(looked)).toBe(textOf(plain));
          if (look === 'clone') copies.push([looked.clone(), textOf(plain)]);
          if (look === 'lower') for (const each of [looked, plain]) each.lowerTo(new VersionVector(other));
          if (look === 'changes')
            expect(looked.changesSince(new VersionVector(other))).toEqual(plain.changesSince(new VersionVector(other)));
        }
        expect(textOf(looked)).toBe(textOf(plain));
        expect(looked.size).toBe(plain.size);
        for (const [copy, text] of copies) expect(textOf(copy)).toBe(text);
      }),
      runOptions(500, 5_000),
    );
  });

  it('a crash loop does not grow it', () => {
    const vector = new VersionVector();
    for (let life = 1; life <= 1_000; life++) {
      vector.raise(originOf(nodeNumber(64), life), 5);
      vector.raise(originOf(nodeNumber(64), 0), life);
    }
    expect(vector.size).toBe(2);
    expect(vector.raise(originOf(nodeNumber(64), 7), 99)).toBe(false);
  });
});
