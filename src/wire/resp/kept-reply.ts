import type { KeptReply, NewReply } from '../../groups/strong-executor.ts';
import { OutputChunks } from './output-chunks.ts';
import { ReplyWriter } from './reply-writer.ts';

class KeptReplyWriter extends ReplyWriter implements KeptReply {
  readonly #chunks: OutputChunks;

  constructor(chunks: OutputChunks, respVersion: 2 | 3) {
    super(chunks);
    this.#chunks = chunks;
    this.respVersion = respVersion;
  }

  takeBytes(): Uint8Array {
    const { length } = this;
    const chunk = this.detach();
    const bytes = chunk.bytes.slice(0, length);
    this.#chunks.give(chunk);
    return bytes;
  }
}

/** Makes writers of replies that are kept as bytes. */
export function keptReplies(): NewReply {
  const chunks = new OutputChunks();
  return (respVersion) => new KeptReplyWriter(chunks, respVersion);
}
