import { Client } from './client.ts';
import { settingsOf, type ConnectOptions } from './client-options.ts';
import type { CreateNodeOptions, EmbeddedNode } from './create-node.ts';
import type { NodeConfig } from '../server/node-config.ts';
import { measuredOrder } from './measured-order.ts';
import { Router } from './router.ts';

export { CausewayError, type ErrorCode, type RetryMeaning } from '../errors.ts';
export type { Change, WatchOptions } from './change-watch.ts';
export { codecs, type Codec, type CodecChoice, type CodecName } from './codec.ts';
export type { ClientEvent, ClientFigures, NearFigures } from './client-events.ts';
export type { ConnectOptions, Duration, NearOptions, RegionOption, SessionCare } from './client-options.ts';
export type { CallOptions } from './request.ts';
export type { Decision, ResolveOptions, Sibling, Siblings } from './siblings.ts';
export type { AgedOptions, AgedValue } from './strong-keys.ts';
export type { TransactionOptions, TransactionResult } from './transaction.ts';
export type { GetOrSetOptions, ScanOptions, SetOptions, ValueInfo } from './client.ts';
export type { CreateNodeOptions, EmbeddedNode } from './create-node.ts';
export type { Client };

/**
 * A client of a cluster, connected to the nearest node that answers. It goes over to the next where that one fails, and back when it answers again. Rejects with CONFIG, or with UNAVAILABLE where
 * no node can be reached within `deadlineMs`.
 */
export async function connect(options: ConnectOptions): Promise<Client> {
  const settings = settingsOf(options);
  const candidates = settings.isMeasured ? await measuredOrder(settings) : settings.candidates;
  const router = new Router(settings, candidates);
  try {
    await router.connected(settings.deadlineMs);
  } catch (error) {
    await router.close();
    throw error;
  }
  return new Client(router, settings);
}

/**
 * Starts a node in this process and waits until it is ready. Its strings are read where they lie (`get`, and `getSync` without waiting); it is a member of its cluster like any other,
 * and serves other clients on its ports. Throws as `startServer`.
 */
export async function createNode(config: NodeConfig, options: CreateNodeOptions = {}): Promise<EmbeddedNode> {
  // who only connects does not load a server
  const { startEmbedded } = await import('./create-node.ts');
  return startEmbedded(config, options);
}
