import { latin1Bytes } from '../../src/base/bytes.ts';
import { RequestArgs } from '../../src/wire/resp/request-args.ts';
import { Parsed, RequestParser } from '../../src/wire/resp/request-parser.ts';

export interface ParseOutcome {
  readonly requests: string[][];
  /** The parser's failure, '' while the stream is fine. */
  readonly failure: string;
}

export interface ParseOptions {
  readonly bulkBytesMax?: number;
  readonly authenticated?: boolean;
  /** Free bytes in front of what is lent, as the shared read buffer has them. */
  readonly headroom?: number;
}

/** Feeds pieces of a stream as a connection does, through one buffer that is overwritten by every piece. */
export function parseAll(pieces: readonly (string | Uint8Array)[], options: ParseOptions = {}): ParseOutcome {
  const parser = new RequestParser({ bulkBytesMax: options.bulkBytesMax ?? 1024 * 1024 });
  parser.authenticated = options.authenticated ?? true;
  const headroom = options.headroom ?? 4096;
  const args = new RequestArgs();
  const requests: string[][] = [];
  const longest = pieces.reduce((most, piece) => Math.max(most, piece.length), 0);
  const shared = new Uint8Array(headroom + longest);
  for (const piece of pieces) {
    const bytes = typeof piece === 'string' ? latin1Bytes(piece) : piece;
    shared.fill(255);
    shared.set(bytes, headroom);
    parser.feed(shared, headroom, headroom + bytes.length);
    for (;;) {
      const parsed = parser.next(args);
      if (parsed === Parsed.Broken) return { requests, failure: parser.failure };
      if (parsed === Parsed.Incomplete) break;
      requests.push(Array.from({ length: args.count }, (_, index) => args.text(index)));
    }
    parser.keep();
    parser.shrink();
  }
  return { requests, failure: '' };
}

/** A request as clients send it. */
export function multibulk(...args: string[]): string {
  return `*${args.length}\r\n${args.map((arg) => `$${arg.length}\r\n${arg}\r\n`).join('')}`;
}
