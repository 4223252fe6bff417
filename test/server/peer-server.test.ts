import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { WebSocket } from 'ws';
import { LmdbStore } from '../../src/adapters/lmdb-store.ts';
import { latin1Bytes } from '../../src/base/bytes.ts';
import { incarnationOf } from '../../src/clock/origin.ts';
import { STAMP_EPOCH_MS } from '../../src/clock/stamp.ts';
import { batchOf, closed, committed } from '../adapters/store-batches.ts';
import { until } from '../adapters/transport-rig.ts';
import { configOf, introduce, PeerRig, temporaryFolder } from './peer-rig.ts';

async function cluster(
  size: number,
  changesOf: (index: number) => Parameters<typeof configOf>[2] = () => ({}),
): Promise<readonly [PeerRig, ...PeerRig[]]> {
  const [first, ...others] = await Promise.all(
    Array.from({ length: size }, (_, index) => PeerRig.start(configOf(index, size, changesOf(index)))),
  );
  if (first === undefined) throw new Error('an empty cluster');
  const rigs = [first, ...others] as const;
  introduce(rigs);
  await until(() => rigs.every((rig) => rig.connectedPeers === size - 1 && rig.isReady), 'a ready cluster');
  return rigs;
}

function incarnation(rig: PeerRig): number {
  return incarnationOf(rig.server.node.origin);
}

