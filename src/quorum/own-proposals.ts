/** Where a proposal of this node is in the log, if it is still there. */
export interface ProposalPlace {
  readonly term: number;
  readonly index: number;
}

/**
 * This node's proposals whose fate is open. Truncation does not decide it: another member may still have the entry and win.
 * Only a committed entry of another term at its index does.
 */
export class OwnProposals {
  /** Of the newest term that this node led: ascending by index. */
  #current: ProposalPlace[] = [];
  /** Of terms before. */
  #earlier: ProposalPlace[] = [];

  get size(): number {
    return this.#current.length + this.#earlier.length;
  }

  add(place: ProposalPlace): void {
    this.#current.push(place);
  }

  newTerm(): void {
    this.#earlier.push(...this.#current);
    this.#current = [];
  }

  /** Everything up to `commit` is decided. Returns what did not happen; `termAt` is null where nobody can say. */
  decided(commit: number, happened: (place: ProposalPlace) => boolean | null): ProposalPlace[] {
    const later = this.#current.findIndex((place) => place.index > commit);
    const done = this.#current.splice(0, later === -1 ? this.#current.length : later);
    if (this.#earlier.length > 0) {
      done.push(...this.#earlier.filter((place) => place.index <= commit));
      this.#earlier = this.#earlier.filter((place) => place.index > commit);
    }
    return done.filter((place) => happened(place) === false);
  }
}
