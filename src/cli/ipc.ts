import { z } from 'zod';
import type { NodeStats } from '../server/server-types.ts';

/**
 * What `up` and a process that it started say to each other over Node's IPC channel. The child ends when the channel
 * closes. In order, of a node: `listening`, then (once told the `peers`) `ready`, or `removed` and `ready` only when it joined again, and `stats` each second; or `failed`
 * at any point, after which it ends. Of the shaper: `shaper-listening` only.
 */
export type ChildMessage =
  | {
      readonly type: 'listening';
      readonly ports: { readonly resp: number; readonly http: number; readonly peer: number };
    }
  | { readonly type: 'ready' }
  | { readonly type: 'removed'; readonly message: string }
  | ({ readonly type: 'stats' } & NodeStats)
  | { readonly type: 'shaper-listening'; readonly adminUrl: string }
  | { readonly type: 'failed'; readonly code: string; readonly message: string };

/** Where to dial the members that this node dials. Sent once all listen, and again when one of them moved. */
export interface ParentMessage {
  readonly type: 'peers';
  readonly members: readonly { readonly id: string; readonly url: string }[];
}

const port = z.int().min(1).max(65_535);

const childMessage: z.ZodType<ChildMessage> = z.discriminatedUnion('type', [
  z.object({ type: z.literal('listening'), ports: z.object({ resp: port, http: port, peer: port }) }),
  z.object({ type: z.literal('ready') }),
  z.object({ type: z.literal('removed'), message: z.string() }),
  z.object({
    type: z.literal('stats'),
    opsPerSecond: z.number(),
    keys: z.number(),
    lagMs: z.record(z.string(), z.number().nullable()),
    groups: z.array(z.object({ name: z.string(), leader: z.string().nullable(), term: z.number() })),
  }),
  z.object({ type: z.literal('shaper-listening'), adminUrl: z.string() }),
  z.object({ type: z.literal('failed'), code: z.string(), message: z.string() }),
]);

const parentMessage: z.ZodType<ParentMessage> = z.object({
  type: z.literal('peers'),
  members: z.array(z.object({ id: z.string(), url: z.string() })),
});

/** The message, or null when it is none of ours. */
export function readChildMessage(message: unknown): ChildMessage | null {
  return childMessage.safeParse(message).data ?? null;
}

/** The message, or null when it is none of ours. */
export function readParentMessage(message: unknown): ParentMessage | null {
  return parentMessage.safeParse(message).data ?? null;
}

/** Says it to `up`; without a channel, or when it has just closed, nobody is there to hear it. */
export function tellParent(message: ChildMessage): void {
  if (process.connected) process.send?.(message, undefined, undefined, () => undefined);
}
