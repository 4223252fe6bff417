import fc from 'fast-check';
import { nameOf, RANDOM_CHOICE, type Words } from './comparison.ts';

/** A session: the protocol it speaks and what it sends, from an empty keyspace on. */
export interface RandomSession {
  readonly respVersion: 2 | 3;
  readonly requests: readonly Words[];
}

/** Far enough ahead that it lies beyond every relative expiry below, and the same whenever this runs. */
const LATER_SECONDS = [4_102_444_800, 4_102_444_801, 4_200_000_000];

const word = (...choices: string[]): fc.Arbitrary<string> => fc.constantFrom(...choices);

/** Few keys, so that they meet; each is mostly of one type, and some are awkward. */
const stringKeys = ['s1', 's2', 'n1', 'n2'];
const hashKeys = ['h1', 'h2', 'h3'];
const setKeys = ['t1', 't2', 't3', 't4'];
const oddKeys = ['', '__proto__', 'constructor', '\x00\xff\r\n', 'absent', 's[1]', 'k*y'];
const anyKey = word(...stringKeys, ...hashKeys, ...setKeys, ...oddKeys);

const mostly = (usual: fc.Arbitrary<string>, odd: fc.Arbitrary<string>): fc.Arbitrary<string> =>
  fc.oneof({ weight: 8, arbitrary: usual }, { weight: 1, arbitrary: odd });
const stringKey = mostly(word(...stringKeys), anyKey);
const hashKey = mostly(word(...hashKeys), anyKey);
const setKey = mostly(word(...setKeys), anyKey);

const notIntegers = word('', 'abc', '01', '+1', ' 1', '1 ', '1.0', '-', '-0', '9223372036854775808', '1e3', '\x001');
const extremes = word('9223372036854775807', '-9223372036854775808', '-9223372036854775807', '4611686018427387904');
const smallInteger = fc.integer({ min: -12, max: 12 }).map(String);
const integer = fc.oneof(
  { weight: 12, arbitrary: smallInteger },
  { weight: 2, arbitrary: fc.integer().map(String) },
  { weight: 1, arbitrary: extremes },
  { weight: 1, arbitrary: notIntegers },
);
/** With at most three binary places, so that Redis's long doubles are exact, as our decimals are. */
const float = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: -4000, max: 4000 }).map((eighths) => String(eighths / 8)) },
  { weight: 2, arbitrary: word('3.0e2', '-5e1', '.5', '5.', '+2.5', '0', '-0.0', '1000000') },
  { weight: 1, arbitrary: word('inf', '-Infinity', 'nan', 'abc', '', ' 1', '1 ', '--1', '1e', '1.2.3') },
);
const letters = fc.string({ unit: fc.constantFrom('a', 'b', 'c', 'y', 'z', '-', '\x00', '\xff'), maxLength: 12 });
const value = fc.oneof(
  { weight: 3, arbitrary: letters },
  { weight: 3, arbitrary: integer },
  { weight: 1, arbitrary: float },
);
/** Near the start or beyond what Redis allows: our own limit is lower than Redis's. */
const offset = mostly(
  fc.integer({ min: 0, max: 20 }).map(String),
  fc.oneof(notIntegers, word('-1', '536870912', '9223372036854775807')),
);
/** What is appended must not make a number of more binary places. */
const tail = fc.oneof({ weight: 4, arbitrary: letters }, { weight: 1, arbitrary: word('0', '.5') });
const member = mostly(
  word('a', 'b', 'c', 'd', 'e', '1', '2', '3', '10', '-5'),
  word('', '__proto__', '\x00', 'toString', '01'),
);
const manyMembers = fc.array(member, { minLength: 1, maxLength: 8 });

/** Spread out, so that two relative expiries are hardly ever within a moment of each other. */
const relativeSeconds = fc.noBias(fc.integer({ min: 1000, max: 9_000_000 })).map(String);
const relativeMs = fc.noBias(fc.integer({ min: 1_000_000, max: 2_000_000_000 })).map(String);
const badTimes = word('0', '-1', 'abc', '', '9223372036854775807', '9223372036854776', '-9223372036854775808', '1.5');
const pastSeconds = word('1', '1000000000');
const absoluteSeconds = word(...LATER_SECONDS.map(String));
const absoluteMs = word(...LATER_SECONDS.map((seconds) => String(seconds * 1000 + 123)));