describe('nodes over real sockets', () => {
  test('what is written at one is read at the others, whoever dialled whom', async () => {
    const rigs = await cluster(3);
    for (const [index, rig] of rigs.entries()) rig.set(`from ${index}`, `value ${index}`);
    const arrived = (rig: PeerRig): boolean =>
      [0, 1, 2].every((index) => rig.get(`from ${index}`) === `value ${index}`);
    await until(() => rigs.every(arrived), 'all values everywhere');
    expect(new Set(rigs.map((rig) => rig.digest())).size).toBe(1);
  });

  test('many writes of many turns, and values of megabytes, converge', async () => {
    const rigs = await cluster(2);
    const large = 'x'.repeat(8 * 1024 * 1024);
    rigs[0].set('large', large);
    for (let turn = 0; turn < 50; turn++) {
      for (const [index, rig] of rigs.entries())
        for (let i = 0; i < 40; i++) rig.set(`key ${i}`, `${index} ${turn} ${i}`);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await until(() => rigs.every((rig) => rig.get('large') === large), 'the large value');
    await until(() => new Set(rigs.map((rig) => rig.digest())).size === 1, 'equal digests');
    await until(
      () => rigs.every((rig) => rig.server.node.peers(Date.now()).every((peer) => peer.lagTransactions === 0)),
      'no lag',
    );
    expect(rigs[1]?.get('key 39')).toBe(rigs[0].get('key 39'));
  });

  test('a node that was away gets what it missed, and gives what it had', async () => {
    const folder = temporaryFolder();
    const rigs = await cluster(2, (index) => (index === 1 ? { dataDir: folder } : {}));
    const second = rigs[1];
    if (second === undefined) throw new Error('no second node');
    second.set('before', 'from the second');
    await until(() => rigs[0].get('before') !== null, 'the write of the second');
    await second.close();
    rigs[0].set('meanwhile', 'from the first');
    const again = await PeerRig.start(configOf(1, 2, { dataDir: folder }));
    introduce([rigs[0], again]);
    await until(() => again.isReady && again.get('meanwhile') === 'from the first', 'what it missed');
    expect(again.get('before')).toBe('from the second');
    expect(incarnation(again)).toBeGreaterThan(incarnation(second));
    again.set('after', 'from the new life');
    await until(() => rigs[0].get('after') === 'from the new life', 'a write of the new life');
    expect(again.digest()).toBe(rigs[0].digest());
  });
});

describe('restarts', () => {
  test('a stop keeps everything that was written, and a restart alone is warm', async () => {
    const config = configOf(0, 1, { dataDir: temporaryFolder() });
    const first = await PeerRig.start(config);
    await until(() => first.isReady, 'ready');
    for (let i = 0; i < 500; i++) first.set(`key ${i}`, `value ${i}`);
    const digest = first.digest();
    await first.close();
    const second = await PeerRig.start(config);
    expect(second.digest()).toBe(digest);
    expect(second.get('key 499')).toBe('value 499');
    expect(incarnation(second)).toBeGreaterThan(incarnation(first));
  });

  test('a stop gives the peers what they lack', async () => {
    const rigs = await cluster(2);
    for (let i = 0; i < 300; i++) rigs[0].set(`key ${i}`, 'x'.repeat(10_000));
    await rigs[0].close(30_000);
    expect(rigs[1]?.get('key 299')).toHaveLength(10_000);
  });

  test('an incarnation is never taken twice, not with an empty disk and not with none', async () => {
    const seen = new Set<number>();
    for (let life = 0; life < 3; life++) {
      const rig = await PeerRig.start(configOf(0, 1, { dataDir: life % 2 === 0 ? null : temporaryFolder() }));
      seen.add(incarnation(rig));
      await rig.close();
    }
    expect(seen.size).toBe(3);
    const second = Math.floor((Date.now() - STAMP_EPOCH_MS) / 1000);
    for (const taken of seen) expect(Math.abs(second - taken)).toBeLessThan(60);
  });

  test('stamps are below a bound that is on disk, and a new life goes on above it', async () => {
    const config = configOf(0, 1, { dataDir: temporaryFolder() });
    const first = await PeerRig.start(config);
    first.set('key', 'old');
    await first.close();
    const store = new LmdbStore(config.dataDir ?? '');
    const { stampBound } = store.load();
    await closed(store);
    expect(stampBound).toBeGreaterThan((Date.now() - 60_000 - STAMP_EPOCH_MS) * 4096);
    const second = await PeerRig.start(config);
    second.set('key', 'new');
    expect(second.get('key')).toBe('new');
    await second.close();
    const reopened = new LmdbStore(config.dataDir ?? '');
    expect(reopened.load().stampBound).toBeGreaterThan(stampBound);
    await closed(reopened);
  });

  test('what cannot be read stops the start with what to do about it', async () => {
    const dataDir = temporaryFolder();
    const store = new LmdbStore(dataDir);
    await committed(store, batchOf({ meta: latin1Bytes('no meta of ours') }));
    await closed(store);
    const start = (): Promise<PeerRig> => PeerRig.start(configOf(0, 1, { dataDir }));
    await expect(start()).rejects.toThrow(/^what .* holds cannot be read: .*; move the folder away and start again/);
    await expect(start(), 'the folder was given back').rejects.toThrow(/cannot be read/);
    const file = join(dataDir, 'file');
    writeFileSync(file, '');
    await expect(PeerRig.start(configOf(0, 1, { dataDir: file }))).rejects.toMatchObject({ code: 'STORE' });
  });
});

describe('who is let in', () => {
  test('a node of another cluster is refused by both, and told why', async () => {
    const mine = await PeerRig.start(configOf(0, 2));
    const theirs = await PeerRig.start(configOf(1, 2, { clusterId: 'other' }));
    introduce([mine, theirs]);
    mine.set('secret', 'of this cluster');
    await until(() => theirs.server.node.telemetry(Date.now()).refusedFramesTotal >= 2, 'refusals');
    expect([mine.connectedPeers, theirs.connectedPeers]).toEqual([0, 0]);
    expect(theirs.get('secret')).toBeNull();
  });

  test('garbage from a stranger ends its connection only', async () => {
    const rigs = await cluster(2);
    const frames = [
      new Uint8Array(0),
      Uint8Array.of(0xc1),
      Uint8Array.of(0x91, 0x07),
      new Uint8Array(2000).fill(0x91),
      Buffer.from('ÿþ'),
    ];
    for (const frame of frames) {
      const stranger = new WebSocket(`ws://127.0.0.1:${rigs[0].port}/peer/bulk`, 'causeway.2');
      onTestFinished(() => stranger.terminate());
      await once(stranger, 'open');
      stranger.send(frame);
      const [, reason] = (await once(stranger, 'close')) as [number, Buffer];
      expect(reason.toString()).toMatch(/^PROTOCOL /);
    }
    rigs[0].set('still', 'here');
    await until(() => rigs[1]?.get('still') === 'here', 'replication');
    expect(rigs.flatMap((rig) => rig.failures)).toEqual([]);
  });

  test('a limit that is not there is named', async () => {
    const start = (limits: Record<string, number>): Promise<PeerRig> => PeerRig.start(configOf(0, 1, { limits }));
    await expect(start({ holdBackBytes: 5 })).rejects.toThrow(
      /^limits\.holdBackBytes: there is no such limit, only .*holdBackBytesMax/,
    );
    await expect(start({ windowBytes: 0 })).rejects.toThrow('limits.windowBytes: expected a number above 0, got 0');
    await expect(start({ chunkBytesMax: 2 ** 40 })).rejects.toThrow('chunkBytesMax ≤ windowBytes');
  });
});

describe('the peer secret', () => {
  const secret = {
    requirepass: null,
    protectedMode: true,
    peerSecret: 'a secret of this cluster',
    isPeerPortOpen: false,
  };

  test('nodes that share it replicate; one without it stays outside', async () => {
    const first = await PeerRig.start(configOf(0, 3, { doors: secret }));
    const second = await PeerRig.start(configOf(1, 3, { doors: secret }));
    const stranger = await PeerRig.start(configOf(2, 3));
    introduce([first, second, stranger]);
    await until(() => first.connectedPeers === 1 && second.connectedPeers === 1, 'the link');
    first.set('k', 'v');
    await until(() => second.get('k') === 'v', 'the write');
    expect([first.connectedPeers, second.connectedPeers, stranger.connectedPeers]).toEqual([1, 1, 0]);
    expect(stranger.get('k')).toBeNull();
  });

  test('a peer port beyond this machine is not opened without one, unless that is said', async () => {
    const peer = { host: '0.0.0.0', port: 0 };
    const open = configOf(0, 1, { peer });
    await expect(PeerRig.start(open)).rejects.toMatchObject({
      code: 'CONFIG',
      message: expect.stringMatching(
        /^the peer port 0\.0\.0\.0:0 is beyond this machine, .* set peerSecret/,
      ) as unknown,
    });
    // Said or set: what it would be refused for next is the address, which no machine has.
    for (const doors of [secret, { ...secret, peerSecret: null, isPeerPortOpen: true }]) {
      const elsewhere = configOf(0, 1, { peer: { host: '203.0.113.1', port: 0 }, doors });
      await expect(PeerRig.start(elsewhere)).rejects.toThrow('cannot listen on 203.0.113.1 port 0 (peer links)');
    }
  });
});
