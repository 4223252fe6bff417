import type { OperationLevel } from '../verify/history.ts';
import { CausalWork } from './verify-causal-work.ts';
import { ChapterKeys, type UsedKey } from './verify-chapter-keys.ts';
import type { VerifyNode } from './verify-cluster.ts';
import type { Draws } from './verify-draws.ts';
import type { VerifyKeys } from './verify-keys.ts';
import { MergeWork } from './verify-merge-work.ts';
import type { VerifySession } from './verify-session.ts';
import { StrongWork } from './verify-strong-work.ts';

/** What clients do: each is of one role for all of a chapter. */
export type Role = 'chain' | 'causal' | 'tally' | 'merge' | 'race' | 'strong' | 'link';

/** What the work of a chapter stands on. */
export interface WorkContext {
  readonly keys: ChapterKeys;
  readonly nodes: readonly VerifyNode[];
  /** What clients ask of reads of keys that are not strong. */
  readonly causalLevel: OperationLevel;
  /** What they ask of strong ones. */
  readonly strongLevel: OperationLevel;
  /** Whether a token holds what was read. */
  readonly carriesReads: boolean;
}

/** The clients of a chapter draw here what they do. */
export class Workload {
  readonly #keys: ChapterKeys;
  readonly #causal: CausalWork;
  readonly #merge: MergeWork;
  readonly #strong: StrongWork;

  constructor(keys: VerifyKeys, level: OperationLevel | null, nodes: readonly VerifyNode[], chapter: number) {
    this.#keys = new ChapterKeys(keys, chapter);
    const context: WorkContext = {
      keys: this.#keys,
      nodes,
      causalLevel: level === 'strong' ? 'session' : (level ?? 'causal'),
      strongLevel: level ?? 'strong',
      carriesReads: level !== 'weak' && level !== 'eventual',
    };
    this.#strong = new StrongWork(context);
    this.#causal = new CausalWork(context, this.#strong);
    this.#merge = new MergeWork(context);
  }

  /** Keys that were used, by the key of the history. */
  get used(): ReadonlyMap<string, UsedKey> {
    return this.#keys.used;
  }

  /** The roles that these keys allow. */
  get roles(): readonly Role[] {
    const { hasCausal, hasStrong } = this.#keys;
    const causal: readonly Role[] = hasCausal ? ['chain', 'causal', 'tally', 'merge', 'race'] : [];
    const strong: readonly Role[] = hasStrong ? ['strong'] : [];
    return [...causal, ...strong, ...(hasCausal && hasStrong ? (['link'] as const) : [])];
  }

  /** One thing that a client of the role does. */
  async step(role: Role, session: VerifySession, draws: Draws): Promise<void> {
    switch (role) {
      case 'chain':
        return this.#causal.chainStep(session, draws);
      case 'causal':
        return this.#causal.step(session, draws);
      case 'tally':
        return this.#causal.tallyStep(session, draws);
      case 'merge':
        return this.#merge.step(session, draws);
      case 'race':
        return this.#merge.race(session, draws);
      case 'strong':
        return this.#strong.step(session, draws);
      case 'link':
        return this.#strong.linkStep(session, draws);
    }
  }
}
