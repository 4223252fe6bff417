import { ByteRange, latin1Range } from '../base/bytes.ts';
import type { MessageFrame, PeerFrame } from '../causal/peer-frames.ts';
import type { PeerSession } from '../causal/peer-session.ts';
import type { MessageSender } from '../commands/consistency-monitor.ts';

/** What nodes tell each other beside their streams: at most once, in no order with what they write, and no vector moves by it. */
export class PeerMessages implements MessageSender {
  readonly #sessions: () => ReadonlyMap<number, PeerSession>;
  readonly #send: (link: number, frame: PeerFrame) => void;
  /** Hears what peers tell; the views are good for the call. */
  onMessage: ((channel: ByteRange, text: ByteRange) => void) | null = null;

  constructor(sessions: () => ReadonlyMap<number, PeerSession>, send: (link: number, frame: PeerFrame) => void) {
    this.#sessions = sessions;
    this.#send = send;
  }

  say(channel: ByteRange, text: ByteRange, to: string | null): void {
    const frame: MessageFrame = { type: 'message', channel: channel.toLatin1(), bytes: text.toBytes() };
    for (const { member, control, isUp, takesMessages } of this.#sessions().values())
      if (control !== null && isUp && takesMessages && (to === null || member.id === to)) this.#send(control, frame);
  }

  take({ channel, bytes }: MessageFrame): void {
    this.onMessage?.(latin1Range(channel), new ByteRange(bytes));
  }
}
