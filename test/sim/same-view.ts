import { ByteRange } from '../../src/base/bytes.ts';
import { ContentType } from '../../src/crdt/entry.ts';
import type { VirtualNode } from '../support/virtual-cluster.ts';

/** Nodes that are equal are compared again so many looks later, though nothing came since: what is forgotten shows too. */
const AGAIN_LOOKS = 8;
const NAMED_MAX = 4;

/** Nodes that have applied the same show the same at the same time, not only in the end (SPEC S2), whatever each has forgotten by then. */
export class SameView {
  /** In which look each group of equal nodes was compared, by who they are and how much they have. */
  readonly #compared: Map<string, number> = new Map();
  #looks = 0;
  /** Groups of nodes that were compared. */
  checks = 0;

  look(nodes: readonly VirtualNode[]): string[] {
    this.#looks++;
    const wrong: string[] = [];
    const left = new Map(nodes.map((node) => [node, node.vector()]));
    for (const [node, vector] of left) {
      left.delete(node);
      const equals = [...left].filter(([, other]) => other.equals(vector)).map(([other]) => other);
      for (const other of equals) left.delete(other);
      if (equals.length === 0) continue;
      const name = [node, ...equals].map(({ id, life }) => `${id}#${life}`).join(' ');
      const had = [...vector.entries()].reduce((sum, [, seq]) => sum + seq, 0);
      const at = `${name} ${had}`;
      if (this.#looks < (this.#compared.get(at) ?? -Infinity) + AGAIN_LOOKS) continue;
      this.#compared.set(at, this.#looks);
      this.checks++;
      wrong.push(...differences([node, ...equals]));
    }
    return wrong;
  }
}

/** At the latest time that any of them shows: what one of them has purged has expired by then. */
function differences(nodes: readonly VirtualNode[]): string[] {
  const [first, ...others] = nodes;
  if (first === undefined) return [];
  const nowMs = Math.max(...nodes.map((node) => node.core.nowMs(node.now().wallMs)));
  const digest = first.core.digest(nowMs);
  return others.flatMap((other) => {
    if (other.core.digest(nowMs) === digest) return [];
    return [`${first.id} and ${other.id} have the same and show another ${differing(first, other, nowMs)}`];
  });
}

/** The keys that two nodes show otherwise, as far as a look at them tells. */
function differing(node: VirtualNode, other: VirtualNode, nowMs: number): string {
  const [one, two] = [shown(node, nowMs), shown(other, nowMs)];
  const keys = [...new Set([...one.keys(), ...two.keys()])].filter((key) => one.get(key) !== two.get(key));
  const named = keys.slice(0, NAMED_MAX).map((key) => `${key} (${one.get(key) ?? 'none'}, ${two.get(key) ?? 'none'})`);
  return named.length > 0 ? named.join(', ') : 'hash, set, document or siblings';
}

function shown({ core: { keys, classes } }: VirtualNode, nowMs: number): Map<string, string> {
  const views = new Map<string, string>();
  const [key, text] = [new ByteRange(), new ByteRange()];
  keys.scan(0, Number.MAX_SAFE_INTEGER, nowMs, (slot) => {
    keys.keyInto(slot, key);
    // no part of the digest
    if (classes.policy.classOf(key).consistency === 'weak') return;
    const type = keys.typeOf(slot);
    if (type === ContentType.String) keys.stringInto(slot, text);
    const value = type === ContentType.String ? text.toLatin1() : '';
    views.set(key.toLatin1(), `${type}:${value} until ${keys.expiryOf(slot)}`);
  });
  return views;
}
