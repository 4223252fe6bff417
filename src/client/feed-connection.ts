import { CausewayError } from '../errors.ts';
import { ReplyError } from '../wire/resp/reply-values.ts';
import type { Feed, FeedReader } from './change-watch.ts';
import { helloOf, type Candidate, type ClientSettings } from './client-options.ts';
import { Connection } from './connection.ts';
import { errorOf, textOf } from './replies.ts';

/** A feed on a connection of its own: what a program takes its time for holds up nothing else. Rejects with UNAVAILABLE, or with what the node refuses it for. */
export async function openFeedAt(
  candidate: Candidate,
  settings: ClientSettings,
  prefixes: readonly string[],
  from: string | null,
  reader: FeedReader,
  signal: AbortSignal,
): Promise<Feed> {
  let isBegun = false;
  const connection = await Connection.open(
    candidate.address,
    settings,
    {
      push: (items) => {
        if (items[0] !== undefined && textOf(items[0]) === 'cw.feed') reader.told(items);
      },
      flushing: () => undefined,
      closed: (error) => {
        signal.removeEventListener('abort', abort);
        if (isBegun) reader.ended(error);
      },
    },
    signal,
  );
  const end = (): void => connection.close(new CausewayError('Closed', 'the feed is no longer read'));
  const abort = end;
  signal.addEventListener('abort', abort, { once: true });
  try {
    const [hello, began] = await Promise.all([
      connection.ask(helloOf(settings)),
      connection.ask([
        'CW.FEED',
        ...prefixes.flatMap((prefix) => ['PREFIX', prefix]),
        ...(from === null ? [] : ['FROM', from]),
      ]),
    ]);
    for (const reply of [hello, began]) if (reply instanceof ReplyError) throw errorOf(reply);
    const position = textOf(began);
    isBegun = true;
    return {
      position,
      pause: () => connection.pause(),
      resume: () => connection.resume(),
      close: () => {
        isBegun = false;
        end();
      },
    };
  } catch (error) {
    end();
    throw error;
  }
}
