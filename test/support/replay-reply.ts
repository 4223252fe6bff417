import { latin1Of } from '../../src/base/bytes.ts';
import type { Reply } from '../../src/commands/context.ts';

/** Writes what bytes say that are replies already (RESP3), part by part, into another writer. */
export function replayReply(bytes: Uint8Array, reply: Reply): void {
  let at = 0;
  const line = (): string => {
    const end = bytes.indexOf(13, at);
    const text = latin1Of(bytes, at, end);
    at = end + 2;
    return text;
  };
  const text = (length: number): string => {
    const body = latin1Of(bytes, at, at + length);
    at += length + 2;
    return body;
  };
  const many = (count: number): void => {
    for (let i = 0; i < count; i++) one();
  };
  const one = (): void => {
    const type = String.fromCharCode(bytes[at++] ?? 0);
    const head = line();
    switch (type) {
      case '+':
        return reply.simple(head);
      case '-':
        return reply.error(head.slice(0, head.indexOf(' ')), head.slice(head.indexOf(' ') + 1));
      case ':':
        return reply.integer(BigInt(head));
      case '$':
        return head === '-1' ? reply.null() : reply.bulkText(text(Number(head)));
      case '_':
        return reply.nullArray();
      case ',':
        return reply.double(Number(head));
      case '#':
        return reply.boolean(head === 't');
      case '*':
        if (head === '-1') return reply.nullArray();
        reply.array(Number(head));
        return many(Number(head));
      case '~':
        reply.set(Number(head));
        return many(Number(head));
      case '%':
        reply.map(Number(head));
        return many(Number(head) * 2);
      default:
        throw new Error(`a reply of type ${type}`);
    }
  };
  while (at < bytes.length) one();
}
