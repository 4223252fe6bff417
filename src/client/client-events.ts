/** What a client tells of itself, for logs and metrics. */
export type ClientEvent =
  | { readonly type: 'connected'; readonly region: string; readonly node: string }
  | { readonly type: 'disconnected'; readonly region: string; readonly node: string; readonly reason: string }
  /** A node could not be used: it did not answer, refused the password, is not ready. */
  | { readonly type: 'refused'; readonly region: string; readonly node: string; readonly reason: string }
  /** No node that answers has what the session saw: calls are refused with ConsistencyLost until one has, or the session is given up. */
  | { readonly type: 'consistency-lost'; readonly reason: string }
  /** A nearer node is back, and was gone over to. */
  | { readonly type: 'returned'; readonly region: string; readonly node: string };

/** Figures of the near cache since the client was made. */
export interface NearFigures {
  readonly hits: number;
  readonly misses: number;
  /** Of the hits: served while no node was connected. */
  readonly staleHits: number;
  readonly invalidations: number;
  /** Values that came when a newer one was there already, or an invalidation had passed them. */
  readonly outdated: number;
  readonly entries: number;
  readonly bytes: number;
}

/** What a client did since it was made, and what it does now. */
export interface ClientFigures {
  /** Where it is connected; null where it is not. */
  readonly region: string | null;
  readonly node: string | null;
  readonly requests: number;
  /** Requests that were asked again: of another node, or under the same request id. */
  readonly retries: number;
  readonly connects: number;
  /** Requests without an answer yet, and their bytes. */
  readonly pending: number;
  readonly pendingBytes: number;
  readonly near: NearFigures | null;
}
