import { describe, expect, test, vi } from 'vitest';
import { latin1Range } from '../../src/base/bytes.ts';
import { isSystemKey, systemKey } from '../../src/base/system-keys.ts';
import { ActiveClasses } from '../../src/classes/active-classes.ts';
import { parseClasses } from '../../src/classes/read-classes.ts';
import { keyPositions } from '../../src/commands/command-facts.ts';
import { CommandIndex, type CommandEntry } from '../../src/commands/command-index.ts';
import { parseNotificationClasses } from '../../src/commands/notification-classes.ts';
import { commandTable } from '../../src/commands/table.ts';
import { startWithClasses } from '../classes/class-rig.ts';
import { StrongRegions } from '../support/strong-regions.ts';
import { ASIA, EAST, VirtualRegions, WEST } from '../support/virtual-regions.ts';
import { WordArgs } from '../support/word-args.ts';

const KEY = systemKey('test', 'a');
const INDEX = new CommandIndex(commandTable);
const REFUSED = "-ERR keys that begin with the bytes '\\0cw:' are Causeway's own";

const classesFrom = (text: string): ActiveClasses => new ActiveClasses({ policy: parseClasses(text, 'classes.yaml') });

/** A request that names the key at one of the places where its command has keys. */
function requestsNaming(entry: CommandEntry): string[][] {
  const { flags, fullName, spec } = entry;
  const name = fullName.split('|');
  const count = Math.abs(spec.arity) + (spec.arity < 0 ? 2 : 0);
  const words = [...name, ...Array.from({ length: count - name.length }, () => 'x')];
  if (flags.has('movablekeys')) words.splice(name.length, 2, '1', 'x');
  const places = keyPositions(entry, new WordArgs(words), 0) ?? [];
  return places.map((place) => words.map((word, at) => (at === place ? KEY : word)));
}

describe('C8: system keys', () => {
  test('are known by their first bytes', () => {
    expect([KEY, '\0cw:', '\0cw', '\0', '', 'cw:x', '\0dw:x'].map((key) => isSystemKey(latin1Range(key)))).toEqual([
      true,
      true,
      false,
      false,
      false,
      false,
      false,
    ]);
  });

  test('no command takes one at any place where it has keys', () => {
    const client = new VirtualRegions().connect(EAST);
    const all = [...INDEX].flatMap((entry) => (entry.subcommands === null ? [entry] : [...entry.subcommands]));
    const requests = all.flatMap((entry) => requestsNaming(entry));
    expect(requests.length).toBeGreaterThan(100);
    for (const words of requests) {
      client.begin(words);
      expect([words, client.answered()]).toEqual([words, REFUSED]);
    }
  });

  test('nor inside MULTI, in a run of plain requests, or where a quorum group would run it', () => {
    const regions = new StrongRegions();
    const client = regions.connect(EAST);
    client.run('SET plain 1');
    expect(client.run('MULTI')).toBe('+OK');
    expect(client.begin(['SET', KEY, 'v']).answered()).toBe(REFUSED);
    expect(client.run('EXEC')).toMatch(/^-EXECABORT /);
    expect(client.begin(['MGET', 'plain', KEY]).answered()).toBe(REFUSED);
    expect(client.begin(['CW.ONCE', 'id', '0', 'SET', KEY, 'v']).answered()).toMatch(/^-ERR .*not of a class/);
    expect(client.begin(['CW.IFVERSION', 'position:1', '0', 'SET', KEY, 'v']).answered()).toMatch(/^-ERR .*not of a/);
    expect(client.begin(['COPY', 'plain', KEY]).answered()).toBe(REFUSED);
  });

  test('are replicated, digested, stored and cleared by FLUSHALL like any other key', () => {
    const regions = new VirtualRegions();
    const [east, west] = [regions.node(EAST), regions.node(WEST)];
    regions.sync();
    const before = east.digest();
    east.set(KEY, 'v');
    regions.sync();
    expect(west.get(KEY)).toBe('v');
    expect(west.digest()).toBe(east.digest());
    expect(west.digest()).not.toBe(before);
    regions.restart(WEST);
    regions.sync();
    expect(west.get(KEY)).toBe('v');
    regions.restart(ASIA, { emptyDisk: true });
    regions.sync();
    expect(regions.node(ASIA).get(KEY)).toBe('v');
    expect(regions.connect(WEST).run('FLUSHALL')).toBe('+OK');
    regions.sync();
    expect(east.get(KEY)).toBeNull();
    expect(east.digest()).toBe(before);
  });

  test('are in no list, in no count and in no notification', () => {
    const regions = new VirtualRegions();
    const client = regions.connect(EAST);
    const { hub, settings } = client.server.state;
    const heard = vi.spyOn(hub, 'deliver');
    vi.spyOn(hub, 'idle', 'get').mockReturnValue(false);
    settings.notifyClasses = parseNotificationClasses('KEAmn') ?? 0;
    const untilMs = regions.node(EAST).now().wallMs + 5_000;
    regions.node(EAST).set(KEY, 'v', untilMs);
    regions.node(WEST).set(systemKey('test', 'b'), 'v', untilMs);
    regions.node(WEST).setAdd(systemKey('test', 'c'), 'v');
    regions.sync();
    for (const [request, reply] of [
      ['SCAN 0 COUNT 100', '["0" []]'],
      ['KEYS *', '[]'],
      ['DBSIZE', ':0'],
      ['RANDOMKEY', 'nil'],
    ] as const)
      expect([request, client.run(request)]).toEqual([request, reply]);
    expect(client.run('INFO keyspace')).not.toContain('db0');
    const { expiredKeys } = client.server.state.engine;
    regions.cluster.run(6_000);
    expect(regions.node(EAST).get(KEY)).toBeNull();
    expect(client.server.state.engine.expiredKeys).toBe(expiredKeys);
    expect(heard).not.toHaveBeenCalled();
    client.run('SET other v');
    expect(heard).toHaveBeenCalled();
    expect(client.run('DBSIZE')).toBe(':1');
    expect(client.run('RANDOMKEY')).toBe('"other"');
  });

  test.each([
    ['strong', '    home: us-east-1\n'],
    ['weak', ''],
  ])('are causal without a ttl also where "*" is %s', (consistency, more) => {
    const classes = classesFrom(`classes:\n  - match: ["*"]\n    consistency: ${consistency}\n    ttl: 1s\n${more}`);
    const key = latin1Range(KEY);
    expect(classes.policy.classOf(key)).toMatchObject({
      consistency: 'causal',
      ttlMs: null,
      conflict: { kind: 'lww' },
    });
    expect(classes.policy.classOf(latin1Range('\0cx'))).toMatchObject({ consistency });
    expect(classes.weakKeys()(key)).toBe(false);
    expect(classes.ownerOf(KEY)).toBeNull();
    classes.beginWrite(key);
    expect(classes.telemetry().map(({ writesTotal }) => writesTotal)).toEqual([0, 0]);
  });

  test('over RESP, and in the process of a node', async () => {
    const rig = await startWithClasses('classes: []\n');
    await rig.server.ready;
    const client = rig.client();
    await expect(client.set(KEY, 'v')).rejects.toThrow("are Causeway's own");
    await expect(client.mget('a', KEY)).rejects.toThrow("are Causeway's own");
    expect(() => rig.server.get(KEY)).toThrow("are Causeway's own");
    expect(await client.set('\0c', 'v')).toBe('OK');
  });
});
