import { describe, expect, onTestFinished, test } from 'vitest';
import { latin1Bytes } from '../../src/base/bytes.ts';
import { CausewayError } from '../../src/errors.ts';
import type { QuorumStore } from '../../src/ports.ts';
import {
  asideOf,
  closedQuorum,
  GROUP,
  groupBatch,
  groupHeld,
  logEntries,
  NOTHING_HELD,
  saved,
  stateChange,
  text,
} from './quorum-batches.ts';

/** One disk that stores are opened on, one after the other. */
export interface QuorumStoreRig {
  open(): QuorumStore;
}

/** What every `QuorumStore` promises (ports.ts), on disks that `makeRig` makes. */
export function describeQuorumStore(name: string, makeRig: () => QuorumStoreRig): void {
  describe(`the contract of a quorum store: ${name}`, () => {
    function opened(rig: QuorumStoreRig): QuorumStore {
      const store = rig.open();
      onTestFinished(() => closedQuorum(store));
      return store;
    }

    test('an empty store has no groups, and nothing of any group', () => {
      const store = opened(makeRig());
      expect(store.groups()).toEqual([]);
      expect(groupHeld(store)).toEqual(NOTHING_HELD);
      expect([...store.audit(GROUP, 0)]).toEqual([]);
    });

    test('everything of a batch is there after opening it again', async () => {
      const rig = makeRig();
      const first = rig.open();
      const batch = groupBatch({
        hardState: { term: 3, votedFor: 2 ** 32 - 1, commit: 1 },
        entries: logEntries(1, 2, 'one', '', 'three'),
        state: stateChange('applied 1', { a: '1', b: '2' }, false, { '1 once': 'answer' }),
        audit: [[1, latin1Bytes('who did it')]],
      });
      expect(await saved(first, batch)).toBeNull();
      await closedQuorum(first);
      const second = opened(rig);
      expect(second.groups()).toEqual([GROUP]);
      expect(groupHeld(second)).toEqual({
        hardState: { term: 3, votedFor: 2 ** 32 - 1, commit: 1 },
        log: ['1 t2 k1 one', '2 t2 k1 ', '3 t2 k1 three'],
        snapshot: null,
        state: { a: '1', b: '2' },
        rows: { '1 once': 'answer' },
        stateMeta: 'applied 1',
        lastAudit: '1 who did it',
      });
    });

    test('what a batch does not speak of stays', async () => {
      const store = opened(makeRig());
      await saved(
        store,
        groupBatch({
          hardState: { term: 1, votedFor: 1, commit: 0 },
          entries: logEntries(1, 1, 'a'),
          state: stateChange('m', { k: 'v' }),
        }),
      );
      const before = groupHeld(store);
      await saved(store, groupBatch());
      expect(groupHeld(store)).toEqual(before);
      await saved(store, groupBatch({ entries: logEntries(2, 1, 'b') }));
      expect(groupHeld(store)).toEqual({ ...before, log: ['1 t1 k1 a', '2 t1 k1 b'] });
    });

    test('truncation takes the tail before the entries of its batch are added', async () => {
      const rig = makeRig();
      const store = rig.open();
      await saved(store, groupBatch({ entries: logEntries(1, 1, 'a', 'b', 'c', 'd') }));
      await saved(store, groupBatch({ truncateFrom: 3, entries: logEntries(3, 2, 'new') }));
      expect(groupHeld(store).log).toEqual(['1 t1 k1 a', '2 t1 k1 b', '3 t2 k1 new']);
      await saved(store, groupBatch({ truncateFrom: 2 }));
      await saved(store, groupBatch({ truncateFrom: 9 }));
      await closedQuorum(store);
      const again = opened(rig);
      expect(groupHeld(again).log).toEqual(['1 t1 k1 a']);
      await saved(again, groupBatch({ entries: logEntries(2, 3, 'after') }));
      expect(groupHeld(again).log).toEqual(['1 t1 k1 a', '2 t3 k1 after']);
    });

    test('compaction takes the head of the log; the snapshot says where it ends', async () => {
      const rig = makeRig();
      const store = rig.open();
      await saved(store, groupBatch({ entries: logEntries(1, 1, 'a', 'b', 'c', 'd') }));
      const snapshot = { index: 3, term: 1, meta: latin1Bytes('members') };
      await saved(store, groupBatch({ snapshot, compactTo: 2 }));
      await saved(store, groupBatch({ compactTo: 1 }));
      await closedQuorum(store);
      const again = opened(rig);
      expect(groupHeld(again)).toMatchObject({
        log: ['3 t1 k1 c', '4 t1 k1 d'],
        snapshot: { index: 3, term: 1, meta: 'members' },
      });
      await saved(again, groupBatch({ snapshot: { ...snapshot, index: 4 }, compactTo: 4 }));
      await saved(again, groupBatch({ entries: logEntries(5, 2, 'e') }));
      expect(groupHeld(again).log).toEqual(['5 t2 k1 e']);
    });

    test('an installed snapshot takes the place of log and state, in one step, and audit stays', async () => {
      const rig = makeRig();
      const store = rig.open();
      await saved(
        store,
        groupBatch({
          entries: logEntries(1, 1, 'a', 'b', 'c'),
          state: stateChange('old', { gone: '1', ['long'.repeat(1000)]: '2', both: 'old' }, false, {
            gone: 'r',
            both: 'r',
          }),
          audit: [[2, latin1Bytes('kept')]],
        }),
      );
      const before = groupHeld(store);
      await saved(store, groupBatch({ aside: asideOf(true, { both: 'never', never: '1' }, { never: '1' }) }));
      await saved(store, groupBatch({ aside: asideOf(true, { both: 'new' }, { both: 'new row' }) }));
      await saved(store, groupBatch({ aside: asideOf(false, { ['other'.repeat(1000)]: '3' }) }));
      expect(groupHeld(store)).toEqual(before);
      await saved(
        store,
        groupBatch({
          dropsLog: true,
          snapshot: { index: 90, term: 4, meta: latin1Bytes('members') },
          entries: logEntries(91, 5, 'next'),
          aside: asideOf(false, { last: '4' }),
          state: stateChange('new', {}, true),
        }),
      );
      await closedQuorum(store);
      expect(groupHeld(opened(rig))).toEqual({
        hardState: null,
        log: ['91 t5 k1 next'],
        snapshot: { index: 90, term: 4, meta: 'members' },
        state: { both: 'new', ['other'.repeat(1000)]: '3', last: '4' },
        rows: { both: 'new row' },
        stateMeta: 'new',
        lastAudit: '2 kept',
      });
    });

    test('a state that came in takes the place also of what batches just before it wrote, all on their way together', async () => {
      const rig = makeRig();
      const store = rig.open();
      const all = [
        saved(store, groupBatch({ state: stateChange('1', { a: '1' }, false, { a: '1' }) })),
        saved(store, groupBatch({ aside: asideOf(true, { c: '3' }, { c: '3' }) })),
        saved(store, groupBatch({ state: stateChange('2', { b: '2' }) })),
        saved(store, groupBatch({ state: stateChange('3', {}, true) })),
        saved(store, groupBatch({ state: stateChange('4', { d: '4' }) })),
      ];
      expect(await Promise.all(all)).toEqual([null, null, null, null, null]);
      const expected = { ...NOTHING_HELD, state: { c: '3', d: '4' }, rows: { c: '3' }, stateMeta: '4' };
      expect(groupHeld(store)).toEqual(expected);
      await closedQuorum(store);
      expect(groupHeld(opened(rig))).toEqual(expected);
    });

    test('what is kept aside of a state that never came in whole is no state, and no part of the next that comes in', async () => {
      const rig = makeRig();
      const first = rig.open();
      await saved(first, groupBatch({ state: stateChange('old', { a: '1' }) }));
      await saved(first, groupBatch({ aside: asideOf(true, { half: '1' }, { half: '1' }) }));
      await closedQuorum(first);
      const second = rig.open();
      expect(groupHeld(second)).toEqual({ ...NOTHING_HELD, state: { a: '1' }, stateMeta: 'old' });
      await saved(second, groupBatch({ aside: asideOf(true, { whole: '2' }) }));
      await saved(second, groupBatch({ state: stateChange('new', { after: '3' }, true) }));
      await saved(second, groupBatch({ state: stateChange('later', { whole: null }) }));
      await closedQuorum(second);
      expect(groupHeld(opened(rig))).toEqual({ ...NOTHING_HELD, state: { after: '3' }, stateMeta: 'later' });
    });

    test('keys of the state may be any bytes of any length, and null takes them away', async () => {
      const rig = makeRig();
      const keys = ['', '\0', '\xff\xff', 'k'.repeat(1024), 'k'.repeat(1025), 'k'.repeat(100_000)];
      const first = rig.open();
      await saved(
        first,
        groupBatch({ state: stateChange('m', Object.fromEntries(keys.map((key) => [key, `v${key.length}`]))) }),
      );
      await saved(
        first,
        groupBatch({ state: stateChange('m', { [keys[1] ?? '']: null, [keys[5] ?? '']: null, never: null }) }),
      );
      await closedQuorum(first);
      const left = keys.filter((_, at) => at !== 1 && at !== 5);
      expect(groupHeld(opened(rig)).state).toEqual(Object.fromEntries(left.map((key) => [key, `v${key.length}`])));
    });

    test('rows are kept beside the keys: changed ones alone are written, and null takes one away', async () => {
      const rig = makeRig();
      const first = rig.open();
      const key = 'k'.repeat(64);
      await saved(
        first,
        groupBatch({ state: stateChange('1', { same: 'state' }, false, { same: 'row', [key]: '1' }) }),
      );
      await saved(first, groupBatch({ state: stateChange('2', {}, false, { [key]: '2', other: '', never: null }) }));
      await saved(first, groupBatch({ state: stateChange('3', { same: null }, false, { other: null }) }));
      await closedQuorum(first);
      expect(groupHeld(opened(rig))).toEqual({ ...NOTHING_HELD, rows: { same: 'row', [key]: '2' }, stateMeta: '3' });
    });

    test('groups do not see each other, whatever they are called', async () => {
      const rig = makeRig();
      const first = rig.open();
      const names = ['a', 'aa', 'a/b', 'b', 'ü', 'x'.repeat(255)];
      const batches = names.map((group, at) =>
        groupBatch({
          group,
          hardState: { term: at + 1, votedFor: at, commit: 0 },
          entries: logEntries(1, 1, `entry of ${at}`),
          state: stateChange(`meta of ${at}`, { same: `state of ${at}` }, false, { same: `row of ${at}` }),
          audit: [[1, latin1Bytes(`audit of ${at}`)]],
        }),
      );
      await saved(first, ...batches);
      await saved(
        first,
        groupBatch({ group: 'a', truncateFrom: 1, aside: asideOf(true, {}), state: stateChange('cleared', {}, true) }),
      );
      await closedQuorum(first);
      const store = opened(rig);
      expect(store.groups()).toEqual(names.toSorted());
      const { log, state, rows, stateMeta } = groupHeld(store, 'a');
      expect({ log, state, rows, stateMeta }).toEqual({ log: [], state: {}, rows: {}, stateMeta: 'cleared' });
      for (const [at, group] of names.entries()) {
        if (group === 'a') continue;
        expect(groupHeld(store, group)).toEqual({
          hardState: { term: at + 1, votedFor: at, commit: 0 },
          log: [`1 t1 k1 entry of ${at}`],
          snapshot: null,
          state: { same: `state of ${at}` },
          rows: { same: `row of ${at}` },
          stateMeta: `meta of ${at}`,
          lastAudit: `1 audit of ${at}`,
        });
      }
    });

    test('audit records stay for ever as they were first, and are read from an index on', async () => {
      const store = opened(makeRig());
      await saved(store, groupBatch({ audit: [[5, latin1Bytes('five')]] }));
      await saved(
        store,
        groupBatch({
          audit: [
            [5, latin1Bytes('forged')],
            [8, latin1Bytes('eight')],
            [300, latin1Bytes('later')],
          ],
        }),
      );
      await saved(
        store,
        groupBatch({
          dropsLog: true,
          snapshot: { index: 400, term: 1, meta: latin1Bytes('') },
          aside: asideOf(true, {}),
          state: stateChange('', {}, true),
        }),
      );
      expect(groupHeld(store).lastAudit).toBe('300 later');
      const from = (index: number): string[] =>
        [...store.audit(GROUP, index)].map(([at, record]) => `${at} ${text(record)}`);
      expect(from(0)).toEqual(['5 five', '8 eight', '300 later']);
      expect(from(6)).toEqual(['8 eight', '300 later']);
      expect(from(301)).toEqual([]);
    });

    test('the numbers of a log of years fit', async () => {
      const rig = makeRig();
      const first = rig.open();
      const index = 2 ** 48 - 2;
      await saved(first, groupBatch({ dropsLog: true, snapshot: { index, term: 2 ** 47, meta: latin1Bytes('m') } }));
      const entries = logEntries(index + 1, 2 ** 48 - 1, 'last').map((entry) => ({ ...entry, kind: 255 }));
      await saved(first, groupBatch({ hardState: { term: 2 ** 48 - 1, votedFor: 7, commit: index }, entries }));
      await closedQuorum(first);
      expect(groupHeld(opened(rig))).toMatchObject({
        hardState: { term: 2 ** 48 - 1, votedFor: 7, commit: index },
        log: [`${index + 1} t${2 ** 48 - 1} k255 last`],
        snapshot: { index, term: 2 ** 47 },
      });
    });

    test('done is called once a commit, in order, and never before commit returns', async () => {
      const store = opened(makeRig());
      const order: string[] = [];
      const all = [1, 2, 3].map(
        (index) =>
          new Promise<void>((resolve) => {
            store.commit({ groups: [groupBatch({ entries: logEntries(index, 1, 'x') })] }, (error) => {
              order.push(`done ${index} ${String(error)}`);
              resolve();
            });
            order.push(`returned ${index}`);
          }),
      );
      await Promise.all(all);
      expect(order).toEqual(['returned 1', 'returned 2', 'returned 3', 'done 1 null', 'done 2 null', 'done 3 null']);
      expect(groupHeld(store).log).toHaveLength(3);
    });

    test('a commit made when another is done is not lost, and the bytes of a state may change after it', async () => {
      const rig = makeRig();
      const store = rig.open();
      const state = stateChange('applied 1', { key: 'value' }, false, { row: 'answer' });
      await new Promise<void>((resolve) => {
        store.commit({ groups: [groupBatch({ entries: logEntries(1, 1, 'first'), state })] }, () => {
          store.commit({ groups: [groupBatch({ entries: logEntries(2, 1, 'second') })] }, () => resolve());
        });
      });
      for (const [, value] of [...state.entries, ...state.rows]) value?.fill(0);
      state.meta.fill(0);
      await closedQuorum(store);
      expect(groupHeld(opened(rig))).toMatchObject({
        log: ['1 t1 k1 first', '2 t1 k1 second'],
        state: { key: 'value' },
        rows: { row: 'answer' },
        stateMeta: 'applied 1',
      });
    });

    test('a batch of many entries is there as a whole', async () => {
      const rig = makeRig();
      const store = rig.open();
      const texts = Array.from({ length: 3000 }, (_, at) => `${at} ${'x'.repeat(at % 500)}`);
      await saved(store, groupBatch({ entries: logEntries(1, 1, ...texts) }));
      await closedQuorum(store);
      expect(groupHeld(opened(rig)).log).toEqual(texts.map((entry, at) => `${at + 1} t1 k1 ${entry}`));
    });

    test('batches that cannot follow are our own fault', async () => {
      const refusedBatches = [
        groupBatch({ entries: logEntries(3, 1, 'gap') }),
        groupBatch({ truncateFrom: 0 }),
        groupBatch({ compactTo: 2 }),
        groupBatch({ dropsLog: true }),
      ];
      for (const batch of refusedBatches) {
        const store = makeRig().open();
        const outcome = new Promise((resolve) => {
          try {
            store.commit({ groups: [batch] }, resolve);
          } catch (error) {
            resolve(error);
          }
        });
        expect(await outcome, JSON.stringify(batch)).toMatchObject({ name: 'AssertionFailed' });
      }
    });

    test('close finishes the commits on their way, and is called back when called twice', async () => {
      const rig = makeRig();
      const store = rig.open();
      const order: string[] = [];
      store.commit({ groups: [groupBatch({ entries: logEntries(1, 1, 'last word') })] }, (error) =>
        order.push(`saved ${String(error)}`),
      );
      await closedQuorum(store).then(() => order.push('closed'));
      await closedQuorum(store);
      expect(order).toEqual(['saved null', 'closed']);
      expect(groupHeld(opened(rig)).log).toEqual(['1 t1 k1 last word']);
    });

    test('a closed store refuses everything', async () => {
      const store = makeRig().open();
      await closedQuorum(store);
      expect(await saved(store, groupBatch())).toEqual(expect.objectContaining({ code: 'STORE' }));
      for (const call of [() => store.load(GROUP), () => store.groups(), () => store.audit(GROUP, 0)]) {
        expect(call).toThrow(CausewayError);
      }
    });
  });
}
