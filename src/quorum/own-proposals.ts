/** Where a proposal of this node is in the log, if it is still there. */
export interface ProposalPlace {
  readonly term: number;
  readonly index: number;
}

/**
 * This node's proposals whose fate is open. Truncation does not decide it: another member may still have the entry and win.
 * What is committed does: another entry at its index; or any of a later term before it, because terms do not fall along
 * the log.
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

  /**
   * Everything up to `commit`, whose entry is of `commitTerm`, is decided. Returns what did not happen. `happened` is asked
   * for what is at `commit` or before; null where nobody can say.
   */
  decided(commit: number, commitTerm: number, happened: (place: ProposalPlace) => boolean | null): ProposalPlace[] {
    if ((this.#current[0]?.term ?? commitTerm) < commitTerm) this.newTerm();
    const isOpen = ({ index, term }: ProposalPlace): boolean => index > commit && term >= commitTerm;
    const later = this.#current.findIndex(isOpen);
    const done = this.#current.splice(0, later === -1 ? this.#current.length : later);
    if (this.#earlier.length > 0) {
      done.push(...this.#earlier.filter((place) => !isOpen(place)));
      this.#earlier = this.#earlier.filter(isOpen);
    }
    return done.filter((place) => place.index > commit || happened(place) === false);
  }
}
