import type { Codecs } from './codec.ts';
import { NearPartRead, type ReadPart } from './near-part-read.ts';
import { NearTurns } from './near-turns.ts';
import { bytesOf, type Reply } from './replies.ts';
import type { Argument } from './request-bytes.ts';
import type { Call, CallOptions } from './request.ts';
import type { Transport } from './transport.ts';

/** Commands and values on the way to a node and back: what the parts of the client share. */
export class Values {
  readonly transport: Transport;
  readonly codecs: Codecs;
  readonly turns: NearTurns = new NearTurns();

  constructor(transport: Transport, codecs: Codecs) {
    this.transport = transport;
    this.codecs = codecs;
  }

  async read(
    args: readonly Argument[],
    keys: readonly string[],
    options: CallOptions,
    more: Partial<Call> = {},
  ): Promise<Reply> {
    return this.transport.send({ ...options, ...more, args, kind: 'read', keys });
  }

  /** As `read`, of parts of what a key shows, which may be kept near. */
  async readParts(
    args: readonly Argument[],
    key: string,
    options: CallOptions,
    partsOf: (reply: Reply) => readonly ReadPart[],
  ): Promise<Reply> {
    return this.read(args, [key], options, new NearPartRead(this.transport.near, key, partsOf).call);
  }

  /** A part that lies near; null where it has to be asked for. */
  nearPart(key: string, name: string): { readonly value: unknown } | null {
    return this.transport.near?.part(key, name) ?? null;
  }

  /** As `read`, of what changes the keys: their values in the near cache go. */
  async write(
    args: readonly Argument[],
    keys: readonly string[],
    options: CallOptions,
    more: Partial<Call> = {},
  ): Promise<Reply> {
    const { near } = this.transport;
    const written = (): void => {
      for (const key of keys) near?.written(key);
    };
    const hooks = near === null ? {} : { leaving: written, replied: written, unanswered: written };
    return this.transport.send({ ...options, ...hooks, ...more, args, kind: 'write', keys });
  }

  encode(key: string, value: unknown): string | Uint8Array {
    return this.codecs.encode(key, value);
  }

  /** The value that a reply has, null for none. Throws DecodeFailed. */
  decode<T>(key: string, reply: Reply | undefined): T | null {
    const bytes = bytesOf(reply);
    return bytes === null ? null : (this.codecs.decode(key, bytes) as T);
  }
}
