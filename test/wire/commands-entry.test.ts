import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ByteRange } from '../../src/base/bytes.ts';
import { nodeNumber, originOf } from '../../src/clock/origin.ts';
import type { Stamp } from '../../src/clock/stamp.ts';
import { CausewayError } from '../../src/errors.ts';
import type { CommandsEntry, GroupEntry } from '../../src/groups/group-entry.ts';
import { CommandsEntryReader, CommandsEntryWriter } from '../../src/wire/commands-entry.ts';
import { groupCodec } from '../../src/wire/group-codec.ts';
import { packr } from '../../src/wire/msgpack-checks.ts';
import { runOptions } from '../support/fast-check-runs.ts';

/** As the general codec writes it. */
function packed(entry: CommandsEntry): Uint8Array {
  const { stamp, seed, request, once, deps, watches, commands, isExec, respVersion, requester } = entry;
  return packr.pack([
    1,
    stamp,
    seed,
    [request.origin, request.serial, request.floor],
    once === null ? null : [once.id, once.issuedMs],
    deps.flat(),
    watches,
    commands.map((words) => words.map((word) => word.view())),
    isExec ? 1 : 0,
    respVersion,
    [requester.user, requester.address, requester.region],
  ]);
}

/** The same with words that have bytes of their own: where these lie says nothing. */
function own(entry: GroupEntry | null): GroupEntry | null {
  if (entry?.kind !== 'commands') return entry;
  const commands = entry.commands.map((words) => words.map((word) => new ByteRange(word.toBytes())));
  return { ...entry, commands };
}

/** Near the ends of the forms that a number has. */
const count = fc.oneof(
  fc.constantFrom(0, 1, 127, 128, 255, 256, 65_535, 65_536, 2 ** 32 - 1, 2 ** 32, Number.MAX_SAFE_INTEGER),
  fc.maxSafeNat(),
);
const origin = fc
  .tuple(fc.integer({ min: 1, max: 2 ** 20 - 1 }), fc.integer({ min: 1, max: 2 ** 32 - 1 }))
  .map(([node, incarnation]) => originOf(nodeNumber(node), incarnation));
const word = fc
  .oneof(
    { weight: 5, arbitrary: fc.uint8Array({ maxLength: 20 }) },
    fc.constantFrom(255, 256, 257, 65_535, 65_536).map((length) => new Uint8Array(length).fill(7)),
  )
  .map((bytes) => new ByteRange(bytes));
const text = fc.oneof(
  { weight: 5, arbitrary: fc.string({ maxLength: 40 }) },
  fc.string({ unit: 'binary', maxLength: 10 }),
  fc.constantFrom(31, 32, 255, 256).map((length) => 'x'.repeat(length)),
);
const entry: fc.Arbitrary<CommandsEntry> = fc.record({
  kind: fc.constant('commands' as const),
  stamp: count.map((value) => value as Stamp),
  seed: fc.oneof(fc.constantFrom(0, 2 ** 32 - 1), fc.nat(2 ** 32 - 1)),
  request: fc.record({ origin, serial: count, floor: count }),
  once: fc.option(fc.record({ id: fc.string({ maxLength: 9 }), issuedMs: count }), { freq: 9 }),
  deps: fc.array(fc.tuple(origin, count), { maxLength: 9 }),
  watches: fc.oneof({ weight: 9, arbitrary: fc.constant([]) }, fc.array(fc.tuple(fc.string({ maxLength: 9 }), count))),
  commands: fc.array(fc.array(word, { minLength: 1, maxLength: 4 }), { maxLength: 17 }),
  isExec: fc.boolean(),
  respVersion: fc.constantFrom(2 as const, 3 as const),
  requester: fc.record({ user: text, address: text, region: text }),
});

function bytesOf(length: number): ByteRange {
  return new ByteRange(new Uint8Array(length));
}

