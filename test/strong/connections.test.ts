import { describe, expect, test } from 'vitest';
import { NAMES_BYTES_MAX, WATCHED_KEYS_MAX } from '../../src/base/client-limits.ts';
import { StrongRegions } from '../support/strong-regions.ts';
import { ASIA, EAST, WEST } from '../support/virtual-regions.ts';

/** A connection that waits for the home, which cannot answer. */
function waiting(line: string) {
  const regions = new StrongRegions();
  const asia = regions.connect(ASIA);
  asia.begin(line);
  regions.cluster.run(20);
  expect(asia.answer).toBeNull();
  return { regions, asia, operator: regions.connect(ASIA) };
}

describe('connections that wait for a group', () => {
  test.each(['TIMEOUT', 'ERROR'])(
    'CLIENT UNBLOCK %s answers a write UNCERTAIN at once, and nothing comes after it',
    (how) => {
      const { regions, asia, operator } = waiting('INCR position:n');
      expect(operator.run(`CLIENT UNBLOCK ${asia.session.id} ${how}`)).toBe(':1');
      expect(asia.answer).toMatch(/^-UNCERTAIN .*CLIENT UNBLOCK/);
      // the answer to what was asked first must not be taken for that of the second
      asia.begin('INCR position:n');
      expect(operator.run(`CLIENT UNBLOCK ${operator.session.id} ${how}`)).toBe(':0');
      expect(asia.answered()).toBe(':2');
      expect(asia.run('GET position:n')).toBe('"2"');
      regions.sync();
    },
  );

  test('CLIENT UNBLOCK of a read says so', () => {
    const { asia, operator } = waiting('GET position:n');
    operator.run(`CLIENT UNBLOCK ${asia.session.id}`);
    expect(asia.answer).toMatch(/^-UNBLOCKED /);
    expect(asia.run('GET position:n')).toBe('nil');
  });

  test('one that is gone by then is told nothing, and its write may have happened', () => {
    const { regions, asia, operator } = waiting('INCR position:n');
    const { state } = asia.server;
    state.leave(asia.session);
    state.clients.close(asia.session);
    regions.cluster.run(1_000);
    asia.server.turn();
    expect(asia.answer).toBeNull();
    expect(operator.run('GET position:n')).toBe('"1"');
  });

  test('CLIENT REPLY as it was when the request came: OFF and SKIP say nothing though the answer is later', () => {
    const regions = new StrongRegions();
    const asia = regions.connect(ASIA);
    /** Whether what was replied is taken back. */
    const isSilent = (line: string): boolean => {
      asia.begin(line);
      const { reply } = asia.session.connection;
      let isTakenBack = false;
      reply.truncate = () => {
        isTakenBack = true;
      };
      asia.answered();
      return isTakenBack;
    };
    expect(asia.session.replyMode).toBe('on');
    asia.session.replyMode = 'off';
    expect(isSilent('INCR position:n')).toBe(true);
    asia.session.replyMode = 'skip';
    expect(isSilent('INCR position:n')).toBe(true);
    expect(asia.session.replyMode).toBe('on');
    expect(isSilent('INCR position:n')).toBe(false);
    expect(asia.run('GET position:n')).toBe('"3"');
  });

  test('a node that is starting answers LOADING to strong requests as to others: nothing happened', () => {
    const regions = new StrongRegions();
    const { cluster } = regions;
    const node = regions.node(ASIA);
    cluster.kill(node);
    cluster.restart(node);
    expect(regions.connect(ASIA).run('INCR position:n')).toMatch(/^-LOADING/);
    regions.ready();
    expect(regions.connect(ASIA).run('INCR position:n')).toBe(':1');
  });

  test('no more strong keys are watched than others', () => {
    const asia = new StrongRegions().connect(ASIA);
    const watch = (from: number): string =>
      asia.run(
        `WATCH ${Array.from({ length: WATCHED_KEYS_MAX / 2 + 1 }, (_, at) => `position:${from + at}`).join(' ')}`,
      );
    expect(watch(0)).toBe('+OK');
    expect(watch(WATCHED_KEYS_MAX)).toMatch(/^-ERR .*watched-keys-max/);
    expect(asia.session.strongWatches.size).toBe(WATCHED_KEYS_MAX / 2 + 1);
  });

  test('no strong keys are watched whose names are too long together', () => {
    const asia = new StrongRegions().connect(ASIA);
    const watch = (at: number): string => asia.run(`WATCH ${`position:${at}`.padEnd(500_000, 'x')}`);
    const most = Math.floor(NAMES_BYTES_MAX / 500_000);
    for (let at = 0; at < most; at++) expect(watch(at)).toBe('+OK');
    expect(watch(most)).toMatch(/^-ERR .*names-bytes-max 67108864/);
    expect(asia.session.strongWatches.size).toBe(most);
    expect(asia.run('UNWATCH')).toBe('+OK');
    expect(watch(most)).toBe('+OK');
  });

  test('a request that is larger than an entry may be is refused, and the group goes on', () => {
    const regions = new StrongRegions({ raftLimits: { entryBytesMax: 2_000 } });
    const asia = regions.connect(ASIA);
    expect(asia.run(`SET position:1 ${'x'.repeat(4_000)}`)).toMatch(/^-LIMIT .*entry-bytes-max/);
    expect(asia.run(`SET position:1 ${'x'.repeat(500)}`)).toBe('+OK');
  });

  test('it is not sent to the leader: it could cut the connection on which the groups speak', () => {
    const regions = new StrongRegions({ raftLimits: { entryBytesMax: 2_000 } });
    const asia = regions.connect(ASIA);
    const { timeMs } = regions.cluster;
    const long = 'x'.repeat(2_000);
    for (const line of [`SET position:1 ${long}`, `GET position:${long}`, `WATCH position:${long}`])
      expect(asia.run(line)).toMatch(/^-LIMIT .*entry-bytes-max/);
    asia.run('MULTI');
    for (let at = 0; at < 200; at++) asia.run('INCR position:n');
    expect(asia.run('EXEC')).toMatch(/^-LIMIT .*entry-bytes-max/);
    expect(regions.cluster.timeMs).toBe(timeMs);
    expect(asia.run('GET position:n')).toBe('nil');
  });
});

