import { latin1Of } from '../base/bytes.ts';
import { SLOWLOG_ARGUMENTS_MAX, SLOWLOG_ARGUMENT_BYTES_MAX } from '../base/client-limits.ts';
import type { Args } from './context.ts';

/** One request that took long. */
export interface SlowlogEntry {
  readonly id: number;
  readonly atSeconds: number;
  readonly durationUsec: number;
  /** Latin1, shortened as the limits say. */
  readonly args: readonly string[];
  readonly clientAddress: string;
  readonly clientName: string;
}

/** The newest slow requests, newest first. */
export class Slowlog {
  #entries: SlowlogEntry[] = [];
  #nextId = 0;

  get length(): number {
    return this.#entries.length;
  }

  add(
    args: Args,
    atMs: number,
    durationUsec: number,
    client: { address: string; name: string },
    lengthMax: number,
  ): void {
    this.#entries.unshift({
      id: this.#nextId++,
      atSeconds: Math.floor(atMs / 1000),
      durationUsec: Math.round(durationUsec),
      args: shortened(args),
      clientAddress: client.address,
      clientName: client.name,
    });
    if (this.#entries.length > lengthMax) this.#entries.length = lengthMax;
  }

  /** The newest `count`. */
  newest(count: number): readonly SlowlogEntry[] {
    return this.#entries.slice(0, count);
  }

  reset(): void {
    this.#entries = [];
  }
}

function shortened(args: Args): string[] {
  const kept = args.count > SLOWLOG_ARGUMENTS_MAX ? SLOWLOG_ARGUMENTS_MAX - 1 : args.count;
  const texts: string[] = [];
  for (let i = 0; i < kept; i++) {
    const { buf, start, end } = args.range(i);
    const over = end - start - SLOWLOG_ARGUMENT_BYTES_MAX;
    if (over <= 0) texts.push(latin1Of(buf, start, end));
    else texts.push(`${latin1Of(buf, start, start + SLOWLOG_ARGUMENT_BYTES_MAX)}... (${over} more bytes)`);
  }
  if (kept < args.count) texts.push(`... (${args.count - kept} more arguments)`);
  return texts;
}
