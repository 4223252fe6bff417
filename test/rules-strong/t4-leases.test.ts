import { ActiveClasses } from '../../src/classes/active-classes.ts';
import { parseClasses } from '../../src/classes/read-classes.ts';
import { describe, expect, test } from 'vitest';
import { electionDraw } from '../../src/groups/group-plan.ts';
import { StrongRegions } from '../support/strong-regions.ts';
import { ASIA, EAST, WEST } from '../support/virtual-regions.ts';

const GROUP = 'us-east-1/region';

function statusOf(regions: StrongRegions, region: string) {
  const status = regions
    .node(region)
    .core.strong.groups()
    .find(({ name }) => name === GROUP);
  if (status === undefined) throw new Error(`${region} has no group`);
  return status;
}

function others(regions: StrongRegions): boolean {
  return statusOf(regions, WEST).role === 'leader' || statusOf(regions, ASIA).role === 'leader';
}

describe('T4: leases', () => {
  test('the home answers a read under its lease at once', () => {
    const regions = new StrongRegions();
    const east = regions.connect(EAST);
    east.run('SET position:1 v');
    const beganMs = regions.cluster.timeMs;
    expect(east.run('GET position:1')).toBe('"v"');
    expect(regions.cluster.timeMs - beganMs).toBeLessThan(10);
  });

  test('a leader that is cut off answers nothing old once another may lead, and its clients are told within their time', () => {
    const regions = new StrongRegions();
    const { cluster } = regions;
    const [east, west] = [regions.connect(EAST), regions.connect(WEST)];
    east.run('SET position:1 old');
    regions.isolate(EAST);
    let wrote = false;
    west.begin('SET position:1 new');
    let readsOld = 0;
    for (let turn = 0; turn < 1_500; turn++) {
      if (west.answer === '+OK') wrote = true;
      east.begin('GET position:1');
      for (let ms = 0; ms < 10_000 && east.answer === null; ms += 5) {
        cluster.run(5);
        east.server.turn();
        west.server.turn();
        // an answer that came is of a time when nothing newer was acknowledged
        if (west.answer === '+OK') wrote = true;
      }
      const answer = east.answer;
      if (answer === '"old"') {
        readsOld++;
        expect(wrote).toBe(false);
      } else {
        expect(answer).toMatch(/^-NOQUORUM /);
        break;
      }
      cluster.run(5);
    }
    expect(readsOld).toBeGreaterThan(0);
    west.answered();
    expect(west.run('GET position:1')).toBe('"new"');
    cluster.healAll();
    regions.led();
    expect(east.run('GET position:1')).toBe('"new"');
  });

  test('a leader that stood still does not trust the lease that it had', () => {
    const regions = new StrongRegions();
    const { cluster } = regions;
    const [east, west] = [regions.connect(EAST), regions.connect(WEST)];
    east.run('SET position:1 old');
    const node = regions.node(EAST);
    cluster.pause(node);
    let reply = '';
    while (reply !== '+OK') reply = west.run('SET position:1 new');
    expect(others(regions)).toBe(true);
    // asked before anything that came meanwhile is heard
    const held = node.waiting.splice(0);
    cluster.resume(node);
    east.begin('GET position:1');
    expect(east.answer).toBeNull();
    node.waiting.push(...held);
    cluster.resume(node);
    expect(east.answered()).toBe('"new"');
  });

  test('the age of a copy that is cut off grows, and MAXSTALE does not take it', () => {
    const regions = new StrongRegions();
    const asia = regions.connect(ASIA);
    regions.connect(EAST).run('SET position:1 v');
    regions.sync();
    expect(asia.run('CW.GET position:1 MAXSTALE 1000')).toMatch(/^\["v" :\d+ "ap-southeast-1\/a"\]$/);
    regions.isolate(ASIA);
    regions.cluster.run(1_500);
    expect(asia.run('CW.GET position:1 MAXSTALE 1000')).toMatch(/^-NOQUORUM /);
    const [, age] = /^\["v" :(\d+) /.exec(asia.run('CW.GET position:1 LEVEL causal')) ?? [];
    expect(Number(age)).toBeGreaterThan(1_500);
  });

  test('a planned transfer serves reads without a stale one, and writes without a failed one', () => {
    const regions = new StrongRegions();
    const { cluster } = regions;
    const [east, asia, operator] = [regions.connect(EAST), regions.connect(ASIA), regions.connect(WEST)];
    operator.begin(`CW.GROUP TRANSFER ${GROUP} ${WEST}/a`);
    let written = 0;
    for (let round = 0; round < 30; round++) {
      expect(asia.run(`SET position:1 ${++written}`)).toBe('+OK');
      operator.server.turn();
      expect(east.run('GET position:1')).toBe(`"${written}"`);
      cluster.run(5);
    }
    expect(operator.answered()).toBe('+OK');
    expect(statusOf(regions, WEST).role).toBe('leader');
  });

  test('voters ask to be elected in parts of the spread of their own: two regions do not split the votes', () => {
    const regions = new StrongRegions();
    const [plan] = regions.strong.plans;
    if (plan === undefined) throw new Error('no plan');
    const draws = plan.voters.map((node) => [0, 0.999].map((unit) => electionDraw(plan, plan.voters, node, unit)));
    for (const [at, [, last = 1]] of draws.entries()) {
      expect(last).toBeLessThan(1);
      for (const [first = 0] of draws.slice(at + 1)) expect(first - last).toBeGreaterThan(0.25);
    }
    // the home is the first
    expect(electionDraw(plan, plan.voters.toReversed(), regions.node(EAST).member.nodeNumber, 0)).toBe(0);
    // who is no voter any more draws from all of it
    expect(electionDraw(plan, [], plan.voters[0] ?? 0, 0.7)).toBe(0.7);
  });

  describe('a home that is lost', () => {
    /** At home in Singapore: Ireland is nearer than Virginia, and has the higher number of both. */
    const atAsia = (seed: number): StrongRegions =>
      new StrongRegions({
        seed,
        homes: [ASIA],
        classes: new ActiveClasses({
          policy: parseClasses(`classes: [{ match: ['position:*'], consistency: strong, home: ${ASIA} }]`, 'f.yaml'),
        }),
      });
    const leaderAt = (regions: StrongRegions, region: string): string | null =>
      regions.node(region).core.strong.groups()[0]?.leader ?? null;

    test.each([1, 2, 3])('is followed by the nearest region that is up to date, seed %i', (seed) => {
      const regions = atAsia(seed);
      expect(regions.connect(EAST).run('SET position:1 v')).toBe('+OK');
      regions.cluster.run(seed * 70);
      regions.cluster.kill(regions.node(ASIA));
      expect(regions.cluster.runUntil(() => leaderAt(regions, EAST)?.startsWith(ASIA) === false, 5_000)).toBe(true);
      expect(regions.cluster.runUntil(() => leaderAt(regions, EAST) !== null, 5_000)).toBe(true);
      expect(leaderAt(regions, EAST)).toBe(`${WEST}/a`);
    });

    test('is followed by another one that alone has all, which hands on to the nearest once that has it too', () => {
      const regions = atAsia(1);
      const { cluster } = regions;
      const client = regions.connect(EAST);
      regions.isolate(WEST);
      for (let at = 0; at < 5; at++) expect(client.run(`SET position:${at} v`)).toBe('+OK');
      cluster.kill(regions.node(ASIA));
      cluster.healAll();
      const ledBy = (region: string): boolean => [EAST, WEST].every((at) => leaderAt(regions, at) === `${region}/a`);
      expect(cluster.runUntil(() => ledBy(EAST), 10_000)).toBe(true);
      expect(cluster.runUntil(() => ledBy(WEST), 10_000)).toBe(true);
      // and stays there
      cluster.run(5_000);
      expect(ledBy(WEST)).toBe(true);
      expect(client.run('SET position:1 w')).toBe('+OK');
      cluster.restart(regions.node(ASIA));
      expect(cluster.runUntil(() => ledBy(ASIA), 20_000)).toBe(true);
    });
  });
});
