import { decodeConfig, isSoundConfig } from './group-config.ts';
import { type AppendRequest, type Entry, EntryKind, type Message, type SnapshotChunk } from './messages.ts';
import { INDEX_MAX, TERM_MAX } from './options.ts';

/** Whether a message could be one of this protocol, for this node; any other is dropped, whatever it says. */
export function isSound(message: Message, id: number): boolean {
  if (message.to !== id || message.from === id || !isNode(message.from)) return false;
  if (!isBelow(message.term, TERM_MAX) || message.term === 0) return false;
  switch (message.type) {
    case 'vote':
      return isPlace(message.lastIndex, message.lastTerm) && message.lastTerm < message.term;
    case 'append':
      return isSoundAppend(message);
    case 'append-response':
      return (
        [message.index, message.previousIndex, message.round].every((value) => isBelow(value, INDEX_MAX)) &&
        isBelow(message.conflictTerm, TERM_MAX)
      );
    case 'snapshot':
      return isSoundChunk(message);
    case 'snapshot-response':
      return [message.transfer, message.index, message.received, message.round].every((value) =>
        isBelow(value, INDEX_MAX),
      );
    case 'read-index':
      return isBelow(message.id, Number.MAX_SAFE_INTEGER);
    case 'read-index-response':
      return isBelow(message.id, Number.MAX_SAFE_INTEGER) && isBelow(message.index, INDEX_MAX);
    case 'vote-response':
    case 'timeout-now':
      return true;
  }
}

function isNode(node: number): boolean {
  return Number.isSafeInteger(node) && node > 0;
}

function isBelow(value: number, limit: number): boolean {
  return Number.isSafeInteger(value) && value >= 0 && value < limit;
}

/** An index and the term of its entry: both are 0 before the first. */
function isPlace(index: number, term: number): boolean {
  return isBelow(index, INDEX_MAX) && isBelow(term, TERM_MAX) && (index === 0) === (term === 0);
}

function isSoundAppend({ previousIndex, previousTerm, entries, commit, round, term }: AppendRequest): boolean {
  if (!isPlace(previousIndex, previousTerm) || previousTerm > term) return false;
  if (!isBelow(commit, INDEX_MAX) || !isBelow(round, INDEX_MAX)) return false;
  let before = { index: previousIndex, term: previousTerm };
  for (const entry of entries) {
    if (!isSoundEntry(entry) || entry.index !== before.index + 1 || entry.term < before.term) return false;
    before = entry;
  }
  return before.term <= term;
}

function isSoundEntry({ index, term, kind, data }: Entry): boolean {
  if (!isPlace(index, term) || index === 0 || !(data instanceof Uint8Array)) return false;
  return kind === EntryKind.Config
    ? decodeConfig(data) !== null
    : kind === EntryKind.Command || kind === EntryKind.Noop;
}

function isSoundChunk({ transfer, meta, offset, bytes, round, term }: SnapshotChunk): boolean {
  if (!isPlace(meta.index, meta.term) || meta.index === 0 || meta.term > term) return false;
  if (!isBelow(meta.configIndex, meta.index + 1) || !isSoundConfig(meta.config)) return false;
  if (![transfer, offset, round].every((value) => isBelow(value, INDEX_MAX))) return false;
  return bytes instanceof Uint8Array && offset + bytes.length < INDEX_MAX;
}
