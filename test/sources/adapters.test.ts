import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { describe, expect, onTestFinished, test } from 'vitest';
import { HttpSource } from '../../src/adapters/http-source.ts';
import { ModuleSource } from '../../src/adapters/module-source.ts';
import { NotAsked, SourceBreaker } from '../../src/adapters/source-breaker.ts';
import { RealSource } from './real-source.ts';

const bytes = (text: string): Uint8Array => Buffer.from(text, 'latin1');
const textOf = (value: Uint8Array | null): string | null =>
  value === null ? null : Buffer.from(value).toString('latin1');

async function http(
  timeoutMs = 10_000,
): Promise<{ server: RealSource; source: HttpSource; load: (key: string) => Promise<string | null> }> {
  const server = await RealSource.start();
  onTestFinished(() => server.stop());
  const source = new HttpSource(`${server.url}/prices/{key}`, timeoutMs);
  return { server, source, load: async (key) => textOf(await source.load(bytes(key))) };
}

describe('an address', () => {
  test.each([
    ['AAPL', '/prices/AAPL'],
    ['a/../../secret', '/prices/a%2F..%2F..%2Fsecret'],
    ['a?b=c#d&e', '/prices/a%3Fb%3Dc%23d%26e'],
    ['%2e%2e', '/prices/%252e%252e'],
    ['\r\nHost: x', '/prices/%0D%0AHost%3A%20x'],
    ['\xff\x00', '/prices/%FF%00'],
    ['{key}', '/prices/%7Bkey%7D'],
    ['$&', '/prices/%24%26'],
  ])('is asked for %j as %s', async (key, path) => {
    const { server, load } = await http();
    expect(await load(key)).toBe(`value of ${path}`);
    expect(server.asked).toEqual([path]);
  });

  test.each(['.', '..'])('is not asked for %j, which means another place', async (key) => {
    const { server, load } = await http();
    await expect(load(key)).rejects.toThrow('cannot be a part of an address');
    expect(server.asked).toEqual([]);
  });

  test.each([
    [204, null],
    [404, null],
    [410, null],
  ])('that answers %i has no value', async (status, expected) => {
    const { server, load } = await http();
    server.answer = (_path, response) => response.writeHead(status).end();
    expect(await load('k')).toBe(expected);
  });

  test.each([301, 307, 401, 500])('that answers %i has failed, and is not followed', async (status) => {
    const { server, load } = await http();
    server.answer = (_path, response) => response.writeHead(status, { location: '/elsewhere' }).end('x');
    await expect(load('k')).rejects.toThrow(`it answered ${status}`);
    expect(server.asked).toHaveLength(1);
  });

  test('that never answers, or never ends, has failed after its time', async () => {
    const { server, load } = await http(300);
    server.answer = () => undefined;
    await expect(load('k')).rejects.toThrow('it did not answer in time');
    server.answer = (_path, response) => void response.write('begun');
    await expect(load('k')).rejects.toThrow('it did not answer in time');
  });

  test('that says more than that there is none has said it, whether or not that ends', async () => {
    const { server, load } = await http(300);
    server.answer = (_path, response) => void response.writeHead(404).write('begun');
    expect(await load('k')).toBeNull();
  });

  test.each([
    ['gzip', gzipSync],
    ['br', brotliCompressSync],
  ])('that answers in %s is read, as long as it is not too long', async (encoding, encode) => {
    const { server, load } = await http();
    const answers = [encode('a value'), encode(Buffer.alloc(16 * 1024 * 1024 + 1)), Buffer.from('a value')];
    server.answer = (_path, response) =>
      void response.writeHead(200, { 'content-encoding': encoding }).end(answers.shift());
    expect(await load('k')).toBe('a value');
    await expect(load('k')).rejects.toThrow('longer than 16777216 bytes');
    await expect(load('k')).rejects.toThrow(`its answer is no ${encoding}`);
  });

  test('that answers in what nobody asked for has failed', async () => {
    const { server, load } = await http();
    server.answer = (_path, response) => void response.writeHead(200, { 'content-encoding': 'zstd' }).end('x');
    await expect(load('k')).rejects.toThrow('encoded as zstd');
  });

  test('is asked over one connection, and again over another where the server has just closed that', async () => {
    const { server, load } = await http();
    expect([await load('a'), await load('b')]).toEqual(['value of /prices/a', 'value of /prices/b']);
    expect(server.connections).toBe(1);
    server.answer = (path, response) => {
      if (path === '/prices/c' && server.connections === 1) response.socket?.resetAndDestroy();
      else response.end('again');
    };
    expect(await load('c')).toBe('again');
    expect(server.connections).toBe(2);
  });

  test('that closes a connection it was asked over for the first time has failed', async () => {
    const { server, load } = await http();
    server.answer = (_path, response) => response.socket?.resetAndDestroy();
    await expect(load('k')).rejects.toThrow('it cannot be asked');
    expect(server.asked).toHaveLength(1);
  });

  test('that breaks off has failed', async () => {
    const { server, load } = await http();
    server.answer = (_path, response) => {
      response.writeHead(200, { 'content-length': '100' });
      response.write('begun', () => response.destroy());
    };
    await expect(load('k')).rejects.toThrow('its answer breaks off');
  });

  test('that is closed fails what is under way', async () => {
    const { server, source, load } = await http();
    server.answer = () => source.close();
    await expect(load('k')).rejects.toThrow('it cannot be asked');
  });

  test('that answers with too much has failed', async () => {
    const { server, load } = await http();
    server.answer = (_path, response) => void response.end(Buffer.alloc(16 * 1024 * 1024 + 1));
    await expect(load('k')).rejects.toThrow('longer than 16777216 bytes');
  });
});

