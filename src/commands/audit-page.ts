/** A part of a group's audit, as one node has it. */
export interface AuditPage {
  /** Of the whole chain: how many records there are, the log index of the last and its SHA-256 in hex. */
  readonly head: { readonly count: number; readonly index: number; readonly hash: string };
  /** Records by log index: lines of JSON with a newline between those of one entry. A node may lack some, see SPEC A3. */
  readonly records: readonly (readonly [index: number, lines: Uint8Array])[];
  /** The log index to go on from, 0 for the end. */
  readonly next: number;
}
