import { durationText } from './duration.ts';
import { BUILT_IN_RESOLVERS, type ConflictRule, type Consistency, type KeyClass } from './key-class.ts';

const PROMISES: Readonly<Record<Consistency, string>> = {
  weak: 'stays on the node that it is written on: not in other regions, not on disk, not in snapshots',
  eventual: 'arrives everywhere; a read never waits',
  causal: 'arrives everywhere, never before its causes; a read never waits',
  session: 'as causal, and a session that moves reads its own writes, or an error',
  strong: 'written through a quorum in one order; reads are linearizable',
};

/** What a level promises, in a line. */
function promiseText(consistency: Consistency): string {
  return `${consistency}: ${PROMISES[consistency]}`;
}

export function ttlText(ttlMs: number | null): string {
  return ttlMs === null
    ? 'none'
    : `${durationText(ttlMs)} from a write that makes the key without an expiry of its own`;
}

/** `lww`, `siblings` or `resolver max`. */
export function conflictName(conflict: ConflictRule): string {
  return conflict.kind === 'resolver' ? `resolver ${conflict.name}` : conflict.kind;
}

function conflictText(keyClass: KeyClass): string {
  const { conflict, consistency } = keyClass;
  if (consistency === 'weak') return 'none: there is one writer';
  if (consistency === 'strong') return 'none: there is one order of writes';
  if (conflict.kind === 'lww') return 'lww: of concurrent writes of a string the latest stays';
  if (conflict.kind === 'siblings') return 'siblings: concurrent writes of a string all stay, a read shows the latest';
  const shows =
    conflict.module === null && Object.hasOwn(BUILT_IN_RESOLVERS, conflict.name)
      ? BUILT_IN_RESOLVERS[conflict.name as keyof typeof BUILT_IN_RESOLVERS]
      : `what the module ${conflict.name} makes of them`;
  return `${conflictName(conflict)}: concurrent writes of a string all stay, a read shows ${shows}`;
}

/** Names and values that explain a class to people. */
export function explainClass(keyClass: KeyClass): [name: string, value: string][] {
  const { patterns } = keyClass;
  return [
    ['patterns', patterns.length === 0 ? 'all other keys' : patterns.map((text) => JSON.stringify(text)).join(', ')],
    ['promise', promiseText(keyClass.consistency)],
    ['ttl', ttlText(keyClass.ttlMs)],
    ['conflict', conflictText(keyClass)],
    ...strongLines(keyClass),
  ];
}

function strongLines({ strong }: KeyClass): [name: string, value: string][] {
  if (strong === undefined) return [];
  const { home, survive, group, audit, forward, reads } = strong;
  const outlives = survive === 'zone' ? 'the loss of a node of it' : 'the loss of the whole region';
  return [
    ['home', `${home}: writes go through quorum group ${group}, which survives ${outlives}`],
    ['reads', reads === 'strong' ? 'strong: linearizable' : `${reads}: the copy on the node`],
    ['forward', forward ? 'any node passes requests on to the leader' : 'who does not lead answers HOMEREGION'],
    ['audit', audit ? 'each write is recorded' : 'none'],
    [
      'change',
      'a class becomes strong, or no longer is, or moves to another home while it has no keys: they are not converted',
    ],
  ];
}
