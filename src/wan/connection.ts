import { connect, type Socket } from 'node:net';
import type { Address } from '../server/address.ts';
import { DelayLine, type Cargo, type LineEnds } from './delay-line.ts';
import type { Departures } from './departures.ts';
import type { Direction } from './direction.ts';

/** The socket options of both sides: every write leaves at once, and each direction ends on its own. */
export const SOCKET_OPTIONS = { noDelay: true, allowHalfOpen: true } as const;

/** One side of a connection and the line that leaves from it. */
interface Side {
  readonly socket: Socket;
  readonly line: DelayLine;
  readonly other: () => Side;
  hasEnded: boolean;
  isClosed: boolean;
}

/**
 * A connection through the WAN: what comes from either side reaches the other as late as the direction says, its end
 * and its reset included. Setting up costs one round trip less than on a real ocean: the target accepts at once.
 */
export class WanConnection {
  readonly #departures: Departures;
  readonly #client: Side;
  readonly #target: Side;
  readonly #onClose: () => void;

  constructor(options: {
    client: Socket;
    target: Address;
    there: Direction;
    back: Direction;
    departures: Departures;
    random: () => number;
    onClose: () => void;
  }) {
    this.#departures = options.departures;
    this.#onClose = options.onClose;
    const upstream = connect({ ...options.target, ...SOCKET_OPTIONS });
    this.#client = this.#side(options.client, upstream, options.there, options.random, () => this.#target);
    this.#target = this.#side(upstream, options.client, options.back, options.random, () => this.#client);
  }

  get lines(): readonly DelayLine[] {
    return [this.#client.line, this.#target.line];
  }

  /** The link is cut: both sides see a reset at once. */
  reset(): void {
    this.#client.socket.resetAndDestroy();
    this.#target.socket.resetAndDestroy();
  }

  #side(source: Socket, sink: Socket, direction: Direction, random: () => number, other: () => Side): Side {
    const line = new DelayLine(direction, lineEnds(source, sink), random);
    const side: Side = { socket: source, line, other, hasEnded: false, isClosed: false };
    const send = (cargo: Cargo): void => {
      line.send(cargo, performance.now());
      this.#departures.schedule(line);
    };
    source.on('data', send);
    source.on('end', () => {
      side.hasEnded = true;
      send('end');
    });
    sink.on('drain', () => {
      line.unblock();
      this.#departures.schedule(line);
    });
    // What went wrong shows in `close`, which follows.
    source.on('error', () => undefined);
    source.on('close', (hadError) => {
      side.isClosed = true;
      if (hadError || !side.hasEnded) send('reset');
      this.#closed(side);
    });
    return side;
  }

  /** Nothing can reach a side that has closed. Once both have, the connection is over. */
  #closed(side: Side): void {
    const other = side.other();
    this.#departures.forget(other.line);
    other.line.clear();
    if (!other.isClosed) return;
    this.#departures.forget(side.line);
    side.line.clear();
    this.#onClose();
  }
}

function lineEnds(source: Socket, sink: Socket): LineEnds {
  return {
    setReading: (isReading) => {
      if (isReading) source.resume();
      else source.pause();
    },
    deliver: (cargo) => {
      if (sink.destroyed) return true;
      if (cargo.length > 1) sink.cork();
      let isRoomLeft = true;
      for (const item of cargo) {
        if (item === 'reset') sink.resetAndDestroy();
        else if (item === 'end') sink.end();
        else isRoomLeft = sink.write(item);
      }
      if (cargo.length > 1) sink.uncork();
      return isRoomLeft;
    },
  };
}
