import { once } from 'node:events';
import { request, type IncomingMessage } from 'node:http';

/** An answer with its body as bytes and as text. */
export interface Asked {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly bytes: Buffer;
  readonly text: string;
}

/** Sends one request on a connection of its own; the path goes as it is, and headers are the test's own, Host included. */
export async function ask(
  port: number,
  method: string,
  path: string,
  headers: Readonly<Record<string, string>> = {},
  body?: string | Uint8Array,
): Promise<Asked> {
  const asking = request({ host: '127.0.0.1', port, method, path, headers, agent: false });
  asking.end(body);
  const [answer] = (await once(asking, 'response')) as [IncomingMessage];
  const chunks: Buffer[] = [];
  for await (const chunk of answer) chunks.push(chunk as Buffer);
  const bytes = Buffer.concat(chunks);
  return { status: answer.statusCode ?? 0, headers: answer.headers, bytes, text: bytes.toString() };
}

/** A port with requests on it. */
export class Gateway {
  readonly port: number;
  constructor(port: number) {
    this.port = port;
  }

  get(path: string, headers: Readonly<Record<string, string>> = {}): Promise<Asked> {
    return ask(this.port, 'GET', path, headers);
  }

  put(path: string, body: string | Uint8Array, headers: Readonly<Record<string, string>> = {}): Promise<Asked> {
    return ask(this.port, 'PUT', path, headers, body);
  }

  delete(path: string, headers: Readonly<Record<string, string>> = {}): Promise<Asked> {
    return ask(this.port, 'DELETE', path, headers);
  }
}

/** What a problem says of itself. */
export function problemIn({ status, headers, text }: Asked): readonly unknown[] {
  const { code, status: said } = JSON.parse(text) as { code?: string; status: number };
  return [status, headers['content-type'], said, code];
}
