import { pick, type Desk, type Script, type Work } from './work.ts';

/** Strings, hashes, sets, documents, siblings, keys of all classes, `%` for a part, `#` for a value that is written once. */
const REQUESTS: readonly string[] = [
  ...[
    'APPEND any:s% #',
    'SETRANGE any:s% 2 #',
    'SETNX any:s% #',
    'GETDEL any:s%',
    'GETEX any:s% PX 600',
    'STRLEN any:s%',
  ],
  ...[
    'SET any:s% # PX 400',
    'SET any:s% # KEEPTTL',
    'SET any:s% # XX',
    'MSET any:s0 # any:s1 #',
    'DEL any:s%',
    'UNLINK any:s% any:n%',
  ],
  ...['INCRBYFLOAT any:n% 0.1', 'DECR any:n%', 'DEL any:n%', 'SET any:n% 7'],
  ...[
    'HSET any:h% f% # g #',
    'HDEL any:h% f%',
    'HINCRBY any:h% n 2',
    'HINCRBYFLOAT any:h% x 1.5',
    'HSETNX any:h% f% #',
    'HGETALL any:h%',
    'DEL any:h%',
  ],
  ...[
    'SADD any:t% # m%',
    'SREM any:t% m%',
    'SPOP any:t%',
    'SMOVE any:t0 any:t1 m%',
    'SINTERSTORE any:t2 any:t0 any:t1',
    'SUNIONSTORE any:t2 any:t0 any:t1',
    'SMEMBERS any:t%',
  ],
  ...[
    'JSON.SET any:j% $ "{\\"a\\":[1,2],\\"n\\":0}"',
    'JSON.ARRAPPEND any:j% $.a 5',
    'JSON.NUMINCRBY any:j% $.n 1',
    'JSON.SET any:j% $.b "\\"#\\""',
    'JSON.DEL any:j% $.a[0]',
    'JSON.GET any:j% $',
    'DEL any:j%',
  ],
  ...[
    'EXPIRE any:h% 1',
    'PEXPIRE any:t% 300',
    'PERSIST any:h%',
    'PTTL any:s%',
    'TYPE any:s%',
    'RENAME any:s0 any:s1',
    'COPY any:h0 any:h1 REPLACE',
    'RENAME any:h1 any:t1',
    'SCAN 0 COUNT 20',
    'DBSIZE',
  ],
  ...[
    'SET sib:% #',
    'SET sib:% #',
    'INCR sib:9',
    'DEL sib:%',
    'APPEND sib:% #',
    'CW.SIBLINGS sib:%',
    'SET max:% 3',
    'INCRBY max:% 2',
    'PEXPIRE sib:% 500',
  ],
  ...[
    'SET short:% #',
    'HSET short:h f #',
    'PERSIST short:%',
    'SET weak:% #',
    'INCR weak:n',
    'SADD any:s% #',
    'HSET any:t% f #',
    'CW.DIGEST',
    'CW.CONFLICTS COUNT 3',
    'CW.EXPLAIN any:s%',
  ],
  ...[
    'SET position:x% # PX 500',
    'HSET position:h f% #',
    'HINCRBY plan:h n 1',
    'SADD risk:s m%',
    'SREM risk:s m%',
    'JSON.SET plan:j $ "{\\"a\\":1}"',
    'JSON.NUMINCRBY plan:j $.a 1',
    'SET position:x% # NX',
    'DEL position:x%',
  ],
  ...[
    'CW.VERSION position:x%',
    'SET position:x% # IFEQ nothing',
    'PEXPIRE position:h 400',
    'EXISTS position:x% risk:s',
    'CW.HOME plan:j',
    'CW.GROUPS',
    'WAIT 1 50',
  ],
];

const isStrong = (request: string): boolean => /\b(?:position|risk|plan):/.test(request);

/** `%` a part, `#` a value that is written once. */
export function fill(desk: Desk, request: string): string {
  return request.replaceAll('%', String(desk.random.below(3))).replaceAll('#', `w${desk.id}`);
}

/** Any command on any kind of key: all nodes must end alike, and nothing must break. */
function* anything(desk: Desk): Script {
  yield fill(desk, pick(REQUESTS, desk.choice));
}

function* anyTransaction(desk: Desk): Script {
  const causal = REQUESTS.filter(
    (request) => !isStrong(request) && !request.startsWith('CW.') && !request.startsWith('WAIT'),
  );
  yield 'MULTI';
  for (let count = 2 + desk.random.below(3); count > 0; count--) yield fill(desk, desk.random.pick(causal));
  yield desk.random.unit() < 0.1 ? 'DISCARD' : 'EXEC';
}

/** As an application that keeps what it loads by itself: who finds nothing fills it in, beside others that remove it. */
function* fillIn(desk: Desk): Script {
  const key = `fill:${desk.choice % 3}`;
  if (desk.random.unit() < 0.3) yield `DEL ${key}`;
  else if ((yield `GET ${key}`) === 'nil') yield `SET ${key} loaded${desk.id} PX ${500 + desk.random.below(3_000)}`;
}

function* publish(desk: Desk): Script {
  yield `PUBLISH news p${desk.id}`;
}

function* flush(desk: Desk): Script {
  yield desk.choice % 2 === 0 ? 'FLUSHALL' : 'FLUSHDB';
}

/** Work of which it is only known that all nodes become equal by it. */
export const looseWorks: Readonly<Record<string, Work>> = {
  any: { script: anything, weight: 30 },
  'any-transaction': { script: anyTransaction, weight: 4 },
  // what is loaded is the work of sources; a pinned run has this
  'fill-in': { script: fillIn, weight: 0 },
  publish: { script: publish, weight: 2 },
  // only where a scenario has FLUSHALL at all
  flush: { script: flush, weight: 0 },
};
