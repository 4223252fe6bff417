import { afterEach, describe, expect, test } from 'vitest';
import { sha256Digests } from '../../src/adapters/sha256-digests.ts';
import { latin1Range } from '../../src/base/bytes.ts';
import {
  AUTHENTICATION_BACKOFF_MAX_MS,
  AUTHENTICATION_FAILURES_FREE,
  AUTHENTICATION_FAILURES_KEPT_MAX,
  AUTHENTICATION_FAILURES_KEPT_MS,
} from '../../src/base/client-limits.ts';
import { Authentication, type PasswordDigests, type Visitor } from '../../src/commands/authentication.ts';
import { networkOf } from '../../src/commands/client-network.ts';
import { ServerSettings } from '../../src/commands/server-settings.ts';
import { request, type RawClient } from '../commands-server/raw-client.ts';
import { Rig } from '../commands-server/rig.ts';

const PASSWORD = 'correct horse';
const WRONG = '-WRONGPASS invalid username-password pair or user is disabled.';
const NOAUTH = '-NOAUTH Authentication required.';

let rig: Rig | null = null;

afterEach(async () => {
  await rig?.stop();
  rig = null;
});

async function guarded(password = PASSWORD): Promise<Rig> {
  rig = await Rig.start({ parameters: { requirepass: password } });
  return rig;
}

async function admitted(from: Rig): Promise<RawClient> {
  const client = await from.client();
  expect(await client.text('AUTH', PASSWORD)).toBe('+OK');
  return client;
}

describe('who has not said the password', () => {
  test('may do nothing but say it, and leave', async () => {
    const { server } = await guarded();
    const client = await rig?.client();
    if (client === undefined) throw new Error('no client');
    const allowed: string[] = [];
    for (const { fullName } of server.state.commands) {
      if (fullName === 'quit') continue;
      const reply = await client.text(fullName, 'k', 'v');
      // Commands with other numbers of arguments are told so first, as in Redis; none is run.
      if (!/^-(NOAUTH|EXECABORT|ERR wrong number|ERR unknown subcommand)/.test(reply)) allowed.push(fullName);
    }
    expect(allowed.toSorted()).toEqual(['auth', 'hello']);
    expect(await client.text('RESET')).toBe('+RESET');
    expect(await client.text('GET', 'k')).toBe(NOAUTH);
    expect(await client.text('NOSUCHCOMMAND')).toBe(NOAUTH);
    expect(await client.text('QUIT')).toBe('+OK');
    expect(await client.rest()).toBe('');
  });

  test('may not hide in MULTI, and what it queued is not kept', async () => {
    const client = await (await guarded()).client();
    client.send(request('MULTI') + request('SET', 'k', 'v') + request('EXEC') + request('AUTH', PASSWORD));
    expect(await client.takeTo('+OK\r\n')).toBe(
      `${NOAUTH}\r\n${NOAUTH}\r\n-EXECABORT Transaction discarded because of: NOAUTH Authentication required.\r\n+OK\r\n`,
    );
    expect(await client.text('GET', 'k')).toBe('$-1');
    expect(await client.text('EXEC')).toBe('-ERR EXEC without MULTI');
  });

  test('is every client again after RESET, also in the same packet and out of MULTI', async () => {
    const client = await admitted(await guarded());
    client.send(request('MULTI') + request('SET', 'k', 'v') + request('RESET') + request('EXEC') + request('GET', 'k'));
    expect(await client.takeTo('required.\r\n-NOAUTH Authentication required.\r\n')).toBe(
      `+OK\r\n+QUEUED\r\n+RESET\r\n-EXECABORT Transaction discarded because of: NOAUTH Authentication required.\r\n${NOAUTH}\r\n`,
    );
    expect(await client.text('AUTH', PASSWORD)).toBe('+OK');
    expect(await client.text('GET', 'k')).toBe('$-1');
  });

  test.each([
    ['*11\r\n', '-ERR Protocol error: unauthenticated multibulk length\r\n'],
    ['*2\r\n$4\r\nAUTH\r\n$16385\r\n', '-ERR Protocol error: unauthenticated bulk length\r\n'],
  ])('may not send %j', async (bytes, refusal) => {
    const from = await guarded();
    const client = await from.client();
    expect(await client.send(bytes).rest()).toBe(refusal);
    const known = await admitted(from);
    const long = 'x'.repeat(16_385);
    expect(await known.text('SET', 'k', long)).toBe('+OK');
    expect(await known.text('DEL', ...Array.from({ length: 11 }, (_, i) => (i === 0 ? 'k' : `none${i}`)))).toBe(':1');
  });

  test('is closed when it takes none of the refusals it asks for', async () => {
    const from = await guarded();
    const client = await from.client();
    client.socket.pause();
    const pings = Buffer.from(request('PING').repeat(4000));
    const { stats } = from.server.state;
    let isOpen = true;
    client.socket.on('error', () => (isOpen = false));
    for (let i = 0; i < 4000 && isOpen && stats.outputBufferDisconnections === 0; i++) {
      await new Promise<void>((resolve) => client.socket.write(pings, () => resolve()));
    }
    await expect.poll(() => stats.outputBufferDisconnections).toBe(1);
    expect(from.server.state.clients.count).toBe(0);
  });

  test('is closed after a while, and so is who said RESET; others stay', async () => {
    const from = await guarded();
    from.server.state.settings.unauthenticatedMsMax = 1;
    const known = await admitted(from);
    const client = await from.client();
    const reset = await admitted(from);
    expect(await reset.text('RESET')).toBe('+RESET');
    expect(await client.rest()).toBe('');
    expect(await reset.rest()).toBe('');
    expect(await known.text('PING')).toBe('+PONG');
  });
});

