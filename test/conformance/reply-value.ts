/** A RESP reply as a tree. Text is latin1: one char a byte. */
export type ReplyValue =
  | {
      readonly kind: 'simple' | 'error' | 'integer' | 'bulk' | 'double' | 'boolean' | 'verbatim';
      readonly text: string;
    }
  | { readonly kind: 'null' | 'null-array' }
  /** A map's items are its fields and values in turn. */
  | { readonly kind: 'array' | 'set' | 'push' | 'map'; readonly items: readonly ReplyValue[] };

const SIGNS: Readonly<Record<string, string>> = {
  simple: '+',
  error: '-',
  integer: ':',
  double: ',',
  boolean: '#',
  verbatim: '=',
  array: '',
  set: '~',
  push: '>',
  map: '%',
};

/**
 * One line that tells everything of a reply, its types included: `+OK`, `-ERR no such key`, `:1`, `"bytes"`, `nil`, `nil[]`,
 * `["a" nil]`, `~["a"]`, `%{"field" "value"}`, `,1.5`, `#t`.
 */
export function replyText(reply: ReplyValue): string {
  switch (reply.kind) {
    case 'null':
      return 'nil';
    case 'null-array':
      return 'nil[]';
    case 'bulk':
      return quoted(reply.text);
    case 'simple':
    case 'error':
    case 'integer':
    case 'double':
    case 'boolean':
    case 'verbatim':
      return `${SIGNS[reply.kind]}${reply.text}`;
    case 'array':
    case 'set':
    case 'push':
      return `${SIGNS[reply.kind]}[${reply.items.map(replyText).join(' ')}]`;
    case 'map':
      return `%{${reply.items.map(replyText).join(' ')}}`;
  }
}

const PLAIN = /^[ !#-[\]-~]*$/;

/** Bytes between quotes, as redis-cli shows them; `readWords` reads them back. */
export function quoted(text: string): string {
  if (PLAIN.test(text)) return `"${text}"`;
  let out = '"';
  for (const char of text) {
    if (char === '"' || char === '\\') out += `\\${char}`;
    else if (char >= ' ' && char <= '~') out += char;
    else out += `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`;
  }
  return `${out}"`;
}

/**
 * The same reply in an order that does not depend on how elements are stored. `pairs` says that a flat array holds fields and
 * values in turn.
 */
export function sorted(reply: ReplyValue, pairs = false): ReplyValue {
  if (!('items' in reply)) return reply;
  const size = reply.kind === 'map' || pairs ? 2 : 1;
  const groups: ReplyValue[][] = [];
  for (let at = 0; at < reply.items.length; at += size) groups.push(reply.items.slice(at, at + size));
  const keyOf = (group: readonly ReplyValue[]): string => group.map(replyText).join(' ');
  groups.sort((left, right) => (keyOf(left) < keyOf(right) ? -1 : 1));
  return { kind: reply.kind, items: groups.flat() };
}

/** Splits a line into words: plain ones, or quoted ones with `\"`, `\\` and `\xhh`. */
export function readWords(line: string): string[] {
  const words: string[] = [];
  const word = /\s*(?:"((?:[^"\\]|\\.)*)"|([^\s"]+))/y;
  let at = 0;
  while (at < line.length && line.slice(at).trim() !== '') {
    word.lastIndex = at;
    const match = word.exec(line);
    if (match === null) throw new Error(`cannot read the words of: ${line}`);
    at = word.lastIndex;
    words.push(match[2] ?? unescaped(match[1] ?? ''));
  }
  return words;
}

function unescaped(text: string): string {
  return text.replace(/\\(?:x([0-9a-f]{2})|(.))/g, (_all, hex: string | undefined, char: string | undefined) =>
    hex === undefined ? (char ?? '') : String.fromCharCode(Number.parseInt(hex, 16)),
  );
}
