import { describe, expect, test } from 'vitest';
import { latin1Range } from '../../src/base/bytes.ts';
import { readMessage, writtenMessage, type ComparisonMessage } from '../../src/commands/comparison-messages.ts';
import type { ConsistencyMonitor } from '../../src/commands/consistency-monitor.ts';
import { MonitoredCluster } from './monitored-cluster.ts';

const REPAIR = { from: 'a', asker: 'b', inquiry: 3, key: 'k\u00ff\n\0', isMajority: true, wrong: [null, '0f'] };
const MESSAGES: readonly ComparisonMessage[] = [
  {
    kind: 'shows',
    from: 'a',
    round: 1,
    keys: [
      ['k', '00ff'],
      ['__proto__', null],
    ],
  },
  { kind: 'differs', from: 'a', to: 'b', round: 1, keys: [['k', null]] },
  { kind: 'ask', from: 'a', inquiry: 2, key: '\u0000\u00e9"' },
  { kind: 'vote', from: 'a', to: 'b', inquiry: 2, key: 'k', hex: null, isSettled: true },
  { kind: 'give', ...REPAIR, givers: ['a', 'c'] },
  { kind: 'state', ...REPAIR, hex: 'aa', state: Uint8Array.of(0, 10, 255) },
  { kind: 'state', ...REPAIR, hex: null, state: null },
];

describe('S10: what nodes that compare keys say', () => {
  test.each(MESSAGES)('$kind is read as it was written', (message) => {
    const { channel, text } = writtenMessage(message);
    expect(readMessage(channel, text)).toEqual(message);
  });

  test.each([
    ['no line', 'shows', '{"from":"a","round":1,"keys":[]}'],
    ['no JSON', 'shows', '{"from":\n'],
    ['no object', 'shows', 'null\n'],
    [
      'too many keys',
      'shows',
      `${JSON.stringify({ from: 'a', round: 1, keys: Array.from({ length: 65 }, () => ['k', null]) })}\n`,
    ],
    ['a key that is a number', 'shows', '{"from":"a","round":1,"keys":[[1,"x"]]}\n'],
    ['keys that are none', 'differs', '{"from":"a","to":"b","round":1,"keys":{"length":1}}\n'],
    ['a round that is no number', 'shows', '{"from":"a","round":1e400,"keys":[]}\n'],
    ['a list that is none', 'give', '{"from":"a","asker":"b","inquiry":1,"key":"k","wrong":[],"givers":"a"}\n'],
    ['another kind', 'toString', '{"from":"a","inquiry":1,"key":"k"}\n'],
    ['a long head', 'ask', `${JSON.stringify({ from: 'a', inquiry: 1, key: 'k'.repeat(300_000) })}\n`],
  ])('%s is nothing', (_name, kind, text) => {
    expect(readMessage(latin1Range(`\0cw:compare:${kind}`), latin1Range(text))).toBeNull();
  });

  test('a state that is none breaks nothing, nor what answers a question that was never asked, nor a flood', () => {
    const cluster = new MonitoredCluster(2);
    cluster.at(0).run('SET k v');
    cluster.run(2_000);
    const { monitor } = cluster.at(1);
    const say = (target: ConsistencyMonitor, message: ComparisonMessage): void => {
      const { channel, text } = writtenMessage(message);
      target.heard(channel, text);
    };
    const own = 'eu-west-1/a';
    for (let at = 0; at < 3_000; at++) say(monitor, { kind: 'ask', from: 'us-east-1/a', inquiry: at, key: `k${at}` });
    cluster.run(100);
    say(monitor, { kind: 'ask', from: 'x', inquiry: 1, key: 'k' });
    say(monitor, { kind: 'vote', from: 'x', to: own, inquiry: 9, key: 'k', hex: null, isSettled: true });
    cluster.run(100);
    const hex = JSON.parse(
      cluster
        .at(1)
        .run('CW.DIGEST KEY k')
        .replaceAll(/[^"]*("[0-9a-f]+").*/g, '$1'),
    ) as string;
    const repair = { from: 'x', asker: 'x', inquiry: 1, key: 'k', isMajority: true, wrong: [hex] };
    say(monitor, { kind: 'state', ...repair, hex: 'other', state: Uint8Array.of(1, 2, 3) });
    say(monitor, { kind: 'state', ...repair, inquiry: 2, hex: 'other', state: null });
    cluster.run(100);
    expect(cluster.answers('GET k')).toEqual(['"v"', '"v"']);
    expect(cluster.at(1).told).toEqual(['left k: what x gave is no state']);
    // the key was another one in between
    for (const value of ['w', 'v']) {
      cluster.at(0).run(`SET k ${value}`);
      cluster.run(2_000);
    }
    say(monitor, { kind: 'state', ...repair, hex: 'other', state: null });
    cluster.run(100);
    expect(cluster.answers('GET k')).toEqual(['"v"', '"v"']);
  });
});