describe('the password', () => {
  test('is said by AUTH or HELLO, with the user or without', async () => {
    const from = await guarded();
    for (const words of [
      ['AUTH', PASSWORD],
      ['AUTH', 'default', PASSWORD],
    ]) {
      const client = await from.client();
      expect(await client.text(...words)).toBe('+OK');
      expect(await client.text('PING')).toBe('+PONG');
    }
    const client = await from.client();
    expect(await client.text('HELLO', '3')).toMatch(
      /^-NOAUTH HELLO must be called with the client already authenticated/,
    );
    expect(await client.text('HELLO')).toMatch(/^-NOAUTH HELLO must be called/);
    expect(await client.text('HELLO', '3', 'AUTH', 'default', 'wrong', 'SETNAME', 'x')).toBe(WRONG);
    expect(await client.text('GET', 'k')).toBe(NOAUTH);
    expect(await client.text('HELLO', '3', 'AUTH', 'default', PASSWORD, 'SETNAME', 'x')).toBe('%7');
  });

  test('is refused in the same words whatever is wrong, and no one who knows it loses by a mistake', async () => {
    const from = await guarded();
    const client = await from.client();
    const tries = [
      ['', ''],
      ['default', ''],
      ['nobody', PASSWORD],
      ['default', 'wrong'],
      ['DEFAULT', PASSWORD],
      ['__proto__', ''],
    ];
    for (const [user = '', password = ''] of tries) expect(await client.text('AUTH', user, password)).toBe(WRONG);
    expect(await client.text('AUTH', 'wrong')).toBe(WRONG);
    expect(await client.text('AUTH', 'a', 'b', 'c')).toBe('-ERR syntax error');
    const known = await admitted(from);
    expect(await known.text('AUTH', 'wrong')).toBe(WRONG);
    expect(await known.text('PING')).toBe('+PONG');
  });

  test('without one AUTH says so, and the user default is let in by any', async () => {
    rig = await Rig.start();
    const client = await rig.client();
    expect(await client.text('AUTH', 'x')).toMatch(/^-ERR AUTH <password> called without any password configured/);
    expect(await client.text('AUTH', 'default', 'x')).toBe('+OK');
    expect(await client.text('AUTH', 'other', 'x')).toBe(WRONG);
  });

  test('may be any bytes, and CONFIG SET gives and takes it while clients are there', async () => {
    rig = await Rig.start();
    const before = await rig.client();
    const binary = 'abc\x00def\xff\r\n';
    expect(await before.text('CONFIG', 'SET', 'requirepass', binary)).toBe('+OK');
    expect(await before.text('PING')).toBe('+PONG');
    const client = await rig.client();
    expect(await client.text('AUTH', 'abc')).toBe(WRONG);
    expect(await client.text('PING')).toBe(NOAUTH);
    expect(await before.text('CONFIG', 'SET', 'requirepass', '')).toBe('+OK');
    expect(await client.text('PING')).toBe('+PONG');
    expect(await before.text('CONFIG', 'SET', 'requirepass', binary)).toBe('+OK');
    const other = await rig.client();
    expect(await other.text('AUTH', binary)).toBe('+OK');
    expect(await before.text('CONFIG', 'SET', 'requirepass', 'x'.repeat(513))).toMatch(
      /a password has at most 512 bytes$/,
    );
  });

  test('is shown by nothing: CONFIG GET, MONITOR, SLOWLOG, CLIENT LIST, errors', async () => {
    const from = await guarded();
    const monitor = await admitted(from);
    const client = await admitted(from);
    expect(await client.text('CONFIG', 'SET', 'slowlog-log-slower-than', '0')).toBe('+OK');
    expect(await monitor.text('MONITOR')).toBe('+OK');
    const secrets = ['secret-one', 'secret-two', 'secret-three', 'secret-four', 'secret-five', PASSWORD];
    await client.text('AUTH', 'secret-one');
    await client.text('AUTH', 'default', 'secret-two', 'secret-three');
    await client.text('HELLO', '2', 'SETNAME', 'me', 'AUTH', 'secret-four', 'secret-two');
    await client.text('CONFIG', 'SET', 'maxclients', '100', 'RequirePass', 'secret-five');
    client.send(request('MULTI') + request('AUTH', 'secret-five') + request('EXEC'));
    await client.takeTo('*1\r\n+OK\r\n');
    expect(await client.text('CONFIG', 'SET', 'requirepass', '(hidden)')).toMatch(
      /what CONFIG GET shows in its place$/,
    );
    client.send(request('CONFIG', 'GET', 'requirepass') + request('ECHO', 'end of config'));
    expect(await client.takeTo('end of config\r\n')).toBe(
      '*2\r\n$11\r\nrequirepass\r\n$8\r\n(hidden)\r\n$13\r\nend of config\r\n',
    );
    client.send(
      request('SLOWLOG', 'GET', '-1') +
        request('CLIENT', 'LIST') +
        request('INFO', 'everything') +
        request('ECHO', 'the end'),
    );
    const shown = (await client.takeTo('the end\r\n')) + (await monitor.takeTo('"the end"\r\n'));
    expect(shown).toContain('"auth" "(redacted)"'.replace('auth', 'AUTH'));
    expect(shown).toContain('"HELLO" "2" "SETNAME" "me" "AUTH" "(redacted)" "(redacted)"');
    expect(shown).toContain('$11\r\nRequirePass\r\n$10\r\n(redacted)\r\n');
    for (const secret of secrets) expect(shown).not.toContain(secret);
  });
});

