import { checkText } from './entry-state.ts';
import type { RequestRow } from '../groups/request-table.ts';
import { blob, count, list, node, packr, refuse, text } from './msgpack-checks.ts';

/** What a row is of: on disk and in snapshots, so never renumber, only add. */
const RowForm = { answer: 1, once: 2 } as const;

const NODE_BYTES = 4;
const COUNT_BYTES = 8;
const ANSWER_KEY_BYTES: number = 1 + NODE_BYTES + COUNT_BYTES;
const ONCE_KEY_BYTES: number = 1 + COUNT_BYTES;

/**
 * A row of the table of requests under its key, which sorts as what it counts does.
 *
 *     answer  1 ‖ node (4) ‖ serial (8)   [log index, reply]
 *     once    2 ‖ log index (8)           [id, issued ms, reply]
 */
export function encodeRequestRow(row: RequestRow): readonly [key: Uint8Array, row: Uint8Array | null] {
  if (row.kind === 'once') {
    const key = new Uint8Array(ONCE_KEY_BYTES);
    key[0] = RowForm.once;
    writeCount(new DataView(key.buffer), 1, row.index);
    const { kept } = row;
    return [key, kept === null ? null : packr.pack([kept.id, kept.issuedMs, kept.reply])];
  }
  const key = new Uint8Array(ANSWER_KEY_BYTES);
  key[0] = RowForm.answer;
  const view = new DataView(key.buffer);
  view.setUint32(1, row.node);
  writeCount(view, 1 + NODE_BYTES, row.serial);
  return [key, row.kept === null ? null : packr.pack([row.kept.index, row.kept.reply])];
}

/** Throws PROTOCOL for what is no row. */
export function decodeRequestRow(key: Uint8Array, row: Uint8Array): RequestRow {
  const view = new DataView(key.buffer, key.byteOffset, key.byteLength);
  if (key[0] === RowForm.answer && key.length === ANSWER_KEY_BYTES) {
    const [index, reply] = list(row, 2, 'an answer');
    const kept = { index: count(index, 'an index'), reply: own(reply) };
    return { kind: 'answer', node: node(view.getUint32(1)), serial: readCount(view, 1 + NODE_BYTES), kept };
  }
  if (key[0] !== RowForm.once || key.length !== ONCE_KEY_BYTES) return refuse('a row of requests is none');
  const [id, issuedMs, reply] = list(row, 3, "a client's id");
  const kept = { id: checkText(text(id, 'an id'), 'an id'), issuedMs: count(issuedMs, 'a time'), reply: own(reply) };
  return { kind: 'once', index: readCount(view, 1), kept };
}

/** Bytes of their own: they stay. */
const own = (value: unknown): Uint8Array => new Uint8Array(blob(value, 'a reply'));

function writeCount(view: DataView, at: number, value: number): void {
  view.setUint32(at, Math.floor(value / 2 ** 32));
  view.setUint32(at + 4, value >>> 0);
}

function readCount(view: DataView, at: number): number {
  return count(view.getUint32(at) * 2 ** 32 + view.getUint32(at + 4), 'a count');
}
