import { present } from '../base/assert.ts';
import type { GroupConfig, SnapshotMeta } from './messages.ts';
import { MEMBERS_MAX } from './options.ts';

/** A change of one server (thesis, 4.1). */
export interface ConfigChange {
  readonly kind: 'add-voter' | 'add-learner' | 'promote' | 'demote' | 'remove';
  readonly node: number;
}

const FORMAT = 1;
const NODE_MAX = 2 ** 31;

/** Whether nobody is in it twice, somebody votes and all numbers are node numbers. */
export function isSoundConfig(config: GroupConfig): boolean {
  const members = [...config.voters, ...config.learners];
  return (
    config.voters.length > 0 &&
    members.length <= MEMBERS_MAX &&
    new Set(members).size === members.length &&
    members.every((node) => Number.isInteger(node) && node > 0 && node < NODE_MAX)
  );
}

export function isMember(config: GroupConfig, node: number): boolean {
  return config.voters.includes(node) || config.learners.includes(node);
}

/** The data of a Config entry: format, voters, learners, then four bytes each. */
export function encodeConfig(config: GroupConfig): Uint8Array {
  const bytes = new Uint8Array(3 + 4 * (config.voters.length + config.learners.length));
  bytes.set([FORMAT, config.voters.length, config.learners.length]);
  const view = new DataView(bytes.buffer);
  for (const [index, node] of [...config.voters, ...config.learners].entries()) view.setUint32(3 + 4 * index, node);
  return bytes;
}

/** Null where the bytes are not of a sound configuration. */
export function decodeConfig(bytes: Uint8Array): GroupConfig | null {
  const [format, voters = 0, learners = 0] = bytes;
  if (format !== FORMAT || bytes.length !== 3 + 4 * (voters + learners)) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const nodes = Array.from({ length: voters + learners }, (_, index) => view.getUint32(3 + 4 * index));
  const config = { voters: nodes.slice(0, voters), learners: nodes.slice(voters) };
  return isSoundConfig(config) ? config : null;
}

/** The configuration after a change; null where it changes nothing or does not fit (an unknown node, the last voter). */
export function changedConfig(config: GroupConfig, { kind, node }: ConfigChange): GroupConfig | null {
  const isVoter = config.voters.includes(node);
  const isLearner = config.learners.includes(node);
  const voters = config.voters.filter((each) => each !== node);
  const learners = config.learners.filter((each) => each !== node);
  const fits = { 'add-voter': !isVoter && !isLearner, 'add-learner': !isVoter && !isLearner };
  const fitsNow = { ...fits, promote: isLearner, demote: isVoter, remove: isVoter || isLearner };
  if (!fitsNow[kind]) return null;
  if (kind === 'add-voter' || kind === 'promote') voters.push(node);
  if (kind === 'add-learner' || kind === 'demote') learners.push(node);
  const changed = { voters: voters.sort(ascending), learners: learners.sort(ascending) };
  return isSoundConfig(changed) ? changed : null;
}

function ascending(one: number, other: number): number {
  return one - other;
}

interface ConfigAt {
  readonly index: number;
  readonly config: GroupConfig;
}

/**
 * The configurations of the log that may still matter: one takes effect when it is appended and is rolled back when its
 * entry is truncated (thesis, 4.1).
 */
export class ConfigHistory {
  /** Ascending by index, never empty. */
  #configs: ConfigAt[];

  constructor(index: number, config: GroupConfig) {
    this.#configs = [{ index, config }];
  }

  get current(): GroupConfig {
    return this.#last.config;
  }

  /** The entry that made the current one, 0 for the first. */
  get currentIndex(): number {
    return this.#last.index;
  }

  get #last(): ConfigAt {
    return present(this.#configs.at(-1), 'there is a configuration');
  }

  /** What is in effect at an index; null before what is known. */
  at(index: number): ConfigAt | null {
    return this.#configs.findLast((each) => each.index <= index) ?? null;
  }

  append(index: number, config: GroupConfig): void {
    this.#configs.push({ index, config });
  }

  truncate(from: number): void {
    while (this.#configs.length > 1 && this.#last.index >= from) this.#configs.pop();
  }

  /** Only what is in effect at `index` and after it stays. */
  compact(index: number): void {
    while ((this.#configs[1]?.index ?? Infinity) <= index) this.#configs.shift();
  }

  reset(meta: SnapshotMeta): void {
    this.#configs = [{ index: meta.configIndex, config: meta.config }];
  }
}
