import type { ShownSiblings, SiblingView } from '../crdt/sibling-content.ts';
import { builtInResolvers, byRegion } from './built-in-resolvers.ts';
import type { BuiltInResolver, ConflictRule, KeyClass } from './key-class.ts';
import { ResolverFailure, type Resolver } from './resolver.ts';

/** How often a resolver gave nothing for keys of a class, since the start of the node. */
export interface ResolverFailures {
  readonly keyClass: string;
  readonly resolver: string;
  readonly total: number;
  /** Of the last one. */
  readonly reason: string;
}

/** Told of a failure of a resolver. */
export type FailureListener = (keyClass: string, resolver: string, failure: ResolverFailure) => void;

/**
 * What keys show of several siblings, by the rule of their class. A resolver that fails costs its keys no more than the merge: they show the
 * latest sibling, and the failure is counted and named.
 */
export class Resolutions {
  readonly #modules: ReadonlyMap<string, Resolver>;
  readonly #regionOf: (node: number) => string;
  /** By class and resolver. */
  readonly #failures: Map<string, ResolverFailures> = new Map();
  #listener: FailureListener = () => undefined;

  constructor(modules: ReadonlyMap<string, Resolver>, regionOf: (node: number) => string) {
    this.#modules = modules;
    this.#regionOf = regionOf;
  }

  listen(listener: FailureListener): void {
    this.#listener = listener;
  }

  /** Oldest first, at least one. */
  show({ name, conflict }: KeyClass, siblings: readonly SiblingView[]): ShownSiblings {
    const latest = siblings.at(-1)?.value ?? '';
    if (conflict.kind === 'region-priority')
      return { text: byRegion(conflict.regions, this.#regionOf)(siblings), error: null };
    if (conflict.kind !== 'resolver') return { text: latest, error: null };
    try {
      return { text: this.#resolverOf(conflict)(siblings), error: null };
    } catch (error) {
      if (!(error instanceof ResolverFailure)) throw error;
      this.#count(name, conflict.name, error);
      const shown = { text: latest, error: error.message };
      return error.kind === 'suspended' ? { ...shown, isProvisional: true } : shown;
    }
  }

  /** By class and resolver. */
  failures(): readonly ResolverFailures[] {
    return [...this.#failures.values()];
  }

  #resolverOf({ name, module }: ConflictRule & { readonly kind: 'resolver' }): Resolver {
    const resolver = module === null ? builtInResolvers[name as BuiltInResolver] : this.#modules.get(module);
    if (resolver === undefined) throw new ResolverFailure('suspended', `the module ${name} was not loaded`);
    return resolver;
  }

  #count(keyClass: string, resolver: string, failure: ResolverFailure): void {
    const id = JSON.stringify([keyClass, resolver]);
    const total = (this.#failures.get(id)?.total ?? 0) + 1;
    this.#failures.set(id, { keyClass, resolver, total, reason: failure.message });
    this.#listener(keyClass, resolver, failure);
  }
}