describe('strong keys beside commands on all keys', () => {
  test('FLUSHALL leaves them, on copies too, in whatever order it comes, and after a gap', () => {
    const regions = new StrongRegions({ raftLimits: { slackBytesMax: 1, snapshotChunkBytes: 200 } });
    const { cluster } = regions;
    const [east, asia] = [regions.connect(EAST), regions.connect(ASIA)];
    east.run('SET position:1 v');
    east.run('SET note:1 v');
    regions.sync();
    asia.run('FLUSHALL');
    regions.sync();
    regions.isolate(ASIA);
    asia.run('FLUSHALL');
    for (let at = 0; at < 10; at++) east.run(`SET position:${at} w`);
    east.run('DEL position:2');
    cluster.run(5_000);
    regions.sync();
    for (const region of [EAST, WEST, ASIA]) {
      const node = regions.node(region);
      expect([node.get('note:1'), node.get('position:1'), node.get('position:2'), node.get('position:9')]).toEqual([
        null,
        'w',
        null,
        'w',
      ]);
    }
    expect(asia.run('GET position:1')).toBe('"w"');
    expect(asia.run('DBSIZE')).toBe(':9');
    expect(asia.run('SCAN 0 COUNT 100 MATCH position:*')).toContain('"position:9"');
  });

  test('RENAME, COPY and sets between keys of one group are one entry; across groups they are refused', () => {
    const regions = new StrongRegions();
    const asia = regions.connect(ASIA);
    asia.run('SADD position:a 1 2 3');
    expect(asia.run('COPY position:a risk:b')).toBe(':1');
    expect(asia.run('RENAME risk:b position:c')).toBe('+OK');
    expect(asia.run('SPOP position:c 2')).toMatch(/^\[/);
    expect(asia.run('SDIFFSTORE position:d position:a position:c')).toBe(':2');
    expect(asia.run('RENAME position:a plan:a')).toMatch(/^-CROSSCLASS/);
    expect(asia.run('COPY position:a note:a')).toMatch(/^-CROSSCLASS/);
    regions.sync();
  });

  test('documents: edits, copies and generations are the same everywhere', () => {
    const regions = new StrongRegions();
    const clients = [EAST, WEST, ASIA].map((region) => regions.connect(region));
    clients[0]?.run('JSON.SET position:doc $ "{\\"n\\":0,\\"list\\":[]}"');
    for (let at = 0; at < 30; at++) {
      const client = clients[at % 3];
      client?.run('JSON.NUMINCRBY position:doc $.n 1');
      client?.run(`JSON.ARRAPPEND position:doc $.list ${at}`);
    }
    clients[1]?.run('COPY position:doc position:copy');
    regions.cluster.run(3_000);
    regions.sync();
    for (const client of clients) {
      expect(client.run('JSON.GET position:copy $.n')).toBe('"[30]"');
      client.run('CW.LEVEL causal');
      expect(client.run('JSON.GET position:doc $.n')).toBe('"[30]"');
    }
  });

  test('MULTI on a connection of level session still runs in the log', () => {
    const regions = new StrongRegions();
    const asia = regions.connect(ASIA);
    asia.run('CW.LEVEL session');
    asia.run('MULTI');
    asia.run('GET position:n');
    asia.run('INCR position:n');
    expect(asia.run('EXEC')).toBe('[nil :1]');
    expect(asia.run('GET position:n')).toBe('"1"');
  });
});
