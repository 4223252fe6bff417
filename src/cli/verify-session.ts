import { setTimeout as delay } from 'node:timers/promises';
import type { Operation, OperationLevel } from '../verify/history.ts';
import type { VerifyNode } from './verify-cluster.ts';
import type { Recorder } from './verify-recorder.ts';
import { RespError, type RespClient, type RespValue } from './resp-client.ts';

/** What a session needs of a connection. */
export type Connection = Pick<RespClient, 'send' | 'close'>;

/** What sessions of a run share. */
export interface SessionHost {
  readonly recorder: Recorder;
  /** Asked for all connections; null for what the class of each key says. */
  readonly level: OperationLevel | null;
  connect(node: VerifyNode): Promise<Connection>;
  /** A name that no client had. */
  nextClient(): string;
}

/** What is asked; `args` is the command. */
export type Request = Pick<Operation, 'op' | 'key' | 'value' | 'expected' | 'level'> & {
  readonly args: readonly (string | number)[];
  /** Milliseconds after it is asked at which the key expires. */
  readonly ttlMs?: number;
  /** What a reply to a read found; the reply as it is otherwise. */
  readonly found?: (reply: RespValue) => string | null;
};

export interface Answer {
  readonly ok: boolean | null;
  readonly reply: RespValue;
}

/** Codes of refusals: nothing happened and nothing will. Any other error may be of something that was done. */
const REFUSED: ReadonlySet<string> = new Set([
  'BEHIND',
  'CLOCKSKEW',
  'CROSSCLASS',
  'DENIED',
  'EXECABORT',
  'HOMEREGION',
  'LIMIT',
  'LOADING',
  'NOAUTH',
  'NOQUORUM',
  'OOM',
  'WRONGTYPE',
]);
const ATTACH_MS = 2_000;
/** Where what is read waits by itself: shorter than the way between regions. */
const ATTACH_SOON_MS = 50;
const ONCE_ATTEMPTS = 4;
const ONCE_AGAIN_MS = 500;

/** One client after another at one node after another: a connection, what it does, and when it is a new session. */
export class VerifySession {
  readonly #host: SessionHost;
  #node: VerifyNode;
  #client: Connection | null = null;
  #name = '';
  /** What `readTogether` found last. */
  #seen: ReadonlyMap<string, string | null> = new Map();
  #isClosed = false;

  constructor(host: SessionHost, node: VerifyNode) {
    this.#host = host;
    this.#node = node;
  }

  get node(): VerifyNode {
    return this.#node;
  }

