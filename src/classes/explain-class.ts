import { durationText } from './duration.ts';
import type { EvictionRule } from '../keyspace/eviction/eviction-rules.ts';
import {
  BUILT_IN_RESOLVERS,
  type CompensateRule,
  type ConflictRule,
  type Consistency,
  type HttpRule,
  type KeyClass,
} from './key-class.ts';
import { missingText, sourceText } from './source-text.ts';

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

export function ttlText({ ttlMs, adaptiveTtl }: Pick<KeyClass, 'ttlMs' | 'adaptiveTtl'>): string {
  if (adaptiveTtl !== undefined) {
    const { minMs, maxMs } = adaptiveTtl;
    return `${durationText(minMs)} to ${durationText(maxMs)}, by how often the key changes, from a write or load without an expiry of its own`;
  }
  return ttlMs === null
    ? 'none'
    : `${durationText(ttlMs)} from a write that makes the key without an expiry of its own`;
}

/** `lww`, `siblings`, `resolver max` or `region-priority us-east-1 eu-west-1`. */
export function conflictName(conflict: ConflictRule): string {
  if (conflict.kind === 'region-priority') return `region-priority ${conflict.regions.join(' ')}`;
  return conflict.kind === 'resolver' ? `resolver ${conflict.name}` : conflict.kind;
}

function conflictText(keyClass: KeyClass): string {
  const { conflict, consistency } = keyClass;
  if (consistency === 'weak') return 'none: there is one writer';
  if (consistency === 'strong') return 'none: there is one order of writes';
  if (conflict.kind === 'lww') return 'lww: of concurrent writes of a string the latest stays';
  if (conflict.kind === 'region-priority') {
    const first = `that of ${conflict.regions.join(', then of ')}, then of any other region`;
    return `region-priority: concurrent writes of a string all stay, a read shows ${first}; of one region the latest`;
  }
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
    ['ttl', ttlText(keyClass)],
    ['conflict', conflictText(keyClass)],
    ...evictLines(keyClass),
    ...mirrorLines(keyClass),
    ...sourceLines(keyClass),
    ...compensateLines(keyClass),
    ...strongLines(keyClass),
  ];
}

function evictLines({ evict }: KeyClass): [name: string, value: string][] {
  return evict === undefined ? [] : [['evict', evictText(evict)]];
}

export function evictText({ priority, to, maxBytes }: EvictionRule): string {
  if (priority === 'never') return 'never';
  const when = maxBytes === null ? 'where the node has too little memory' : `beyond ${maxBytes} bytes of its own`;
  const what = to === 'nothing' ? 'keys go with their values' : 'values go to the store, and are read from there';
  return `${priority} priority, ${when}: ${what}`;
}

function mirrorLines({ mirror }: KeyClass): [name: string, value: string][] {
  if (mirror === undefined) return [];
  const answered = mirror === 'through' ? 'a write is answered when it has it' : 'it follows';
  return [['mirror', `${mirror}: the regional Redis, where a node has one, shows the values too; ${answered}`]];
}

function sourceLines({ missing, source }: KeyClass): [name: string, value: string][] {
  const lines: [string, string][] = [];
  if (source !== undefined) lines.push(['source', sourceText(source)]);
  if (missing !== undefined) lines.push(['missing', missingText(missing)]);
  return lines;
}

function compensateLines({ compensate }: KeyClass): [name: string, value: string][] {
  if (compensate === undefined) return [];
  return [['compensate', `a write that is lost to a concurrent one is told to ${compensateText(compensate)}`]];
}

export function compensateText({ url, module, withinMs }: CompensateRule): string {
  return `${url ?? module ?? 'nobody'}, which has ${durationText(withinMs)} to answer`;
}

/** What HTTP answers say to caches, in a line. */
export function httpText(rule: HttpRule): string {
  const durations = [
    ['max-age', rule.maxAgeMs],
    ['stale-while-revalidate', rule.staleWhileRevalidateMs],
    ['stale-if-error', rule.staleIfErrorMs],
  ] as const;
  const words = durations.flatMap(([name, ms]) => (ms === null ? [] : [`${name} ${durationText(ms)}`]));
  if (rule.type !== null) words.unshift(`type ${JSON.stringify(rule.type)}`);
  if (rule.isPrivate) words.push('private');
  return words.length === 0 ? 'nothing' : words.join(' ');
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
