/**
 * What the client's connections have read and written, as tokens that another node can be asked for. That of the connection in use names all that
 * this one and those before it saw; what other connections to the node (for strong keys) saw stands beside it until the first has taken it in.
 */
export class SessionTokens {
  #main: string | null = null;
  #others: string[] = [];

  /** What the connection in use has seen by now. */
  seen(token: string): void {
    this.#main = token;
  }

  /** What another connection has seen, all of `contained` with it. */
  seenElsewhere(token: string, contained: readonly string[]): void {
    this.#others = this.#others.filter((other) => !contained.includes(other));
    if (token !== this.#main && !this.#others.includes(token)) this.#others.push(token);
  }

  /** The connection in use has attached these. */
  takenIn(tokens: readonly string[]): void {
    this.#others = this.#others.filter((token) => !tokens.includes(token));
  }

  /** What the connection in use does not have yet. */
  get others(): readonly string[] {
    return this.#others;
  }

  /** All that a node has to have. */
  get all(): readonly string[] {
    return this.#main === null ? this.#others : [this.#main, ...this.#others];
  }

  /** Begins anew: nothing was seen. */
  clear(): void {
    this.#main = null;
    this.#others = [];
  }
}
