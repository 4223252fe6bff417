import { CausewayError } from '../errors.ts';
import type { Candidate } from './client-options.ts';
import { unavailable } from './connection.ts';
import { NodeLink, type LinkContext } from './node-link.ts';

/** How much later the next candidate is tried while those before it have not answered. */
const STAGGER_MS = 250;

/** What trying all candidates came to. */
export interface Chosen {
  readonly link: NodeLink | null;
  /** Where there is no link: why. */
  readonly reason: CausewayError;
  /** Some node answers, and lacks what the session saw. */
  readonly isBehind: boolean;
}

/**
 * The first of the candidates that is ready and has what the session saw. Each one is tried where those before it have failed, or not answered for a
 * moment, so that a node which has stopped without a word costs that moment.
 */
export async function chooseNode(
  candidates: readonly Candidate[],
  context: LinkContext,
  signal: AbortSignal,
): Promise<Chosen> {
  const others = new AbortController();
  const stop = (): void => others.abort();
  signal.addEventListener('abort', stop);
  let reason = unavailable('no node was tried');
  let isBehind = false;
  let chosen: NodeLink | null = null;
  let failedBefore = Promise.resolve();
  const tries = candidates.map((candidate) => {
    const mayStart = failedBefore;
    const ended = mayStart.then(async () => {
      if (others.signal.aborted) return;
      const tried = await tryNode(candidate, context, others.signal);
      if (tried instanceof NodeLink) {
        if (chosen === null) {
          chosen = tried;
          others.abort();
        } else tried.close(unavailable('another node is used'));
        return;
      }
      if (others.signal.aborted) return;
      isBehind ||= tried.code === 'ConsistencyLost';
      if (tried.code === 'ConsistencyLost' || reason.code !== 'ConsistencyLost') reason = tried;
    });
    failedBefore = mayStart.then(async () => soonerOf(ended, others.signal));
    return ended;
  });
  await Promise.all(tries);
  signal.removeEventListener('abort', stop);
  return { link: chosen, reason, isBehind };
}

/** The promise, or the moment that it may take. */
async function soonerOf(promise: Promise<void>, signal: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, STAGGER_MS);
    timer.unref();
    signal.addEventListener('abort', end);
    void promise.then(end);
  });
}

/** A link, or why there is none. */
async function tryNode(
  candidate: Candidate,
  context: LinkContext,
  signal: AbortSignal,
): Promise<NodeLink | CausewayError> {
  const { region, address } = candidate;
  const { attachMs, onEvent } = context.settings;
  let link: NodeLink | null = null;
  const stop = (): void => link?.close(unavailable('another node is used'));
  signal.addEventListener('abort', stop);
  try {
    link = await NodeLink.open(candidate, context, signal);
    const attached = await link.attach(context.tokens.all, attachMs);
    if (attached === true) return link;
    throw new CausewayError('ConsistencyLost', attached, { retry: 'later' });
  } catch (thrown) {
    const error = thrown instanceof CausewayError ? thrown : unavailable(String(thrown), thrown);
    link?.close(error);
    if (!signal.aborted)
      onEvent({ type: 'refused', region, node: `${address.host}:${address.port}`, reason: error.message });
    return error;
  } finally {
    signal.removeEventListener('abort', stop);
  }
}
