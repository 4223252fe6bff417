import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { request } from './raw-client.ts';
import { Rig } from './rig.ts';

let rig: Rig;
beforeAll(async () => {
  rig = await Rig.start();
});
afterAll(() => rig.stop());

describe('HELLO', () => {
  test('switches to RESP3 and back', async () => {
    const client = await rig.client();
    client.send(request('HELLO', '3', 'SETNAME', 'me') + request('GET', 'none') + request('CLIENT', 'GETNAME'));
    const hello = await client.takeTo('*0\r\n');
    expect(
      hello.startsWith('%7\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$6\r\n7.0.15\r\n$5\r\nproto\r\n:3\r\n'),
    ).toBe(true);
    expect(await client.take(3 + 8)).toBe('_\r\n$2\r\nme\r\n');
    client.send(request('HELLO', '2') + request('GET', 'none'));
    expect(await client.takeTo('*0\r\n')).toMatch(/^\*14\r\n/);
    expect(await client.take(5)).toBe('$-1\r\n');
  });

  test.each([
    [['HELLO', '4'], '-NOPROTO unsupported protocol version'],
    [['HELLO', 'x'], '-ERR Protocol version is not an integer or out of range'],
    [['HELLO', '2', 'FOO'], "-ERR Syntax error in HELLO option 'FOO'"],
    [['HELLO', '2', 'AUTH', 'bob', 'x'], '-WRONGPASS invalid username-password pair or user is disabled.'],
    [['AUTH', 'bob', 'x'], '-WRONGPASS invalid username-password pair or user is disabled.'],
    [['AUTH', 'default', 'x'], '+OK'],
    [['SELECT', '0'], '+OK'],
    [['SELECT', '1'], '-ERR DB index is out of range'],
    [['SELECT', 'a'], '-ERR value is not an integer or out of range'],
    [['SAVE'], '-ERR SAVE is not offered: the node writes to its own store all the time'],
    [['CLIENT', 'FOO'], "-ERR unknown subcommand 'FOO'. Try CLIENT HELP."],
    [['CLIENT'], "-ERR wrong number of arguments for 'client' command"],
    [['CLIENT', 'KILL'], "-ERR wrong number of arguments for 'client|kill' command"],
    [['get'], "-ERR wrong number of arguments for 'get' command"],
    [['fo\no', 'b\ra\tr'], "-ERR unknown command 'fo o', with args beginning with: 'b a\tr' "],
  ])('%j is answered %s', async (words, reply) => {
    const client = await rig.client();
    client.send(request(...words) + request('PING'));
    expect(await client.takeTo('+PONG\r\n')).toBe(`${reply}\r\n+PONG\r\n`);
  });

  test('a refused HELLO changes nothing', async () => {
    const client = await rig.client();
    client.send(request('HELLO', '3', 'SETNAME', 'a b') + request('GET', 'none') + request('CLIENT', 'GETNAME'));
    const error = '-ERR Client names cannot contain spaces, newlines or special characters.\r\n';
    expect(await client.take(error.length + 10)).toBe(`${error}$-1\r\n$-1\r\n`);
  });
});

test('RESET leaves MULTI, subscriptions, RESP3, MONITOR and the name behind', async () => {
  const client = await rig.client();
  client.send(request('HELLO', '3', 'SETNAME', 'x'));
  await client.takeTo('*0\r\n');
  client.send(request('SUBSCRIBE', 'a') + request('MULTI') + request('SET', 'k', 'v') + request('RESET'));
  expect(await client.takeTo('+RESET\r\n')).toBe(
    '>3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n+OK\r\n+QUEUED\r\n+RESET\r\n',
  );
  client.send(request('EXEC') + request('CLIENT', 'GETNAME') + request('PUBSUB', 'NUMSUB', 'a'));
  const expected = '-ERR EXEC without MULTI\r\n$-1\r\n*2\r\n$1\r\na\r\n:0\r\n';
  expect(await client.take(expected.length)).toBe(expected);
});

test('QUIT is answered, and nothing after it is run', async () => {
  const client = await rig.client();
  client.send(request('QUIT') + request('SET', 'after-quit', '1'));
  expect(await client.rest()).toBe('+OK\r\n');
  const other = await rig.client();
  expect(await other.text('EXISTS', 'after-quit')).toBe(':0');
});

