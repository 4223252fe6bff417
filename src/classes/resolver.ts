import type { SiblingView } from '../crdt/sibling-content.ts';

export type { SiblingView } from '../crdt/sibling-content.ts';

/**
 * What a key shows of several siblings, oldest first by (stamp, origin): bytes as a latin1 string. The same for the same siblings at every node.
 * Throws `ResolverFailure`; the key then shows the latest sibling.
 */
export type Resolver = (siblings: readonly SiblingView[]) => string;

/** Why a resolver gave nothing. */
export type FailureKind =
  /** The values are not of the kind that it takes. */
  | 'shape'
  | 'threw'
  /** It took more steps, or longer, than it may. */
  | 'endless'
  | 'memory'
  /** It gave something else than a text, or too long a one. */
  | 'result'
  /** It was not asked, since it was endless again and again. */
  | 'suspended';

/** A resolver that gave nothing. Caught where views are made: it never leaves the node. */
export class ResolverFailure extends Error {
  readonly kind: FailureKind;

  constructor(kind: FailureKind, message: string) {
    super(message);
    this.name = 'ResolverFailure';
    this.kind = kind;
  }
}
