import { describe, expect, onTestFinished, test } from 'vitest';
import { request, type IncomingMessage } from 'node:http';
import { createConnection, createServer } from 'node:net';
import { once } from 'node:events';
import { createHttp } from '../../src/server/http.ts';
import { HttpRig, PEER, QUIET_NODE } from './http-rig.ts';

interface RawAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

/** A request whose headers are the test's own, Host included. */
async function asked(
  port: number,
  method: string,
  path: string,
  headers: Record<string, string> = {},
  body?: string,
): Promise<RawAnswer> {
  const asking = request({ host: '127.0.0.1', port, method, path, headers });
  asking.end(body);
  const [answer] = (await once(asking, 'response')) as [IncomingMessage];
  const chunks: Buffer[] = [];
  for await (const chunk of answer) chunks.push(chunk as Buffer);
  return { status: answer.statusCode ?? 0, headers: answer.headers, body: Buffer.concat(chunks).toString() };
}

/** All that a server says to these bytes until it closes. */
async function told(port: number, bytes: string): Promise<string> {
  const socket = createConnection({ host: '127.0.0.1', port });
  onTestFinished(() => void socket.destroy());
  socket.on('error', () => undefined);
  let answer = '';
  socket.setEncoding('latin1').on('data', (text: string) => (answer += text));
  socket.end(Buffer.from(bytes, 'latin1'));
  await once(socket, 'close');
  return answer;
}

describe('health', () => {
  test('/healthz: the process answers, ready or not', async () => {
    const rig = await new HttpRig().start();
    rig.reasons = ['syncing'];
    const answer = await rig.get('/healthz');
    expect(answer.status).toBe(200);
    expect(await answer.json()).toEqual({ node: 'us-east-1/a', alive: true });
  });

  test('/readyz: 503 with the reasons until there are none', async () => {
    const rig = await new HttpRig().start();
    rig.reasons = ['syncing with eu-west-1/a', 'no peer for 3 s'];
    const before = await rig.get('/readyz');
    expect(before.status).toBe(503);
    expect(await before.json()).toEqual({ node: 'us-east-1/a', ready: false, reasons: rig.reasons, degraded: [] });
    rig.reasons = [];
    const after = await rig.get('/readyz');
    expect(after.status).toBe(200);
    expect(await after.json()).toEqual({ node: 'us-east-1/a', ready: true, reasons: [], degraded: [] });
  });

  test('/readyz: what cannot be served as it should is said, and the node is ready for all that', async () => {
    const rig = await new HttpRig().start();
    rig.degraded = ['group us-east-1/region has no leader for 12 s: its strong keys are not served'];
    const answer = await rig.get('/readyz');
    expect(answer.status).toBe(200);
    expect(await answer.json()).toEqual({ node: 'us-east-1/a', ready: true, reasons: [], degraded: rig.degraded });
  });

  test('a port that is taken is named', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    onTestFinished(() => void other.close());
    const { port } = other.address() as { port: number };
    const http = createHttp(
      { host: '127.0.0.1', port },
      {
        nodeId: 'us-east-1/a',
        unreadyReasons: () => [],
        degradedReasons: () => [],
        isProtected: () => false,
        metrics: () => expect.unreachable('nobody asks'),
      },
    );
    onTestFinished(() => http.close());
    await expect(http.listen()).rejects.toMatchObject({
      code: 'PORTBUSY',
      message: expect.stringContaining(`port ${port}`) as unknown,
    });
  });
});

