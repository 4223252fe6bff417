import { isSystemKey } from '../base/system-keys.ts';
import { DependencyMode } from '../keyspace/key-links.ts';
import { oneKeyRows, type CommandSpec } from './command-spec.ts';
import type { CommandContext } from './context.ts';
import { addLink, checkRoom, linkedKey, linkMembersOf, removeLink, replyTexts, type LinkEnd } from './key-links.ts';
import { refuseSystemKey } from './key-names.ts';
import { DEPENDENCIES_MAX, DEPENDENTS_MAX } from '../base/link-limits.ts';
import { checkKey } from './lookup.ts';
import { clamped, positiveArgument } from './numbers.ts';
import { refuse, syntaxError } from './refusals.ts';

/** Places that one call of CW.GRAPH looks at. */
const GRAPH_PLACES = 10_000;

const MODES: readonly DependencyMode[] = [DependencyMode.Invalidations, DependencyMode.Writes];

const endsOf = (key: string, on: string, mode: DependencyMode): readonly [LinkEnd, LinkEnd] => [
  { kind: 'dependencies', name: key, member: `${mode}${on}`, max: DEPENDENCIES_MAX },
  { kind: 'dependents', name: on, member: `${mode}${key}`, max: DEPENDENTS_MAX },
];

/** The keys from an argument on. Throws where one cannot be depended on. */
function othersFrom({ args }: CommandContext, first: number, key: string): string[] {
  const others: string[] = [];
  for (let at = first; at < args.count; at++) {
    const range = args.range(at);
    if (isSystemKey(range)) throw refuseSystemKey();
    checkKey(range);
    const other = range.toLatin1();
    if (other === key) throw refuse('a key does not depend on itself');
    others.push(other);
  }
  return others;
}

/** CW.DEPEND key [WRITES] ON other [other …]: how many are new; nil where the key is not there. */
function depend(context: CommandContext): void {
  const { args, reply } = context;
  const mode = args.word(2) === 'WRITES' ? DependencyMode.Writes : DependencyMode.Invalidations;
  const onAt = mode === DependencyMode.Writes ? 3 : 2;
  if (args.word(onAt) !== 'ON' || onAt + 1 === args.count) throw syntaxError();
  const others = othersFrom(context, onAt + 1, args.text(1));
  const key = linkedKey(context, 1);
  if (key === null) return reply.null();
  checkRoom(
    context,
    others.flatMap((other) => endsOf(key, other, mode)),
  );
  let added = 0;
  for (const other of others) {
    let isNew = true;
    // it is of one mode
    for (const old of MODES.filter((known) => known !== mode)) if (remove(context, key, other, old)) isNew = false;
    const [ofKey, ofOther] = endsOf(key, other, mode);
    if (addLink(context, ofKey) && isNew) added++;
    addLink(context, ofOther);
  }
  reply.integer(added);
}

function remove(context: CommandContext, key: string, other: string, mode: DependencyMode): boolean {
  const [ofKey, ofOther] = endsOf(key, other, mode);
  removeLink(context, ofOther);
  return removeLink(context, ofKey);
}

/** CW.UNDEPEND key [ON other …]: how many went; all of them where none is named. */
function undepend(context: CommandContext): void {
  const { args, reply } = context;
  if (args.count > 2 && (args.word(2) !== 'ON' || args.count === 3)) throw syntaxError();
  const key = args.text(1);
  const all = linkMembersOf(context, 'dependencies', key);
  const named = new Set(Array.from({ length: Math.max(0, args.count - 3) }, (_, at) => args.text(at + 3)));
  let removed = 0;
  for (const member of all) {
    const mode = MODES.find((known) => member.startsWith(known));
    const other = member.slice(1);
    if (mode === undefined || (args.count > 2 && !named.has(other))) continue;
    if (remove(context, key, other, mode)) removed++;
  }
  reply.integer(removed);
}

/** Names and modes by turns, sorted by name. */
function replyLinks(context: CommandContext, kind: 'dependents' | 'dependencies'): void {
  const members = linkMembersOf(context, kind, context.args.text(1));
  const pairs = members.map((member) => [
    member.slice(1),
    member.startsWith(DependencyMode.Writes) ? 'writes' : 'invalidations',
  ]);
  replyTexts(context, pairs.sort(([left = ''], [right = '']) => (left < right ? -1 : 1)).flat());
}

/** CW.GRAPH [cursor]: the next cursor, and dependencies: key, what it depends on, and when. */
function graph(context: CommandContext): void {
  const { args, node, reply } = context;
  if (args.count > 2) throw syntaxError();
  const cursor = args.count === 2 ? clamped(positiveArgument(args, 1, 'invalid cursor'), 2 ** 31) : 0;
  const { next, edges } = node.invalidations.edges(cursor, GRAPH_PLACES);
  reply.array(2);
  reply.bulkText(String(next));
  replyTexts(
    context,
    edges.flatMap(({ key, on, onWrites }) => [key, on, onWrites ? 'writes' : 'invalidations']),
  );
}

const keyRow = oneKeyRows('causeway', 'cw.');

/** What keys are made of (SPEC I4). */
export const dependencyCommands: readonly CommandSpec[] = [
  {
    name: 'cw.graph',
    arity: -1,
    flags: ['readonly', 'admin'],
    group: 'causeway',
    summary: 'Incrementally iterate all dependencies: key, what it depends on, and when it goes with that',
    run: graph,
  },
  keyRow(
    'depend',
    -4,
    ['write', 'denyoom'],
    'Say what a key that is there is made of: it is invalidated with that',
    depend,
  ),
  keyRow('undepend', -2, ['write'], 'Take back what CW.DEPEND said, all where nothing is named', undepend),
  keyRow('dependents', 2, ['readonly'], 'What depends on a key, and whether on its writes too', (context) =>
    replyLinks(context, 'dependents'),
  ),
  keyRow('dependencies', 2, ['readonly'], 'What a key depends on, and whether on its writes too', (context) =>
    replyLinks(context, 'dependencies'),
  ),
];
