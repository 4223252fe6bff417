import { setTimeout as delay } from 'node:timers/promises';
import { Keyv, type KeyvStoreAdapter } from 'keyv';
import { beforeEach, describe, expect, test } from 'vitest';

/*
 * What Keyv asks of its stores: after `@keyv/test-suite` 2.1.2 (api, values, namespace, iterator), which is of Keyv 5,
 * https://github.com/jaredwray/keyv/tree/e5a71f1e1d761d79dfd68b3d094adb61ee8d1b00/packages/test-suite (MIT, © Luke Childs, Jared Wray).
 * Of its cases the one with another serializer is left out: it is about that package.
 */
export function keyvContract(name: string, store: () => KeyvStoreAdapter): void {
  const make = (namespace?: string): Keyv =>
    namespace === undefined ? new Keyv({ store: store() }) : new Keyv({ store: store(), namespace });

  describe(`${name}: Keyv's contract`, () => {
    beforeEach(async () => {
      for (const namespace of [undefined, 'keyv1', 'keyv2']) await make(namespace).clear();
    });

    test('set', async () => {
      const keyv = make();
      expect(keyv.set('foo', 'bar')).toBeInstanceOf(Promise);
      expect(await keyv.set('foo', 'bar')).toBe(true);
      expect(await keyv.get('foo')).toBe('bar');
    });

    test('set with a ttl', async () => {
      const keyv = make();
      await keyv.set('foo', 'bar', 60_000);
      expect(await keyv.get('foo')).toBe('bar');
      await keyv.set('foo', 'bar', 100);
      await delay(200);
      expect(await keyv.get('foo')).toBeUndefined();
    });

    test('get', async () => {
      const keyv = make();
      expect(keyv.get('foo')).toBeInstanceOf(Promise);
      expect(await keyv.get('foo')).toBeUndefined();
    });

    test('get of several', async () => {
      const keyv = make();
      expect(await keyv.get(['foo', 'foo1', 'foo2'])).toEqual([undefined, undefined, undefined]);
      await keyv.set('foo', 'bar');
      await keyv.set('foo1', 'bar1', 1);
      await keyv.set('foo2', 'bar2');
      await delay(30);
      expect(await keyv.get(['foo', 'foo1', 'foo2'])).toEqual(['bar', undefined, 'bar2']);
      expect(await keyv.get(['foo', 'nothing', 'foo2'])).toEqual(['bar', undefined, 'bar2']);
    });

    test('delete', async () => {
      const keyv = make();
      await keyv.set('foo', 'bar');
      expect(await keyv.delete('foo')).toBe(true);
      expect(await keyv.get('foo')).toBeUndefined();
      expect(await keyv.delete('foo')).toBe(false);
    });

    test('delete of several', async () => {
      const keyv = make();
      const keys = ['foo', 'foo1', 'foo2'];
      for (const key of keys) await keyv.set(key, 'bar');
      expect(await keyv.delete(keys)).toBe(true);
      expect(await keyv.get(keys)).toEqual([undefined, undefined, undefined]);
      expect(await keyv.delete(keys)).toBe(false);
    });

    test('clear', async () => {
      const keyv = make();
      expect(await keyv.clear()).toBeUndefined();
      await keyv.set('foo', 'bar');
      await keyv.set('fizz', 'buzz');
      expect(await keyv.clear()).toBeUndefined();
      expect(await keyv.get(['foo', 'fizz'])).toEqual([undefined, undefined]);
    });

    test('has', async () => {
      const keyv = make();
      await keyv.set('foo', 'bar');
      expect([await keyv.has('foo'), await keyv.has('fizz')]).toEqual([true, false]);
    });

    test.each([
      ['false', false],
      ['null', null],
      ['undefined', undefined],
      ['a number', 0],
      ['an object', { fizz: 'buzz' }],
      ['a buffer', Buffer.from('bar')],
      ['an object with a buffer', { buff: Buffer.from('buzz') }],
      ['a quote', '"'],
      ['a string', 'bar'],
      ['single quotes', "''"],
    ])('a value can be %s', async (_what, value) => {
      const keyv = make();
      await keyv.set("'key'", value);
      expect(await keyv.get("'key'")).toEqual(value);
    });

    test('a value can be no symbol', async () => {
      await expect(make().set('foo', Symbol('value'))).rejects.toThrow('symbol cannot be serialized');
    });

    test('namespaces do not know each other', async () => {
      const [one, other] = [make('keyv1'), make('keyv2')];
      for (const key of ['foo', 'bar']) {
        await one.set(key, 'keyv1');
        await other.set(key, 'keyv2');
      }
      expect([await one.get('foo'), await other.get('foo')]).toEqual(['keyv1', 'keyv2']);
      expect(await one.delete('foo')).toBe(true);
      expect([await one.get('foo'), await other.get('foo')]).toEqual([undefined, 'keyv2']);
      await one.clear();
      expect(await one.get('bar')).toBeUndefined();
      expect(await other.get(['foo', 'bar'])).toEqual(['keyv2', 'keyv2']);
    });

    test('iterates over its own, and over nothing that has expired', async () => {
      const [one, other] = [make('keyv1'), make('keyv2')];
      const entries = Array.from({ length: 5 }, (_, at) => [String(at), String(at + 10)] as const);
      for (const [key, value] of entries) {
        await one.set(key, value);
        await other.set(key, 'other');
      }
      await one.set('gone', 'value', 1);
      await delay(30);
      const iterate = one.iterator;
      if (iterate === undefined) throw new Error('it cannot be iterated');
      const found: unknown[] = [];
      for await (const entry of iterate(undefined)) found.push(entry);
      expect(found).toHaveLength(entries.length);
      expect(found).toEqual(expect.arrayContaining([...entries]));
    });
  });
}
