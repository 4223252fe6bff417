import { request } from 'node:http';
import { z } from 'zod';
import { CausewayError, type ErrorCode } from '../errors.ts';

const refused = z.object({ error: z.object({ code: z.string(), message: z.string() }) });

/** Longer than the longest thing that is asked for: that a node starts and catches up. */
const TIMEOUT_MS = 120_000;

/**
 * Asks an administrative server (`admin-server.ts`) and gives its JSON. Throws the error that it answered, or ERR with
 * `later` when it cannot be reached.
 */
export async function askAdmin(baseUrl: string, path: string, body?: unknown): Promise<unknown> {
  const url = URL.parse(path, baseUrl);
  if (url === null || url.protocol !== 'http:') {
    throw new CausewayError(
      'CONFIG',
      `expected http://host:port as the address of a running cluster, got "${baseUrl}"`,
    );
  }
  const { status, text } = await exchange(url, body);
  const value = parseJson(text, baseUrl);
  if (status === 200) return value;
  const parsed = refused.safeParse(value);
  if (!parsed.success) throw new CausewayError('ERR', `${baseUrl}${path} answered ${status}`);
  throw new CausewayError(parsed.data.error.code as ErrorCode, parsed.data.error.message);
}

async function exchange(url: URL, body: unknown): Promise<{ status: number; text: string }> {
  const text = body === undefined ? undefined : JSON.stringify(body);
  return new Promise((resolve, reject) => {
    const fail = (cause: Error): void => {
      reject(new CausewayError('ERR', `no answer from ${url.origin}: ${cause.message}`, { retry: 'later', cause }));
    };
    const outgoing = request(
      url,
      {
        agent: false,
        timeout: TIMEOUT_MS,
        method: text === undefined ? 'GET' : 'POST',
        headers:
          text === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) },
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', fail);
        response.on('end', () => {
          resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString('utf8') });
        });
      },
    );
    outgoing.on('timeout', () => outgoing.destroy(new Error(`nothing for ${TIMEOUT_MS / 1_000} s`)));
    outgoing.on('error', fail);
    outgoing.end(text);
  });
}

function parseJson(text: string, baseUrl: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new CausewayError('ERR', `${baseUrl} did not answer with JSON`, { cause });
  }
}
