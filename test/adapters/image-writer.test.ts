import { describe, expect, test } from 'vitest';
import { ImageWriter, type ImageFiles } from '../../src/adapters/image-writer.ts';
import type { StoredEntry } from '../../src/base/packed-entries.ts';
import type { StoreBatch } from '../../src/ports.ts';

const PARTS = 3;

/** Three parts of a thousand keys. */
function largeBatch(): StoreBatch {
  const entries = Array.from({ length: PARTS * 1_000 }, (_unused, at): StoredEntry => [
    Buffer.from(`key:${at}`),
    Buffer.from('state'),
  ]);
  return { clear: false, entries, meta: Buffer.from('meta'), stampBound: 1 };
}

/** A disk that refuses one write, in the count of those of its kind, and takes all that come after it. */
class RefusingFiles {
  staged = 0;
  transactions = 0;
  readonly said: string[] = [];
  readonly refusedStaged: number;
  readonly refusedTransaction: number;

  constructor(refusedStaged: number, refusedTransaction: number) {
    this.refusedStaged = refusedStaged;
    this.refusedTransaction = refusedTransaction;
  }

  get files(): ImageFiles {
    const taken = async (): Promise<boolean> => Promise.resolve(true);
    const refused = async (): Promise<boolean> => Promise.reject(new Error('no room'));
    const files = {
      image: {
        batch: async (run: () => void) => {
          run();
          return ++this.transactions === this.refusedTransaction ? refused() : taken();
        },
      },
      entries: { put: taken, remove: taken, clearAsync: taken },
      meta: {
        put: async (key: Uint8Array) => {
          this.said.push(Buffer.from(key).toString());
          return taken();
        },
        remove: taken,
      },
      staged: {
        put: async () => (++this.staged === this.refusedStaged ? refused() : taken()),
        remove: taken,
      },
    };
    return files as unknown as ImageFiles;
  }
}

describe('a large batch on a disk that refuses one write and takes the next', () => {
  test('is not said to be whole where a part of it is not there', async () => {
    const disk = new RefusingFiles(2, 0);
    await expect(new ImageWriter(disk.files).write(largeBatch(), () => 0)).rejects.toThrow('no room');
    expect([disk.staged, disk.transactions, disk.said]).toEqual([PARTS, 0, []]);
  });

  test('is not moved past a part that did not come to its place', async () => {
    const disk = new RefusingFiles(0, 3);
    await expect(new ImageWriter(disk.files).write(largeBatch(), () => 0)).rejects.toThrow('no room');
    // whole, the first part, and the second, which was refused
    expect(disk.transactions).toBe(3);
  });

  test('is whole and in its place where nothing is refused', async () => {
    const disk = new RefusingFiles(0, 0);
    await new ImageWriter(disk.files).write(largeBatch(), () => 0);
    expect([disk.staged, disk.transactions]).toEqual([PARTS, 1 + PARTS]);
  });
});
