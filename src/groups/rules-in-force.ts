import { GroupRules, NO_RULES, type GroupRule } from '../classes/group-rules.ts';
import type { RulesEntry } from './group-entry.ts';

export type { GroupRule } from '../classes/group-rules.ts';

/** Which rules a group's log follows, as part of its state. */
export interface RulesState {
  /** The log index that put them into force, 0 where none were. */
  readonly index: number;
  /** The `version` of the classes file that they are from, or a higher one that was in force before. */
  readonly version: number;
  /** As in the entry; empty where there was none. */
  readonly pins: string;
  readonly list: readonly GroupRule[];
}

/**
 * The rules that the entries of a group's log run under (SPEC C7). They come by the log alone: members whose files differ, or changed
 * while entries were applied and not stored, make the same of each entry.
 */
export class RulesInForce {
  rules: GroupRules = NO_RULES;
  index = 0;
  version = 0;
  pins = '';

  /** An entry takes the place of the rules that its leader knew, and of no others: what came between was not meant. */
  take(index: number, { over, version, pins, rules }: RulesEntry): void {
    if (over !== this.index) return;
    this.rules = new GroupRules(rules);
    this.index = index;
    this.pins = pins;
    // so that those who have what was in force before do not count as newer
    this.version = Math.max(this.version, version);
  }

  get state(): RulesState {
    return { index: this.index, version: this.version, pins: this.pins, list: this.rules.list };
  }

  restore({ index, version, pins, list }: RulesState): void {
    this.rules = new GroupRules(list);
    this.index = index;
    this.version = version;
    this.pins = pins;
  }
}

/** The rules of a node's own classes for a group. */
export interface OwnRules {
  readonly rules: GroupRules;
  /** The `version` of the classes file. */
  readonly version: number;
  /** What all members must agree on: those of another one are not connected. */
  readonly pins: string;
  /** How often an operator replaced the node's classes since it started. */
  readonly reloads: number;
}

/**
 * When a leader puts the rules of its own classes into force: where there were none before, where its file has a higher `version` or other
 * keys that are strong (then all members were started with it), or where an operator has reloaded them here and nothing came into force
 * since. So two members whose files differ never take turns.
 */
export class RulesOffer {
  #index = 0;
  /** Reloads that rules in force are newer than. */
  #reloads: number;

  constructor({ reloads }: OwnRules) {
    this.#reloads = reloads;
  }

  /** To be called when something was applied: what comes into force goes before what was asked of this node earlier. */
  note({ index }: RulesInForce, { reloads }: OwnRules): void {
    if (index === this.#index) return;
    this.#index = index;
    this.#reloads = reloads;
  }

  /** Whether to propose the node's own. */
  isDue({ index, version, pins, rules }: RulesInForce, own: OwnRules): boolean {
    if (own.version > version) return true;
    return (index === 0 || own.reloads > this.#reloads || own.pins !== pins) && own.rules.text !== rules.text;
  }
}

/** Rules as a peer or the disk has them. Throws PROTOCOL for what no classes file can say: whoever applies them must be able to. */
export function checkedRules(list: readonly GroupRule[]): readonly GroupRule[] {
  return new GroupRules(list).list;
}
