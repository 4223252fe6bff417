import { describe, expect, test } from 'vitest';
import { StrongRegions } from '../support/strong-regions.ts';
import { ASIA, EAST, WEST } from '../support/virtual-regions.ts';

const versionOf = (text: string): number => Number(text.slice(1));

describe('CW.IFVERSION', () => {
  test('runs what it names while the version is that, and nothing else', () => {
    const regions = new StrongRegions();
    const [east, asia] = [regions.connect(EAST), regions.connect(ASIA)];
    expect(asia.run('CW.IFVERSION position:1 0 SET position:1 100')).toBe('+OK');
    expect(asia.run('CW.IFVERSION position:1 0 SET position:1 200')).toBe('nil');
    const version = versionOf(asia.run('CW.VERSION position:1'));
    expect(east.run(`CW.IFVERSION position:1 ${version} INCRBY position:1 5`)).toBe(':105');
    expect(asia.run(`CW.IFVERSION position:1 ${version} INCRBY position:1 5`)).toBe('nil');
    expect(asia.run('GET position:1')).toBe('"105"');
  });

  test('fences: who lost the lock no longer writes what the lock guards', () => {
    const regions = new StrongRegions();
    const [east, west] = [regions.connect(EAST), regions.connect(WEST)];
    east.run('SET position:lock east');
    const token = versionOf(east.run('CW.VERSION position:lock'));
    west.run('SET position:lock west');
    expect(east.run(`CW.IFVERSION position:lock ${token} SET risk:limit 9`)).toBe('nil');
    const newer = versionOf(west.run('CW.VERSION position:lock'));
    expect(west.run(`CW.IFVERSION position:lock ${newer} SET risk:limit 7`)).toBe('+OK');
    expect(east.run('GET risk:limit')).toBe('"7"');
  });

  test('a read is run as well, and an error of the command is its answer', () => {
    const east = new StrongRegions().connect(EAST);
    east.run('SET position:1 a');
    const version = versionOf(east.run('CW.VERSION position:1'));
    expect(east.run(`CW.IFVERSION position:1 ${version} GET position:1`)).toBe('"a"');
    expect(east.run(`CW.IFVERSION position:1 ${version} INCR position:1`)).toMatch(/^-ERR value is not an integer/);
  });

  test('is CROSSCLASS where key and command are of two groups', () => {
    const east = new StrongRegions().connect(EAST);
    expect(east.run('CW.IFVERSION position:1 0 SET plan:1 1')).toMatch(/^-CROSSCLASS .*us-east-1.*eu-west-1/);
    expect(east.run('CW.IFVERSION position:1 0 SET quote:1 1')).toMatch(/^-ERR .*not of a class/);
    expect(east.run('CW.IFVERSION position:1 x SET position:1 1')).toMatch(/^-ERR version is not an integer/);
  });
});

describe('CW.CAS', () => {
  test('replaces the expected value and keeps the expiry', () => {
    const regions = new StrongRegions();
    const [east, asia] = [regions.connect(EAST), regions.connect(ASIA)];
    expect(east.run('CW.CAS position:1 a b')).toBe(':0');
    east.run('SET position:1 a EX 100');
    expect(asia.run('CW.CAS position:1 x b')).toBe(':0');
    expect(asia.run('CW.CAS position:1 a b')).toBe(':1');
    expect(east.run('GET position:1')).toBe('"b"');
    expect(Number(east.run('TTL position:1').slice(1))).toBeGreaterThan(90);
    east.run('HSET position:2 f v');
    expect(east.run('CW.CAS position:2 a b')).toMatch(/^-WRONGTYPE /);
  });

  test('of two regions that race one wins', () => {
    const regions = new StrongRegions();
    const [east, asia] = [regions.connect(EAST), regions.connect(ASIA)];
    east.run('SET position:1 free');
    const answers = [asia.begin('CW.CAS position:1 free asia'), east.begin('CW.CAS position:1 free east')];
    expect(answers.map((client) => client.answered()).toSorted()).toEqual([':0', ':1']);
  });

  test('works inside MULTI, and not on other keys', () => {
    const east = new StrongRegions().connect(EAST);
    east.run('SET position:1 a');
    east.run('MULTI');
    east.run('CW.CAS position:1 a b');
    east.run('GET position:1');
    expect(east.run('EXEC')).toBe('[:1 "b"]');
    east.run('SET quote:1 a');
    expect(east.run('CW.CAS quote:1 a b')).toMatch(/^-ERR CW.CAS is for strong keys/);
    expect(east.run('GET quote:1')).toBe('"a"');
  });
});
