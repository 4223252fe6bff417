import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DelayLine, type Cargo } from '../../src/wan/delay-line.ts';
import { Direction } from '../../src/wan/direction.ts';
import { WAN_LIMITS } from '../../src/wan/limits.ts';

function setup(
  options: { measuredMs?: number; jitterMs?: number; bytesPerMs?: number | null; random?: () => number } = {},
) {
  const direction = new Direction({
    from: 'a',
    to: 'b',
    measuredMs: options.measuredMs ?? 50,
    jitterMs: options.jitterMs ?? 0,
    bytesPerMs: options.bytesPerMs ?? null,
  });
  const delivered: Cargo[] = [];
  const sink = { isRoomLeft: true, isReading: true };
  const line = new DelayLine(
    direction,
    {
      deliver(cargo) {
        delivered.push(...cargo);
        return sink.isRoomLeft;
      },
      setReading(isReading) {
        sink.isReading = isReading;
      },
    },
    options.random ?? (() => 0.5),
  );
  return { direction, line, delivered, sink };
}

const bytes = (value: number, length = 1): Uint8Array => new Uint8Array(length).fill(value);

describe('delay line', () => {
  test('delivers nothing early, everything when due, in order, the end last', () => {
    const { line, delivered } = setup();
    line.send(bytes(1), 0);
    line.send(bytes(2), 10);
    line.send('end', 10);
    expect(line.dueMs).toBe(50);
    line.release(49.9);
    expect(delivered).toEqual([]);
    line.release(50);
    expect(delivered).toEqual([bytes(1)]);
    expect(line.dueMs).toBe(60);
    line.release(60);
    expect(delivered).toEqual([bytes(1), bytes(2), 'end']);
    expect(line.dueMs).toBe(Infinity);
    expect(line.queuedBytes).toBe(0);
  });

  test('jitter delays and never reorders (any gaps, any dice)', () => {
    const parcels = fc.array(fc.record({ gapMs: fc.nat(30), dice: fc.double({ min: 0, max: 0.999, noNaN: true }) }), {
      minLength: 1,
      maxLength: 50,
    });
    let delayed = 0;
    fc.assert(
      fc.property(parcels, (sends) => {
        let next = 0;
        const { line, delivered } = setup({ jitterMs: 20, random: () => sends[next]?.dice ?? 0 });
        const sentMs: number[] = [];
        let nowMs = 0;
        for (const { gapMs } of sends) {
          nowMs += gapMs;
          line.send(bytes(next), nowMs);
          sentMs.push(nowMs);
          next += 1;
        }
        for (let due = line.dueMs; due !== Infinity; due = line.dueMs) {
          const before = delivered.length;
          line.release(due);
          for (let i = before; i < delivered.length; i += 1) {
            expect(due).toBeGreaterThanOrEqual((sentMs[i] ?? Infinity) + 50);
            if (due > (sentMs[i] ?? 0) + 50) delayed += 1;
          }
        }
        expect(delivered).toEqual(sends.map((_, i) => bytes(i)));
      }),
    );
    expect(delayed).toBeGreaterThan(0);
  });

  test('a changed delay holds for what is under way, in order', () => {
    const { line, direction, delivered } = setup();
    line.send(bytes(1), 0);
    direction.delayMs = 5_000;
    line.send(bytes(2), 10);
    line.release(4_999);
    expect(delivered).toEqual([]);
    direction.heal();
    expect(line.dueMs).toBe(50);
    line.release(60);
    expect(delivered).toEqual([bytes(1), bytes(2)]);
  });

  test('a cut holds bytes, heal lets them flow', () => {
    const { line, direction, delivered } = setup();
    direction.isCut = true;
    line.send(bytes(1), 0);
    expect(line.dueMs).toBe(Infinity);
    line.release(1_000_000);
    expect(delivered).toEqual([]);
    direction.heal();
    line.release(1_000_001);
    expect(delivered).toEqual([bytes(1)]);
  });

  test('limited bandwidth spaces bytes out, also between connections of the same way', () => {
    const { line, direction } = setup({ bytesPerMs: 10 });
    line.send(bytes(1, 100), 0);
    expect(line.dueMs).toBe(50 + 10);
    expect(direction.depart(100, 0)).toBe(20);
    expect(direction.depart(100, 1_000)).toBe(1_010);
  });

  test('does not read on past its limit, and reads again below half of it', () => {
    const { line, sink } = setup();
    const half = WAN_LIMITS.lineBytesMax / 2;
    line.send(bytes(1, half), 0);
    line.send(bytes(2, half), 1);
    expect(sink.isReading).toBe(true);
    line.send(bytes(3), 2);
    expect(sink.isReading).toBe(false);
    line.release(50);
    expect(sink.isReading).toBe(false);
    line.release(51);
    expect(sink.isReading).toBe(true);
  });

  test('waits for a destination that takes no more', () => {
    const { line, sink, delivered } = setup();
    line.send(bytes(1), 0);
    line.send(bytes(2), 1);
    sink.isRoomLeft = false;
    line.release(50);
    expect(line.dueMs).toBe(Infinity);
    line.release(100);
    expect(delivered).toEqual([bytes(1)]);
    line.unblock();
    expect(line.dueMs).toBe(51);
  });

  test('stays small and in order over many parcels', () => {
    const { line, delivered } = setup();
    for (let i = 0; i < 10_000; i += 1) line.send(bytes(i % 256), i);
    for (let i = 0; i < 10_000; i += 1) line.release(i + 50);
    expect(delivered.map((cargo) => cargo[0])).toEqual(Array.from({ length: 10_000 }, (_, i) => i % 256));
    expect(line.queuedBytes).toBe(0);
  });
});
