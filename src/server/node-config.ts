import type { NodeNumber } from '../clock/origin.ts';
import type { GroupPlan } from '../groups/group-plan.ts';
import type { Address } from './address.ts';
import type { RedisConfig } from './redis-config.ts';
import type { WarmConfig } from './warm-config.ts';

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export const LOG_FORMATS = ['json', 'text'] as const;

export type LogLevel = (typeof LOG_LEVELS)[number];
export type LogFormat = (typeof LOG_FORMATS)[number];

/** Another node of the cluster, as one node sees it. */
export interface MemberConfig {
  /** `eu-west-1/a` */
  readonly id: string;
  readonly region: string;
  readonly nodeNumber: NodeNumber;
  /**
   * Where to dial it, `ws://host:port`. Used only where this node's number is the lower of the two. Null when this side
   * never dials, or when it is not known yet: under `up` it comes with `RunningServer.setPeers`.
   */
  readonly url: string | null;
}

/** What keeps strangers out. */
export interface DoorsConfig {
  /** What clients have to say before they are served; null for nothing. */
  readonly requirepass: string | null;
  /** Without a password only clients of the same machine are served. */
  readonly protectedMode: boolean;
  /** What the nodes of the cluster prove to each other that they know; null for nothing. */
  readonly peerSecret: string | null;
  /** It was said that there is none: the network itself keeps strangers away from the peer port. */
  readonly isPeerPortOpen: boolean;
}

/** All that a node is started with, checked. */
export interface NodeConfig {
  /** Nodes of clusters with different names refuse each other. */
  readonly clusterId: string;
  readonly region: string;
  /** `us-east-1/a` */
  readonly nodeId: string;
  readonly nodeNumber: NodeNumber;
  /** Port 0 means any free one; `RunningServer.ports` has the real ones. */
  readonly resp: Address;
  readonly http: Address;
  readonly peer: Address;
  /** The node's own folder, made when it is not there; null keeps nothing over a restart. */
  readonly dataDir: string | null;
  /** Every other node of the cluster, by ascending node number. */
  readonly members: readonly MemberConfig[];
  /** Limits that differ from their defaults, by name. */
  readonly limits: Readonly<Record<string, number>>;
  /** The classes file, with its text; without it every key is of the default class. */
  readonly classes?: { readonly file: string; readonly text: string };
  /** The quorum groups that the classes ask for. */
  readonly groups?: readonly GroupPlan[];
  readonly doors: DoorsConfig;
  /** The region's second level; absent for none. */
  readonly redis?: RedisConfig;
  /** What it reads when it starts; absent for nothing. */
  readonly warm?: WarmConfig;
  readonly log: { readonly level: LogLevel; readonly format: LogFormat };
}
