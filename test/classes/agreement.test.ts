import { describe, expect, onTestFinished, test } from 'vitest';
import type { Log } from '../../src/adapters/pino-log.ts';
import { PeerServer } from '../../src/server/peer-server.ts';
import { configOf, PeerRig } from '../server/peer-rig.ts';

const classesOf = (text: string) => ({ classes: { file: 'classes.yaml', text } });
const WEAK = 'classes:\n  - match: ["scratch:*"]\n    consistency: weak\n';

/** A log that only remembers what was refused. */
function remembering(refused: string[]): Log {
  return {
    debug: () => undefined,
    info: () => undefined,
    warn: (_message: string, fields?: Record<string, unknown>) => void refused.push(String(fields?.['reason'])),
    error: () => undefined,
    fatal: () => undefined,
  };
}

describe('C4: members with classes files', () => {
  test('that differ in what is weak refuse each other, and say what to do', async () => {
    const refused: string[] = [];
    const options = { log: remembering(refused), turnEnded: () => undefined, failed: () => undefined };
    const mine = await PeerServer.open(configOf(0, 2, classesOf(WEAK)), options);
    onTestFinished(() => mine.close(0));
    await mine.start();
    const theirs = await PeerRig.start(configOf(1, 2, classesOf('classes: []')));
    mine.setPeers([{ id: theirs.config.nodeId, url: `ws://127.0.0.1:${theirs.port}` }]);
    await expect
      .poll(() => refused.join('\n'))
      .toContain('the classes and rules differ: give every region the same classes file');
    expect(theirs.connectedPeers).toBe(0);
    expect(mine.node.peers(Date.now()).filter(({ connected }) => connected)).toEqual([]);
  });

  test('that differ in ttl, level and order speak to each other', async () => {
    const mine = await PeerRig.start(configOf(0, 2, classesOf(WEAK)));
    const theirs = await PeerRig.start(
      configOf(
        1,
        2,
        classesOf(`classes:\n  - match: ["a:*"]\n    consistency: session\n    ttl: 5m\n${WEAK.slice(9)}`),
      ),
    );
    mine.server.setPeers([{ id: theirs.config.nodeId, url: `ws://127.0.0.1:${theirs.port}` }]);
    await expect.poll(() => mine.isReady && theirs.isReady).toBe(true);
    mine.set('a:1', 'v');
    await expect.poll(() => theirs.get('a:1')).toBe('v');
  });

  test('that cannot be read stop the start, with the line', async () => {
    const broken = configOf(0, 1, classesOf('classes:\n  - match: [quote]\n    ttl: soon\n'));
    await expect(PeerRig.start(broken)).rejects.toMatchObject({
      code: 'CONFIG',
      message: expect.stringContaining('classes.yaml:3:5: classes[0].ttl: expected a duration'),
    });
  });
});