const sometimes = (odd: fc.Arbitrary<string>, usual: fc.Arbitrary<string>): fc.Arbitrary<string> =>
  fc.oneof({ weight: 5, arbitrary: usual }, { weight: 1, arbitrary: odd });

const cased = (text: string): fc.Arbitrary<string> => word(text, text.toLowerCase());
const options = (...choices: fc.Arbitrary<Words>[]): fc.Arbitrary<Words> =>
  fc.array(fc.oneof(...choices), { maxLength: 3 }).map((parts) => parts.flat());
const flag = (text: string): fc.Arbitrary<Words> => cased(text).map((chosen) => [chosen]);
const option = (text: string, argument: fc.Arbitrary<string>): fc.Arbitrary<Words> =>
  fc.tuple(cased(text), argument).map((chosen) => chosen);

const expiryOptions = [
  option('EX', sometimes(badTimes, relativeSeconds)),
  option('PX', sometimes(badTimes, relativeMs)),
  option('EXAT', fc.oneof(absoluteSeconds, pastSeconds, badTimes)),
  option('PXAT', fc.oneof(absoluteMs, pastSeconds, badTimes)),
];
const setOptions = options(flag('NX'), flag('XX'), flag('GET'), flag('KEEPTTL'), flag('BAD'), ...expiryOptions);
const getexOptions = options(flag('PERSIST'), flag('KEEPTTL'), ...expiryOptions);
const expireOptions = options(flag('NX'), flag('XX'), flag('GT'), flag('LT'), flag('BAD'));

type Part = fc.Arbitrary<string> | fc.Arbitrary<Words>;

/** A request: its name and the arguments, single ones or several at a time. */
function request(name: string, ...parts: Part[]): fc.Arbitrary<Words> {
  return fc.tuple(cased(name), ...parts).map((chosen) => chosen.flat());
}

const pairsOf = (key: fc.Arbitrary<string>, of: fc.Arbitrary<string>): fc.Arbitrary<Words> =>
  fc.array(fc.tuple(key, of), { minLength: 1, maxLength: 5 }).map((pairs) => pairs.flat());
const keysOf = (key: fc.Arbitrary<string>): fc.Arbitrary<Words> => fc.array(key, { minLength: 1, maxLength: 4 });

const strings = [
  request('SET', stringKey, value, setOptions),
  request('SET', stringKey, value),
  request('GET', stringKey),
  request('GETDEL', stringKey),
  request('GETEX', stringKey, getexOptions),
  request('GETSET', stringKey, value),
  request('GETRANGE', stringKey, integer, integer),
  request('SUBSTR', stringKey, integer, integer),
  request('SETRANGE', stringKey, offset, letters),
  request('SETNX', stringKey, value),
  request('SETEX', stringKey, sometimes(badTimes, relativeSeconds), value),
  request('PSETEX', stringKey, sometimes(badTimes, relativeMs), value),
  request('APPEND', stringKey, tail),
  request('STRLEN', stringKey),
  request('INCR', stringKey),
  request('DECR', stringKey),
  request('INCRBY', stringKey, integer),
  request('DECRBY', stringKey, integer),
  request('INCRBYFLOAT', stringKey, float),
  request('MGET', keysOf(anyKey)),
  request('MSET', pairsOf(stringKey, value)),
  request('MSETNX', pairsOf(anyKey, value)),
  request(
    'LCS',
    stringKey,
    stringKey,
    options(flag('LEN'), flag('IDX'), flag('WITHMATCHLEN'), option('MINMATCHLEN', integer), flag('BAD')),
  ),
];

