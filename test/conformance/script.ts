import { inOrder, type Words } from '../differential/comparison.ts';
import { readWords, replyText } from './reply-value.ts';
import { RespConnection } from './resp-connection.ts';

/**
 * A script is text: a line `> SET key value` is a request (words as `readWords` reads them), and the line after it the
 * reply as `replyText` writes it. `@resp 3` changes the protocol, `@client B` goes on on another connection; what begins
 * with `#` and empty lines are for people. Everything begins with an empty keyspace and RESP2.
 */
export interface ScriptRequest {
  /** Index of the request's line; its reply's is the next. */
  readonly line: number;
  readonly client: string;
  readonly respVersion: 2 | 3;
  readonly words: Words;
}

export interface Script {
  readonly lines: readonly string[];
  readonly requests: readonly ScriptRequest[];
}

export function readScript(text: string): Script {
  const lines = text.split('\n');
  const requests: ScriptRequest[] = [];
  let client = 'A';
  let respVersion: 2 | 3 = 2;
  for (let line = 0; line < lines.length; line++) {
    const content = lines[line] ?? '';
    if (content.startsWith('> ')) {
      requests.push({ line, client, respVersion, words: readWords(content.slice(2)) });
      line++;
    } else if (content.startsWith('@client ')) client = content.slice(8);
    else if (content.startsWith('@resp ')) respVersion = content.endsWith('3') ? 3 : 2;
    else if (content !== '' && !content.startsWith('#'))
      throw new Error(`line ${line + 1} is no part of a script: ${content}`);
  }
  return { lines, requests };
}

/** The script's text with the replies that the server on a port gives. */
export async function playScript(script: Script, port: number): Promise<string> {
  const lines = [...script.lines];
  const clients = new Map<string, { connection: RespConnection; respVersion: 2 | 3 }>();
  const clean = await RespConnection.open(port);
  await clean.request('FLUSHALL');
  clean.close();
  try {
    for (const { line, client, respVersion, words } of script.requests) {
      let speaker = clients.get(client);
      if (speaker === undefined) {
        speaker = { connection: await RespConnection.open(port), respVersion: 2 };
        clients.set(client, speaker);
      }
      if (speaker.respVersion !== respVersion) await speaker.connection.request('HELLO', String(respVersion));
      speaker.respVersion = respVersion;
      lines[line + 1] = replyText(inOrder(words, await speaker.connection.request(...words)));
    }
  } finally {
    for (const { connection } of clients.values()) connection.close();
  }
  return lines.join('\n');
}
