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
    recorder.noteEnd({ node: WEST.id, fromNs: recorder.nowNs() + 5e9, toNs: recorder.nowNs() + 6e9 });
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
    await session.performOnce(ADD, 'mine');
    const [operation, ...others] = recorder.finish().operations;
    expect(operation).toMatchObject({ op: 'incr', value: '2', result: '7', ok: true });
    expect(others).toEqual([]);
    // and once more, as who has missed the answer
    const questions = asked.filter((each) => each.includes('CW.ONCE'));
    expect(questions).toHaveLength(4);
    expect(new Set(questions).size).toBe(1);
  });

  test('without an answer it is unknown if any question may have been heard, and not done if all were refused', async () => {
    const session = new VerifySession(host, EAST);
    answers.set('CW.ONCE', [new RespError('UNCERTAIN'), ...Array.from({ length: 3 }, () => new RespError('NOQUORUM'))]);
    await session.performOnce(ADD, 'one');
    answers.set(
      'CW.ONCE',
      Array.from({ length: 4 }, () => new RespError('NOQUORUM')),
    );
    await session.performOnce(ADD, 'two');
    expect(recorder.finish().operations.map(({ ok }) => ok)).toEqual([null, false]);
  });
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