const MODULE = `
export async function load(key) {
  if (key === 'none') return null;
  if (key === 'bytes') return Uint8Array.of(255, 0);
  if (key === 'number') return 7;
  if (key === 'throws') throw new Error('no database');
  if (key === 'never') return new Promise(() => {});
  if (key === 'spins') for (;;);
  if (key === 'exits') process.exit(3);
  return 'value of ' + key;
}
`;

async function moduleOf(
  code: string,
  timeoutMs = 10_000,
): Promise<{ source: ModuleSource; load: (key: string) => Promise<string | null> }> {
  const folder = mkdtempSync(join(tmpdir(), 'causeway-source-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(join(folder, 'source.mjs'), code);
  const source = await ModuleSource.start(pathToFileURL(join(folder, 'source.mjs')).href, timeoutMs);
  onTestFinished(() => source.close());
  return { source, load: async (key) => textOf(await source.load(bytes(key))) };
}

describe('a module', () => {
  test('gives text, bytes or nothing; what it throws and what is none of these has failed', async () => {
    const { load } = await moduleOf(MODULE);
    expect(await load('AAPL')).toBe('value of AAPL');
    expect(await load('none')).toBeNull();
    expect(await load('bytes')).toBe('\xff\x00');
    await expect(load('number')).rejects.toThrow('the module gave number, expected a string, bytes, or null');
    await expect(load('throws')).rejects.toThrow('no database');
  });

  test('that does not answer has failed after its time', async () => {
    const { load } = await moduleOf(MODULE, 300);
    await expect(load('never')).rejects.toThrow('did not answer within 300 ms');
  });

  test.each(['spins', 'exits'])('that %s is ended and started again, and the node goes on meanwhile', async (how) => {
    const { load } = await moduleOf(MODULE, 300);
    let turns = 0;
    const timer = setInterval(() => turns++, 5);
    onTestFinished(() => clearInterval(timer));
    const ended = Array.from({ length: 3 }, async () => {
      await expect(load(how)).rejects.toThrow(/did not answer|the thread of the module ended/);
    });
    await Promise.all(ended);
    if (how === 'spins') {
      // three times over its time, with no word meanwhile
      for (let more = 0; more < 2; more++) await expect(load('x')).rejects.toThrow('did not answer');
      expect(turns).toBeGreaterThan(0);
    }
    await expect.poll(() => load('back').catch(() => 'not yet'), { timeout: 20_000 }).toBe('value of back');
  });

  test('is given what is asked together at once, where it can take that', async () => {
    const { load } = await moduleOf(
      `const calls = []; export const loadMany = (keys) => { calls.push(keys.length); return keys.map((key) => key + ' of ' + calls.join()); };`,
    );
    expect(await Promise.all(['a', 'b', 'c'].map(load))).toEqual(['a of 3', 'b of 3', 'c of 3']);
    expect(await load('d')).toBe('d of 3,1');
  });

  test('that gives another number of values, or exports nothing, says so', async () => {
    const { load } = await moduleOf('export const loadMany = () => [];');
    await expect(load('a')).rejects.toThrow('no list of 1 values');
    await expect(moduleOf('export const other = 1;')).rejects.toThrow('exports neither load nor loadMany');
  });
});

describe('an address that is written to', () => {
  const stored = async (answer: number, value: string | null): Promise<unknown> => {
    const { server, source } = await http();
    server.take = (_write, response) => response.writeHead(answer).end();
    const write = { key: bytes('a/b'), value: value === null ? null : bytes(value), version: '1-2-3' };
    return { verdicts: await source.storeMany([write]).catch(String), given: server.given };
  };

  test('is given a value by PUT and a removal by DELETE, with the version', async () => {
    expect(await stored(200, '\xff\x00')).toEqual({
      verdicts: [{ kind: 'stored' }],
      given: [{ method: 'PUT', path: '/prices/a%2Fb', body: '\xff\x00', version: '1-2-3' }],
    });
    expect(await stored(404, null)).toEqual({
      verdicts: [{ kind: 'stored' }],
      given: [{ method: 'DELETE', path: '/prices/a%2Fb', body: '', version: '1-2-3' }],
    });
  });

  test.each([400, 409, 413, 422])('that answers %i will never take it', async (status) => {
    expect(await stored(status, 'x')).toMatchObject({
      verdicts: [{ kind: 'refused', reason: `it answered ${status}` }],
    });
  });

  test.each([301, 401, 404, 408, 429, 500, 503])('that answers %i may take it later', async (status) => {
    expect(await stored(status, 'x')).toMatchObject({ verdicts: `Error: it answered ${status}` });
  });

  test('says of each what became of it', async () => {
    const { server, source } = await http();
    server.take = ({ path }, response) => response.writeHead(path.endsWith('b') ? 500 : 204).end();
    const writes = ['a', 'b', '..'].map((key) => ({ key: bytes(key), value: bytes('x'), version: '' }));
    expect(await source.storeMany(writes)).toEqual([
      { kind: 'stored' },
      { kind: 'failed', reason: 'it answered 500' },
      { kind: 'refused', reason: 'the key cannot be a part of an address' },
    ]);
  });
});

describe('a module that stores', () => {
  const GIVEN = `export const load = () => null;
const note = (given) => { if (given.value === 'away') throw new Error('no database'); if (given.value === 'bad') throw Object.assign(new Error('not allowed'), { refused: true }); };
`;
  const write = (key: string, value: string | null): { key: Uint8Array; value: Uint8Array | null; version: string } => {
    return { key: bytes(key), value: value === null ? null : bytes(value), version: 'v' };
  };

  test('is given one after the other by store, or all by storeMany, text where it is text', async () => {
    const { source } = await moduleOf(
      `${GIVEN} export const store = (key, value, given) => { note(given); if (key !== 'k' || value !== null || given.version !== 'v') throw new Error(String(key) + value); };`,
    );
    expect(source.canStore).toBe(true);
    expect(await source.storeMany([write('k', null), write('k', 'bad'), write('k', 'away')])).toEqual([
      { kind: 'stored' },
      { kind: 'refused', reason: 'not allowed' },
      { kind: 'failed', reason: 'no database' },
    ]);
    await expect(source.storeMany([write('k', 'away')])).rejects.toThrow('no database');
  });

  test('tells of several by a list', async () => {
    const { source } = await moduleOf(
      `${GIVEN} export const storeMany = (all) => all.map((given) => { try { note(given); } catch (error) { return error; } });`,
    );
    expect(await source.storeMany([write('a', '1'), write('b', 'bad'), write('c', 'away')])).toEqual([
      { kind: 'stored' },
      { kind: 'refused', reason: 'not allowed' },
      { kind: 'failed', reason: 'no database' },
    ]);
    const { source: wrong } = await moduleOf(`${GIVEN} export const storeMany = () => [1];`);
    await expect(wrong.storeMany([write('a', '1'), write('b', '2')])).rejects.toThrow('no list of 2 answers');
  });

  test('that only loads says so', async () => {
    const { source } = await moduleOf('export const load = () => null;');
    expect(source.canStore).toBe(false);
  });
});

test('a source that failed five times in a row is not asked until one try succeeds', async () => {
  const breaker = new SourceBreaker(5, 10);
  let asked = 0;
  let fails = true;
  const ask = (): Promise<string> => {
    asked++;
    return fails ? Promise.reject(new Error('down')) : Promise.resolve('up');
  };
  for (let count = 0; count < 5; count++) await expect(breaker.run(ask)).rejects.toThrow('down');
  await expect(breaker.run(ask)).rejects.toThrow(NotAsked);
  expect([asked, breaker.isOpen]).toEqual([5, true]);
  fails = false;
  await expect.poll(() => breaker.run(ask).catch(() => 'not yet'), { timeout: 20_000 }).toBe('up');
  expect([asked, breaker.isOpen]).toEqual([6, false]);
});
