import { createHash } from 'node:crypto';
import { Unpackr } from 'msgpackr';
import { describe, expect, it } from 'vitest';
import { columnsOf } from '../../src/causal/columns.ts';
import { UpdateKind } from '../../src/crdt/update.ts';
import { peerCodec } from '../../src/wire/peer-codec.ts';
import { sampleColumns, sampleFrames, sampleMeta, sampleState } from './sample-frames.ts';

/**
 * The shapes of everything on the wire and on disk. When this changes, peers of the version before may misread what is sent: either
 * the change is one that they understand, or PEER_PROTOCOL goes up and its history in peer-frames.ts says why. Then write the
 * new digest here.
 */
const DIGEST_OF_VERSION_2 = '7d86ca04005ad620';

/** What a value looks like: kinds of its parts and how many, nothing of what they say. */
function shape(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(shape).join(' ')}]`;
  if (value instanceof Uint8Array) return 'bytes';
  return value === null ? 'nil' : typeof value;
}

const shapeOf = (bytes: Uint8Array): string => shape(new Unpackr({ useRecords: false }).unpack(bytes));

describe('the schema of protocol version 2', () => {
  it('has not changed unsaid', () => {
    const lines = Object.values(sampleFrames).map((frame) => {
      const names = Object.keys(peerCodec.decodeFrame(peerCodec.encodeFrame(frame))).join(' ');
      return `${frame.type} ${shapeOf(peerCodec.encodeFrame(frame))} as ${names}`;
    });
    lines.push(`columns ${Object.keys(columnsOf(sampleColumns())).join(' ')}`);
    lines.push(`state ${shapeOf(peerCodec.encodeState(sampleState))}`);
    lines.push(`meta ${shapeOf(peerCodec.encodeMeta(sampleMeta))}`);
    lines.push(`updates ${JSON.stringify(UpdateKind)}`);
    expect(createHash('sha256').update(lines.join('\n')).digest('hex').slice(0, 16), lines.join('\n')).toBe(
      DIGEST_OF_VERSION_2,
    );
  });
});
