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

/** What an EXEC comes to that found what it watched written. */
const WATCHED = 'WATCHED';

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
  WATCHED,
  'WRONGTYPE',
]);
const ATTACH_MS = 2_000;
/** Where what is read waits by itself: shorter than the way between regions. */
const ATTACH_SOON_MS = 50;
const ONCE_ATTEMPTS = 5;
const ONCE_AGAIN_MS = 500;
/** The request has left by then, and the answer is not there yet where another region is asked. */
const HANG_UP_MS = 20;

/** One client after another at one node after another: a connection, what it does, and when it is a new session. */
export class VerifySession {
  readonly #host: SessionHost;
  #node: VerifyNode;
  #client: Connection | null = null;
  #name = '';
  /** What `readTogether` found last. */
  readonly #seen: Map<string, string | null> = new Map();
  #isClosed = false;

  constructor(host: SessionHost, node: VerifyNode) {
    this.#host = host;
    this.#node = node;
  }

  get node(): VerifyNode {
    return this.#node;
  }

  /** What it is called in the history: another one since it lost its connection. */
  get name(): string {
    return this.#name;
  }

  /** Another client at the same node. */
  another(): VerifySession {
    return new VerifySession(this.#host, this.#node);
  }

  nowNs(): number {
    return this.#host.recorder.nowNs();
  }

  /** Does it and records it. Null where there is no connection: then nothing was asked. */
  async perform(request: Request): Promise<Answer | null> {
    const [answer] = await this.performAll([request]);
    return answer ?? null;
  }

  /** As `perform`, of requests that are asked in one go: each is there before the one in front of it is answered. */
  async performAll(requests: readonly Request[]): Promise<readonly Answer[]> {
    const client = await this.#connected();
    if (client === null) return [];
    const start = this.nowNs();
    const asked = requests.map((request) => ({ request, reply: client.send(...request.args) }));
    // All are waited for, one after the other.
    for (const { reply } of asked) reply.catch(() => undefined);
    const answers: Answer[] = [];
    for (const { request, reply } of asked) answers.push(await this.#recorded(request, start, reply));
    return answers;
  }

  /**
   * WATCH of a key, and what is done with it; `exec` does a request and records it, as one that was not done where EXEC says that somebody
   * has written since. Nothing is said of what is there then: it may have changed before it was looked at, too.
   */
  async watching(key: string, use: (exec: (request: Request) => Promise<void>) => Promise<void>): Promise<void> {
    if ((await this.unrecorded('WATCH', key)) !== 'OK') return;
    const client = this.#client;
    let isDone = false;
    await use(async (request) => {
      if (client === null || this.#client !== client) return;
      isDone = true;
      const start = this.nowNs();
      const replies = [client.send('MULTI'), client.send(...request.args), client.send('EXEC')] as const;
      for (const reply of replies) reply.catch(() => undefined);
      await this.#recorded(request, start, replies[2].then(resultOfExec));
    });
    if (!isDone && this.#client === client) await this.unrecorded('UNWATCH');
  }

  /** What it was answered, which is not in the history; undefined where that is an error or nothing. */
  async unrecorded(...args: readonly (string | number)[]): Promise<RespValue | undefined> {
    const [reply] = await this.unrecordedAll([args]);
    return reply;
  }

  /** As `unrecorded`, in one go. */
  async unrecordedAll(
    commands: readonly (readonly (string | number)[])[],
  ): Promise<readonly (RespValue | undefined)[]> {
    const client = await this.#connected();
    if (client === null) return [];
    return Promise.all(
      commands.map(async (args) => {
        try {
          return await client.send(...args);
        } catch (error) {
          if (!(error instanceof RespError) && this.#client === client) this.#drop();
          return undefined;
        }
      }),
    );
  }

  /** Uses a connection to another node; undefined where something fails there. */
  async elsewhere<T>(node: VerifyNode, use: (there: Connection) => Promise<T>): Promise<T | undefined> {
    let there: Connection | null = null;
    try {
      there = await this.#host.connect(node);
      return await use(there);
    } catch {
      return undefined;
    } finally {
      there?.close();
    }
  }

  /** Records what was done since `start` and has been answered just now. */
  note({ key, level, op, value }: Pick<Operation, 'op' | 'key' | 'value' | 'level'>, start: number): void {
    const of = { client: this.#name, region: this.#node.region, op, key, value, level, start };
    this.#host.recorder.add(this.#node.id, { ...of, end: this.nowNs(), ok: true });
  }

  async #recorded(request: Request, start: number, answer: Promise<RespValue>): Promise<Answer> {
    const { recorder } = this.#host;
    const { args: _args, found: _found, ttlMs, ...asked } = request;
    const expires = ttlMs === undefined ? {} : { expires: start + ttlMs * 1e6 };
    const of = { client: this.#name, region: this.#node.region, ...asked, ...expires, start };
    try {
      const reply = await answer;
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
   * others, for in these a cause may be missing. What is read `first` is asked right before, in one go with it. Where nothing is new nothing is
   * recorded. Gives whether something is.
   */
  async readTogether(keys: readonly string[], level: OperationLevel, first?: Request): Promise<boolean> {
    const client = await this.#connected();
    if (client === null) return false;
    const start = this.nowNs();
    const before = first === undefined ? null : client.send(...first.args);
    const [head, rest] = await Promise.allSettled([before, client.send('MGET', ...keys)]);
    const values = rest.status === 'fulfilled' && Array.isArray(rest.value) ? (rest.value as readonly RespValue[]) : [];
    const found = keys.map((key, at) => ({ key, value: textOf(values[at] ?? null) }));
    const isNew = ({ key, value }: (typeof found)[number]): boolean => this.#seen.get(key) !== value;
    const isFirstNew =
      first !== undefined &&
      (head.status === 'rejected' || isNew({ key: first.key, value: (first.found ?? textOf)(head.value) }));
    const hasNew = isFirstNew || (rest.status === 'fulfilled' && found.some(isNew));
    if (hasNew && first !== undefined) {
      const reply = head.status === 'rejected' ? Promise.reject(head.reason as Error) : Promise.resolve(head.value);
      const answer = await this.#recorded(first, start, reply);
      if (answer.ok === true) this.#seen.set(first.key, (first.found ?? textOf)(answer.reply));
    }
    if (rest.status === 'rejected') {
      if (!(rest.reason instanceof RespError) && this.#client === client) this.#drop();
      return false;
    }
    if (!hasNew || this.#client !== client) return false;
    const of = { client: this.#name, region: this.#node.region, op: 'read', level, start, end: this.nowNs() } as const;
    for (const each of [...found.filter(isNew), ...found.filter((one) => !isNew(one))]) {
      this.#host.recorder.add(this.#node.id, { ...of, ...each, ok: true });
    }
    for (const { key, value } of found) this.#seen.set(key, value);
    return true;
  }

  /**
   * As `perform`, under an id of the client's own: asked again until there is an answer, or too often, of one node after the other. One operation
   * of a client of its own, for it may outlive this session. Where it `hangsUp` the first answer is not waited for.
   */
  async performOnce(request: Request, id: string, nodes: readonly VerifyNode[], hangsUp = false): Promise<void> {
    const { recorder } = this.#host;
    const { args, op, key, value, level } = request;
    const start = recorder.nowNs();
    const once = ['CW.ONCE', id, Date.now(), ...args];
    const client = this.#host.nextClient();
    const record = (node: VerifyNode, outcome: Pick<Operation, 'ok' | 'result' | 'error'>): void => {
      const of = { client, region: node.region, op, key, value, level, start };
      recorder.add(node.id, { ...of, ...outcome, end: recorder.nowNs() });
    };
    let mayBeDone = false;
    let asked: VerifyNode | null = null;
    let code = 'LOST';
    for (let attempt = 0; attempt < ONCE_ATTEMPTS && !this.#isClosed; attempt++) {
      let there: Connection | null = null;
      const node = nodes[attempt % nodes.length] ?? this.#node;
      try {
        there = await this.#host.connect(node);
        asked = node;
        const answer = there.send(...once);
        if (hangsUp && attempt === 0) {
          mayBeDone = true;
          answer.catch(() => undefined);
          await delay(HANG_UP_MS);
          continue;
        }
        const reply = await answer;
        record(node, { result: String(reply), ok: true });
        // As a client does that has missed the answer: it has happened once all the same.
        await there.send(...once).catch(() => undefined);
        return;
      } catch (error) {
        code = error instanceof RespError ? (error.message.split(' ', 1)[0] ?? '') : 'LOST';
        if (there !== null && !REFUSED.has(code)) mayBeDone = true;
        if (!(error instanceof RespError)) await delay(ONCE_AGAIN_MS);
      } finally {
        there?.close();
      }
    }
    if (asked !== null) record(asked, { ok: mayBeDone ? null : false, error: code });
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
    this.#seen.clear();
    return client;
  }

  /** What an answer that is no error says. */
  #done(
    { found = textOf, op, value }: Request,
    reply: RespValue,
  ): Pick<Operation, 'op' | 'value' | 'ok'> & { readonly result?: string } {
    switch (op) {
      case 'read':
        return { op, value: found(reply), ok: true };
      case 'cas':
        return { op, value, ok: reply === 1 || reply === 'OK' };
      case 'incr':
        return { op, value, ok: true, result: String(reply) };
      case 'del':
        // Where nothing was there nothing was done but to find that.
        return { op: reply === 0 ? 'read' : 'del', value: null, ok: true };
      case 'write':
        return { op, value, ok: true };
    }
  }
}

function textOf(reply: RespValue): string | null {
  return reply === null ? null : String(reply);
}

/** What the only command of an EXEC was answered. Throws that error, or WATCHED where nothing was run. */
function resultOfExec(reply: RespValue): RespValue {
  if (!Array.isArray(reply)) throw new RespError(`${WATCHED} somebody has written what was watched`);
  const result = (reply as readonly RespValue[])[0] ?? null;
  if (result instanceof RespError) throw result;
  return result;
}
