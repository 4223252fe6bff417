import { describe, expect, test } from 'vitest';
import { StrongRegions } from '../support/strong-regions.ts';
import { ASIA, EAST, WEST } from '../support/virtual-regions.ts';

const COMMANDS = [
  'CW.VERSION position:1',
  'CW.IFVERSION position:1 0 SET position:1 1',
  'CW.ONCE a 1 SET position:1 1',
];

describe('CW.HOME', () => {
  test('says from every region where a strong key lives and who leads, and nothing of other keys', () => {
    const regions = new StrongRegions();
    for (const region of [EAST, WEST, ASIA]) {
      const client = regions.connect(region);
      expect(client.run('CW.HOME position:1')).toBe('["us-east-1" "us-east-1/a" "us-east-1/region"]');
      expect(client.run('CW.HOME plan:1')).toBe('["eu-west-1" "eu-west-1/a" "eu-west-1/region"]');
      expect(client.run('CW.HOME quote:1')).toBe('nil');
    }
  });

  test('names no leader where none is known', () => {
    const regions = new StrongRegions();
    const asia = regions.connect(ASIA);
    regions.isolate(ASIA);
    regions.cluster.run(5_000);
    expect(asia.run('CW.HOME position:1')).toBe('["us-east-1" nil "us-east-1/region"]');
  });
});

describe('CW.VERSION', () => {
  test('rises with every write, wherever it is made, and is 0 for what is not there', () => {
    const regions = new StrongRegions();
    const [east, asia] = [regions.connect(EAST), regions.connect(ASIA)];
    expect(asia.run('CW.VERSION position:1')).toBe(':0');
    asia.run('SET position:1 100');
    const first = Number(east.run('CW.VERSION position:1').slice(1));
    expect(first).toBeGreaterThan(0);
    east.run('SET position:2 7');
    expect(asia.run('CW.VERSION position:1')).toBe(`:${first}`);
    east.run('INCR position:1');
    expect(Number(asia.run('CW.VERSION position:1').slice(1))).toBeGreaterThan(first);
    east.run('DEL position:1');
    expect(asia.run('CW.VERSION position:1')).toBe(':0');
  });

  test('a write that changes nothing leaves it', () => {
    const regions = new StrongRegions();
    const east = regions.connect(EAST);
    east.run('SET position:1 100');
    const version = east.run('CW.VERSION position:1');
    expect(east.run('SET position:1 7 NX')).toBe('nil');
    expect(east.run('CW.VERSION position:1')).toBe(version);
  });
});

describe('commands on strong keys', () => {
  test('say of other keys that they are not strong', () => {
    const east = new StrongRegions().connect(EAST);
    const refusal = /^-ERR .*not of a class of consistency strong/;
    for (const command of COMMANDS.slice(1)) expect(east.run(command.replaceAll('position', 'quote'))).toMatch(refusal);
  });

  test('are refused inside MULTI', () => {
    const east = new StrongRegions().connect(EAST);
    for (const command of [...COMMANDS.slice(0, 2), 'CW.HOME position:1', 'CW.GET position:1', 'CW.FORWARD off']) {
      east.run('MULTI');
      expect(east.run(command)).toBe('-ERR Command not allowed inside a transaction');
      expect(east.run('EXEC')).toMatch(/^-EXECABORT /);
    }
  });

  test('end in NOQUORUM where the node is cut off', () => {
    const regions = new StrongRegions();
    const asia = regions.connect(ASIA);
    regions.isolate(ASIA);
    regions.cluster.run(5_000);
    for (const command of COMMANDS)
      expect(asia.run(command)).toMatch(/^-NOQUORUM no quorum of group us-east-1\/region answered within \d+ ms/);
  });
});

describe('CW.FORWARD', () => {
  test('off: a node that does not lead answers HOMEREGION, of every command on strong keys', () => {
    const regions = new StrongRegions();
    const [east, asia] = [regions.connect(EAST), regions.connect(ASIA)];
    for (const client of [east, asia]) expect(client.run('CW.FORWARD OFF')).toBe('+OK');
    expect(asia.run('CW.FORWARD')).toBe('"off"');
    for (const command of ['GET position:1', 'SET position:1 1', 'WATCH position:1', ...COMMANDS])
      expect(asia.run(command)).toBe(
        '-HOMEREGION us-east-1 is the home of us-east-1/region, its leader is us-east-1/a',
      );
    expect(east.run('SET position:1 1')).toBe('+OK');
    expect(asia.run('SET quote:1 1')).toBe('+OK');
    asia.run('CW.FORWARD ON');
    expect(asia.run('GET position:1')).toBe('"1"');
  });

  test('takes nothing else, and RESET ends it', () => {
    const east = new StrongRegions().connect(EAST);
    expect(east.run('CW.FORWARD maybe')).toBe('-ERR syntax error');
    expect(east.run('CW.FORWARD on off')).toBe('-ERR syntax error');
    east.run('CW.FORWARD off');
    east.run('RESET');
    expect(east.run('CW.FORWARD')).toBe('"on"');
  });
});

describe('CW.READ of a strong key', () => {
  test('gives the same version by the leader and from a copy, whatever was flushed meanwhile', () => {
    const regions = new StrongRegions();
    const [east, asia] = [regions.connect(EAST), regions.connect(ASIA)];
    east.run('SET position:1 100');
    const strong = asia.run('CW.READ position:1');
    expect(strong).toMatch(/^\[\["100" "\d+-\d+-\d+" :-1\]\]$/);
    asia.run('CW.LEVEL session');
    asia.run('FLUSHALL');
    expect(asia.run('CW.READ position:none')).toBe('[[nil "0" :-2]]');
    expect(asia.run('CW.READ quote:none')).not.toBe('[[nil "0" :-2]]');
    regions.sync();
    expect(asia.run('CW.READ position:1')).toBe(strong);
  });
});
