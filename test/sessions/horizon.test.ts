import { describe, expect, test } from 'vitest';
import { REPLICATION_LIMITS } from '../../src/causal/limits.ts';
import { Replica } from '../../src/causal/replica.ts';
import { SessionHorizon } from '../../src/causal/session-horizon.ts';
import { TOKEN_DOTS_MAX } from '../../src/causal/session-token.ts';
import { nodeNumber, originOf, type Origin } from '../../src/clock/origin.ts';
import { HybridClock, type Stamp } from '../../src/clock/stamp.ts';
import { VersionVector } from '../../src/clock/version-vector.ts';
import { tokenCodec } from '../../src/wire/token-codec.ts';

const OWN = nodeNumber(64);
const OTHER = nodeNumber(128);
const other = (incarnation: number): Origin => originOf(OTHER, incarnation);

function horizon(): { replica: Replica; sessions: SessionHorizon } {
  const identity = {
    clusterId: 'test',
    nodeId: 'us-east-1/a',
    region: 'us-east-1',
    nodeNumber: OWN,
    incarnation: 1,
    startId: '',
    rules: '',
  };
  const members = [
    { nodeNumber: OWN, id: 'us-east-1/a', region: 'us-east-1' },
    { nodeNumber: OTHER, id: 'eu-west-1/a', region: 'eu-west-1' },
  ];
  const replica = new Replica(identity, members, new HybridClock(0 as Stamp), REPLICATION_LIMITS);
  const names = (node: number): string | undefined => replica.members.get(node)?.id;
  return { replica, sessions: new SessionHorizon(replica, names, tokenCodec) };
}

describe('S1: what a node says of a session', () => {
  test('it has what its vector covers, and what a closed incarnation made beyond its cut is void', () => {
    const { replica, sessions } = horizon();
    replica.vector.raise(other(1), 5);
    expect(sessions.has([[other(1), 5]])).toBe(true);
    expect(
      sessions.has([
        [other(1), 5],
        [other(1), 6],
      ]),
    ).toBe(false);
    expect(
      sessions.missing([
        [other(1), 5],
        [other(1), 6],
      ]),
    ).toEqual([{ origin: other(1), seq: 6 }]);
    replica.closedHere.raise(originOf(OTHER, 0), 2);
    expect(sessions.has([[other(1), 6]])).toBe(true);
    expect(sessions.has([[other(2), 1]])).toBe(false);
  });

  test('it has what was stable among the members of an epoch while it is known to be one of them', () => {
    const { replica, sessions } = horizon();
    const { membership } = replica;
    const at = (epoch: number): boolean => sessions.covers({ epoch, dots: [] });
    expect([at(0), at(1)]).toEqual([true, false]);
    const cut = [[originOf(OWN, 1), 0]] as const;
    membership.adopt({ epoch: 3, removals: [{ node: OWN, epoch: 3, incarnation: 1, cut }], joins: [] });
    expect([at(2), at(3), at(4)]).toEqual([true, false, false]);
    expect(sessions.behind({ epoch: 3, dots: [] }, 5).message).toMatch(
      /^us-east-1\/a is not known to be a member at epoch 3/,
    );
    membership.adopt({ epoch: 4, removals: [], joins: [{ node: OWN, epoch: 4, incarnation: 2, cut }] });
    expect([at(0), at(4)]).toEqual([true, false]);
    membership.beginAnew();
    expect([at(4), at(5)]).toEqual([true, false]);
  });

  test('a token names the epoch that is known here, or a later one that the session has seen', () => {
    const { sessions } = horizon();
    const epochOf = (epoch: number): number => sessions.read(sessions.tokenOf({ epoch, dots: [] })).epoch;
    expect([epochOf(0), epochOf(7)]).toEqual([0, 7]);
  });

  test('what is stable does not matter any more, nor does a retired incarnation', () => {
    const { replica, sessions } = horizon();
    replica.vector.raise(other(3), 9);
    replica.stable.raise(other(3), 4);
    expect(sessions.needed([[other(3), 4]])).toEqual([]);
    expect(
      sessions.needed([
        [other(3), 5],
        [other(1), 7],
      ]),
    ).toEqual([
      [other(3), 5],
      [other(1), 7],
    ]);
    replica.retireBelow(OTHER, 3);
    expect(
      sessions.needed([
        [other(3), 5],
        [other(1), 7],
      ]),
    ).toEqual([[other(3), 5]]);
  });

  test('up to eight dots stay as they are; of more, those go that a later one has among its causes', () => {
    const { replica, sessions } = horizon();
    const dots = Array.from({ length: TOKEN_DOTS_MAX + 1 }, (_unused, at): [Origin, number] => [other(at + 1), 10]);
    for (const [origin] of dots) replica.vector.raise(origin, 20);
    expect(sessions.needed(dots.slice(1))).toEqual(dots.slice(1));
    // nobody's causes are known: nothing can stand for another
    expect(sessions.needed(dots)).toEqual(dots);
    // the newest dot of the last incarnation has seen four of them, and the fifth no further than 9
    const seen = dots.slice(0, 4).map(([origin]): [Origin, number] => [origin, 10]);
    replica.setRunning(other(9), new VersionVector([...seen, [other(5), 9]]));
    expect(sessions.needed(dots)).toEqual([...dots.slice(4, 8), [other(9), 20]]);
  });
});
