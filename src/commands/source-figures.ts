/** What came of the loads of one class since the start. */
export class SourceFigures {
  /** Loads that brought a value; that there is none; that failed. */
  loaded = 0;
  absent = 0;
  failed = 0;
  /** Of those that brought one: what was not kept, as the key was changed meanwhile or removed just before. */
  dropped = 0;
  /** Reads that joined a load which was under way. */
  coalesced = 0;
  /** Loads that were left to another node. */
  passedOn = 0;
  /** Reads that got a stale value. */
  staleServed = 0;
  /** Reads that were answered by what is remembered to be absent. */
  absentHits = 0;
  /** Loads that began before a value was stale. */
  early = 0;
  /** How long loads take, about: each counts a fifth. */
  meanMs = 0;

  took(ms: number): void {
    this.meanMs = this.meanMs === 0 ? ms : this.meanMs + (ms - this.meanMs) / 5;
  }
}
