import { expect, it } from 'vitest';
import { ExpiryWheel } from '../../src/keyspace/expiry-wheel.ts';
import type { Slot } from '../../src/keyspace/keyspace.ts';
import { SeededRandom } from '../support/seeded-random.ts';

const START_MS = 1_800_000_000_000;

/** A wheel beside a plain map of when slots are due. */
class Modelled {
  readonly dueMs: Map<Slot, number> = new Map();
  readonly #known: number[] = [];
  readonly wheel: ExpiryWheel = new ExpiryWheel((slot) => this.#known[slot] as number);

  set(slot: Slot, atMs: number): void {
    this.remove(slot);
    this.#known[slot] = atMs;
    this.dueMs.set(slot, atMs);
    this.wheel.add(slot);
  }

  remove(slot: Slot): void {
    this.dueMs.delete(slot);
    this.wheel.remove(slot);
  }

  expire(nowMs: number): void {
    const due = [...this.dueMs].filter(([, atMs]) => atMs <= nowMs).map(([slot]) => slot);
    const visited: Slot[] = [];
    this.wheel.expire(nowMs, Infinity, (slot) => visited.push(slot));
    expect(visited.toSorted((left, right) => left - right)).toEqual(due.toSorted((left, right) => left - right));
    const times = visited.map((slot) => this.dueMs.get(slot) as number);
    expect(times).toEqual(times.toSorted((left, right) => left - right));
    for (const slot of due) this.dueMs.delete(slot);
    expect(this.wheel.nextMs).toBeLessThanOrEqual(Math.min(...this.dueMs.values()));
  }
}

it('slots are due to the millisecond, whatever the distance and however time goes', () => {
  const random = new SeededRandom(3);
  const modelled = new Modelled();
  let nowMs = START_MS;
  for (let step = 0; step < 4_000; step++) {
    const slot = random.below(300);
    const far = 2 ** random.below(45);
    if (random.below(4) === 0) modelled.remove(slot);
    else modelled.set(slot, Math.floor(nowMs - 100 + random.unit() * far));
    // now and then a jump: a clock that was set, or a process that stood still; and back
    if (random.below(3) === 0)
      nowMs += random.below(100) === 0 ? Math.floor(2 ** random.below(38)) : random.below(2_000);
    if (random.below(50) === 0) nowMs -= random.below(10_000);
    if (random.below(3) === 0) modelled.expire(nowMs);
  }
  modelled.expire(2 ** 53);
  expect(modelled.dueMs.size).toBe(0);
  expect(modelled.wheel.nextMs).toBe(Infinity);
});

it('looks at no more slots a time than it may, and goes on from there', () => {
  const modelled = new Modelled();
  for (let slot = 0; slot < 1_000; slot++) modelled.set(slot, START_MS + 3_600_000 + slot);
  const nowMs = START_MS + 3_700_000;
  let visited = 0;
  let calls = 0;
  for (; visited < 1_000; calls++) {
    let now = 0;
    modelled.wheel.expire(nowMs, 10, () => now++);
    expect(now).toBeLessThanOrEqual(10);
    expect(visited + now < 1_000 ? modelled.wheel.nextMs : 0).toBeLessThanOrEqual(nowMs);
    visited += now;
  }
  // each is looked at when it is brought nearer, once or more, and when it is due
  expect(calls).toBeGreaterThan(150);
  expect(calls).toBeLessThan(1_000);
});
