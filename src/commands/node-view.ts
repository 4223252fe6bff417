import type { ByteRange } from '../base/bytes.ts';
import type { ActiveClasses } from '../classes/active-classes.ts';
import type { SessionHorizon } from '../causal/session-horizon.ts';
import type { Dot, NodeNames } from '../clock/dot.ts';
import type { ConflictLog } from '../keyspace/conflict-log.ts';
import type { InvalidationView } from './invalidation-view.ts';
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

/** What one key shows at a node. */
export interface KeyDigest {
  /** 16 hex digits; null where it shows nothing, or never leaves the node. */
  readonly hex: string | null;
  /** Whether every member has all that this node has seen of it: then a settled one of another node must be the same. */
  readonly isSettled: boolean;
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
  readonly invalidations: InvalidationView;
  vector(): VersionVector;
  /** Hex digest of the visible keyspace at the present vector (SPEC S2). */
  digest(nowMs: number): string;
  /** The same, made turn by turn of what there is now. Throws where too many are. */
  digestRun(nowMs: number): { readonly isDone: boolean; readonly hex: string };
  /** The same of one key as this node has it, and whether all that it has seen of it is at all members (SPEC S8). */
  keyDigest(key: ByteRange, nowMs: number): KeyDigest;
  peers(nowMs: number): PeerStatus[];
  /** Lines `name value` that explain a key: every unsuperseded write, dots, stamps, the rule, the winner. */
  explain(key: ByteRange, nowMs: number): [name: string, value: string][];
  /** The dot of the newest transaction of this node, null before the first. */
  lastDot(): Dot | null;
  /** Other regions all of whose live nodes have applied the dot (SPEC S3). */
  regionsCovering(dot: Dot): number;
  /** How old what is not on this node's disk yet may be, in milliseconds (SPEC R1); null where nothing is kept. */
  unsavedMs(monotonicMs: number): number | null;
  /** Reasons why the node is not ready, empty when it is. */
  unreadyReasons(nowMs: number): string[];
  /** What the node, ready or not, cannot serve as it should: quorum groups without a leader. Empty when all is well. */
  degradedReasons(nowMs: number): string[];
}
