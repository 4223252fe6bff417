import { beforeEach, describe, expect, test } from 'vitest';
import { RespError, type RespValue } from '../../src/cli/resp-client.ts';
import type { VerifyNode } from '../../src/cli/verify-cluster.ts';
import { Recorder } from '../../src/cli/verify-recorder.ts';
import { VerifySession, type Request, type SessionHost } from '../../src/cli/verify-session.ts';

const nodeOf = (region: string): VerifyNode => ({ id: `${region}/a`, region, address: { host: 'none', port: 1 } });
const [EAST, WEST] = [nodeOf('east'), nodeOf('west')];
const WRITE: Request = { op: 'write', key: 'k', value: 'v', level: 'causal', args: ['SET', 'k', 'v'] };
const ADD: Request = { op: 'incr', key: 'n', value: '2', level: 'strong', args: ['INCRBY', 'n', '2'] };

let recorder: Recorder;
let asked: string[];
/** What is answered to a command at its turn; OK where there is nothing. */
let answers: Map<string, (RespValue | Error)[]>;
let host: SessionHost;
beforeEach(() => {
  recorder = new Recorder(performance.now());
  asked = [];
  answers = new Map();
  let clients = 0;
  host = {
    recorder,
    level: null,
    nextClient: () => `c${++clients}`,
    connect: async ({ region }) => ({
      close: () => undefined,
      async send(...args) {
        const word = String(args[0]);
        asked.push(`${region} ${args.join(' ')}`);
        const answer = answers.get(word)?.shift() ?? 'OK';
        if (answer instanceof Error) throw answer;
        return answer;
      },
    }),
  };
});

/** The client and the outcome of each operation that was recorded. */
const outcomes = (): unknown[] => recorder.finish().operations.map(({ client, region, ok }) => [client, region, ok]);

describe('a session that moves', () => {
  test('is the same one where its token is taken there, and another one without it', async () => {
    const session = new VerifySession(host, EAST);
    answers.set('CW.TOKEN', ['seen']);
    await session.perform(WRITE);
    await session.move(WEST, true);
    await session.perform(WRITE);
    await session.move(EAST, false);
    await session.perform(WRITE);
    expect(asked).toContain('west CW.ATTACH seen TIMEOUT 2000');
    expect(outcomes()).toEqual([
      ['c1', 'east', true],
      ['c1', 'west', true],
      ['c3', 'east', true],
    ]);
  });

  test('is another one where the node is behind, or where its node was ended meanwhile', async () => {
    const session = new VerifySession(host, EAST);
    answers.set('CW.ATTACH', [new RespError('BEHIND west does not have it')]);
    await session.perform(WRITE);
    await session.move(WEST, true);
    await session.perform(WRITE);
    recorder.noteEnd({ node: WEST.id, savedNs: recorder.nowNs() + 5e9, toNs: recorder.nowNs() + 6e9 });
    await session.move(EAST, true);
    await session.perform(WRITE);
    const clients = recorder.finish().operations.map(({ client }) => client);
    expect(new Set(clients).size).toBe(3);
  });
});

test('at level session one that is behind goes on as the same: it is answered nothing older', async () => {
  host = { ...host, level: 'session' };
  const session = new VerifySession(host, EAST);
  answers.set('CW.ATTACH', [new RespError('BEHIND west does not have it')]);
  await session.perform(WRITE);
  await session.move(WEST, true);
  await session.perform(WRITE);
  expect(outcomes()).toEqual([
    ['c1', 'east', true],
    ['c1', 'west', true],
  ]);
});

