/** An argument of a request; texts are sent as UTF-8. */
export type Argument = string | number | bigint | Uint8Array;

const HEAD_BYTES_MAX = 16;

/** Bytes of the longest argument. */
export function longestOf(args: readonly Argument[]): number {
  let longest = 0;
  for (const arg of args) {
    if (arg instanceof Uint8Array) longest = Math.max(longest, arg.length);
    else if (typeof arg === 'string') longest = Math.max(longest, Buffer.byteLength(arg));
  }
  return longest;
}

/** A request as RESP has it: an array of bulk strings. */
export function requestBytes(args: readonly Argument[]): Uint8Array {
  const texts: (string | Uint8Array)[] = [];
  const lengths: number[] = [];
  let total = HEAD_BYTES_MAX;
  for (const arg of args) {
    const text = typeof arg === 'string' || arg instanceof Uint8Array ? arg : String(arg);
    const length = typeof text === 'string' ? Buffer.byteLength(text) : text.length;
    texts.push(text);
    lengths.push(length);
    total += length + HEAD_BYTES_MAX + 4;
  }
  const buffer = Buffer.allocUnsafe(total);
  let at = buffer.write(`*${args.length}\r\n`, 'latin1');
  for (const [index, text] of texts.entries()) {
    at += buffer.write(`$${lengths[index]}\r\n`, at, 'latin1');
    if (typeof text === 'string') at += buffer.write(text, at);
    else {
      buffer.set(text, at);
      at += text.length;
    }
    at += buffer.write('\r\n', at, 'latin1');
  }
  return buffer.subarray(0, at);
}
