import { describe, expect, it } from 'vitest';
import { latin1Range } from '../../src/base/bytes.ts';
import type { OfferPage } from '../../src/commands/membership-view.ts';
import { VIRTUAL_START_MS, VirtualCluster, type VirtualNode } from '../support/virtual-cluster.ts';
import { Joining } from './joining.ts';
import { Removal } from './removal.ts';

const key = latin1Range;

interface Rejoined {
  readonly cluster: VirtualCluster;
  readonly lost: VirtualNode;
  readonly other: VirtualNode;
  readonly offer: (options?: { cursor?: number; count?: number; absent?: boolean }) => OfferPage;
}

/** Three members of which one was cut off, removed and joined again: what was there before, what it wrote alone, and what others wrote. */
function rejoined(
  shared: (node: VirtualNode) => void,
  alone: (node: VirtualNode) => void,
  theirs: (node: VirtualNode) => void,
): Rejoined {
  const cluster = new VirtualCluster({ regions: ['a', 'b', 'c'] });
  cluster.run(1_000);
  const [lost, other, third] = cluster.nodes as [VirtualNode, VirtualNode, VirtualNode];
  shared(other);
  expect(cluster.runUntil(() => cluster.areEqual())).toBe(true);
  cluster.run(1_000);
  cluster.cut('a', 'b');
  cluster.cut('a', 'c');
  alone(lost);
  theirs(other);
  cluster.run(1_000);
  cluster.kill(lost);
  cluster.healAll();
  expect(new Removal(cluster, lost, [other, third]).run()).toBe(true);
  const joining = new Joining(cluster, lost, [other, third]);
  expect(joining.run()).toBe(true);
  cluster.restart(lost);
  expect(joining.isWhole()).toBe(true);
  return {
    cluster,
    lost,
    other,
    offer({ cursor = 0, count = 100, absent = false } = {}) {
      const request = { cursor, count, isAbsentTaken: absent };
      let page: OfferPage | null = null;
      lost.core.transact(lost.core.nowMs(lost.now().wallMs), (tx, nowMs) => {
        page = lost.core.membership.offer(request, tx, nowMs);
      });
      lost.settle();
      if (page === null) throw new Error('it ran');
      return page;
    },
  };
}

const reasons = (page: OfferPage): Record<string, string> =>
  Object.fromEntries(
    page.kept.map((write) => [`${write.key}${write.field === null ? '' : `.${write.field}`}`, write.reason]),
  );

const hash = (node: VirtualNode, field: string, value: string): number =>
  node.write((tx) => tx.hashSet(key('h'), 0, key(field), key(value)));