describe('what an answer says', () => {
  const outcomeOf = async (error: Error, request: Request = WRITE): Promise<unknown> => {
    answers.set(String(request.args[0]), [error]);
    const session = new VerifySession(host, EAST);
    await session.perform(request);
    const { ok, error: code } = recorder.finish().operations.at(-1) ?? {};
    return [ok, code];
  };

  test('refused: it was not done; uncertain, or unheard of: nobody knows', async () => {
    expect(await outcomeOf(new RespError('NOQUORUM nobody leads'))).toEqual([false, 'NOQUORUM']);
    expect(await outcomeOf(new RespError('UNCERTAIN it may have happened'))).toEqual([null, 'UNCERTAIN']);
    expect(await outcomeOf(new RespError('ERR something else'))).toEqual([null, 'ERR']);
  });

  test('a read that failed did nothing, whatever it was told', async () => {
    const read: Request = { op: 'read', key: 'k', value: null, level: 'causal', args: ['GET', 'k'] };
    expect(await outcomeOf(new RespError('ERR something else'), read)).toEqual([false, 'ERR']);
  });

  test('a removal of nothing has found nothing, and removed it where there was something', async () => {
    const session = new VerifySession(host, EAST);
    answers.set('DEL', [0, 1, new RespError('NOQUORUM')]);
    const del: Request = { op: 'del', key: 'k', value: null, level: 'strong', args: ['DEL', 'k'] };
    for (let times = 0; times < 3; times++) await session.perform(del);
    expect(recorder.finish().operations.map(({ ok, op, value }) => [op, value, ok])).toEqual([
      ['read', null, true],
      ['del', null, true],
      ['del', null, false],
    ]);
  });

  test('without one the outcome is unknown, and what comes next is another session', async () => {
    const session = new VerifySession(host, EAST);
    answers.set('SET', [new Error('closed the connection')]);
    await session.perform(WRITE);
    await session.perform(WRITE);
    expect(outcomes()).toEqual([
      ['c1', 'east', null],
      ['c2', 'east', true],
    ]);
  });
});

describe('under an id of its own', () => {
  test('it is asked again with the same words until there is an answer, and is one operation', async () => {
    const session = new VerifySession(host, EAST);
    answers.set('CW.ONCE', [new RespError('UNCERTAIN'), new Error('gone'), 7]);
    await session.performOnce(ADD, 'mine', [EAST, WEST]);
    const [operation, ...others] = recorder.finish().operations;
    expect(operation).toMatchObject({ op: 'incr', value: '2', result: '7', ok: true });
    expect(others).toEqual([]);
    // and once more, as who has missed the answer
    const questions = asked.filter((each) => each.includes('CW.ONCE'));
    expect(questions.map((each) => each.split(' ')[0])).toEqual(['east', 'west', 'east', 'east']);
    expect(new Set(questions.map((each) => each.replace(/^\w+ /, ''))).size).toBe(1);
  });

  test('who hangs up asks again, and has it answered there', async () => {
    const session = new VerifySession(host, EAST);
    answers.set('CW.ONCE', ['missed', 5]);
    await session.performOnce(ADD, 'mine', [EAST, WEST], true);
    expect(recorder.finish().operations).toMatchObject([{ op: 'incr', region: 'west', result: '5', ok: true }]);
    // it may have been done by who was hung up on, whatever is said later
    answers.set('CW.ONCE', ['missed', ...Array.from({ length: 4 }, () => new RespError('NOQUORUM'))]);
    await session.performOnce(ADD, 'other', [EAST, WEST], true);
    expect(recorder.finish().operations.at(-1)).toMatchObject({ ok: null, error: 'NOQUORUM' });
  });

  test('without an answer it is unknown if any question may have been heard, and not done if all were refused', async () => {
    const session = new VerifySession(host, EAST);
    answers.set('CW.ONCE', [new RespError('UNCERTAIN'), ...Array.from({ length: 4 }, () => new RespError('NOQUORUM'))]);
    await session.performOnce(ADD, 'one', [EAST]);
    answers.set(
      'CW.ONCE',
      Array.from({ length: 5 }, () => new RespError('NOQUORUM')),
    );
    await session.performOnce(ADD, 'two', [EAST]);
    expect(recorder.finish().operations.map(({ ok }) => ok)).toEqual([null, false]);
  });
});

