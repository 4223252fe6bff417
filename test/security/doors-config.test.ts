import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { loadConfig, parseConfig } from '../../src/server/config.ts';
import { requirePeerSecret } from '../../src/server/doors.ts';
import type { DoorsConfig } from '../../src/server/node-config.ts';
import { loadTopology } from '../../src/server/topology.ts';
import { configOf } from '../server/peer-rig.ts';
import { clientOf } from '../server/server-rig.ts';

const topology = loadTopology('regions');
const CHILD = join(import.meta.dirname, '..', 'server', 'server-child.ts');
const FILE = `
clusterId: test
region: us-east-1
nodes:
  a: { resp: "127.0.0.1:0", http: "127.0.0.1:0", peer: "127.0.0.1:0", dataDir: null }
`;

function doors(lines: string, environment: Record<string, string> = {}): DoorsConfig {
  return parseConfig(`${FILE}${lines}`, { node: 'a', topology, environment, source: 'file.yaml' }).doors;
}

function secretFile(text: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'causeway-secret-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'secret');
  writeFileSync(path, text);
  return path;
}

describe('the doors of a region file', () => {
  test('are open to this machine, and closed to others', () => {
    expect(doors('')).toEqual({ requirepass: null, protectedMode: true, peerSecret: null, isPeerPortOpen: false });
  });

  test('are set in it or by the environment', () => {
    expect(doors('requirepass: p\nprotectedMode: false\npeerSecret: sixteen letters!')).toEqual({
      requirepass: 'p',
      protectedMode: false,
      peerSecret: 'sixteen letters!',
      isPeerPortOpen: false,
    });
    const environment = {
      CAUSEWAY_REQUIREPASS: 'p',
      CAUSEWAY_PROTECTED_MODE: 'false',
      CAUSEWAY_PEER_SECRET_FILE: secretFile('a secret in a file\n'),
    };
    expect(doors('requirepass: null\npeerSecret: null', environment)).toEqual({
      requirepass: 'p',
      protectedMode: false,
      peerSecret: 'a secret in a file',
      isPeerPortOpen: false,
    });
    expect(doors('peerSecret: none')).toMatchObject({ peerSecret: null, isPeerPortOpen: true });
  });

  test.each([
    ['requirepass: 12345678901234567', 'file.yaml: requirepass: expected a password of 1 to 512 bytes; in quotes'],
    ['requirepass: ""', 'file.yaml: requirepass: expected a password of 1 to 512 bytes'],
    [`requirepass: ${'7890'.repeat(129)}x`, 'file.yaml: requirepass: expected a password of 1 to 512 bytes'],
    ['requirepass: [78901]', 'file.yaml: requirepass: expected a password'],
    ['peerSecret: 7890123', 'file.yaml: peerSecret: expected a secret of 16 to 1024 characters, or none; in quotes'],
    ['peerSecret: "7890 too few"', 'file.yaml: peerSecret: expected a secret of 16 to 1024 characters, or none'],
    ['peerSecret: "7890 sixteen char"\npeerSecretFile: /x', 'peerSecret and peerSecretFile: expected one of them'],
    ['requirepass: "7890 unbalanced', 'file.yaml: Missing closing "quote'],
    ['requirepass: &x 7890\nlog: *y', 'file.yaml: '],
    ['protectedMode: maybe', 'file.yaml: protectedMode: expected boolean, got "maybe"'],
  ])('%s is refused, in words that do not hold it', (lines, message) => {
    const refusal = ((): string => {
      try {
        doors(lines);
        return 'nothing was refused';
      } catch (error) {
        return String(error);
      }
    })();
    expect(refusal).toContain(message);
    expect(refusal).not.toContain('7890');
  });

  test('are said to be open in the containers, which listen beyond their machine', () => {
    for (const region of ['us-east-1', 'eu-west-1', 'ap-southeast-1']) {
      const config = loadConfig(`regions/compose/${region}.yaml`, { node: 'a', topology, environment: {} });
      expect(config.peer.host).toBe('0.0.0.0');
      expect(config.doors).toMatchObject({ protectedMode: false, isPeerPortOpen: true });
      requirePeerSecret(config);
      const shut = { ...config, doors: { ...config.doors, isPeerPortOpen: false } };
      expect(() => requirePeerSecret(shut)).toThrow('the peer port 0.0.0.0:7400 is beyond this machine');
    }
  });

  test('a secret that is too short is refused from a file and from the environment too, unseen', () => {
    const path = secretFile('short 7890\n');
    expect(() => doors(`peerSecretFile: ${path}`)).toThrow(
      `peerSecretFile: expected a secret of 16 to 1024 characters`,
    );
    expect(() => doors(`peerSecretFile: ${path}`)).not.toThrow('7890');
    expect(() => doors('', { CAUSEWAY_PEER_SECRET: '7890' })).toThrow(
      /^file.yaml: peerSecret: expected a secret of 16 [^7]*$/,
    );
    expect(() => doors('', { CAUSEWAY_PROTECTED_MODE: 'yes' })).toThrow(
      'CAUSEWAY_PROTECTED_MODE: expected true or false',
    );
  });

  test('nothing secret is written by a node, however much it logs', async () => {
    const secrets = {
      requirepass: 'a-password-7890',
      protectedMode: true,
      peerSecret: 'a-secret-7890-of-peers',
      isPeerPortOpen: false,
    };
    const config = configOf(0, 1, { log: { level: 'trace', format: 'json' }, doors: secrets });
    const child = spawn(process.execPath, [CHILD, JSON.stringify(config)], { stdio: ['ignore', 'pipe', 'pipe'] });
    onTestFinished(() => void child.kill('SIGKILL'));
    let written = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (written += text));
    const [ports] = (await once(child.stdout.setEncoding('utf8'), 'data')) as [string];
    const client = clientOf((JSON.parse(ports) as { resp: number }).resp);
    await expect(client.call('AUTH', 'a-guess-7890')).rejects.toThrow('WRONGPASS');
    await expect(client.call('AUTH', 'a-password-7890')).resolves.toBe('OK');
    await expect(client.call('CONFIG', 'SET', 'requirepass', 'another-7890')).resolves.toBe('OK');
    child.kill('SIGTERM');
    await once(child, 'close');
    expect(written).toContain('client connected');
    expect(written).not.toContain('7890');
  });
});
