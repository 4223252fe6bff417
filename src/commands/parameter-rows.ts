import { BULK_BYTES_MAX, PASSWORD_BYTES_MAX } from '../base/client-limits.ts';
import { notificationClassesText, parseNotificationClasses } from './notification-classes.ts';
import { outputLimitsKind, outputLimitsText, writeOutputLimits } from './output-limit-parameter.ts';
import type { Parameter } from './parameters.ts';
import { anyText, integer, memory, oneOf, only, yesOrNo } from './parameter-kinds.ts';
import type { ServerSettings } from './server-settings.ts';
import { NO_EVICTION, policyText, S3_FIFO } from '../keyspace/eviction/memory-limit.ts';

type NumberSetting = {
  [Key in keyof ServerSettings]: ServerSettings[Key] extends number ? Key : never;
}[keyof ServerSettings];

function numberSetting(key: NumberSetting): NonNullable<Parameter['setting']> {
  return {
    read: (settings) => String(settings[key]),
    write: (settings, text) => {
      settings[key] = Number(text);
    },
  };
}

const MEBIBYTE = 1024 * 1024;
/** A password is never shown, not to whoever knows it either: what shows it may be shown further. */
const HIDDEN_PASSWORD = '(hidden)';

/** Those that the server acts on. */
const actingParameters: readonly Parameter[] = [
  {
    name: 'notify-keyspace-events',
    kind: (text) => {
      const classes = parseNotificationClasses(text);
      if (classes === null) return { refusal: "Invalid event class character. Use 'Ag$lshzxeKEtmdn'." };
      return { text: notificationClassesText(classes) };
    },
    setting: {
      read: (settings) => notificationClassesText(settings.notifyClasses),
      write: (settings, text) => {
        settings.notifyClasses = parseNotificationClasses(text) ?? 0;
      },
    },
  },
  { name: 'slowlog-log-slower-than', kind: integer(-1), setting: numberSetting('slowlogSlowerThanUsec') },
  { name: 'slowlog-max-len', kind: integer(0, 1_000_000), setting: numberSetting('slowlogLengthMax') },
  { name: 'strong-timeout', kind: integer(1, 3_600_000), setting: numberSetting('strongTimeoutMs') },
  { name: 'tracking-table-max-keys', kind: integer(0), setting: numberSetting('trackedKeysMax') },
  { name: 'maxclients', kind: integer(1, 1_000_000), setting: numberSetting('clientsMax') },
  { name: 'timeout', kind: integer(0, 2 ** 31 - 1), setting: numberSetting('timeoutSeconds') },
  { name: 'tcp-keepalive', kind: integer(0, 2 ** 31 - 1), setting: numberSetting('tcpKeepaliveSeconds') },
  {
    name: 'proto-max-bulk-len',
    // Redis takes any number from 1 MiB on; past what a value can be here the limit itself is what answers.
    kind: (text) => {
      const parsed = memory(MEBIBYTE)(text);
      return 'text' in parsed ? { text: String(Math.min(Number(parsed.text), BULK_BYTES_MAX)) } : parsed;
    },
    setting: numberSetting('bulkBytesMax'),
  },
  { name: 'client-query-buffer-limit', kind: memory(MEBIBYTE), setting: numberSetting('queryBufferBytesMax') },
  {
    name: 'client-output-buffer-limit',
    kind: outputLimitsKind,
    setting: { read: (settings) => outputLimitsText(settings.outputLimits), write: writeOutputLimits },
  },
  {
    name: 'maxmemory',
    kind: memory(0),
    setting: {
      read: ({ memoryLimit }) => String(memoryLimit.bytes),
      write: ({ memoryLimit }, text) => {
        memoryLimit.bytes = Number(text);
      },
    },
  },
  {
    name: 'maxmemory-policy',
    kind: oneOf(S3_FIFO, NO_EVICTION),
    setting: {
      read: ({ memoryLimit }) => policyText(memoryLimit),
      write: ({ memoryLimit }, text) => {
        memoryLimit.evicts = text === S3_FIFO;
      },
    },
  },
  {
    name: 'requirepass',
    kind: (text) => {
      if (text === HIDDEN_PASSWORD) return { refusal: `${HIDDEN_PASSWORD} is what CONFIG GET shows in its place` };
      return text.length <= PASSWORD_BYTES_MAX
        ? { text }
        : { refusal: `a password has at most ${PASSWORD_BYTES_MAX} bytes` };
    },
    setting: {
      read: (settings) => (settings.requirepass === '' ? '' : HIDDEN_PASSWORD),
      write: (settings, text) => {
        settings.requirepass = text;
      },
    },
  },
  {
    name: 'protected-mode',
    kind: yesOrNo,
    setting: {
      read: (settings) => (settings.protectedMode ? 'yes' : 'no'),
      write: (settings, text) => {
        settings.protectedMode = text === 'yes';
      },
    },
  },
];

