import { ADDRESS_SHAPE, parseAddress } from './address.ts';
import { LOG_FORMATS, LOG_LEVELS } from './node-config.ts';

/**
 * What a variable of the environment overrides: one row each, read by `parseConfig` and by the help.
 * The value replaces the row's place in the file before the file is validated.
 */
export interface EnvironmentRow {
  readonly name: string;
  /** Keys from the top of the file; `NODE` stands for the letter of the node that is started. */
  readonly path: readonly string[];
  readonly help: string;
  /** Whether it makes sense for one node only, so that `up` does not hand it to its nodes. */
  readonly oneNodeOnly: boolean;
  /** The value as the file would have it, or a message that says what was expected. */
  read(text: string): { readonly value: unknown } | { readonly expected: string };
}

/** Stands in a row's path for the letter of the node. */
export const NODE_PLACEHOLDER = 'NODE';

export const ENVIRONMENT_TABLE: readonly EnvironmentRow[] = [
  row('CAUSEWAY_CLUSTER_ID', ['clusterId'], 'name of the cluster; nodes of another are refused', true, (text) => ({
    value: text,
  })),
  row('CAUSEWAY_RESP', ['nodes', NODE_PLACEHOLDER, 'resp'], 'host:port for Redis clients', true, readAddress),
  row('CAUSEWAY_HTTP', ['nodes', NODE_PLACEHOLDER, 'http'], 'host:port for health and metrics', true, readAddress),
  row('CAUSEWAY_PEER', ['nodes', NODE_PLACEHOLDER, 'peer'], 'host:port for the other nodes', true, readAddress),
  row(
    'CAUSEWAY_DATA_DIR',
    ['nodes', NODE_PLACEHOLDER, 'dataDir'],
    'folder of the store; empty keeps nothing',
    true,
    (text) => ({
      value: text === '' ? null : text,
    }),
  ),
  row('CAUSEWAY_LINKS', ['members'], 'region/letter=ws://host:port, comma separated', true, readLinks),
  row('CAUSEWAY_REQUIREPASS', ['requirepass'], 'password of the clients', false, (text) => ({ value: text })),
  row('CAUSEWAY_PROTECTED_MODE', ['protectedMode'], 'true or false', false, readBoolean),
  row('CAUSEWAY_PEER_SECRET', ['peerSecret'], 'what the nodes prove to each other; none', true, (text) => ({
    value: text,
  })),
  row('CAUSEWAY_PEER_SECRET_FILE', ['peerSecretFile'], 'file that holds the peer secret', true, (text) => ({
    value: text,
  })),
  row('CAUSEWAY_REDIS', ['redis', 'url'], 'the regional Redis, redis://host:port; see the README', false, (text) => ({
    value: text,
  })),
  row('CAUSEWAY_REDIS_PASSWORD', ['redis', 'password'], 'its password', false, (text) => ({ value: text })),
  row('CAUSEWAY_REDIS_PASSWORD_FILE', ['redis', 'passwordFile'], 'file that holds its password', false, (text) => ({
    value: text,
  })),
  row('CAUSEWAY_LIMITS', ['limits'], 'name=number, comma separated', false, readLimits),
  row('CAUSEWAY_LOG_LEVEL', ['log', 'level'], LOG_LEVELS.join(', '), false, readOneOf(LOG_LEVELS)),
  row('CAUSEWAY_LOG_FORMAT', ['log', 'format'], LOG_FORMATS.join(', '), false, readOneOf(LOG_FORMATS)),
];

function row(
  name: string,
  path: readonly string[],
  help: string,
  oneNodeOnly: boolean,
  read: EnvironmentRow['read'],
): EnvironmentRow {
  return { name, path, help, oneNodeOnly, read };
}

function readAddress(text: string): ReturnType<EnvironmentRow['read']> {
  return parseAddress(text) === null ? { expected: ADDRESS_SHAPE } : { value: text };
}

function readBoolean(text: string): ReturnType<EnvironmentRow['read']> {
  return text === 'true' || text === 'false' ? { value: text === 'true' } : { expected: 'true or false' };
}

function readOneOf(allowed: readonly string[]): EnvironmentRow['read'] {
  return (text) => (allowed.includes(text) ? { value: text } : { expected: `one of ${allowed.join(', ')}` });
}

function readPairs(text: string): Map<string, string> | null {
  const pairs = new Map<string, string>();
  for (const part of text.split(',')) {
    const equals = part.indexOf('=');
    if (equals < 1) return null;
    pairs.set(part.slice(0, equals).trim(), part.slice(equals + 1).trim());
  }
  return pairs;
}

function readLinks(text: string): ReturnType<EnvironmentRow['read']> {
  const pairs = readPairs(text);
  return pairs === null
    ? { expected: 'region/letter=ws://host:port, comma separated' }
    : { value: Object.fromEntries(pairs) };
}

function readLimits(text: string): ReturnType<EnvironmentRow['read']> {
  const pairs = readPairs(text);
  if (pairs === null) return { expected: 'name=number, comma separated' };
  return {
    value: Object.fromEntries([...pairs].map(([name, value]) => [name, value === '' ? Number.NaN : Number(value)])),
  };
}