describe('D7: what a removed node alone had is offered', () => {
  it('only where all that is there was seen by it', () => {
    const { cluster, lost, other, offer } = rejoined(
      (node) => {
        for (const name of ['same', 'changed', 'gone', 'removed', 'equal']) node.set(name, '1');
      },
      (node) => {
        for (const name of ['same', 'changed', 'gone', 'equal']) node.set(name, 'alone');
        node.delete('removed');
        node.set('new', 'alone');
      },
      (node) => {
        node.set('changed', 'theirs');
        node.set('equal', 'alone');
        node.delete('gone');
      },
    );
    const page = offer();
    expect([page.offered, page.already]).toEqual([2, 1]);
    expect(reasons(page)).toEqual({
      changed: 'it was written since by what this write had not seen',
      gone: 'it was written since by what this write had not seen',
      new: 'nothing is there: it may have been removed since, which cannot be told',
    });
    expect(cluster.runUntil(() => cluster.areEqual())).toBe(true);
    expect(['same', 'removed', 'changed', 'gone', 'new'].map((name) => other.get(name))).toEqual([
      'alone',
      null,
      'theirs',
      null,
      null,
    ]);
    // again: nothing more; and what nobody can tell, now that the removal is forgotten, only where it is said
    expect(cluster.runUntil(() => lost.core.telemetry(0).tombstones === 0)).toBe(true);
    expect(offer()).toMatchObject({ offered: 0, already: 0, next: 0 });
    const absent = offer({ absent: true });
    expect([absent.offered, Object.keys(reasons(absent))]).toEqual([2, ['changed']]);
    expect(cluster.runUntil(() => cluster.areEqual())).toBe(true);
    expect(['gone', 'new', 'changed'].map((name) => other.get(name))).toEqual(['alone', 'alone', 'theirs']);
    expect(lost.core.membership.lost(0, 10)).toMatchObject({ offered: 4, transactions: 6, left: 6 });
  });

  it('fields, members, increments, documents and expiries each by their own', () => {
    const { cluster, other, offer } = rejoined(
      (node) => {
        hash(node, 'same', '1');
        hash(node, 'changed', '1');
        node.setAdd('s', 'there');
        node.increment('n', 10n);
        node.increment('busy', 10n);
        node.write((tx) => tx.hashIncrement(key('h'), 0, key('count'), 5n));
        node.write((tx) => tx.documentSet(key('d'), 0, key('{"a":1}')));
        node.write((tx) => tx.documentSet(key('edited'), 0, key('{"a":1}')));
        node.set('timed', 'v');
      },
      (node) => {
        hash(node, 'same', '2');
        hash(node, 'changed', '2');
        node.setAdd('s', 'there');
        node.increment('n', 5n);
        node.write((tx) => tx.incrementDecimal(key('busy'), 0, 150_000_000_000_000_000n));
        node.write((tx) => tx.hashIncrement(key('h'), 0, key('count'), 2n));
        node.write((tx) => tx.documentSet(key('d'), 0, key('{"a":2}')));
        node.write((tx) => tx.expire(key('timed'), 0, VIRTUAL_START_MS + 86_400_000));
      },
      (node) => {
        hash(node, 'changed', '3');
        node.increment('busy', 1n);
      },
    );
    const page = offer();
    expect(reasons(page)).toEqual({
      'h.changed': 'it was written since by what this write had not seen',
      busy: 'it was written since by what this write had not seen',
    });
    expect([page.offered, page.already]).toEqual([5, 1]);
    expect(cluster.runUntil(() => cluster.areEqual())).toBe(true);
    expect(other.get('n')).toBe('15');
    const explained = (name: string): string => JSON.stringify(other.core.explain(key(name), VIRTUAL_START_MS));
    expect(explained('h')).toContain('7');
    expect(other.core.digest(VIRTUAL_START_MS)).not.toBe(other.core.digest(VIRTUAL_START_MS + 86_400_001));
    expect(offer()).toMatchObject({ offered: 0, already: 0 });
    expect(other.get('n')).toBe('15');
  });

  it('not into a key of another type, not what has expired, and no edit of a document', () => {
    const { offer } = rejoined(
      (node) => {
        hash(node, 'f', '1');
        node.setAdd('s', 'm');
        node.write((tx) => tx.documentSet(key('d'), 0, key('{"a":1}')));
      },
      (node) => {
        hash(node, 'f', '2');
        node.setAdd('s', 'n');
        node.set('short', 'v', VIRTUAL_START_MS + 60_000);
      },
      (node) => {
        node.delete('h');
        node.set('h', 'a string');
        node.delete('s');
        node.increment('s');
      },
    );
    expect(offer({ absent: true }).offered).toBe(1);
    expect(reasons(offer({ absent: true }))).toEqual({
      'h.f': 'the key is of another type now',
      's.n': 'the key is of another type now',
    });
  });

  it('what has expired meanwhile is not brought back', () => {
    const { offer, cluster } = rejoined(
      () => {},
      (node) => node.set('short', 'v', VIRTUAL_START_MS + 60_000),
      () => {},
    );
    cluster.run(60_000);
    expect(reasons(offer({ absent: true }))).toEqual({ short: 'it has expired' });
  });

  it('several of one key go in one transaction, and an increment whose sum would be too large stays', () => {
    const { offer, other, cluster } = rejoined(
      (node) => {
        node.set('n', '9223372036854775806');
      },
      (node) => {
        node.increment('n', 1n);
        node.increment('n', 5n);
        node.increment('fresh', 3n);
        node.increment('fresh', 4n);
        node.write((tx) => tx.expire(key('fresh'), 0, VIRTUAL_START_MS + 86_400_000));
      },
      () => {},
    );
    const page = offer({ absent: true });
    expect(cluster.runUntil(() => cluster.areEqual())).toBe(true);
    expect([page.offered, other.get('n'), other.get('fresh')]).toEqual([4, '9223372036854775807', '7']);
    expect(reasons(page)).toEqual({ n: 'the sum would be no 64-bit integer' });
  });

  it('page by page, and what was written again stays written over a restart at any time', () => {
    const names = Array.from({ length: 25 }, (_unused, at) => `k${at}`);
    const { offer, cluster, lost, other } = rejoined(
      () => {},
      (node) => {
        for (const name of names) node.set(name, 'alone');
      },
      () => {},
    );
    const listed: string[] = [];
    for (let cursor = 0; ;) {
      const page = lost.core.membership.lost(cursor, 7);
      expect(page.writes.length).toBeLessThanOrEqual(7);
      listed.push(...page.writes.map((write) => write.key));
      cursor = page.next;
      if (cursor === 0) break;
    }
    expect(listed.toSorted()).toEqual(names.toSorted());
    const first = offer({ count: 10, absent: true });
    expect([first.offered, first.kept, lost.core.membership.lost(0, 100).writes.length]).toEqual([10, [], 15]);
    // the list and the writes are in one batch: neither is without the other
    cluster.kill(lost);
    cluster.restart(lost);
    expect(cluster.runUntil(() => cluster.areReady() && cluster.areEqual())).toBe(true);
    for (let at = 0; at < 10; at++) offer({ count: 10, absent: true });
    expect(lost.core.membership.lost(0, 100).writes).toEqual([]);
    cluster.run(500);
    cluster.kill(lost);
    cluster.restart(lost);
    expect(cluster.runUntil(() => cluster.areReady() && cluster.areEqual())).toBe(true);
    expect(names.map((name) => other.get(name))).toEqual(names.map(() => 'alone'));
    expect(lost.core.membership.lost(0, 100)).toMatchObject({ writes: [], transactions: 25, left: 25 });
    expect(offer({ absent: true })).toMatchObject({ offered: 0, already: 0, kept: [] });
  });

  it('what a later transaction of it had seen, and it itself had not, is no base', () => {
    const cluster = new VirtualCluster({ regions: ['a', 'b', 'c'] });
    cluster.run(1_000);
    const [lost, other, third] = cluster.nodes as [VirtualNode, VirtualNode, VirtualNode];
    // from now on it hears the others and they do not hear it
    cluster.delayMs = (from) => (from.region === 'a' ? 1_000_000 : 10);
    hash(lost, 'f', 'alone');
    cluster.run(5);
    hash(other, 'f', 'theirs');
    cluster.run(500);
    lost.set('later', '1');
    cluster.run(500);
    cluster.kill(lost);
    cluster.delayMs = () => 10;
    expect(new Removal(cluster, lost, [other, third]).run()).toBe(true);
    const joining = new Joining(cluster, lost, [other, third]);
    expect(joining.run()).toBe(true);
    cluster.restart(lost);
    expect(joining.isWhole()).toBe(true);
    expect(lost.core.membership.lost(0, 10).writes.map(({ field }) => field)).toContain('f');
    let page: OfferPage | null = null;
    lost.core.transact(lost.core.nowMs(lost.now().wallMs), (tx, nowMs) => {
      page = lost.core.membership.offer({ cursor: 0, count: 10, isAbsentTaken: false }, tx, nowMs);
    });
    expect(reasons(page as unknown as OfferPage)['h.f']).toBe('it was written since by what this write had not seen');
  });

  it('a page does not part what goes to one key, and a list that only got shorter is kept so', () => {
    const { offer, lost, other, cluster } = rejoined(
      (node) => {
        node.set('equal', '1');
        node.set('n', '1');
      },
      (node) => {
        node.increment('n', 1n);
        node.increment('n', 2n);
        node.set('equal', '2');
      },
      (node) => node.set('equal', '2'),
    );
    const isLastEqual = lost.core.membership.lost(0, 10).writes.at(-1)?.key === 'equal';
    const offered = [offer({ count: 1 }), offer({ count: 1 }), offer({ count: 1 })];
    expect(offered.map((page) => page.offered + page.already).toSorted((left, right) => left - right)).toEqual([
      0, 1, 2,
    ]);
    expect(cluster.runUntil(() => cluster.areEqual())).toBe(true);
    expect([other.get('n'), isLastEqual || offered[0]?.already === 1]).toEqual(['4', true]);
    cluster.run(1_000);
    cluster.kill(lost);
    cluster.restart(lost);
    expect(lost.core.membership.lost(0, 10).writes).toEqual([]);
  });

  it('what was there already leaves the list for good', () => {
    const { offer, lost, cluster } = rejoined(
      (node) => node.setAdd('s', 'm'),
      (node) => node.setAdd('s', 'm'),
      () => {},
    );
    cluster.run(2_000);
    expect(offer()).toMatchObject({ offered: 0, already: 1 });
    cluster.run(1_000);
    cluster.kill(lost);
    cluster.restart(lost);
    expect(lost.core.membership.lost(0, 10).writes).toEqual([]);
  });

  it('while it is removed the list is read page by page from what it holds', () => {
    const cluster = new VirtualCluster({ regions: ['a', 'b', 'c'] });
    cluster.run(1_000);
    const [lost, other, third] = cluster.nodes as [VirtualNode, VirtualNode, VirtualNode];
    cluster.cut('a', 'b');
    cluster.cut('a', 'c');
    const names = Array.from({ length: 12 }, (_unused, at) => `k${at}`);
    for (const name of names) lost.set(name, 'alone');
    other.set('theirs', '1');
    cluster.run(500);
    cluster.kill(lost);
    cluster.healAll();
    expect(new Removal(cluster, lost, [other, third]).run()).toBe(true);
    cluster.restart(lost);
    expect(cluster.runUntil(() => lost.core.membership.epoch === 1)).toBe(true);
    const listed: string[] = [];
    let pages = 0;
    for (let cursor = 0; ;) {
      const page = lost.core.membership.lost(cursor, 5);
      expect(page.transactions).toBe(12);
      listed.push(...page.writes.map((write) => write.key));
      pages++;
      cursor = page.next;
      if (cursor === 0) break;
    }
    expect([pages, listed.toSorted()]).toEqual([3, names.toSorted()]);
    expect(() =>
      lost.core.transact(
        0,
        (tx, nowMs) => void lost.core.membership.offer({ cursor: 0, count: 1, isAbsentTaken: false }, tx, nowMs),
      ),
    ).toThrow('a/a has set nothing aside');
  });
});
