/** What the source is to have of a key. */
export interface SourceWrite {
  readonly key: Uint8Array;
  /** Null where the key is removed. */
  readonly value: Uint8Array | null;
  /** `stamp-origin-seq` of the write: of two of a key the later has the higher stamp. Empty where several writes make up the value. */
  readonly version: string;
}

/** What became of one write: it is stored; the source will never take it; or it is not known to have taken it. */
export type StoreVerdict =
  | { readonly kind: 'stored' }
  | { readonly kind: 'refused'; readonly reason: string }
  | { readonly kind: 'failed'; readonly reason: string };

export const STORED: StoreVerdict = { kind: 'stored' };

/** The verdicts as they are. Throws the first failure where all are one: what fails at everything is away. */
export function unlessAway(verdicts: readonly StoreVerdict[]): readonly StoreVerdict[] {
  const [first] = verdicts;
  if (first?.kind === 'failed' && verdicts.every(({ kind }) => kind === 'failed')) throw new Error(first.reason);
  return verdicts;
}

/** Where values come from that are not here. */
export interface KeySource {
  /** The value of a key, null where there is none. Rejects where it cannot be told; may take longer than it has time. */
  load(key: Uint8Array): Promise<Uint8Array | null>;
  /** Stores writes of different keys; a verdict for each, in their order. Rejects where it took none that it could tell of. */
  storeMany(writes: readonly SourceWrite[]): Promise<readonly StoreVerdict[]>;
  /** Whether writes can be stored at all. */
  readonly canStore: boolean;
  close(): void;
}
