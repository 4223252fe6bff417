import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { onTestFinished } from 'vitest';

/** Writes to the journal's files until the test ends: as they are, cut short, or failing from one on. */
export class FaultyWrites {
  /** Writes that are left until they fail; Infinity for none. */
  left = Infinity;
  code = 'EIO';
  /** Those that fail as well. */
  failsOn: (bytes: Uint8Array, at: number) => boolean = () => false;
  /** No more than so many bytes at a time, as the system may do. */
  bytesMax = Infinity;
  readonly #journals: Set<number> = new Set();

  constructor() {
    const { openSync, writeSync, write } = fs;
    onTestFinished(() => {
      Object.assign(fs, { openSync, writeSync, write });
      syncBuiltinESMExports();
    });
    Object.assign(fs, {
      openSync: (path: string, ...rest: [string, number]): number => {
        const descriptor = openSync(path, ...rest);
        if (/journal-[01]$/.test(path)) this.#journals.add(descriptor);
        else this.#journals.delete(descriptor);
        return descriptor;
      },
      writeSync: (descriptor: number, bytes: Uint8Array, offset: number, length: number, at: number): number => {
        if (!this.#journals.has(descriptor)) return writeSync(descriptor, bytes, offset, length, at);
        const error = this.#errorOf(bytes, at);
        if (error !== null) throw error;
        return writeSync(descriptor, bytes, offset, Math.min(length, this.bytesMax), at);
      },
      write: (
        descriptor: number,
        bytes: Uint8Array,
        offset: number,
        length: number,
        at: number,
        done: (error: Error | null, count: number, bytes: Uint8Array) => void,
      ): void => {
        if (!this.#journals.has(descriptor)) return write(descriptor, bytes, offset, length, at, done);
        const error = this.#errorOf(bytes, at);
        if (error !== null) setImmediate(() => done(error, 0, bytes));
        else write(descriptor, bytes, offset, Math.min(length, this.bytesMax), at, done);
      },
    });
    syncBuiltinESMExports();
  }

  #errorOf(bytes: Uint8Array, at: number): Error | null {
    this.left -= 1;
    if (this.left >= 0 && !this.failsOn(bytes, at)) return null;
    return Object.assign(new Error(`${this.code}: the disk failed, write`), { code: this.code });
  }
}
