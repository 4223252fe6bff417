import { describe, expect, test } from 'vitest';
import { configOf } from '../server/peer-rig.ts';
import { ServerRig } from '../server/server-rig.ts';
import { ask, problemIn, type Asked } from './asking.ts';

const JSON_TYPE = { 'content-type': 'application/json' };

async function one(changes: Parameters<typeof configOf>[2] = {}): Promise<{ rig: ServerRig; port: number }> {
  const rig = await ServerRig.start(configOf(0, 1, changes));
  await rig.server.ready;
  return { rig, port: rig.server.ports.http };
}

async function batch(port: number, operations: unknown, headers: Record<string, string> = JSON_TYPE): Promise<Asked> {
  return ask(port, 'POST', '/v1/batch', headers, JSON.stringify({ operations }));
}

function resultsIn({ text }: Asked): Record<string, unknown>[] {
  return (JSON.parse(text) as { results: Record<string, unknown>[] }).results;
}

describe('a batch', () => {
  test('each operation has its answer, in their order', async () => {
    const { rig, port } = await one();
    await rig.client().hset('hash', 'f', 'v');
    const answer = await batch(port, [
      { op: 'get', key: 'a' },
      { op: 'set', key: 'a', value: 'väl', type: 'text/plain', ttl: '1h' },
      { op: 'get', key: 'a' },
      { op: 'set', key: 'a', value: 'x', 'if-none-match': '*' },
      { op: 'get', key: 'hash' },
      { op: 'set', key64: '/w==', value64: 'AP8=' },
      { op: 'get', key64: '/w==' },
      { op: 'del', key: 'a', 'if-match': '"1-1-1"' },
      { op: 'del', key: 'a', 'if-match': '*' },
      { op: 'del', key: 'a' },
    ]);
    expect([answer.status, answer.headers['content-type']]).toEqual([200, 'application/json']);
    expect(answer.headers['causeway-session']).toMatch(/^[\w-]+$/);
    const etag = expect.stringMatching(/^"\d+-\d+-\d+"$/) as unknown;
    expect(resultsIn(answer)).toEqual([
      { status: 404 },
      { status: 201, etag },
      { status: 200, etag, type: 'text/plain', 'ttl-ms': expect.any(Number) as unknown, value: 'väl' },
      { status: 412, etag },
      { status: 409, code: 'WRONGTYPE', detail: expect.any(String) as unknown },
      { status: 201, etag },
      { status: 200, etag, value64: 'AP8=' },
      { status: 412, etag },
      { status: 204 },
      { status: 404 },
    ]);
    expect(await rig.client().getBuffer(Buffer.from([255]))).toEqual(Buffer.from([0, 255]));
  });

  test('an operation that is none is told, and the others are done', async () => {
    const { rig, port } = await one();
    const answer = await batch(port, [
      {},
      { op: 'get' },
      { op: 'nonsense', key: 'a' },
      { op: 'get', key: 1 },
      { op: 'get', key: 'a', key64: 'YQ==' },
      { op: 'get', key64: '!!' },
      { op: 'set', key: 'a' },
      { op: 'set', key: 'a', value: 'x', ttl: 5 },
      { op: 'set', key: 'a', value: 'x', type: 'x' },
      { op: 'set', key: 'a', value: 'x', 'if-match': 1 },
      { op: 'set', key: '\0cw:x', value: 'x' },
      { op: 'set', key: 'b', value: 'done' },
    ]);
    const results = resultsIn(answer);
    expect(results.map(({ status }) => status)).toEqual([...Array.from({ length: 11 }, () => 400), 201]);
    expect(await rig.client().keys('*')).toEqual(['b']);
  });

  test('what is no batch is refused', async () => {
    const { rig, port } = await one({ limits: { bulkBytesMax: 1_100_000 } });
    for (const body of [
      '',
      '{',
      '[]',
      'null',
      '{}',
      '{"operations":{}}',
      '{"operations":[1]}',
      '{"operations":[[]]}',
      '{"operations":[null]}',
    ])
      expect(problemIn(await ask(port, 'POST', '/v1/batch', JSON_TYPE, body))[0], body).toBe(400);
    // what a form or a script of another origin may send unasked
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'application/jsonx'])
      expect((await batch(port, [{ op: 'set', key: 'a', value: 'x' }], { 'content-type': type })).status, type).toBe(
        415,
      );
    expect(
      (
        await batch(
          port,
          Array.from({ length: 1_001 }, () => ({ op: 'get', key: 'a' })),
        )
      ).status,
    ).toBe(413);
    const polluted = await ask(
      port,
      'POST',
      '/v1/batch',
      JSON_TYPE,
      '{"operations":[{"__proto__":{"op":"set","key":"a","value":"x"}}]}',
    );
    expect(resultsIn(polluted)).toMatchObject([{ status: 400 }]);
    expect(await rig.client().dbsize()).toBe(0);
  });

  test('an answer has an end', async () => {
    const { rig, port } = await one();
    await rig.client().set('large', Buffer.alloc(12_000_000, 'x'));
    const answer = await batch(port, [
      ...Array.from({ length: 5 }, () => ({ op: 'get', key: 'large' })),
      { op: 'set', key: 'b', value: 'x' },
    ]);
    expect(resultsIn(answer).map(({ status }) => status)).toEqual([200, 200, 200, 413, 413, 201]);
  });
});