describe('CLIENT', () => {
  test('LIST, INFO and ID tell of the connections', async () => {
    const client = await rig.client();
    const other = await rig.client();
    expect(await client.text('CLIENT', 'SETNAME', 'lister')).toBe('+OK');
    const id = (await client.text('CLIENT', 'ID')).slice(1);
    const info = await client.text('CLIENT', 'INFO');
    expect(info).toMatch(
      new RegExp(
        `^id=${id} addr=${client.address} laddr=127.0.0.1:${rig.port} fd=\\d+ name=lister age=\\d+ idle=0 flags=N db=0 `,
      ),
    );
    expect(info).toContain(' cmd=client|info ');
    const otherId = (await other.text('CLIENT', 'ID')).slice(1);
    const list = await client.text('CLIENT', 'LIST', 'ID', otherId, id);
    expect(list.split('\n').map((line) => line.split(' ')[0])).toEqual([`id=${otherId}`, `id=${id}`, '']);
    expect(await client.text('CLIENT', 'LIST', 'TYPE', 'pubsub')).toBe('');
  });

  test('KILL by id, by address and of itself', async () => {
    const client = await rig.client();
    const [a, b] = [await rig.client(), await rig.client()];
    const id = (await a.text('CLIENT', 'ID')).slice(1);
    await b.text('PING');
    expect(await client.text('CLIENT', 'KILL', 'ID', id)).toBe(':1');
    expect(await a.rest()).toBe('');
    expect(await client.text('CLIENT', 'KILL', b.address)).toBe('+OK');
    expect(await b.rest()).toBe('');
    expect(await client.text('CLIENT', 'KILL', '1.1.1.1:1')).toBe('-ERR No such client');
    expect(await client.text('CLIENT', 'KILL', 'ADDR', client.address)).toBe(':0');
    client.send(request('CLIENT', 'KILL', 'ADDR', client.address, 'SKIPME', 'no'));
    expect(await client.rest()).toBe(':1\r\n');
  });

  test('REPLY OFF and SKIP keep replies back, not what is pushed', async () => {
    const client = await rig.client();
    client.send(request('CLIENT', 'REPLY', 'SKIP') + request('SET', 'skipped', '1') + request('GET', 'skipped'));
    expect(await client.take(7)).toBe('$1\r\n1\r\n');
    client.send(request('CLIENT', 'REPLY', 'OFF') + request('PING') + request('NOPE') + request('SUBSCRIBE', 'loud'));
    expect(await client.takeTo(':1\r\n')).toBe('*3\r\n$9\r\nsubscribe\r\n$4\r\nloud\r\n:1\r\n');
    const other = await rig.client();
    expect(await other.text('PUBLISH', 'loud', 'm')).toBe(':1');
    expect(await client.takeTo('\r\nm\r\n')).toBe('*3\r\n$7\r\nmessage\r\n$4\r\nloud\r\n$1\r\nm\r\n');
    client.send(request('UNSUBSCRIBE') + request('PING') + request('CLIENT', 'REPLY', 'ON') + request('PING'));
    expect(await client.takeTo('+PONG\r\n')).toBe('*3\r\n$11\r\nunsubscribe\r\n$4\r\nloud\r\n:0\r\n+OK\r\n+PONG\r\n');
  });

  test('PAUSE WRITE lets writes wait and reads pass; UNPAUSE lets them on', async () => {
    const [admin, writer, reader] = [await rig.client(), await rig.client(), await rig.client()];
    expect(await admin.text('SET', 'paused', 'before')).toBe('+OK');
    expect(await admin.text('CLIENT', 'PAUSE', '600000', 'WRITE')).toBe('+OK');
    writer.send(request('GET', 'paused') + request('SET', 'paused', 'after') + request('GET', 'paused'));
    expect(await writer.take(12)).toBe('$6\r\nbefore\r\n');
    expect(await reader.text('GET', 'paused')).toBe('before');
    expect(writer.pending).toBe('');
    expect(await admin.text('CLIENT', 'UNPAUSE')).toBe('+OK');
    expect(await writer.take(5 + 11)).toBe('+OK\r\n$5\r\nafter\r\n');
  });

  test('PAUSE ALL ends by itself', async () => {
    const [admin, other] = [await rig.client(), await rig.client()];
    await other.text('PING');
    expect(await admin.text('CLIENT', 'PAUSE', '30')).toBe('+OK');
    expect(await other.text('ECHO', 'later')).toBe('later');
  });

  test('the names that libraries send are kept', async () => {
    const client = await rig.client();
    expect(await client.text('CLIENT', 'SETINFO', 'lib-name', 'mylib')).toBe('+OK');
    expect(await client.text('CLIENT', 'SETINFO', 'LIB-VER', '1.2')).toBe('+OK');
    expect(await client.text('CLIENT', 'INFO')).toContain(' lib-name=mylib lib-ver=1.2');
    expect(await client.text('CLIENT', 'SETINFO', 'lib-name', 'my lib')).toMatch(
      /^-ERR lib-name cannot contain spaces/,
    );
  });
});
