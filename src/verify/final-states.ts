/** What a node shows of keys once nobody writes any more and everything has arrived. */
export interface FinalState {
  readonly node: string;
  /** Keys that are not there may be left out or null. */
  readonly values: ReadonlyMap<string, string | null>;
}
