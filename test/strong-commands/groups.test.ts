import { describe, expect, test } from 'vitest';
import type { GroupStatus } from '../../src/commands/strong-view.ts';
import { StrongRegions, type StrongRegionsOptions } from '../support/strong-regions.ts';
import { ASIA, EAST, WEST } from '../support/virtual-regions.ts';

const GROUP = 'us-east-1/region';

function statusAt(regions: StrongRegions, region: string, group = GROUP): GroupStatus {
  const status = regions
    .node(region)
    .core.strong.groups()
    .find(({ name }) => name === group);
  if (status === undefined) throw new Error(`no group ${group}`);
  return status;
}

function votersAt(regions: StrongRegions, region: string): string[] {
  return statusAt(regions, region)
    .members.filter(({ isVoter }) => isVoter)
    .map(({ id }) => id);
}

const twoANode = (options: StrongRegionsOptions = {}): StrongRegions =>
  new StrongRegions({ nodesPerRegion: 2, ...options });

describe('CW.GROUPS', () => {
  test('is a map a group, with its members as the leader knows them', () => {
    const regions = new StrongRegions();
    regions.connect(ASIA).run('SET position:1 1');
    regions.sync();
    const text = regions.connect(EAST).run('CW.GROUPS');
    expect(text).toMatch(
      /^\[%\{"name" "us-east-1\/region" "home" "us-east-1" "survive" "region" "role" "leader" "term" :\d+ "leader" "us-east-1\/a" "commit" :\d+ "applied" :\d+ "visible" :\d+ "last-index" :\d+ "lease" :1 "abstains" :0 "age-ms" :\d+ "leaderless-ms" :0 "rules-index" :0 "rules-version" :0 "rules-own" :1 "members" \[/,
    );
    expect(text).toContain('%{"id" "eu-west-1/a" "role" "voter" "matched" :');
    const { commit, applied, visible, lastIndex } = statusAt(regions, ASIA);
    expect([applied, visible, lastIndex]).toEqual([commit, commit, commit]);
    expect(regions.connect(ASIA).run('CW.GROUPS')).toContain('"matched" nil "lag" nil "silent-ms" nil');
  });

  test('says since when no leader is known', () => {
    const regions = new StrongRegions();
    regions.isolate(ASIA);
    regions.cluster.run(10_000);
    expect(statusAt(regions, ASIA).leader).toBeNull();
    expect(statusAt(regions, ASIA).leaderlessMs).toBeGreaterThan(5_000);
    expect(statusAt(regions, EAST).leaderlessMs).toBe(0);
    regions.sync();
    expect(statusAt(regions, ASIA).leaderlessMs).toBe(0);
  });
});

describe('CW.GROUP TRANSFER', () => {
  test('hands leadership over from any node, and it stays there', () => {
    const regions = new StrongRegions();
    const asia = regions.connect(ASIA);
    expect(asia.run(`CW.GROUP TRANSFER ${GROUP} eu-west-1/a`)).toBe('+OK');
    expect(statusAt(regions, WEST).role).toBe('leader');
    regions.cluster.run(60_000);
    expect(statusAt(regions, WEST).role).toBe('leader');
    expect(asia.run('SET position:1 1')).toBe('+OK');
    expect(asia.run(`CW.GROUP TRANSFER ${GROUP} us-east-1/a`)).toBe('+OK');
    expect(statusAt(regions, EAST).role).toBe('leader');
  });

  test('goes back home by itself after ten minutes', () => {
    const regions = new StrongRegions();
    regions.connect(WEST).run(`CW.GROUP TRANSFER ${GROUP} eu-west-1/a`);
    regions.cluster.run(590_000);
    expect(statusAt(regions, WEST).role).toBe('leader');
    regions.cluster.run(15_000);
    expect(statusAt(regions, EAST).role).toBe('leader');
  });

  test('writes meanwhile all happen once', () => {
    const regions = new StrongRegions();
    const [east, asia] = [regions.connect(EAST), regions.connect(ASIA)];
    for (let round = 0; round < 5; round++) {
      east.begin(`CW.GROUP TRANSFER ${GROUP} ${round % 2 === 0 ? 'eu-west-1/a' : 'us-east-1/a'}`);
      for (let write = 1; write <= 4; write++) expect(asia.run('INCR position:1')).toBe(`:${round * 4 + write}`);
      expect(east.answered()).toBe('+OK');
    }
  });

  test('to the node that leads is done; to a learner, a stranger or one that is not heard is refused with the reason', () => {
    const regions = twoANode();
    const east = regions.connect('us-east-1/a');
    expect(east.run(`CW.GROUP TRANSFER ${GROUP} us-east-1/a`)).toBe('+OK');
    expect(east.run(`CW.GROUP TRANSFER ${GROUP} us-east-1/b`)).toBe('-ERR us-east-1/b is no voter of the group');
    expect(east.run(`CW.GROUP TRANSFER ${GROUP} mars/a`)).toMatch(/^-ERR unknown node; there are .*us-east-1\/b/);
    expect(east.run('CW.GROUP TRANSFER mars/region us-east-1/a')).toMatch(/^-ERR unknown group; there are us-east-1/);
    regions.cluster.kill(regions.node('eu-west-1/a'));
    regions.cluster.run(3_000);
    expect(east.run(`CW.GROUP TRANSFER ${GROUP} eu-west-1/a`)).toBe('-BEHIND eu-west-1/a is not heard by the leader');
  });

  test('is UNCERTAIN where no leader can be asked', () => {
    const regions = new StrongRegions();
    const asia = regions.connect(ASIA);
    regions.isolate(ASIA);
    regions.cluster.run(3_000);
    expect(asia.run(`CW.GROUP TRANSFER ${GROUP} eu-west-1/a`)).toMatch(
      /^-UNCERTAIN no quorum of group us-east-1\/region/,
    );
  });
});

describe('CW.GROUP ADD and REMOVE', () => {
  test('make a learner a voter and back, asked at any node', () => {
    const regions = twoANode();
    const asia = regions.connect('ap-southeast-1/b');
    expect(votersAt(regions, 'us-east-1/a')).toEqual(['us-east-1/a', 'eu-west-1/a', 'ap-southeast-1/a']);
    expect(asia.run(`CW.GROUP ADD ${GROUP} us-east-1/b`)).toBe('+OK');
    expect(votersAt(regions, 'us-east-1/a')).toContain('us-east-1/b');
    expect(asia.run(`CW.GROUP ADD ${GROUP} us-east-1/b VOTER`)).toBe('+OK');
    expect(asia.run(`CW.GROUP ADD ${GROUP} ap-southeast-1/a LEARNER`)).toBe('+OK');
    expect(votersAt(regions, 'us-east-1/a')).toEqual(['us-east-1/a', 'us-east-1/b', 'eu-west-1/a']);
    expect(asia.run('SET position:1 1')).toBe('+OK');
  });

  test('the leader makes itself a learner: another one leads', () => {
    const regions = twoANode();
    const west = regions.connect('eu-west-1/a');
    expect(west.run(`CW.GROUP ADD ${GROUP} us-east-1/a LEARNER`)).toBe('+OK');
    const { timeMs } = regions.cluster;
    expect(west.run('SET position:1 1')).toBe('+OK');
    // handed over, not elected
    expect(regions.cluster.timeMs - timeMs).toBeLessThan(500);
    expect(statusAt(regions, 'us-east-1/a').role).toBe('learner');
    expect(statusAt(regions, 'eu-west-1/a').leader).not.toBe('us-east-1/a');
  });

  test('leadership goes home to whoever votes there', () => {
    const regions = twoANode();
    const asia = regions.connect('ap-southeast-1/b');
    asia.run(`CW.GROUP ADD ${GROUP} us-east-1/b VOTER`);
    asia.run(`CW.GROUP ADD ${GROUP} us-east-1/a LEARNER`);
    regions.cluster.run(10_000);
    expect(statusAt(regions, 'us-east-1/b').role).toBe('leader');
  });

  test('REMOVE takes a node out that is gone; one that runs only with FORCE', () => {
    const regions = new StrongRegions();
    const east = regions.connect(EAST);
    expect(east.run(`CW.GROUP REMOVE ${GROUP} ap-southeast-1/a`)).toMatch(/^-ERR ap-southeast-1\/a runs: /);
    regions.cluster.kill(regions.node(ASIA));
    regions.cluster.run(3_000);
    expect(east.run(`CW.GROUP REMOVE ${GROUP} ap-southeast-1/a`)).toBe('+OK');
    expect(east.run(`CW.GROUP REMOVE ${GROUP} ap-southeast-1/a`)).toBe('+OK');
    expect(votersAt(regions, EAST)).toEqual(['us-east-1/a', 'eu-west-1/a']);
    expect(east.run(`CW.GROUP ADD ${GROUP} ap-southeast-1/a VOTER`)).toMatch(/^-ERR .*add it as a learner first/);
    expect(east.run(`CW.GROUP ADD ${GROUP} ap-southeast-1/a LEARNER`)).toBe('+OK');
    expect(east.run(`CW.GROUP ADD ${GROUP} ap-southeast-1/a VOTER`)).toMatch(/^-BEHIND .*not caught up/);
    regions.cluster.restart(regions.node(ASIA));
    regions.cluster.run(5_000);
    expect(east.run(`CW.GROUP ADD ${GROUP} ap-southeast-1/a VOTER`)).toBe('+OK');
    expect(east.run(`CW.GROUP REMOVE ${GROUP} eu-west-1/a FORCE`)).toBe('+OK');
    expect(votersAt(regions, EAST)).toEqual(['us-east-1/a', 'ap-southeast-1/a']);
  });

  test('the last voter stays', () => {
    const regions = twoANode();
    const east = regions.connect('us-east-1/a');
    for (const node of ['ap-southeast-1/a', 'eu-west-1/a'])
      expect(east.run(`CW.GROUP ADD ${GROUP} ${node} LEARNER`)).toBe('+OK');
    expect(east.run(`CW.GROUP ADD ${GROUP} us-east-1/a LEARNER`)).toMatch(/^-ERR a group keeps at least one voter/);
    expect(east.run('SET position:1 1')).toBe('+OK');
  });

  test('take nothing else', () => {
    const east = new StrongRegions().connect(EAST);
    expect(east.run(`CW.GROUP ADD ${GROUP} eu-west-1/a KING`)).toBe('-ERR syntax error');
    expect(east.run(`CW.GROUP REMOVE ${GROUP} eu-west-1/a NOW`)).toBe('-ERR syntax error');
    expect(east.run('CW.GROUP HELP')).toContain('TRANSFER');
    expect(east.run('CW.GROUP')).toMatch(/wrong number of arguments/);
  });
});
