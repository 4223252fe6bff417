import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { sha256Digests } from '../../src/adapters/sha256-digests.ts';
import { latin1Of } from '../../src/base/bytes.ts';
import { CommandIndex } from '../../src/commands/command-index.ts';
import { Dispatcher } from '../../src/commands/dispatch.ts';
import { ServerState } from '../../src/commands/server-state.ts';
import type { ClientConnection, Session } from '../../src/commands/session.ts';
import { commandTable } from '../../src/commands/table.ts';
import { OutputChunks } from '../../src/wire/resp/output-chunks.ts';
import { ReplyWriter } from '../../src/wire/resp/reply-writer.ts';
import { WordArgs } from '../support/word-args.ts';
import { fakeFacts, loneNode } from './rig.ts';

const never = (): never => {
  throw new Error('no test here does this');
};

/** Ahead of the clock that the nodes were started with. */
const START_MS = Date.now() + 60_000;

/** A server whose time stands still unless it is moved; what one readable event brings is run as a connection does it. */
class Twin {
  readonly state: ServerState;
  readonly session: Session;
  readonly #dispatcher: Dispatcher;
  readonly #reply = new ReplyWriter(new OutputChunks());
  readonly #node = loneNode();
  monotonicMs = 1_000;
  /** Milliseconds that pass at each look at the monotonic clock. */
  stepMs = 0;

