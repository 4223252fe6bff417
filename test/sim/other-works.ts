import { commandTable } from '../../src/commands/table.ts';
import { fill } from './loose-works.ts';
import { isError, pick, rest, type Desk, type Script, type Work } from './work.ts';

/** What the table of commands has beside what the other works send; `@` for a time in seconds. */
const REQUESTS: readonly string[] = [
  ...['SETEX any:s% 1 #', 'PSETEX any:s% 400 #', 'GETSET any:s% #', 'MSETNX any:u% # any:v% #', 'INCR any:n%'],
  ...['GETRANGE any:s% 0 3', 'SUBSTR any:s% 1 2', 'LCS any:s0 any:s1 LEN', 'MGET any:s0 any:n0', 'DECRBY any:n% 3'],
  ...['HMSET any:h% f% # g #', 'HGET any:h% f%', 'HMGET any:h% f0 g', 'HEXISTS any:h% f%', 'HLEN any:h%'],
  ...['HSTRLEN any:h% f%', 'HKEYS any:h%', 'HVALS any:h%', 'HRANDFIELD any:h% 2 WITHVALUES', 'HSCAN any:h% 0'],
  ...['SISMEMBER any:t% m%', 'SMISMEMBER any:t% m0 m1', 'SCARD any:t%', 'SRANDMEMBER any:t% 2', 'SSCAN any:t% 0'],
  ...['SINTER any:t0 any:t1', 'SUNION any:t0 any:t1', 'SDIFF any:t0 any:t1', 'SINTERCARD 2 any:t0 any:t1'],
  ...['SDIFFSTORE any:t2 any:t0 any:t1', 'SPOP any:t% 2', 'JSON.MGET any:j0 any:j1 $.a', 'JSON.TYPE any:j% $.a'],
  ...['JSON.MERGE any:j% $ "{\\"b\\":\\"#\\",\\"n\\":null}"', 'JSON.FORGET any:j% $.b', 'JSON.ARRPOP any:j% $.a'],
  ...['JSON.STRAPPEND any:j% $.b "\\"x\\""', 'JSON.STRLEN any:j% $.b', 'JSON.ARRINSERT any:j% $.a 0 7'],
  ...['JSON.ARRLEN any:j% $.a', 'JSON.OBJKEYS any:j% $', 'JSON.OBJLEN any:j% $', 'JSON.SET any:j% $.n 0'],
  ...['TOUCH any:s% any:h%', 'RANDOMKEY', 'RENAMENX any:s% any:u%', 'KEYS any:t*', 'OBJECT ENCODING any:s%'],
  ...['EXPIREAT any:s% @', 'TTL any:s%', 'EXPIRETIME any:s%', 'PEXPIRETIME any:s%', 'EXISTS any:s% any:h%'],
  ...['CW.RESOLVE sib:% VALUE #', 'CW.IFVERSION position:x% 1 SET position:x% #', 'CW.VECTOR', 'CW.NODE', 'CW.PEERS'],
  ...['GETEX position:x% PX 500', 'SETEX plan:x% 1 #', 'GETSET position:x% #', 'APPEND position:x% #'],
  ...['HMSET position:h f% #', 'HGETALL position:h', 'HRANDFIELD position:h', 'SMISMEMBER risk:s m0 m1'],
  ...['SRANDMEMBER risk:s', 'SPOP risk:s', 'SMOVE risk:s risk:t m%', 'SDIFFSTORE risk:u risk:s risk:t'],
  ...['CW.READ any:s% any:n%', 'CW.HTTPPUT any:s% # TYPE text/plain PX 900', 'CW.HTTPGET any:s%', 'CW.HTTPDEL any:s%'],
  ...['CW.HTTPPUT position:x% #', 'CW.DEL any:s% IFVERSION 0', 'CW.TAG any:s% t%', 'CW.UNTAG any:s% t%'],
  ...['CW.DEPEND any:u% WRITES ON any:s%', 'CW.UNDEPEND any:u% ON any:s%', 'CW.INVALIDATE TAG t%'],
  ...['CW.INVALIDATE KEY any:s% any:h%', 'CW.INVALIDATE PATTERN any:u*', 'CW.INVALIDATE LAZY 300 KEY any:s%'],
  ...['RENAME position:x0 position:x1', 'COPY position:x0 position:x2 REPLACE', 'EXPIREAT position:x% @'],
  ...['JSON.MERGE plan:j $ "{\\"b\\":[%]}"', 'JSON.ARRPOP plan:j $.b', 'LCS position:x0 position:x1'],
];

function* other(desk: Desk): Script {
  yield fill(desk, pick(REQUESTS, desk.choice)).replaceAll('@', String(Math.floor(desk.wallMs() / 1_000) + 1));
}

/** A client that loads, for as long as it takes, what others may ask for, write or invalidate meanwhile. */
function* load(desk: Desk): Script {
  const key = `any:l${desk.choice % 3}`;
  const lease = `CW.LEASE ${key} ${100 + desk.random.below(400)}${desk.random.pick(['', ' REGION', ' REFRESH', ' REGION REFRESH'])}`;
  let reply = yield lease;
  if (reply === ':0') {
    yield `CW.LEASEWAIT ${key} ${1 + desk.random.below(400)}`;
    reply = yield lease;
  }
  const token = reply === null || isError(reply) ? null : (/^"(.+)"$/.exec(reply)?.[1] ?? null);
  if (token === null)
    return yield* ['DEL', 'CW.INVALIDATE KEY'].slice(desk.random.below(2)).map((command) => `${command} ${key}`);
  yield rest(desk.random.below(300));
  if (desk.random.unit() < 0.2) yield `CW.FILL ${key} ${token}`;
  else yield `CW.FILL ${key} ${token} w${desk.id} PX ${200 + desk.random.below(2_000)} TAGS t${desk.choice % 2}`;
}

/** Work for the sake of commands that no other work needs. */
export const otherWorks: Readonly<Record<string, Work>> = {
  other: { script: other, weight: 10 },
  load: { script: load, weight: 3 },
};

const DATA_GROUPS: ReadonlySet<string> = new Set(['string', 'hash', 'set', 'json', 'generic', 'transactions']);

/** All commands that read or write keys, by the table: clients are to send each of them. */
export const DATA_COMMANDS: readonly string[] = commandTable
  .filter(({ group, flags }) => DATA_GROUPS.has(group) || flags.includes('write'))
  .map(({ name }) => name);
