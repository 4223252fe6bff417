import { ByteRange } from '../base/bytes.ts';
import { NO_VERSION_TEXT, versionText } from '../clock/key-version.ts';
import { ContentType, NO_SLOT } from '../keyspace/keyspace.ts';
import type { CommandSpec } from './command-spec.ts';
import type { CommandContext } from './context.ts';
import { lookupForRead } from './lookup.ts';

const view = new ByteRange();

/** As PTTL says it. */
const NO_EXPIRY = -1;
const NOT_THERE = -2;

/** CW.READ key [key …]: of each [value or nil, version, milliseconds left]. */
function read(context: CommandContext): void {
  const { args, keys, nowMs, reply } = context;
  reply.array(args.count - 1);
  for (let at = 1; at < args.count; at++) {
    const key = args.range(at);
    const hash = keys.hashOf(key);
    const slot = lookupForRead(context, key, hash);
    reply.array(3);
    if (slot === NO_SLOT) {
      const removal = keys.versions.floorOf(key, hash);
      reply.null();
      reply.bulkText(removal === null ? NO_VERSION_TEXT : versionText(removal));
      reply.integer(NOT_THERE);
      continue;
    }
    if (keys.typeOf(slot) === ContentType.String) {
      keys.stringInto(slot, view);
      reply.bulk(view);
    } else reply.null();
    reply.bulkText(versionText(keys.versions.at(slot)));
    const expiryMs = keys.expiryOf(slot);
    // of a strong key, which goes when its log says so, the time may be over
    reply.integer(expiryMs === Infinity ? NO_EXPIRY : Math.max(0, Math.ceil(expiryMs - nowMs)));
  }
}

/** Reads for caches, which must know what of two values is the newer. */
export const versionedReadCommands: readonly CommandSpec[] = [
  {
    name: 'cw.read',
    arity: -2,
    flags: ['readonly'],
    keys: [1, -1, 1],
    group: 'string',
    summary: 'Of each key [value, version, milliseconds left]: what a cache needs to keep a value',
    run: read,
  },
];