const PLAIN: CommandsEntry = {
  kind: 'commands',
  stamp: 900_000_000_000_000 as Stamp,
  seed: 77,
  request: { origin: originOf(nodeNumber(64), 200_000_000), serial: 12, floor: 300 },
  once: null,
  deps: [],
  watches: [],
  commands: [[new ByteRange(new Uint8Array([83, 69, 84])), bytesOf(20), bytesOf(300)]],
  isExec: false,
  respVersion: 2,
  requester: { user: 'default', address: '127.0.0.1:50000', region: 'us-east-1' },
};

/** The entry, or the code of what is thrown. */
function read(decode: (bytes: Uint8Array) => GroupEntry | null, bytes: Uint8Array): unknown {
  try {
    return own(decode(bytes));
  } catch (error) {
    return error instanceof CausewayError ? error.code : error;
  }
}

describe('entries in one pass', () => {
  test('what most are is written and read so', () => {
    const bytes = new CommandsEntryWriter().write(PLAIN);
    expect(bytes).toEqual(new Uint8Array(packed(PLAIN)));
    expect(own(new CommandsEntryReader().read(bytes ?? new Uint8Array(0)))).toEqual(PLAIN);
  });

  test('an entry that is kept keeps no more than 8 KiB, whatever is written beside it', () => {
    const writer = new CommandsEntryWriter();
    const kept = Array.from({ length: 200 }, () => writer.write(PLAIN));
    for (const bytes of kept) expect(bytes?.buffer.byteLength).toBeLessThanOrEqual(8 * 1024);
  });

  test('they have the bytes that the general codec gives them, one after the other', () => {
    const writer = new CommandsEntryWriter();
    fc.assert(
      fc.property(fc.array(entry, { minLength: 1, maxLength: 5 }), (entries) => {
        const written = entries.map((each) => writer.write(each));
        for (const [at, bytes] of written.entries())
          if (bytes !== null) expect(bytes).toEqual(new Uint8Array(packed(entries[at] as CommandsEntry)));
      }),
      runOptions(100, 20_000),
    );
  });

  test('every entry comes back as it was', () => {
    fc.assert(
      fc.property(entry, (each) => {
        expect(own(groupCodec.decodeEntry(groupCodec.encodeEntry(each)))).toEqual(each);
      }),
      runOptions(100, 20_000),
    );
  });

  test('of bytes that were changed or cut it reads what the general codec reads, or nothing', () => {
    const reader = new CommandsEntryReader();
    const change = fc.tuple(fc.nat(400), fc.nat(255));
    // the general codec alone: an id that it has to look at keeps the other away
    const general = (bytes: Uint8Array): GroupEntry => groupCodec.decodeEntry(bytes);
    fc.assert(
      fc.property(entry, fc.array(change, { maxLength: 3 }), fc.nat(3), (each, changes, cut) => {
        const bytes = new Uint8Array(packed(each)).slice(0, cut === 0 ? undefined : -cut);
        for (const [at, value] of changes) bytes[at % bytes.length] = value;
        const quick = reader.read(bytes);
        if (quick === null) return;
        const list = packr.unpack(bytes) as unknown[];
        expect(packed(quick)).toEqual(packr.pack(list));
        expect(read(general, bytes)).toEqual(own(quick));
      }),
      runOptions(1_000, 30_000),
    );
  });

  test.each([
    ['a command without a name', { commands: [[]] }],
    ['a watch', { watches: [['key', 3]] as const }],
    ["a client's own id", { once: { id: 'a', issuedMs: 5 } }],
    ['more words than a short list has', { commands: [Array.from({ length: 16 }, () => bytesOf(1))] }],
    ['a word that is too long', { commands: [[bytesOf(65_536)]] }],
    ['a text with other letters', { requester: { user: 'ü', address: '', region: '' } }],
  ])('%s is for the general codec', (_what, part) => {
    expect(new CommandsEntryReader().read(packed({ ...PLAIN, ...part }))).toBeNull();
  });

  test('a floor in the place of an origin is for the general codec', () => {
    const floor = (64 * 2 ** 32) as (typeof PLAIN.deps)[number][0];
    expect(new CommandsEntryReader().read(packed({ ...PLAIN, deps: [[floor, 3]] }))).toBeNull();
  });
});
