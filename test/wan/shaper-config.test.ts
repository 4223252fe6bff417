import { expect, test } from 'vitest';
import { parseShaperConfig } from '../../src/wan/shaper-config.ts';

test('an empty file is a shaper on a free port of the loopback that is told its forwards later', () => {
  expect(parseShaperConfig('', 'wan.yaml')).toEqual({
    admin: { listen: { host: '127.0.0.1', port: 0 }, allowedHosts: [] },
    scale: 1,
    hasJitter: false,
    bytesPerMs: new Map(),
    forwards: [],
  });
});

test('reads forwards, bandwidth and the administrator’s address', () => {
  const config = parseShaperConfig(
    `
admin: { listen: "0.0.0.0:7000", allowedHosts: ["wan"] }
scale: 0.5
jitter: true
bandwidth: [{ from: us-east-1, to: eu-west-1, mbitPerSecond: 100 }]
forwards:
  - { from: us-east-1/a, to: eu-west-1/a, listen: "0.0.0.0:7001", target: "eu-west-1:7400" }
`,
    'wan.yaml',
  );
  expect(config).toEqual({
    admin: { listen: { host: '0.0.0.0', port: 7_000 }, allowedHosts: ['wan'] },
    scale: 0.5,
    hasJitter: true,
    bytesPerMs: new Map([['us-east-1>eu-west-1', 12_500]]),
    forwards: [
      {
        from: 'us-east-1/a',
        to: 'eu-west-1/a',
        listen: { host: '0.0.0.0', port: 7_001 },
        target: { host: 'eu-west-1', port: 7_400 },
      },
    ],
  });
});

test.each([
  ['scale: fast', 'wan.yaml: scale: '],
  ['speed: 1', 'wan.yaml: '],
  ['admin: { listen: "7000" }', 'wan.yaml: admin.listen: expected "host:port", got "7000"'],
  [
    'forwards: [{ from: us-east-1/a, to: eu-west-1/a, listen: "h:1", target: "h:0" }]',
    'wan.yaml: forwards.0.target: expected "host:port" with a port of 1 to 65535, got "h:0"',
  ],
])('%s is refused', (text, message) => {
  expect(() => parseShaperConfig(text, 'wan.yaml')).toThrow(message);
});
