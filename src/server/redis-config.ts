import { z } from 'zod';
import type { RedisOptionsOfNode, RedisPlace } from '../adapters/ioredis-second-level.ts';
import { CausewayError } from '../errors.ts';
import { parseAddress } from './address.ts';
import { readText } from './topology.ts';

/** What a starting node does with what its Redis has. */
const WARM_MODES = ['wait', 'background', 'no'] as const;

/** The regional Redis of a node. */
export interface RedisConfig extends RedisOptionsOfNode {
  /** As written, for people; it holds no password. */
  readonly url: string;
  readonly warm: (typeof WARM_MODES)[number];
  /** Where invalidations are published, null for nowhere. */
  readonly channel: string | null;
}

const URL_SHAPE =
  'redis://host:port/database, redis-sentinel://host:port,host:port/name or redis-cluster://host:port,host:port (rediss… by TLS)';
const KINDS = { redis: 'single', 'redis-sentinel': 'sentinel', 'redis-cluster': 'cluster' } as const;
const PREFIX_BYTES_MAX = 256;
const DATABASES = 65_536;
/** What names beside the values begin with. */
const OWN_NAMES = 'cw:';

interface RedisUrl {
  readonly url: string;
  readonly kind: RedisOptionsOfNode['kind'];
  readonly places: readonly RedisPlace[];
  readonly masterName: string;
  readonly database: number;
  readonly isEncrypted: boolean;
}

/** The parts of a URL, null where it is none. A password has a place of its own, so that no message and no list of processes shows it. */
function parseUrl(url: string): RedisUrl | null {
  const [, scheme = '', secure = '', variant = '', hosts = '', path = ''] =
    /^((?:redis)(s?)(-sentinel|-cluster)?):\/\/([^/@?#]+)(?:\/([^/?#]*))?$/.exec(url) ?? [];
  if (scheme === '') return null;
  const kind = KINDS[`redis${variant}` as keyof typeof KINDS];
  const places = hosts.split(',').map(placeOf);
  if (places.some((place) => place === null) || (kind === 'single' && places.length !== 1)) return null;
  if (kind === 'sentinel' ? path === '' : !/^\d{0,5}$/.test(path) || Number(path) >= DATABASES) return null;
  // a Redis Cluster has one database
  if (kind === 'cluster' && Number(path) !== 0) return null;
  return {
    url,
    kind,
    places: places.filter((place) => place !== null),
    masterName: kind === 'sentinel' ? path : '',
    database: kind === 'single' ? Number(path) : 0,
    isEncrypted: secure !== '',
  };
}

function placeOf(text: string): RedisPlace | null {
  const place = parseAddress(text);
  return place === null || place.port === 0 ? null : place;
}

const url = z.string({ error: () => `expected ${URL_SHAPE}` }).transform((text, context): RedisUrl => {
  const parsed = parseUrl(text);
  if (parsed !== null) return parsed;
  // what was there may hold a password
  context.addIssue(`expected ${URL_SHAPE}; a password belongs under password or passwordFile`);
  return z.NEVER;
});

/** A text that is in no message. */
const secret = z
  .string({ error: () => 'expected a password in quotes' })
  .min(1, { error: () => 'expected a password' });

const prefix = z.string().refine((text) => Buffer.byteLength(text) <= PREFIX_BYTES_MAX && !text.startsWith(OWN_NAMES), {
  error: () => `expected at most ${PREFIX_BYTES_MAX} bytes that do not begin with ${OWN_NAMES}`,
});

/** As it stands in the file, with the defaults in. */
interface RedisSection {
  readonly url: RedisUrl;
  readonly username: string | null;
  readonly password: string | null;
  readonly passwordFile: string | null;
  readonly sentinelPassword: string | null;
  readonly certificatesFile: string | null;
  readonly prefix: string;
  readonly warm: RedisConfig['warm'];
  readonly channel: string | null;
}

const section: z.ZodType<RedisSection> = z.strictObject({
  url,
  username: z.string().min(1).nullable().default(null),
  password: secret.nullable().default(null),
  passwordFile: z.string().min(1).nullable().default(null),
  sentinelPassword: secret.nullable().default(null),
  certificatesFile: z.string().min(1).nullable().default(null),
  prefix: prefix.default(''),
  warm: z.enum(WARM_MODES).default('background'),
  channel: z.string().min(1).max(PREFIX_BYTES_MAX).nullable().default(null),
});

/** `redis:` of a region's file. */
export const redisShape: z.ZodType<RedisSection | null> = section.nullable().default(null);

/** What the file says of the regional Redis. Throws CONFIG; no message holds a password. */
export function redisOf(file: RedisSection | null): RedisConfig | null {
  if (file === null) return null;
  const { url: place, passwordFile, prefix: text, ...rest } = file;
  if (file.password !== null && passwordFile !== null)
    throw new CausewayError('CONFIG', 'redis.password and redis.passwordFile: expected one of them');
  const password = passwordFile === null ? file.password : readText(passwordFile).replace(/\r?\n$/, '');
  // names are bytes
  return { ...place, ...rest, password, prefix: Buffer.from(text, 'utf8').toString('latin1') };
}
