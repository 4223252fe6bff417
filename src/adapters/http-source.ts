import { SourceServer } from './source-request.ts';
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
  readonly #server: SourceServer;

  /** `template` is an address with `{key}` in its path or query. */
  constructor(template: string, timeoutMs: number) {
    const address = new URL(template.replace(KEY_MARK, PLACE));
    this.#address = address.href;
    this.#server = new SourceServer(address, timeoutMs, ANSWER_BYTES_MAX);
  }

  readonly canStore = true;

  /** Path and query of a key. Throws where it has no address. */
  #pathOf(key: Uint8Array): string {
    const address = this.#address.replace(PLACE, () => escaped(key));
    const url = new URL(address);
    // `.` and `..` mean another place however they are written
    if (url.href !== address) throw new Error('the key cannot be a part of an address');
    return url.pathname + url.search;
  }

  async load(key: Uint8Array): Promise<Uint8Array | null> {
    const path = this.#pathOf(key);
    const { status, body } = await this.#server.ask({ method: 'GET', path, headers: {}, body: null });
    if (status === 200) return body;
    if (ABSENT.has(status)) return null;
    throw new Error(`it answered ${status}`);
  }

  async storeMany(writes: readonly SourceWrite[]): Promise<readonly StoreVerdict[]> {
    return unlessAway(await Promise.all(writes.map(async (write) => await this.#store(write))));
  }

  async #store({ key, value, version }: SourceWrite): Promise<StoreVerdict> {
    let path: string;
    try {
      path = this.#pathOf(key);
    } catch (error) {
      return { kind: 'refused', reason: (error as Error).message };
    }
    try {
      const { status } = await this.#server.ask({
        method: value === null ? 'DELETE' : 'PUT',
        path,
        headers: { 'content-type': 'application/octet-stream', 'causeway-version': version },
        body: value,
      });
      const isTaken = status >= 200 && status < 300;
      if (isTaken || (value === null && ABSENT.has(status))) return STORED;
      const isFinal = status >= 400 && status < 500 && !MAY_BE_TAKEN_LATER.has(status);
      return { kind: isFinal ? 'refused' : 'failed', reason: `it answered ${status}` };
    } catch (error) {
      return { kind: 'failed', reason: error instanceof Error ? error.message : String(error) };
    }
  }

  close(): void {
    this.#server.close();
  }
}

/** Every byte but letters, digits, `-` and `_` as %XX: of a key nothing has a meaning in the address. */
function escaped(key: Uint8Array): string {
  return Array.from(key, (byte) => {
    const char = String.fromCharCode(byte);
    return /[\w.~-]/.test(char) ? char : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }).join('');
}
