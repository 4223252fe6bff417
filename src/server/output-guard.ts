import type { OutputLimit } from '../commands/server-settings.ts';

/** Watches what one client has not taken of its output. */
export class OutputGuard {
  #overSoftSinceMs: number | null = null;

  /** The client has taken everything. */
  taken(): void {
    this.#overSoftSinceMs = null;
  }

  /** Why the client is to be disconnected, null when it is within its limit. */
  excess(bytes: number, limit: OutputLimit, monotonicMs: number): string | null {
    if (limit.hardBytes > 0 && bytes > limit.hardBytes) {
      return `output of ${bytes} bytes is over the hard limit of ${limit.hardBytes}`;
    }
    if (limit.softBytes === 0 || bytes <= limit.softBytes) {
      this.#overSoftSinceMs = null;
      return null;
    }
    this.#overSoftSinceMs ??= monotonicMs;
    if (monotonicMs - this.#overSoftSinceMs < limit.softSeconds * 1000) return null;
    return `output of ${bytes} bytes is over the soft limit of ${limit.softBytes} for ${limit.softSeconds} s`;
  }
}
