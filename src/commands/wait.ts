import type { CommandSpec } from './command-spec.ts';
import type { CommandContext } from './context.ts';
import { clamped, integerArgument } from './numbers.ts';
import { refuse } from './refusals.ts';

/** Other regions that have peers of this node. */
function otherRegions({ node, nowMs }: CommandContext): number {
  const regions = new Set(node.peers(nowMs).map((peer) => peer.region));
  regions.delete(node.region);
  return regions.size;
}

/**
 * WAIT n ms: how many other regions have applied the connection's last write, once n have or the time is over. What was not
 * written by this connection is not waited for.
 */
function wait(context: CommandContext): void {
  const { args, node, reply, server, session } = context;
  const regionsWanted = clamped(integerArgument(args, 1), 2 ** 31);
  const timeoutMs = clamped(integerArgument(args, 2, 'timeout is not an integer or out of range'), 2 ** 52);
  if (timeoutMs < 0) throw refuse('timeout is negative');
  const { lastWriteOrigin: origin, lastWriteSeq: seq } = session;
  if (origin === null) {
    reply.integer(otherRegions(context));
    return;
  }
  const covered = node.regionsCovering({ origin, seq });
  if (covered >= regionsWanted || session.inExec) {
    reply.integer(covered);
    return;
  }
  const deadlineMs = timeoutMs === 0 ? Infinity : server.time.monotonicMs() + timeoutMs;
  server.waiting.block(session, {
    deadlineMs,
    isOver: () => node.regionsCovering({ origin, seq }) >= regionsWanted,
    end: () => session.connection.reply.integer(node.regionsCovering({ origin, seq })),
    fail: ({ code, message }) => session.connection.reply.error(code, message),
  });
}

/** WAIT. */
export const waitCommands: readonly CommandSpec[] = [
  {
    name: 'wait',
    arity: 3,
    flags: ['noscript'],
    group: 'generic',
    summary: "Wait until other regions have applied the connection's last write",
    run: wait,
  },
];