  constructor() {
    const time = {
      wallMs: () => START_MS,
      monotonicMs: () => (this.monotonicMs += this.stepMs),
    };
    const commands = new CommandIndex(commandTable);
    const digests = sha256Digests;
    this.state = new ServerState({ commands, engine: this.#node, time, facts: fakeFacts(), digests });
    this.#dispatcher = new Dispatcher(this.state, () => 0.5);
    const connection: ClientConnection = {
      address: '127.0.0.1:1',
      localAddress: '127.0.0.1:2',
      descriptor: -1,
      reply: this.#reply,
      beginPush: never,
      endPush: never,
      setRespVersion: (version) => (this.#reply.respVersion = version),
      resume: never,
      closeAfterReply: never,
      close: never,
      queryBytes: 0,
      queryFreeBytes: 0,
      outputBytes: 0,
    };
    this.session = this.state.clients.open(connection, START_MS);
  }

  /** What is answered to requests that come together. */
  run(requests: readonly (readonly string[])[]): string {
    this.#dispatcher.beginTurn();
    for (const request of requests) this.#dispatcher.execute(this.session, new WordArgs(request));
    this.#dispatcher.endTurn();
    const { length } = this.#reply;
    return latin1Of(this.#reply.detach().bytes, 0, length);
  }

  calls(name: string): number {
    return this.state.commands.findFullName(name)?.calls ?? NaN;
  }

  /** All that is counted, and what the session has seen. */
  figures(): unknown {
    const { stats, commands } = this.state;
    return {
      commands: [...commands].map((entry) => [entry.fullName, entry.calls, entry.failedCalls, entry.rejectedCalls]),
      latencies: [...commands].map((entry) => entry.latency.count),
      processed: stats.commandsProcessed,
      hits: stats.keyspaceHits,
      misses: stats.keyspaceMisses,
      errors: [...stats.errors()],
      dots: [...this.session.dots],
      written: this.session.lastWriteSeq,
      lastCommand: this.session.lastCommand,
      digest: this.#node.digest(START_MS),
    };
  }
}

const key = fc.constantFrom('a', 'b', 'c', 'h', 's', '');
const value = fc.constantFrom('1', 'x', '', 'y'.repeat(200), '-7');
const request = fc.oneof(
  fc.tuple(fc.constant('GET'), key),
  fc.tuple(fc.constant('set'), key, value),
  fc.tuple(fc.constant('SET'), key, value, fc.constantFrom('NX', 'XX', 'GET', 'nonsense')),
  fc.tuple(fc.constant('SET'), key, value, fc.constant('PX'), fc.constantFrom('0', '1', '100000')),
  fc.tuple(fc.constant('INCR'), key),
  fc.tuple(fc.constant('MGET'), key, key),
  fc.tuple(fc.constant('HSET'), key, value, value),
  fc.tuple(fc.constant('SADD'), key, value),
  fc.tuple(fc.constant('DEL'), key),
  fc.tuple(fc.constant('GET')),
  fc.tuple(fc.constant('EXPIRE'), key, fc.constant('100')),
  fc.tuple(fc.constantFrom('MULTI', 'EXEC', 'DISCARD', 'UNWATCH', 'nonsense')),
  fc.tuple(fc.constant('WATCH'), key),
  fc.tuple(fc.constant('CW.TOKEN')),
  fc.tuple(fc.constant('CW.LEVEL'), fc.constantFrom('causal', 'eventual', 'session', 'class')),
  fc.tuple(fc.constant('CLIENT'), fc.constant('REPLY'), fc.constantFrom('ON', 'OFF', 'SKIP')),
  fc.tuple(fc.constant('HELLO'), fc.constantFrom('2', '3')),
);

describe('plain requests that come together', () => {
  test('are answered and counted as each by itself', () => {
    fc.assert(
      fc.property(fc.array(fc.array(request, { minLength: 1, maxLength: 40 }), { maxLength: 6 }), (events) => {
        const [together, single] = [new Twin(), new Twin()];
        // what SLOWLOG is to see exactly is never plain
        single.state.settings.slowlogSlowerThanUsec = 999;
        for (const event of events) expect(together.run(event)).toBe(single.run(event));
        expect(together.figures()).toEqual(single.figures());
      }),
      { numRuns: 150 },
    );
  });

  test('are in the figures before anybody looks', () => {
    const twin = new Twin();
    const gets = Array.from({ length: 21 }, () => ['GET', 'k']);
    expect(twin.run([...gets, ['INFO', 'commandstats'], ['GET', 'k']])).toContain('cmdstat_get:calls=21,');
    expect(twin.calls('get')).toBe(22);
    expect(twin.session.lastCommand).toBe('get');
  });

  test('share the time that they took', () => {
    const twin = new Twin();
    twin.stepMs = 0.032;
    twin.run(Array.from({ length: 32 }, (_, at) => (at % 2 === 0 ? ['GET', 'k'] : ['SET', 'k', 'v'])));
    const [get, set] = ['get', 'set'].map((name) => twin.state.commands.findFullName(name)?.latency);
    // a look at the clock each 16 requests
    expect(get?.sumUsec).toBeCloseTo(32);
    expect(set?.sumUsec).toBeCloseTo(32);
    expect([get?.count, set?.count]).toEqual([16, 16]);
  });

  test('SLOWLOG names the last of those that took too long together, and each by itself where it is to see little', () => {
    const twin = new Twin();
    twin.stepMs = 11;
    const gets = Array.from({ length: 16 }, (_, at) => ['GET', `k${at}`]);
    twin.run(gets);
    expect(twin.state.slowlog.newest(9).map(({ args }) => args)).toEqual([['GET', 'k15']]);
    twin.state.slowlog.reset();
    twin.state.settings.slowlogSlowerThanUsec = 0;
    twin.run(gets);
    expect(twin.state.slowlog.length).toBe(16);
    twin.state.slowlog.reset();
    twin.state.settings.slowlogSlowerThanUsec = -1;
    twin.run(gets);
    expect(twin.state.slowlog.length).toBe(0);
  });

  test('a reply that is long is timed by itself', () => {
    const twin = new Twin();
    twin.stepMs = 11;
    twin.run([['SET', 'long', 'x'.repeat(40_000)]]);
    twin.state.slowlog.reset();
    twin.run([
      ['GET', 'long'],
      ['GET', 'none'],
    ]);
    expect(twin.state.slowlog.newest(9).map(({ args }) => args[1])).toEqual(['none', 'long']);
  });

  test('CLIENT PAUSE holds writes up, and only those', () => {
    const twin = new Twin();
    twin.run([['SET', 'k', 'v']]);
    twin.state.setPause({ mode: 'write', untilMs: 1e12 });
    expect(
      twin.run([
        ['GET', 'k'],
        ['SET', 'k', 'w'],
      ]),
    ).toBe('$1\r\nv\r\n');
    twin.state.setPause(null);
    expect(twin.run([['GET', 'k']])).toBe('$1\r\nv\r\n');
  });
});
