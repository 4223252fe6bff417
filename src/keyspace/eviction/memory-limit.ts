import type { ByteRange } from '../../base/bytes.ts';
import { CausewayError } from '../../errors.ts';
import type { ClassSample } from '../class-sample.ts';
import type { Slot } from '../keyspace.ts';

/** What the keyspace takes and may take, as commands see it. */
export interface MemoryView {
  /** As CONFIG says; replaced while the node runs. */
  readonly limit: MemoryLimit;
  /** Bytes that count against the limit. */
  readonly usedBytes: number;
  /** Whether there is to be no more. */
  readonly isFull: boolean;
  /** Whether there is a store for values that go. */
  readonly hasStore: boolean;
  /** Whether keys of some class go with their values. */
  readonly hasDrops: boolean;
  /** Whether values are there that can go as soon as the store has them. */
  readonly mayFree: boolean;
  /** Keys whose value is not in memory. */
  readonly stubs: number;
  /** Whether the value of the key that shows in a slot is one of these: to read it would bring it back into memory. */
  isStub(slot: Slot): boolean;
  /** Values that went, and that were read from the store for who asked for them, since the start. */
  readonly evicted: number;
  readonly refilled: number;
  /** What a sample tells of each of `count` classes. */
  sample(count: number, indexOf: (key: ByteRange) => number, nowMs: number): readonly ClassSample[];
}

export class MemoryLimit {
  /** Bytes of the keyspace, 0 for no limit. */
  bytes = 0;
  /** Whether values go where the limit would be passed; else writes are refused. */
  evicts = true;
}

function reasonOf({ limit, stubs, mayFree, hasStore, hasDrops }: MemoryView): string {
  if (!limit.evicts) return `the policy is ${NO_EVICTION}`;
  if (!hasStore && !hasDrops) return 'a node without a data folder evicts nothing';
  const left = mayFree ? 'what is left is not on disk yet' : 'nothing is left to evict';
  return `${left} (${stubs} values are evicted)`;
}

/** Policies, as CONFIG names them. */
export const S3_FIFO = 's3-fifo';
export const NO_EVICTION = 'noeviction';

export function policyText({ evicts }: MemoryLimit): string {
  return evicts ? S3_FIFO : NO_EVICTION;
}

/** Why a write that takes memory is not done now. */
export function outOfMemory(memory: MemoryView): CausewayError {
  const { usedBytes, limit } = memory;
  const why = reasonOf(memory);
  return new CausewayError(
    'OOM',
    `command not allowed when used memory > 'maxmemory': ${usedBytes} of ${limit.bytes} bytes; ${why}`,
    { retry: 'later' },
  );
}
