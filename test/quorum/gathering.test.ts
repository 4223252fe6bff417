import { describe, expect, test } from 'vitest';
import { GATHERED_BYTES_MAX } from '../../src/quorum/options.ts';
import { Lone } from './lone.ts';

const GATHER_MS = 40;

/** A leader of 2 and 3, both up to date. */
function leader(): Lone {
  const limits = { entryBytesMax: 2 * GATHERED_BYTES_MAX, unappliedBytesMax: 8 * GATHERED_BYTES_MAX };
  const lone = new Lone({ timing: { gatherMs: GATHER_MS }, limits }).lead();
  for (const from of [2, 3]) lone.accepts(from, 1);
  lone.pass(GATHER_MS).settle();
  lone.take('append');
  lone.batches.length = 0;
  return lone;
}

function propose(lone: Lone, byte: number, bytes = 1): void {
  lone.raft.propose(new Uint8Array(bytes).fill(byte), lone.nowMs);
  lone.settle();
}

/** To whom which entries were sent, heartbeats left out. */
function sent(lone: Lone): string[] {
  const appends = lone.take('append').filter(({ entries }) => entries.length > 0);
  return appends.map(({ to, entries }) => `${to}: ${entries.map(({ index }) => index).join()}`);
}

describe('a leader whose followers have an append not answered gathers what comes', () => {
  test('who has answered all gets the next at once', () => {
    const lone = leader();
    propose(lone, 2);
    expect(sent(lone)).toEqual(['2: 2', '3: 2']);
    expect(lone.batches.flatMap(({ entries }) => entries.map(({ index }) => index))).toEqual([2]);
  });

  test('an answer lets all leave that was gathered, to its sender and to the disk, in one piece', () => {
    const lone = leader();
    propose(lone, 2);
    sent(lone);
    lone.batches.length = 0;
    for (const byte of [3, 4, 5]) propose(lone, byte);
    expect(sent(lone)).toEqual([]);
    expect(lone.batches).toEqual([]);
    lone.accepts(2, 2);
    expect(lone.raft.commit).toBe(2);
    expect(sent(lone)).toEqual(['2: 3,4,5']);
    expect(lone.batches.map(({ entries }) => entries.map(({ index }) => index))).toEqual([[3, 4, 5]]);
    lone.accepts(2, 5);
    expect(lone.raft.commit).toBe(5);
    lone.accepts(3, 2);
    expect(sent(lone)).toEqual(['3: 3,4,5']);
  });

  test('it leaves without an answer when its time has come, and that is when the machine wants time to pass', () => {
    const lone = leader();
    propose(lone, 2);
    sent(lone);
    lone.pass(10);
    propose(lone, 3);
    expect(lone.raft.nextTickMs()).toBe(lone.nowMs + GATHER_MS - 10);
    expect(sent(lone.tick(GATHER_MS - 11))).toEqual([]);
    expect(sent(lone.tick(1))).toEqual(['2: 3', '3: 3']);
    // from then on anew
    propose(lone, 4);
    expect(sent(lone)).toEqual([]);
    expect(sent(lone.tick(GATHER_MS))).toEqual(['2: 4', '3: 4']);
  });

  test('much is not gathered: it gains nothing', () => {
    const lone = leader();
    propose(lone, 2);
    sent(lone);
    propose(lone, 3, GATHERED_BYTES_MAX + 1);
    expect(sent(lone)).toEqual(['2: 3', '3: 3']);
  });

  test('a follower that never answers delays nobody for longer, nor what it is sent when it is there again', () => {
    const lone = leader();
    propose(lone, 2);
    sent(lone);
    for (let index = 3; index < 8; index++) {
      lone.accepts(2, index - 1);
      propose(lone, index);
      expect(sent(lone)).toContain(`2: ${index}`);
      expect(lone.raft.commit).toBe(index - 1);
    }
    expect(sent(lone.tick(GATHER_MS))).toEqual(['3: 3,4,5,6,7']);
  });

  test('a handover does not wait for it for ever', () => {
    const lone = leader();
    propose(lone, 2);
    propose(lone, 3);
    sent(lone);
    lone.raft.transfer(2, lone.nowMs);
    lone.tick(GATHER_MS);
    expect(sent(lone)).toEqual(['2: 3', '3: 3']);
    lone.accepts(2, 3);
    expect(lone.take('timeout-now')).toMatchObject([{ to: 2 }]);
  });
});
