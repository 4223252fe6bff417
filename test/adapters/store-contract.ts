import { describe, expect, onTestFinished, test } from 'vitest';
import { latin1Bytes, latin1Of } from '../../src/base/bytes.ts';
import { CausewayError } from '../../src/errors.ts';
import type { Store } from '../../src/ports.ts';
import { batchOf, closed, committed, entry } from './store-batches.ts';

/** One disk that stores are opened on, one after the other. */
export interface StoreRig {
  open(): Store;
}

/** What the store holds, as text. */
export function held(store: Store): { meta: string | null; stampBound: number; entries: Record<string, string> } {
  const image = store.load();
  const entries = [...image.entries].map(([key, state]) => [text(key), text(state)] as const);
  expect(new Set(entries.map(([key]) => key)).size, 'every key once').toBe(entries.length);
  return {
    meta: image.meta === null ? null : text(image.meta),
    stampBound: image.stampBound,
    entries: Object.fromEntries(entries.toSorted(([a], [b]) => (a < b ? -1 : 1))),
  };
}

function text(bytes: Uint8Array): string {
  expect(Object.getPrototypeOf(bytes), 'plain bytes, whose slice is a copy').toBe(Uint8Array.prototype);
  return latin1Of(bytes, 0, bytes.length);
}

/** What every `Store` promises (ports.ts), on disks that `makeRig` makes. */
export function describeStore(name: string, makeRig: () => StoreRig): void {
  describe(`the contract of a store: ${name}`, () => {
    function opened(rig: StoreRig): Store {
      const store = rig.open();
      onTestFinished(() => closed(store));
      return store;
    }

    test('an empty store has no meta, no bound and no entries', () => {
      expect(held(opened(makeRig()))).toEqual({ meta: null, stampBound: 0, entries: {} });
    });

    test('what was committed is there after opening it again', async () => {
      const rig = makeRig();
      const first = rig.open();
      const batch = batchOf({ entries: [entry('a', '1'), entry('b', '2')], meta: latin1Bytes('m1'), stampBound: 7 });
      expect(await committed(first, batch)).toBeNull();
      await closed(first);
      expect(held(opened(rig))).toEqual({ meta: 'm1', stampBound: 7, entries: { a: '1', b: '2' } });
    });

    test('what is kept aside stays until a batch names it, whatever else goes', async () => {
      const rig = makeRig();
      const first = rig.open();
      const asideOf = (store: Store): string | null => {
        const { aside } = store.load();
        return aside === undefined ? null : text(aside);
      };
      await committed(first, batchOf({ entries: [entry('a', '1')] }));
      expect(asideOf(first)).toBeNull();
      await committed(first, { ...batchOf({ clear: true }), aside: latin1Bytes('list') });
      await committed(first, batchOf({ clear: true, entries: [entry('b', '2')] }));
      await closed(first);
      const second = rig.open();
      expect([asideOf(second), held(second).entries]).toEqual(['list', { b: '2' }]);
      await committed(second, { ...batchOf({}), aside: latin1Bytes('shorter') });
      await closed(second);
      expect(asideOf(opened(rig))).toBe('shorter');
    });

    test('a later batch overwrites, removes and adds', async () => {
      const store = opened(makeRig());
      await committed(store, batchOf({ entries: [entry('a', '1'), entry('b', '2')] }));
      await committed(
        store,
        batchOf({ entries: [entry('a', '9'), entry('b', null), entry('gone', null), entry('c', '3')] }),
      );
      expect(held(store).entries).toEqual({ a: '9', c: '3' });
    });

    test('clear drops what was there before the entries of its batch, not those', async () => {
      const store = opened(makeRig());
      await committed(store, batchOf({ entries: [entry('a', '1'), entry('b', '2')] }));
      await committed(store, batchOf({ clear: true, entries: [entry('b', 'new')], meta: latin1Bytes('after') }));
      expect(held(store)).toMatchObject({ meta: 'after', entries: { b: 'new' } });
    });

    test('done is called once a commit, in order, and never before commit returns', async () => {
      const store = opened(makeRig());
      const order: string[] = [];
      const all = [1, 2, 3].map(
        (number) =>
          new Promise<void>((resolve) => {
            store.commit(batchOf({ entries: [entry(`k${number}`, 'v')] }), (error) => {
              order.push(`done ${number} ${String(error)}`);
              resolve();
            });
            order.push(`returned ${number}`);
          }),
      );
      await Promise.all(all);
      expect(order).toEqual(['returned 1', 'returned 2', 'returned 3', 'done 1 null', 'done 2 null', 'done 3 null']);
      expect(Object.keys(held(store).entries)).toEqual(['k1', 'k2', 'k3']);
    });

    test.each([0, 1, 1976, 1977, 1978, 1979, 4096, 524_288])('a key of %i bytes', async (length) => {
      const rig = makeRig();
      const first = rig.open();
      // Two keys that differ in their last byte only, where the length allows for it.
      const keys = [...new Set(['x'.repeat(length), 'x'.repeat(Math.max(0, length - 1)) + 'y'.slice(0, length)])];
      await committed(first, batchOf({ entries: keys.map((key, index) => entry(key, `state ${index}`)) }));
      await closed(first);
      const second = opened(rig);
      expect(held(second).entries).toEqual(Object.fromEntries(keys.map((key, index) => [key, `state ${index}`])));
      await committed(second, batchOf({ entries: keys.map((key) => entry(key, null)) }));
      expect(held(second).entries).toEqual({});
    });

    test('keys of every byte, and states that are empty or large', async () => {
      const store = opened(makeRig());
      const everyByte = String.fromCharCode(...Array.from({ length: 256 }, (_, byte) => byte));
      const entries = [entry(everyByte, everyByte), entry('__proto__', ''), entry('large', 'z'.repeat(3_000_000))];
      await committed(store, batchOf({ entries }));
      const found = new Map([...store.load().entries].map(([key, state]) => [text(key), text(state)]));
      expect(found).toEqual(
        new Map([
          [everyByte, everyByte],
          ['__proto__', ''],
          ['large', 'z'.repeat(3_000_000)],
        ]),
      );
    });

    test('a batch of many entries is there as a whole', async () => {
      const store = opened(makeRig());
      const entries = Array.from({ length: 20_000 }, (_, index) => entry(`key:${index}`, `state ${index}`));
      await committed(store, batchOf({ entries }));
      let count = 0;
      for (const [key, state] of store.load().entries) {
        expect(text(state)).toBe(`state ${text(key).slice(4)}`);
        count++;
      }
      expect(count).toBe(20_000);
    });

    test('many entries and few go in the order of their commits, large ones too', async () => {
      const rig = makeRig();
      const store = rig.open();
      const many = (from: number, state: string | null): (readonly [Uint8Array, Uint8Array | null])[] =>
        Array.from({ length: 3_000 }, (_, index) => entry(`key:${from + index}`, state));
      const all = [
        batchOf({ entries: many(0, 'first') }),
        batchOf({ entries: [entry('key:0', 'second'), entry('few', 'here')] }),
        batchOf({ clear: true, entries: [...many(0, 'x'.repeat(300)), entry('last', 'l'), ...many(2_000, null)] }),
        batchOf({ entries: [entry('key:1', 'fourth')], meta: latin1Bytes('end'), stampBound: 4 }),
      ].map(async (batch) => await committed(store, batch));
      expect(await Promise.all(all)).toEqual([null, null, null, null]);
      await closed(store);
      const { meta, stampBound, entries } = held(opened(rig));
      const expected = Object.fromEntries(
        Array.from({ length: 2_000 }, (_, index) => [`key:${index}`, 'x'.repeat(300)]),
      );
      expect({ meta, stampBound, entries }).toEqual({
        meta: 'end',
        stampBound: 4,
        entries: { ...expected, 'key:1': 'fourth', last: 'l' },
      });
    });

    test('an incarnation is above every one before and at least what was asked for', async () => {
      const rig = makeRig();
      const first = rig.open();
      expect(first.nextIncarnation(1)).toBe(1);
      expect(first.nextIncarnation(1)).toBe(2);
      expect(first.nextIncarnation(100)).toBe(100);
      await closed(first);
      const second = opened(rig);
      expect(second.nextIncarnation(50)).toBe(101);
    });

    test('the first incarnation on a disk is kept until what was promised before it is settled', async () => {
      const rig = makeRig();
      const first = rig.open();
      expect(first.votesSince()).toBe(0);
      first.nextIncarnation(7);
      first.nextIncarnation(9);
      expect(first.votesSince()).toBe(7);
      await closed(first);
      const second = opened(rig);
      second.nextIncarnation(1);
      expect(second.votesSince()).toBe(7);
      second.settleVotes();
      expect(second.votesSince()).toBe(0);
      await closed(second);
      const third = opened(rig);
      third.nextIncarnation(1);
      expect(third.votesSince()).toBe(0);
    });

    test('the stamp bound only rises, whether raised alone or by a batch', async () => {
      const rig = makeRig();
      const first = rig.open();
      first.raiseStampBound(500);
      first.raiseStampBound(400);
      expect(first.load().stampBound).toBe(500);
      await committed(first, batchOf({ stampBound: 300 }));
      expect(first.load().stampBound).toBe(500);
      await committed(first, batchOf({ stampBound: 2 ** 53 - 1 }));
      await closed(first);
      expect(opened(rig).load().stampBound).toBe(2 ** 53 - 1);
    });

    test('a bound raised while a batch is on its way neither waits for it nor splits it', async () => {
      const rig = makeRig();
      const store = rig.open();
      const entries = Array.from({ length: 5000 }, (_, index) => entry(`key:${index}`, 'x'.repeat(100)));
      const done = committed(store, batchOf({ entries, meta: latin1Bytes('whole') }));
      for (let bound = 1; bound <= 20; bound++) store.raiseStampBound(bound);
      expect(await done).toBeNull();
      await closed(store);
      const { meta, stampBound, entries: found } = held(opened(rig));
      expect({ meta, stampBound, count: Object.keys(found).length }).toEqual({
        meta: 'whole',
        stampBound: 20,
        count: 5000,
      });
    });

    test('a bound raised soon is there when that is said, and never lower for what is written behind it', async () => {
      const rig = makeRig();
      const store = rig.open();
      const entries = Array.from({ length: 5000 }, (_, index) => entry(`key:${index}`, 'x'.repeat(100)));
      const done = committed(store, batchOf({ entries, stampBound: 10 }));
      const raised = (bound: number): Promise<CausewayError | null> =>
        new Promise((resolve) => store.raiseStampBoundSoon(bound, resolve));
      const told: number[] = [];
      const raising = [30, 40, 20].map(async (bound) => {
        expect(await raised(bound)).toBeNull();
        told.push(bound);
        expect(store.load().stampBound).toBeGreaterThanOrEqual(Math.max(...told));
      });
      await Promise.all([done, ...raising]);
      expect(await committed(store, batchOf({ stampBound: 35 }))).toBeNull();
      await closed(store);
      expect(held(opened(rig)).stampBound).toBe(40);
    });

    test('close finishes the commits on their way, and is called back when called twice', async () => {
      const rig = makeRig();
      const store = rig.open();
      const order: string[] = [];
      store.commit(batchOf({ entries: [entry('last', 'word')] }), (error) => order.push(`committed ${String(error)}`));
      await closed(store).then(() => order.push('closed'));
      await closed(store);
      expect(order).toEqual(['committed null', 'closed']);
      expect(held(opened(rig)).entries).toEqual({ last: 'word' });
    });

    test('a closed store refuses everything', async () => {
      const store = makeRig().open();
      await closed(store);
      const refused = expect.objectContaining({ code: 'STORE' }) as unknown;
      expect(await committed(store, batchOf({}))).toEqual(refused);
      const raised = new Promise((resolve) => store.raiseStampBoundSoon(1, resolve));
      expect(await raised).toEqual(refused);
      for (const call of [() => store.load(), () => store.nextIncarnation(1), () => store.raiseStampBound(1)]) {
        expect(call).toThrow(CausewayError);
      }
    });
  });
}
