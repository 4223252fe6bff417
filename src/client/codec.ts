import { Packr } from 'msgpackr';
import { CausewayError } from '../errors.ts';

/** How values become the bytes that are kept, and back. `decode` throws where the bytes are not of this codec. */
export interface Codec {
  /** Named in errors. */
  readonly name: string;
  encode(value: unknown): string | Uint8Array;
  decode(bytes: Uint8Array): unknown;
}

const strictText = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const packr: Packr = new Packr({ useRecords: false, mapsAsObjects: true, int64AsType: 'number', moreTypes: false });

function jsonOf(value: unknown): string {
  const text = JSON.stringify(value) as string | undefined;
  if (text === undefined) throw new TypeError(`JSON has nothing for ${typeof value}`);
  return text;
}

export type CodecName = 'json' | 'msgpack' | 'text' | 'raw';

/** The codecs that are there. `text` takes strings as they are, as other Redis clients do; `raw` takes bytes. */
export const codecs: Readonly<Record<CodecName, Codec>> = {
  json: { name: 'json', encode: jsonOf, decode: (bytes) => JSON.parse(strictText.decode(bytes)) as unknown },
  msgpack: {
    name: 'msgpack',
    encode: (value) => packr.pack(value),
    decode: (bytes) => packr.unpack(bytes) as unknown,
  },
  text: { name: 'text', encode: textIn, decode: (bytes) => strictText.decode(bytes) },
  raw: { name: 'raw', encode: bytesIn, decode: (bytes) => bytes },
};

function textIn(value: unknown): string {
  if (typeof value === 'string') return value;
  throw new TypeError(`it takes strings, not ${typeof value}`);
}

function bytesIn(value: unknown): Uint8Array {
  if (value instanceof Uint8Array) return value;
  throw new TypeError(`it takes bytes (a Uint8Array), not ${typeof value}`);
}

/** A codec for all keys, or one a key prefix: the longest that fits counts, '' is for the others (json where it is not given). */
export type CodecChoice = CodecName | Codec | Readonly<Record<string, CodecName | Codec>>;

/** Which codec a key has. */
export class Codecs {
  readonly #byPrefix: readonly (readonly [prefix: string, codec: Codec])[];
  readonly #others: Codec;

  /** Throws CONFIG for a name that is no codec's. */
  constructor(choice: CodecChoice) {
    const isOne = typeof choice === 'string' || isCodec(choice);
    const rows = isOne ? [] : Object.entries(choice).map(([prefix, codec]) => [prefix, codecOf(codec)] as const);
    this.#others = isOne ? codecOf(choice) : (rows.find(([prefix]) => prefix === '')?.[1] ?? codecs.json);
    this.#byPrefix = rows.filter(([prefix]) => prefix !== '').toSorted(([a], [b]) => b.length - a.length);
  }

  of(key: string): Codec {
    for (const [prefix, codec] of this.#byPrefix) if (key.startsWith(prefix)) return codec;
    return this.#others;
  }

  /** Whether what the key's codec writes is text in UTF-8. */
  isText(key: string): boolean {
    const codec = this.of(key);
    return codec === codecs.json || codec === codecs.text;
  }

  /** Throws DecodeFailed for a value that the key's codec does not take. */
  encode(key: string, value: unknown): string | Uint8Array {
    const codec = this.of(key);
    try {
      return codec.encode(value);
    } catch (cause) {
      throw failed(`the value for ${JSON.stringify(key)} cannot be written as ${codec.name}`, cause);
    }
  }

  /** Throws DecodeFailed that names the key and the codec. */
  decode(key: string, bytes: Uint8Array): unknown {
    const codec = this.of(key);
    try {
      return codec.decode(bytes);
    } catch (cause) {
      throw failed(`the value of ${JSON.stringify(key)} (${bytes.length} bytes) is not ${codec.name}`, cause);
    }
  }
}

function failed(what: string, cause: unknown): CausewayError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new CausewayError('DecodeFailed', `${what}: ${why}`, { cause });
}

function isCodec(choice: CodecChoice): choice is Codec {
  return typeof choice === 'object' && typeof choice['decode'] === 'function';
}

function codecOf(choice: CodecName | Codec): Codec {
  if (typeof choice === 'object') return choice;
  if (Object.hasOwn(codecs, choice)) return codecs[choice];
  throw new CausewayError('CONFIG', `codec: expected one of ${Object.keys(codecs).join(', ')}, got "${choice}"`);
}