describe('metrics', () => {
  async function scraped(rig: HttpRig): Promise<{ text: string; lines: Map<string, number> }> {
    const answer = await rig.get('/metrics');
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-type')).toContain('text/plain; version=0.0.4');
    const text = await answer.text();
    const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
    return {
      text,
      lines: new Map(
        lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ') + 1))]),
      ),
    };
  }

  test('figures of the node and its peers', async () => {
    const rig = await new HttpRig().start();
    const unknown = {
      ...PEER,
      id: 'ap-southeast-1/a',
      region: 'ap-southeast-1',
      connected: false,
      lagMs: null,
      rttMs: null,
    };
    rig.node = {
      ...QUIET_NODE,
      keys: 42,
      holdBackBytes: 99,
      logBytes: 7,
      peers: [PEER, unknown],
      conflicts: [{ keyClass: 'quote:*', count: 5 }],
    };
    const { lines } = await scraped(rig);
    expect(lines.get('causeway_ready')).toBe(1);
    expect(lines.get('causeway_keys')).toBe(42);
    expect(lines.get('causeway_hold_back_bytes')).toBe(99);
    expect(lines.get('causeway_log_bytes')).toBe(7);
    expect(lines.get('causeway_conflicts_total{class="quote:*"}')).toBe(5);
    const eu = '{peer="eu-west-1/a",region="eu-west-1"}';
    const ap = '{peer="ap-southeast-1/a",region="ap-southeast-1"}';
    expect(lines.get(`causeway_replication_lag_ms${eu}`)).toBe(12.5);
    expect(lines.get(`causeway_peer_clock_offset_ms${eu}`)).toBe(-1.5);
    expect(lines.get(`causeway_peer_connected${ap}`)).toBe(0);
    expect(lines.get(`causeway_replication_lag_bytes${ap}`)).toBe(400);
    expect(lines.has(`causeway_replication_lag_ms${ap}`), 'what is not known is left out').toBe(false);
  });

  test('figures of the commands that were used, with a histogram whose buckets add up', async () => {
    const rig = await new HttpRig().start();
    const get = [...rig.commands][0];
    for (const usec of [0.5, 3, 3, 100, 5_000, 90_000_000]) get?.latency.add(usec);
    Object.assign(get ?? {}, { calls: 6, failedCalls: 1, rejectedCalls: 2 });
    const list = [...([...rig.commands][1]?.subcommands ?? [])][0];
    Object.assign(list ?? {}, { calls: 3 });
    rig.stats.countError('WRONGTYPE');
    const { lines } = await scraped(rig);
    expect(lines.get('causeway_commands_total{command="get"}')).toBe(6);
    expect(lines.get('causeway_commands_total{command="client|list"}')).toBe(3);
    expect(lines.has('causeway_commands_total{command="client"}')).toBe(false);
    expect(lines.get('causeway_commands_failed_total{command="get"}')).toBe(1);
    expect(lines.get('causeway_commands_rejected_total{command="get"}')).toBe(2);
    expect(lines.get('causeway_error_replies_total{code="WRONGTYPE"}')).toBe(1);
    const bucket = (le: string): number | undefined =>
      lines.get(`causeway_command_duration_seconds_bucket{command="get",le="${le}"}`);
    expect(['0.000001', '0.000004', '0.000064', '0.000256', '0.016384', '16.777216', '+Inf'].map(bucket)).toEqual([
      1, 3, 3, 4, 5, 5, 6,
    ]);
    expect(lines.get('causeway_command_duration_seconds_count{command="get"}')).toBe(6);
    expect(lines.get('causeway_command_duration_seconds_sum{command="get"}')).toBeCloseTo(90.005, 2);
  });

  test('figures of the process, and a name, a help and a type for every metric', async () => {
    const { text, lines } = await scraped(await new HttpRig().start());
    expect(lines.get('process_resident_memory_bytes')).toBeGreaterThan(1_000_000);
    expect(lines.has('nodejs_eventloop_lag_p99_seconds')).toBe(true);
    const names = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name]) => name ?? '');
    expect(new Set(names).size).toBe(names.length);
    for (const name of names) expect(text, `of ${name}`).toMatch(new RegExp(`^# HELP ${name} \\S`, 'm'));
    for (const line of lines.keys()) expect(line).toMatch(/^[a-z_0-9]+(\{[a-z]+="[^"]*"(,[a-z]+="[^"]*")*\})?$/i);
  });

  test('a name with quotes and line ends stays one label', async () => {
    const rig = await new HttpRig().start();
    rig.node = { ...QUIET_NODE, conflicts: [{ keyClass: 'a"b\\c\nfake_metric 1', count: 1 }] };
    const { text } = await scraped(rig);
    expect(text).toContain('causeway_conflicts_total{class="a\\"b\\\\c\\nfake_metric 1"} 1');
  });
});