describe('what is watched', () => {
  const SWAP: Request = { op: 'cas', key: 'k', value: 'w', expected: 'v', level: 'strong', args: ['SET', 'k', 'w'] };
  const swapped = async (reply: RespValue | Error): Promise<unknown> => {
    const session = new VerifySession(host, EAST);
    answers.set('EXEC', [reply]);
    await session.watching('k', async (exec) => exec(SWAP));
    const { ok, error } = recorder.finish().operations.at(-1) ?? {};
    return [ok, error];
  };

  test('is swapped where EXEC ran; where it did not, that says nothing of what was there', async () => {
    expect(await swapped(['OK'])).toEqual([true, undefined]);
    expect(asked).toEqual(['east WATCH k', 'east MULTI', 'east SET k w', 'east EXEC']);
    expect(await swapped(null)).toEqual([false, 'WATCHED']);
    expect(await swapped([new RespError('WRONGTYPE')])).toEqual([false, 'WRONGTYPE']);
    expect(await swapped(new RespError('UNCERTAIN'))).toEqual([null, 'UNCERTAIN']);
    expect(await swapped(new Error('gone'))).toEqual([null, 'LOST']);
  });

  test('is let go where nothing comes of it, and forgotten with its connection', async () => {
    const session = new VerifySession(host, EAST);
    await session.watching('k', async () => undefined);
    expect(asked).toEqual(['east WATCH k', 'east UNWATCH']);
    answers.set('GET', [new Error('gone')]);
    await session.watching('k', async (exec) => {
      await session.perform({ op: 'read', key: 'k', value: null, level: 'causal', args: ['GET', 'k'] });
      await session.perform(WRITE);
      await exec(SWAP);
    });
    expect(asked).not.toContain('east MULTI');
  });
});

test('requests in one go are recorded in their order, and what was under way is lost with the connection', async () => {
  const session = new VerifySession(host, EAST);
  answers.set('SET', ['OK', new Error('gone')]);
  await session.performAll([WRITE, { ...WRITE, value: 'w' }]);
  await session.perform({ ...WRITE, value: 'x' });
  const done = recorder.finish().operations.map(({ client, ok, value }) => [client, value, ok]);
  expect(done).toEqual([
    ['c1', 'v', true],
    ['c1', 'w', null],
    ['c2', 'x', true],
  ]);
});

test('what is not recorded is answered all the same, and a lost connection makes another session', async () => {
  const session = new VerifySession(host, EAST);
  answers.set('GET', ['a', new RespError('ERR no'), new Error('gone')]);
  expect(await session.unrecordedAll([['GET'], ['GET']])).toEqual(['a', undefined]);
  const before = session.name;
  expect(await session.unrecorded('GET')).toBe(undefined);
  await session.unrecorded('GET');
  expect(session.name).not.toBe(before);
  expect(recorder.count).toBe(0);
});

test('what is read first is asked in one go with the rest, and both are recorded where one is new', async () => {
  const session = new VerifySession(host, EAST);
  const first: Request = { op: 'read', key: 's', value: null, level: 'strong', args: ['CW.GET', 's'] };
  answers.set('CW.GET', ['1', '1', '2', '2', new RespError('NOQUORUM')]);
  answers.set('MGET', [['a'], ['a'], ['a'], ['b'], ['b']]);
  const isNew: boolean[] = [];
  for (let times = 0; times < 5; times++) isNew.push(await session.readTogether(['k'], 'causal', first));
  expect(isNew).toEqual([true, false, true, true, true]);
  const reads = recorder.finish().operations.map(({ key, ok, value }) => `${key}:${value} ${ok}`);
  const pairs = ['s:1 true', 'k:a true', 's:2 true', 'k:a true', 's:2 true', 'k:b true', 's:null false', 'k:b true'];
  expect(reads).toEqual(pairs);
});

test('what was read together is recorded once, what is new first', async () => {
  const session = new VerifySession(host, EAST);
  answers.set('MGET', [
    ['a', 'b', null],
    ['a', 'b', null],
    ['a', 'b', 'c'],
  ]);
  const read = async (): Promise<boolean> => session.readTogether(['1', '2', '3'], 'causal');
  expect([await read(), await read(), await read()]).toEqual([true, false, true]);
  const reads = recorder.finish().operations.map(({ key, value }) => `${key}:${value}`);
  expect(reads).toEqual(['1:a', '2:b', '3:null', '3:c', '1:a', '2:b']);
});
