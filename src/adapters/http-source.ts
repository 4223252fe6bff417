import { STORED, unlessAway, type KeySource, type SourceWrite, type StoreVerdict } from './key-source.ts';

/** Bytes of an answer; past it the load fails. */
const ANSWER_BYTES_MAX: number = 16 * 1024 * 1024;
const KEY_MARK = '{key}';
/** Stands for the key where an address is brought into its usual form. */
const PLACE = 'KEY-PLACE';
/** No value: not found, gone, or nothing in it. */
const ABSENT: ReadonlySet<number> = new Set([204, 404, 410]);
/** Of a 4xx all but these say that the request will never be taken, whoever asks and when. */
const MAY_BE_TAKEN_LATER: ReadonlySet<number> = new Set([401, 403, 404, 408, 425, 429]);

/** An HTTP server that has a value a key: 200 with the value, 404 where there is none. PUT sets it and DELETE removes it. */
export class HttpSource implements KeySource {
  readonly #address: string;
  readonly #timeoutMs: number;

  /** `template` is an address with `{key}` in its path or query. */
  constructor(template: string, timeoutMs: number) {
    this.#address = new URL(template.replace(KEY_MARK, PLACE)).href;
    this.#timeoutMs = timeoutMs;
  }

  readonly canStore = true;

  #addressOf(key: Uint8Array): string {
    const address = this.#address.replace(PLACE, () => escaped(key));
    // `.` and `..` mean another place however they are written
    if (new URL(address).href !== address) throw new Error('the key cannot be a part of an address');
    return address;
  }

  async load(key: Uint8Array): Promise<Uint8Array | null> {
    const response = await fetch(this.#addressOf(key), {
      redirect: 'manual',
      signal: AbortSignal.timeout(this.#timeoutMs),
      headers: { accept: '*/*' },
    });
    if (response.status === 200) return bodyOf(response);
    await response.body?.cancel();
    if (ABSENT.has(response.status)) return null;
    throw new Error(`it answered ${response.status}`);
  }

  async storeMany(writes: readonly SourceWrite[]): Promise<readonly StoreVerdict[]> {
    return unlessAway(await Promise.all(writes.map(async (write) => await this.#store(write))));
  }

  async #store({ key, value, version }: SourceWrite): Promise<StoreVerdict> {
    let address: string;
    try {
      address = this.#addressOf(key);
    } catch (error) {
      return { kind: 'refused', reason: (error as Error).message };
    }
    try {
      const response = await fetch(address, {
        method: value === null ? 'DELETE' : 'PUT',
        redirect: 'manual',
        signal: AbortSignal.timeout(this.#timeoutMs),
        headers: { 'content-type': 'application/octet-stream', 'causeway-version': version },
        // a Buffer, because a view of a part of its memory would do too
        ...(value === null ? {} : { body: Buffer.from(value) }),
      });
      await response.body?.cancel();
      const { ok, status } = response;
      if (ok || (value === null && ABSENT.has(status))) return STORED;
      const isFinal = status >= 400 && status < 500 && !MAY_BE_TAKEN_LATER.has(status);
      return { kind: isFinal ? 'refused' : 'failed', reason: `it answered ${status}` };
    } catch (error) {
      return { kind: 'failed', reason: error instanceof Error ? error.message : String(error) };
    }
  }

  close(): void {}
}

/** Every byte but letters, digits, `-` and `_` as %XX: of a key nothing has a meaning in the address. */
function escaped(key: Uint8Array): string {
  return Array.from(key, (byte) => {
    const char = String.fromCharCode(byte);
    return /[\w.~-]/.test(char) ? char : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }).join('');
}

async function bodyOf(response: Response): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of response.body ?? []) {
    bytes += part.length;
    if (bytes > ANSWER_BYTES_MAX) throw new Error(`its answer is longer than ${ANSWER_BYTES_MAX} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts, bytes);
}
