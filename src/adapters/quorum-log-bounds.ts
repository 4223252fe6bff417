import { assert } from '../base/assert.ts';
import type { QuorumGroupBatch, StoredLogEntry } from '../ports.ts';

/** Which entries a group's log has on disk. */
export interface LogBounds {
  firstIndex: number;
  /** `firstIndex - 1` where the log is empty. */
  lastIndex: number;
}

/** What a batch does to single entries, in order. */
export interface LogChanges {
  removed(index: number): void;
  added(entry: StoredLogEntry): void;
}

/** Moves the bounds on by a batch. One that does not follow on what is there is our own fault, hence assertions. */
export function followLog(bounds: LogBounds, batch: QuorumGroupBatch, changes: LogChanges): void {
  if (batch.dropsLog) dropLog(bounds, batch, changes);
  if (batch.truncateFrom !== null) truncate(bounds, batch.truncateFrom, changes);
  for (const entry of batch.entries) {
    assert(entry.index === bounds.lastIndex + 1, 'an entry follows on the last one on disk');
    bounds.lastIndex = entry.index;
    changes.added(entry);
  }
  if (batch.compactTo !== null) compact(bounds, batch.compactTo, changes);
}

function dropLog(bounds: LogBounds, { snapshot, truncateFrom }: QuorumGroupBatch, changes: LogChanges): void {
  assert(snapshot !== null && truncateFrom === null, 'a snapshot takes the place of a log that goes');
  for (let index = bounds.firstIndex; index <= bounds.lastIndex; index++) changes.removed(index);
  bounds.firstIndex = snapshot.index + 1;
  bounds.lastIndex = snapshot.index;
}

function truncate(bounds: LogBounds, fromIndex: number, changes: LogChanges): void {
  assert(fromIndex >= bounds.firstIndex, 'what is compacted is not truncated');
  for (let index = fromIndex; index <= bounds.lastIndex; index++) changes.removed(index);
  bounds.lastIndex = Math.min(bounds.lastIndex, fromIndex - 1);
}

function compact(bounds: LogBounds, toIndex: number, changes: LogChanges): void {
  assert(toIndex <= bounds.lastIndex, 'only what is in the log is compacted');
  for (let index = bounds.firstIndex; index <= toIndex; index++) changes.removed(index);
  bounds.firstIndex = Math.max(bounds.firstIndex, toIndex + 1);
}