  /** Does it and records it. Null where there is no connection: then nothing was asked. */
  async perform(request: Request): Promise<Answer | null> {
    const client = await this.#connected();
    if (client === null) return null;
    const { recorder } = this.#host;
    const { args, found: _found, ttlMs, ...asked } = request;
    const start = recorder.nowNs();
    const expires = ttlMs === undefined ? {} : { expires: start + ttlMs * 1e6 };
    const of = { client: this.#name, region: this.#node.region, ...asked, ...expires, start };
    try {
      const reply = await client.send(...args);
      const end = recorder.nowNs();
      const done = this.#done(request, reply);
      recorder.add(this.#node.id, { ...of, ...done, end });
      return { ok: done.ok, reply };
    } catch (error) {
      const end = recorder.nowNs();
      const isAnswer = error instanceof RespError;
      const code = isAnswer ? (error.message.split(' ', 1)[0] ?? '') : 'LOST';
      const ok = isAnswer && (REFUSED.has(code) || asked.op === 'read') ? false : null;
      recorder.add(this.#node.id, { ...of, end, ok, error: code });
      // What is still under way may take effect at any time: what comes next is another session.
      if (!isAnswer) this.#drop();
      return { ok, reply: null };
    }
  }

  /**
   * Reads keys at once, and records that as a read of each: first of those that show something else than this session saw last, then of the
   * others, for in these a cause may be missing. Where nothing is new nothing is recorded. Gives whether something is.
   */
  async readTogether(keys: readonly string[], level: OperationLevel): Promise<boolean> {
    const client = await this.#connected();
    if (client === null) return false;
    const { recorder } = this.#host;
    const start = recorder.nowNs();
    const of = { client: this.#name, region: this.#node.region, op: 'read', level, start } as const;
    try {
      const reply = await client.send('MGET', ...keys);
      const values = Array.isArray(reply) ? (reply as readonly RespValue[]) : [];
      const end = recorder.nowNs();
      const found = keys.map((key, at) => ({ key, value: textOf(values[at] ?? null) }));
      const isNew = ({ key, value }: (typeof found)[number]): boolean => this.#seen.get(key) !== value;
      const ordered = [...found.filter(isNew), ...found.filter((each) => !isNew(each))];
      if (!found.some(isNew)) return false;
      this.#seen = new Map(found.map(({ key, value }) => [key, value]));
      for (const each of ordered) recorder.add(this.#node.id, { ...of, ...each, end, ok: true });
      return true;
    } catch (error) {
      if (!(error instanceof RespError)) this.#drop();
      return false;
    }
  }

  /**
   * As `perform`, under an id of the client's own: asked again until there is an answer, or too often. One operation of a client of its own, for
   * it may outlive this session.
   */
  async performOnce(request: Request, id: string): Promise<void> {
    const { recorder } = this.#host;
    const { args, op, key, value, level } = request;
    const start = recorder.nowNs();
    const issuedMs = Date.now();
    const client = this.#host.nextClient();
    const of = { client, region: this.#node.region, op, key, value, level, start };
    let mayBeDone = false;
    let wasAsked = false;
    let code = 'LOST';
    for (let attempt = 0; attempt < ONCE_ATTEMPTS && !this.#isClosed; attempt++) {
      const connection = await this.#connected();
      if (connection === null) {
        await delay(ONCE_AGAIN_MS);
        continue;
      }
      wasAsked = true;
      try {
        const reply = await connection.send('CW.ONCE', id, issuedMs, ...args);
        recorder.add(this.#node.id, { ...of, result: String(reply), end: recorder.nowNs(), ok: true });
        // As a client does that has missed the answer: it has happened once all the same.
        await connection.send('CW.ONCE', id, issuedMs, ...args).catch(() => this.#drop());
        return;
      } catch (error) {
        if (!(error instanceof RespError)) this.#drop();
        code = error instanceof RespError ? (error.message.split(' ', 1)[0] ?? '') : 'LOST';
        if (!REFUSED.has(code)) mayBeDone = true;
      }
    }
    if (!wasAsked) return;
    recorder.add(this.#node.id, { ...of, end: recorder.nowNs(), ok: mayBeDone ? null : false, error: code });
  }

  /** Goes on at another node: as the same session where its token is taken along and taken there, else as a new one. */
  async move(to: VerifyNode, hasToken: boolean): Promise<void> {
    const from = this.#node;
    const { recorder } = this.#host;
    const sinceNs = recorder.nowNs();
    const name = this.#name;
    const token = hasToken ? await this.#token() : null;
    this.#drop();
    this.#node = to;
    const client = await this.#connected();
    if (client === null || token === null) return;
    try {
      await client.send('CW.ATTACH', token, 'TIMEOUT', this.#waitsForToken ? ATTACH_SOON_MS : ATTACH_MS);
      // What went with a node counts as had: the token asks for no more than what is left.
      if (!recorder.mayHaveLost(from.id, sinceNs)) this.#name = name;
    } catch (error) {
      // Where nothing is answered before what the token names is there, it goes on as it was.
      const isWaiting = error instanceof RespError && error.message.startsWith('BEHIND ') && this.#waitsForToken;
      if (isWaiting && !recorder.mayHaveLost(from.id, sinceNs)) this.#name = name;
      else this.#drop();
    }
  }

  get #waitsForToken(): boolean {
    return this.#host.level === 'session' || this.#host.level === 'strong';
  }

  close(): void {
    this.#isClosed = true;
    this.#drop();
  }

  async #token(): Promise<string | null> {
    try {
      const token = await this.#client?.send('CW.TOKEN');
      return typeof token === 'string' ? token : null;
    } catch {
      return null;
    }
  }

  #drop(): void {
    this.#client?.close();
    this.#client = null;
  }

  async #connected(): Promise<Connection | null> {
    if (this.#client !== null) return this.#client;
    let client: Connection | null = null;
    try {
      client = await this.#host.connect(this.#node);
      if (this.#host.level !== null) await client.send('CW.LEVEL', this.#host.level);
    } catch {
      client?.close();
      return null;
    }
    if (this.#isClosed) {
      client.close();
      return null;
    }
    this.#client = client;
    this.#name = this.#host.nextClient();
    this.#seen = new Map();
    return client;
  }

  /** What an answer that is no error says. */
  #done(
    { found = textOf, op, value }: Request,
    reply: RespValue,
  ): Pick<Operation, 'value' | 'ok'> & { readonly result?: string } {
    switch (op) {
      case 'read':
        return { value: found(reply), ok: true };
      case 'cas':
        return { value, ok: reply === 1 || reply === 'OK' };
      case 'incr':
        return { value, ok: true, result: String(reply) };
      case 'write':
      case 'del':
        return { value, ok: true };
    }
  }
}

function textOf(reply: RespValue): string | null {
  return reply === null ? null : String(reply);
}
