import type { Codec, PeerFrame } from '../causal/peer-frames.ts';

/** What the driver is to do: send these frames in their order, then close these links. */
export interface NodeOutputs {
  readonly sends: readonly { readonly link: number; readonly frame: Uint8Array }[];
  readonly closes: readonly { readonly link: number; readonly reason: string }[];
}

/** Collects what a turn sends. A chunk that goes to several peers in one turn is encoded once. */
export class Outbox {
  readonly #codec: Codec;
  readonly #encoded: Map<Uint8Array, Uint8Array> = new Map();
  #sends: { link: number; frame: Uint8Array }[] = [];
  #closes: { link: number; reason: string }[] = [];

  constructor(codec: Codec) {
    this.#codec = codec;
  }

  /** Returns the frame's bytes on the wire. */
  send(link: number, frame: PeerFrame): number {
    const bytes = this.#encode(frame);
    this.#sends.push({ link, frame: bytes });
    return bytes.length;
  }

  #encode(frame: PeerFrame): Uint8Array {
    if (frame.type !== 'transactions' || frame.asked) return this.#codec.encodeFrame(frame);
    let bytes = this.#encoded.get(frame.bytes);
    if (bytes === undefined) {
      bytes = this.#codec.encodeFrame(frame);
      this.#encoded.set(frame.bytes, bytes);
    }
    return bytes;
  }

  close(link: number, reason: string): void {
    this.#closes.push({ link, reason });
  }

  get closeCount(): number {
    return this.#closes.length;
  }

  take(): NodeOutputs {
    const outputs = { sends: this.#sends, closes: this.#closes };
    this.#sends = [];
    this.#closes = [];
    this.#encoded.clear();
    return outputs;
  }
}