/** What is as it is: known at the start, or one way of being only. */
const fixedParameters: readonly Parameter[] = [
  { name: 'bind', kind: anyText, immutable: true },
  { name: 'port', kind: anyText, immutable: true },
  { name: 'databases', kind: anyText, initial: '1', immutable: true },
  { name: 'cluster-enabled', kind: yesOrNo, initial: 'no', immutable: true },
  { name: 'daemonize', kind: yesOrNo, initial: 'no', immutable: true },
  { name: 'unixsocket', kind: anyText, immutable: true },
  { name: 'dir', kind: anyText, immutable: true },
  { name: 'dbfilename', kind: anyText, immutable: true },
  { name: 'logfile', kind: anyText, immutable: true },
  { name: 'pidfile', kind: anyText, immutable: true },
  { name: 'io-threads', kind: anyText, initial: '1', immutable: true },
  { name: 'replicaof', aliases: ['slaveof'], kind: anyText, immutable: true },
  {
    name: 'appendonly',
    kind: only('no', 'there is no append-only file: the node has a store of its own'),
    initial: 'no',
  },
  { name: 'activedefrag', kind: only('no', 'there is nothing to defragment'), initial: 'no' },
];

/** What only tunes Redis's insides: remembered, so that tools which set and restore it work. Changes nothing here. */
const rememberedParameters: readonly Parameter[] = [
  { name: 'save', kind: savePoints },
  { name: 'appendfsync', kind: oneOf('everysec', 'always', 'no'), initial: 'everysec' },
  { name: 'maxmemory-samples', kind: integer(1, 64), initial: '5' },
  { name: 'lua-time-limit', aliases: ['busy-reply-threshold'], kind: integer(0), initial: '5000' },
  { name: 'hash-max-listpack-entries', aliases: ['hash-max-ziplist-entries'], kind: integer(0), initial: '512' },
  { name: 'hash-max-listpack-value', aliases: ['hash-max-ziplist-value'], kind: memory(0), initial: '64' },
  { name: 'set-max-intset-entries', kind: integer(0), initial: '512' },
  { name: 'zset-max-listpack-entries', aliases: ['zset-max-ziplist-entries'], kind: integer(0), initial: '128' },
  { name: 'zset-max-listpack-value', aliases: ['zset-max-ziplist-value'], kind: memory(0), initial: '64' },
  { name: 'list-max-listpack-size', aliases: ['list-max-ziplist-size'], kind: integer(-5, 2 ** 31 - 1), initial: '-2' },
  { name: 'list-compress-depth', kind: integer(0, 2 ** 31 - 1), initial: '0' },
  { name: 'stream-node-max-bytes', kind: memory(0), initial: '4096' },
  { name: 'stream-node-max-entries', kind: integer(0), initial: '100' },
  { name: 'hll-sparse-max-bytes', kind: memory(0), initial: '3000' },
  { name: 'lazyfree-lazy-eviction', kind: yesOrNo, initial: 'no' },
  { name: 'lazyfree-lazy-expire', kind: yesOrNo, initial: 'no' },
  { name: 'lazyfree-lazy-server-del', kind: yesOrNo, initial: 'no' },
  { name: 'lazyfree-lazy-user-del', kind: yesOrNo, initial: 'no' },
  { name: 'lazyfree-lazy-user-flush', kind: yesOrNo, initial: 'no' },
  { name: 'latency-monitor-threshold', kind: integer(0), initial: '0' },
  { name: 'latency-tracking', kind: yesOrNo, initial: 'yes' },
  { name: 'activerehashing', kind: yesOrNo, initial: 'yes' },
  { name: 'active-expire-effort', kind: integer(1, 10), initial: '1' },
  { name: 'hz', kind: integer(0, 2 ** 31 - 1), initial: '10' },
  { name: 'dynamic-hz', kind: yesOrNo, initial: 'yes' },
  {
    name: 'min-replicas-to-write',
    aliases: ['min-slaves-to-write'],
    kind: only('0', 'there are no replicas: WAIT counts regions'),
    initial: '0',
  },
  { name: 'min-replicas-max-lag', aliases: ['min-slaves-max-lag'], kind: integer(0, 2 ** 31 - 1), initial: '10' },
  { name: 'stop-writes-on-bgsave-error', kind: yesOrNo, initial: 'yes' },
  { name: 'rdbcompression', kind: yesOrNo, initial: 'yes' },
  { name: 'rdbchecksum', kind: yesOrNo, initial: 'yes' },
  { name: 'sanitize-dump-payload', kind: oneOf('no', 'yes', 'clients'), initial: 'no' },
  { name: 'repl-backlog-size', kind: memory(1), initial: '1048576' },
  {
    name: 'repl-ping-replica-period',
    aliases: ['repl-ping-slave-period'],
    kind: integer(1, 2 ** 31 - 1),
    initial: '10',
  },
  { name: 'repl-timeout', kind: integer(1, 2 ** 31 - 1), initial: '60' },
  { name: 'loglevel', kind: oneOf('debug', 'verbose', 'notice', 'warning'), initial: 'notice' },
  { name: 'lfu-log-factor', kind: integer(0, 2 ** 31 - 1), initial: '10' },
  { name: 'lfu-decay-time', kind: integer(0, 2 ** 31 - 1), initial: '1' },
];

function savePoints(text: string): { text: string } | { refusal: string } {
  const words = text.split(/\s+/).filter((word) => word !== '');
  const fine = words.length % 2 === 0 && words.every((word) => /^\d{1,9}$/.test(word));
  return fine ? { text: words.join(' ') } : { refusal: 'Invalid save parameters' };
}

/** All parameters of CONFIG. */
export const parameterRows: readonly Parameter[] = [...actingParameters, ...fixedParameters, ...rememberedParameters];
