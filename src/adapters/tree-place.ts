import { crc32 } from 'node:zlib';
import { IDENTITY_BYTES, type JournalContent } from './journal-files.ts';
import { bodyOf, NUMBER_BYTES, numberAt, RecordBlock } from './record-block.ts';

/** How far the tree is, as it says itself with each transaction. */
export interface TreePlace {
  /** Of the folder, random; the journal has the same. */
  readonly identity: Uint8Array;
  /** The last record of the journal that is in the tree. */
  readonly sequence: number;
  /** How many transactions it has. */
  readonly turn: number;
  /** What the journal had on disk when the last of them was made. */
  readonly written: number;
}

export const PLACE: Buffer = Buffer.from('\0place');
const SEED = crc32(PLACE);
const BODY_BYTES: number = IDENTITY_BYTES + 3 * NUMBER_BYTES;

/** identity (8) ‖ sequence (6) ‖ turn (6) ‖ written (6), after its checksum */
export function placeValue({ identity, sequence, turn, written }: TreePlace): Uint8Array {
  const block = new RecordBlock(Buffer.alloc(4 + BODY_BYTES)).begin(BODY_BYTES).copy(identity);
  return block.number(sequence).number(turn).number(written).end(SEED);
}

/** Null where there is none. */
export function placeOf(value: Uint8Array | undefined): TreePlace | null {
  if (value === undefined) return null;
  const body = bodyOf(value, SEED);
  if (body?.length !== BODY_BYTES) throw new Error('MDB_CORRUPTED: the place of the tree is damaged');
  const number = (position: number): number => numberAt(body, IDENTITY_BYTES + position * NUMBER_BYTES);
  return { identity: body.slice(0, IDENTITY_BYTES), sequence: number(0), turn: number(1), written: number(2) };
}

/** What of journal and tree do not belong together, in words; null where they do: where each has at least what the other knew that it had. */
export function discordOf(place: TreePlace | null, mark: number, journal: JournalContent): string | null {
  const { records } = journal;
  const isBegun = journal.mark === mark + 1 && records.length === 0;
  if (journal.mark !== mark && !isBegun) return `mark ${mark} in the tree, ${journal.mark} in the journal`;
  if (place === null) return records.length === 0 ? null : 'a journal with records and a tree that knows of none';
  if (Buffer.compare(place.identity, journal.identity) !== 0) return 'the journal is of another folder';
  if (place.turn < journal.turn)
    return `the tree is older than the journal: transaction ${place.turn}, and ${journal.turn} was there`;
  if (journal.last < place.written)
    return `the journal is older than the tree: record ${journal.last}, and ${place.written} was there`;
  return null;
}