const scanPattern = word('*', 's*', '?1', '[a-h]*', '[^s]*', 'h1', '\\*', 's[', '**1', '', 'k\\*y', 's[[]1]');
const bigCount = option('COUNT', sometimes(word('0', '-1', 'abc', '1.5'), word('1000', '9223372036854775807')));
const scanOptions = options(
  option('MATCH', scanPattern),
  bigCount,
  option('TYPE', word('string', 'HASH', 'set', 'zset')),
);
const allOfIt: fc.Arbitrary<Words> = fc.constant(['COUNT', '100000']);
const cursor = sometimes(word('abc', '-', ' 0', '18446744073709551616', '1.5', '0x'), word('0', '0', ''));
const generics = [
  request('DEL', keysOf(anyKey)),
  request('UNLINK', anyKey),
  request('EXISTS', keysOf(anyKey)),
  request('TOUCH', keysOf(anyKey)),
  request('TYPE', anyKey),
  request('KEYS', scanPattern),
  request('RANDOMKEY'),
  request('RENAME', anyKey, anyKey),
  request('RENAMENX', anyKey, anyKey),
  request(
    'COPY',
    anyKey,
    anyKey,
    options(flag('REPLACE'), option('DB', word('0', '0', '16', '-1', 'abc', '2147483648'))),
  ),
  request('SCAN', cursor, scanOptions, allOfIt),
  request('HSCAN', hashKey, cursor, scanOptions, allOfIt),
  request('SSCAN', setKey, cursor, scanOptions, allOfIt),
];

const expiries = [
  request('EXPIRE', anyKey, sometimes(badTimes, relativeSeconds), expireOptions),
  request('PEXPIRE', anyKey, sometimes(badTimes, relativeMs), expireOptions),
  request('EXPIREAT', anyKey, fc.oneof(absoluteSeconds, absoluteSeconds, pastSeconds, badTimes), expireOptions),
  request('PEXPIREAT', anyKey, fc.oneof(absoluteMs, absoluteMs, pastSeconds, word('abc', '')), expireOptions),
  request('TTL', anyKey),
  request('PTTL', anyKey),
  request('EXPIRETIME', anyKey),
  request('PEXPIRETIME', anyKey),
  request('PERSIST', anyKey),
];

const fieldValue = fc.oneof(value, float);
const sampleCount = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: -8, max: 12 }).map(String) },
  { weight: 1, arbitrary: word('9223372036854775807', '-9223372036854775808', 'abc', '4611686018427387904') },
);
const hashes = [
  request('HSET', hashKey, pairsOf(member, fieldValue)),
  request('HMSET', hashKey, pairsOf(member, fieldValue)),
  request('HSETNX', hashKey, member, fieldValue),
  request('HGET', hashKey, member),
  request('HMGET', hashKey, manyMembers),
  request('HDEL', hashKey, manyMembers),
  request('HEXISTS', hashKey, member),
  request('HLEN', hashKey),
  request('HSTRLEN', hashKey, member),
  request('HGETALL', hashKey),
  request('HKEYS', hashKey),
  request('HVALS', hashKey),
  request('HINCRBY', hashKey, member, integer),
  request('HINCRBYFLOAT', hashKey, member, float),
  request('HRANDFIELD', hashKey),
  request('HRANDFIELD', hashKey, sampleCount),
  request('HRANDFIELD', hashKey, sampleCount, cased('WITHVALUES')),
];

const counted = keysOf(setKey).map((keys) => [String(keys.length), ...keys]);
const numkeys = word('0', '-1', 'abc', '1', '2', '99');
const sets = [
  request('SADD', setKey, manyMembers),
  request('SADD', setKey, manyMembers),
  request('SREM', setKey, manyMembers),
  request('SMOVE', setKey, setKey, member),
  request('SISMEMBER', setKey, member),
  request('SMISMEMBER', setKey, manyMembers),
  request('SCARD', setKey),
  request('SMEMBERS', setKey),
  request('SINTER', keysOf(setKey)),
  request('SUNION', keysOf(setKey)),
  request('SDIFF', keysOf(setKey)),
  request('SINTERSTORE', setKey, keysOf(setKey)),
  request('SUNIONSTORE', setKey, keysOf(setKey)),
  request('SDIFFSTORE', setKey, keysOf(setKey)),
  request('SINTERCARD', counted, options(option('LIMIT', mostly(word('0', '1', '2'), integer)))),
  request('SINTERCARD', numkeys, keysOf(setKey), options(flag('BAD'))),
  request('SRANDMEMBER', setKey),
  request('SRANDMEMBER', setKey, sampleCount),
  request('SPOP', setKey),
  request('SPOP', setKey, sampleCount),
];

