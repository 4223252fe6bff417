import type { ByteRange } from '../base/bytes.ts';
import type { ActiveClasses } from '../classes/active-classes.ts';
import type { SessionHorizon } from '../causal/session-horizon.ts';
import type { Dot, NodeNames } from '../clock/dot.ts';
import type { ConflictLog } from '../keyspace/conflict-log.ts';
import type { MembershipView } from './membership-view.ts';
import type { StrongView } from './strong-view.ts';
import type { VersionVector } from '../clock/version-vector.ts';

/** How far one peer is, for CW.PEERS and metrics. */
export interface PeerStatus {
  readonly id: string;
  readonly region: string;
  readonly connected: boolean;
  /** Own and relayed transactions here that the peer has not said it applied. */
  readonly lagTransactions: number;
  /** Bytes of log here that the peer has not said it applied. */
  readonly lagBytes: number;
  /** Age of the oldest transaction made here that the peer has not said it applied; 0 when none; null when never heard. */
  readonly lagMs: number | null;
  /** Round trip of the control connection, null before the first. */
  readonly rttMs: number | null;
  /** Milliseconds since the peer was last heard, null for never. */
  readonly silentMs: number | null;
}

/** What commands may ask of the node that they run on. */
export interface NodeView {
  readonly nodeId: string;
  readonly region: string;
  readonly names: NodeNames;
  readonly sessions: SessionHorizon;
  readonly membership: MembershipView;
  /** Keys that are pinned to a home region. */
  readonly strong: StrongView;
  /** The classes of keys in force here. */
  readonly classes: ActiveClasses;
  /** Concurrent writes that this node met (SPEC S4). */
  readonly conflicts: ConflictLog;
  vector(): VersionVector;
  /** Hex digest of the visible keyspace at the present vector (SPEC S2). */
  digest(nowMs: number): string;
  peers(nowMs: number): PeerStatus[];
  /** Lines `name value` that explain a key: every unsuperseded write, dots, stamps, the rule, the winner. */
  explain(key: ByteRange, nowMs: number): [name: string, value: string][];
  /** The dot of the newest transaction of this node, null before the first. */
  lastDot(): Dot | null;
  /** Other regions all of whose live nodes have applied the dot (SPEC S3). */
  regionsCovering(dot: Dot): number;
  /** Reasons why the node is not ready, empty when it is. */
  unreadyReasons(nowMs: number): string[];
  /** What the node, ready or not, cannot serve as it should: quorum groups without a leader. Empty when all is well. */
  degradedReasons(nowMs: number): string[];
}
