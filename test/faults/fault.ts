/** A fault that is put into a shipped source by the tests, and must be found by the simulator's checks. */
export interface Fault {
  readonly id: string;
  /** The rule of SPEC.md, or the part of Raft, that it takes out. */
  readonly rule: string;
  /** What goes wrong with it. */
  readonly about: string;
  /** Below the repository. */
  readonly file: string;
  /** Is there exactly once. */
  readonly find: string;
  readonly replace: string;
}