describe('guessing', () => {
  interface Rules {
    readonly guessers: string[];
    readonly attempt: (address: string, password: string, nowMs: number) => boolean;
  }

  function rules(digests: PasswordDigests = sha256Digests): Rules {
    const settings = new ServerSettings();
    settings.requirepass = PASSWORD;
    const authentication = new Authentication(settings, digests);
    const guessers: string[] = [];
    authentication.onGuessing = (network) => guessers.push(network);
    return {
      guessers,
      attempt: (address, password, nowMs) => {
        const visitor: Visitor = { connection: { address }, authenticated: false, unauthenticatedSinceMs: 0 };
        const isAdmitted = authentication.admit(visitor, 'default', latin1Range(password), nowMs);
        expect(visitor.authenticated).toBe(isAdmitted);
        return isAdmitted;
      },
    };
  }

  test('is slowed down by address: after some failures the right password is refused, too, for a growing time', () => {
    const { attempt, guessers } = rules();
    for (let i = 0; i <= AUTHENTICATION_FAILURES_FREE; i++) {
      expect(guessers).toEqual([]);
      expect(attempt('10.0.0.1:5', `guess ${i}`, 0)).toBe(false);
    }
    expect(guessers).toEqual(['10.0.0.1']);
    expect(attempt('10.0.0.1:6', PASSWORD, 99)).toBe(false);
    expect(attempt('10.0.0.2:6', PASSWORD, 99)).toBe(true);
    for (let further = 1; further <= 10; further++) {
      const { attempt: guess } = rules();
      const waitMs = Math.min(AUTHENTICATION_BACKOFF_MAX_MS, 100 * 2 ** (further - 1));
      // One guess after the other, each as soon as it is heard.
      let nowMs = 0;
      for (let i = 1; i <= AUTHENTICATION_FAILURES_FREE + further; i++) {
        guess('10.0.0.1:5', 'guess', nowMs);
        if (i < AUTHENTICATION_FAILURES_FREE + further) nowMs += AUTHENTICATION_BACKOFF_MAX_MS;
      }
      expect(guess('10.0.0.1:5', PASSWORD, nowMs + waitMs - 1)).toBe(false);
      expect(guess('10.0.0.1:5', PASSWORD, nowMs + waitMs)).toBe(true);
    }
  });

  test('is forgotten after a while, and remembered for a bounded number of addresses', () => {
    const { attempt } = rules();
    for (let i = 0; i < 100; i++) attempt('10.0.0.1:5', 'guess', 0);
    expect(attempt('10.0.0.1:5', PASSWORD, 50)).toBe(false);
    for (let i = 0; i < AUTHENTICATION_FAILURES_KEPT_MAX; i++) {
      attempt(`10.1.${Math.floor(i / 256)}.${i % 256}:5`, 'guess', 60);
    }
    expect(attempt('10.0.0.1:5', PASSWORD, 60)).toBe(true);
    const again = rules();
    for (let i = 0; i < AUTHENTICATION_FAILURES_FREE; i++) again.attempt('10.0.0.1:5', 'guess', 0);
    again.attempt('10.0.0.1:5', 'guess', AUTHENTICATION_FAILURES_KEPT_MS + 1);
    expect(again.guessers).toEqual([]);
  });

  test('costs the same for a wrong user: the password is digested and compared all the same', () => {
    const calls: string[] = [];
    const settings = new ServerSettings();
    settings.requirepass = PASSWORD;
    const authentication = new Authentication(settings, {
      digest: (bytes) => {
        calls.push(`digest ${bytes.length}`);
        return sha256Digests.digest(bytes);
      },
      equal: (left, right) => {
        calls.push('equal');
        return sha256Digests.equal(left, right);
      },
    });
    const visitor: Visitor = { connection: { address: 'x:1' }, authenticated: false, unauthenticatedSinceMs: 0 };
    for (const user of ['default', 'nobody']) {
      authentication.admit(visitor, user, latin1Range(PASSWORD), 0);
      calls.push(user);
    }
    expect(calls.slice(calls.indexOf('default') + 1)).toEqual([`digest ${PASSWORD.length}`, 'equal', 'nobody']);
  });

  test.each([
    ['192.0.2.7:6379', '192.0.2.7'],
    ['[::ffff:192.0.2.7]:6379', '192.0.2.7'],
    ['[2001:db8:1:2:3:4:5:6]:1', '2001:db8:1:2::/64'],
    ['[2001:db8::5:6]:1', '2001:db8:0:0::/64'],
    ['[fe80::1%eth0]:1', 'fe80:0:0:0::/64'],
    ['[::1]:1', '0:0:0:0::/64'],
  ])('%s is %s', (address, network) => {
    expect(networkOf(address)).toBe(network);
  });
});
