/** Commands of Redis that are left out on purpose, and what to tell whoever sends one. */
export const notOffered: ReadonlyMap<string, string> = new Map([
  ['MOVE', 'there is one database'],
  ['SWAPDB', 'there is one database'],
  ['REPLICAOF', 'regions are replicas of each other as the topology says'],
  ['SLAVEOF', 'regions are replicas of each other as the topology says'],
  ['DEBUG', 'it would let a client stop the node'],
  ['SAVE', 'the node writes to its own store all the time'],
  ['BGSAVE', 'the node writes to its own store all the time'],
  ['BGREWRITEAOF', 'there is no append-only file'],
  ['LASTSAVE', 'the node writes to its own store all the time'],
  ['EVAL', 'there are no scripts'],
  ['EVALSHA', 'there are no scripts'],
  ['SSUBSCRIBE', 'there are no shard channels: SUBSCRIBE reaches every region'],
  ['SPUBLISH', 'there are no shard channels: PUBLISH reaches every region'],
]);