/** Now and then an argument too few or too many. */
function mangled(requests: fc.Arbitrary<Words>): fc.Arbitrary<Words> {
  return fc.tuple(requests, fc.integer({ min: 0, max: 59 }), word('a', '1', '')).map(([words, luck, extra]) => {
    if (luck === 0 && words.length > 1) return words.slice(0, -1);
    return luck === 1 ? [...words, extra] : words;
  });
}

const dataRequest = mangled(
  fc.oneof(
    { weight: 6, arbitrary: fc.oneof(...strings) },
    { weight: 3, arbitrary: fc.oneof(...generics) },
    { weight: 3, arbitrary: fc.oneof(...expiries) },
    { weight: 5, arbitrary: fc.oneof(...hashes) },
    { weight: 6, arbitrary: fc.oneof(...sets) },
  ),
);

/** What a server has around the data commands. */
const serverRequest = mangled(
  fc.oneof(
    request('PING'),
    request('PING', letters),
    request('ECHO', value),
    request('SELECT', word('0', '0', '16', '-1', 'abc', '2147483648')),
    request(
      'CLIENT',
      word('GETNAME', 'SETNAME', 'NOSUCH', 'REPLY'),
      options(word('a', 'b c', '').map((name) => [name])),
    ),
    request('CONFIG', word('GET', 'NOSUCH'), word('nosuchparameter')),
    request('HELLO', word('1', '4', 'abc'), fc.constant('SETNAME'), letters),
    request('NOSUCH', smallInteger),
    request('nosuch\r\ncommand', word('a b', '', 'c'), options(word('d', '').map((text) => [text]))),
    request('PUBLISH', letters, letters),
    request('FLUSHALL'),
    request('FLUSHDB', word('ASYNC', 'SYNC', 'BAD')),
    request('WATCH', keysOf(anyKey)),
    request('UNWATCH'),
    request('EXEC'),
    request('DISCARD'),
  ),
);

const plainRequest = dataRequest.filter((words) => !RANDOM_CHOICE.has(nameOf(words)));
/** Nothing chosen at random inside, so that an EXEC is compared element by element. */
const transaction: fc.Arbitrary<Words[]> = fc
  .tuple(
    fc.array(fc.oneof({ weight: 9, arbitrary: plainRequest }, { weight: 1, arbitrary: serverRequest }), {
      maxLength: 6,
    }),
    fc.oneof({ weight: 5, arbitrary: request('EXEC') }, { weight: 1, arbitrary: request('DISCARD') }),
  )
  .map(([requests, end]) => [['MULTI'], ...requests, end]);

export interface SessionOptions {
  readonly requestsMax: number;
  /** Connection commands and transactions, too, which need a server around the commands. */
  readonly withServer: boolean;
}

/** Random sessions over all commands that Redis has, too. */
export function randomSessions({ requestsMax, withServer }: SessionOptions): fc.Arbitrary<RandomSession> {
  const single = (requests: fc.Arbitrary<Words>): fc.Arbitrary<Words[]> => requests.map((words) => [words]);
  const group = withServer
    ? fc.oneof(
        { weight: 30, arbitrary: single(dataRequest) },
        { weight: 2, arbitrary: single(serverRequest) },
        { weight: 2, arbitrary: transaction },
      )
    : single(dataRequest);
  return fc.record({
    respVersion: fc.constantFrom(2 as const, 3 as const),
    requests: fc.array(group, { minLength: 1, maxLength: requestsMax, size: 'max' }).map((groups) => groups.flat()),
  });
}
