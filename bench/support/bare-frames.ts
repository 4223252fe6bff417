import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { askAdmin } from '../../src/wan/admin-client.ts';

const FRAME_BYTES = 100;
const EVERY_MS = 10;

/** A forward of the shaper that goes to the bench itself: what travels is a frame and nothing else. */
interface BareLink {
  readonly from: string;
  readonly to: string;
  readonly sending: Socket;
}

/**
 * Frames that carry their time of sending through the same shaper, between the same regions, at the same time as what is measured: what is
 * measured is judged by them, for shaper and machine are as late for both.
 */
export class BareFrames {
  readonly #server: Server;
  readonly #links: BareLink[] = [];
  readonly #sockets: Socket[] = [];
  readonly #lags: Map<string, number[]> = new Map();
  #timer: NodeJS.Timeout | null = null;
  /** Bytes that were sent. */
  sentBytes = 0;

  private constructor(server: Server) {
    this.#server = server;
  }

  /** Opens a link each way between each two of the regions. */
  static async open(wanUrl: string, regions: readonly string[]): Promise<BareFrames> {
    const server = createServer({ noDelay: true });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const bare = new BareFrames(server);
    const target = { host: '127.0.0.1', port: (server.address() as AddressInfo).port };
    const pairs = regions.flatMap((from) => regions.filter((to) => to !== from).map((to) => ({ from, to })));
    // one at a time, so that it is known which connection is of which pair
    for (const { from, to } of pairs) await bare.#open(wanUrl, from, to, target);
    bare.#timer = setInterval(() => bare.#send(), EVERY_MS);
    return bare;
  }

  async #open(wanUrl: string, from: string, to: string, target: { host: string; port: number }): Promise<void> {
    // a place that no node of the cluster has
    const forwards = [{ from: `${from}/z`, to: `${to}/z`, target: `${target.host}:${target.port}` }];
    const answer = (await askAdmin(wanUrl, '/links', { forwards })) as { forwards: { listen: string }[] };
    const accepted = once(this.#server, 'connection') as Promise<[Socket]>;
    const port = Number(answer.forwards[0]?.listen.split(':')[1]);
    const sending = connect({ host: '127.0.0.1', port, noDelay: true });
    await once(sending, 'connect');
    const [receiving] = await accepted;
    this.#receive(receiving, `${from} ${to}`);
    this.#links.push({ from, to, sending });
    this.#sockets.push(sending, receiving);
  }

  #receive(socket: Socket, pair: string): void {
    let rest = Buffer.alloc(0);
    const lags: number[] = [];
    this.#lags.set(pair, lags);
    socket.on('data', (chunk) => {
      const nowMs = performance.now();
      rest = Buffer.concat([rest, chunk]);
      for (; rest.length >= FRAME_BYTES; rest = rest.subarray(FRAME_BYTES)) lags.push(nowMs - rest.readDoubleLE(0));
    });
  }

  #send(): void {
    for (const { sending } of this.#links) {
      const frame = Buffer.alloc(FRAME_BYTES);
      frame.writeDoubleLE(performance.now(), 0);
      sending.write(frame);
      this.sentBytes += FRAME_BYTES;
    }
  }

  /** Forgets what was measured so far. */
  restart(): void {
    for (const lags of this.#lags.values()) lags.length = 0;
  }

  /** Milliseconds that frames took from one region to the other. */
  lagsOf(from: string, to: string): number[] {
    return this.#lags.get(`${from} ${to}`) ?? [];
  }

  close(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }
}