describe('hostile requests', () => {
  test('a Host that is no name of ours is refused: such a page is not ours', async () => {
    const rig = await new HttpRig().start();
    for (const host of [
      'evil.example',
      'evil.example:80',
      'localhost.evil.example',
      '127.0.0.1.evil.example',
      'x y',
      'a.b:99999',
      '[::1',
      '<script>',
    ]) {
      const { status, body } = await asked(rig.port, 'GET', '/healthz', { host });
      expect([status, body], `of ${host}`).toEqual([421, '{"error":"unknown Host"}\n']);
    }
    for (const host of ['localhost', 'LOCALHOST:8080', '127.0.0.1:1', '[::1]:8080', '10.1.2.3', 'us-east-1-a:9000']) {
      expect((await asked(rig.port, 'GET', '/healthz', { host })).status, `of ${host}`).toBe(200);
    }
  });

  test('the configured host is a name of ours', async () => {
    const rig = await new HttpRig().start('localhost');
    const answer = await fetch(`http://localhost:${rig.port}/healthz`);
    expect(answer.status).toBe(200);
  });

  test('a probe of HTTP/1.0 without Host is answered', async () => {
    const rig = await new HttpRig().start();
    expect(await told(rig.port, 'GET /readyz HTTP/1.0\r\n\r\n')).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
  });

  test('nothing but GET and HEAD', async () => {
    const rig = await new HttpRig().start();
    for (const method of ['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS']) {
      const { status, headers } = await asked(rig.port, method, '/healthz', { origin: 'http://evil.example' });
      expect([status, headers['allow']], `of ${method}`).toEqual([405, 'GET, HEAD']);
      expect(Object.keys(headers).filter((name) => name.startsWith('access-control'))).toEqual([]);
    }
    const head = await asked(rig.port, 'HEAD', '/healthz');
    expect([head.status, head.body]).toEqual([200, '']);
  });

  test('every answer forbids sniffing, caching, framing and scripts', async () => {
    const rig = await new HttpRig().start();
    for (const [path, method] of [
      ['/healthz', 'GET'],
      ['/nothing', 'GET'],
      ['/healthz', 'POST'],
    ] as const) {
      const { headers } = await asked(rig.port, method, path);
      expect(headers['x-content-type-options'], `of ${path}`).toBe('nosniff');
      expect(headers['content-security-policy']).toContain("default-src 'none'");
      expect(headers['cache-control']).toBe('no-store');
      expect(headers['content-type']).toContain('json');
    }
  });

  test('paths that are not there, or try to leave', async () => {
    const rig = await new HttpRig().start();
    for (const path of [
      '/',
      '/metrics/',
      '/../etc/passwd',
      '/%2e%2e/%2e%2e/etc/passwd',
      '/healthz%00',
      '//healthz',
      '/__proto__',
      `/${'a'.repeat(4000)}`,
    ]) {
      const { status, body } = await asked(rig.port, 'GET', path);
      expect(status, `of ${path}`).toBe(404);
      expect(body).not.toContain('root:');
    }
    expect((await asked(rig.port, 'GET', '/%')).status).toBe(400);
  });

  test('a body is refused, however large it says it is', async () => {
    const rig = await new HttpRig().start();
    const { status } = await asked(
      rig.port,
      'POST',
      '/healthz',
      { 'content-type': 'application/json' },
      '{"__proto__":{"x":1}}'.repeat(1000),
    );
    expect(status).toBe(405);
    expect(({} as Record<string, unknown>)['x']).toBeUndefined();
    expect((await rig.get('/healthz')).status).toBe(200);
  });

  test('what is no HTTP is answered with 400 or cut, and the server goes on', async () => {
    const rig = await new HttpRig().start();
    const junk = [
      '\x16\x03\x01\x02\x00\x01\x00',
      '*1\r\n$4\r\nPING\r\n',
      'GET / HTTP/9.9\r\n\r\n',
      `GET / HTTP/1.1\r\nX: ${'y'.repeat(20_000)}\r\n\r\n`,
      '\0\0\0\0\r\n\r\n',
    ];
    for (const bytes of junk)
      expect(await told(rig.port, bytes), `of ${JSON.stringify(bytes.slice(0, 20))}`).toMatch(/^(HTTP\/1\.1 4\d\d |$)/);
    expect((await rig.get('/healthz')).status).toBe(200);
  });
});
