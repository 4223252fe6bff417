/** A JSON value. Numbers are doubles: whole ones beyond 2^53 lose their last digits (SPEC V9). */
export type Json = null | boolean | number | string | Json[] | JsonObject;
/** Members in their order; a Map, so that no name means anything to the runtime. */
export type JsonObject = Map<string, Json>;

/** How deep values may be nested, as in RedisJSON. */
export const JSON_DEPTH_MAX = 128;

/** Longest JSON text of a whole document or of one edit. */
export const JSON_BYTES_MAX: number = 16 * 1024 * 1024;

const LONE_SURROGATE = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;

/** Half a character cannot be written as UTF-8: every replica must keep the same text. */
const wellFormed = (text: string): string => text.replace(LONE_SURROGATE, '\ufffd');

/** The value of a JSON text (UTF-8, one char a byte); null when it is none, too deep or too long. */
export function parseJson(bytes: string): { readonly value: Json } | null {
  if (bytes.length > JSON_BYTES_MAX) return null;
  const text = utf8Text(bytes);
  if (text === null) return null;
  try {
    return { value: fromPlain(JSON.parse(text), 0) };
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof TooDeep) return null;
    throw error;
  }
}

class TooDeep extends Error {}

/** What `JSON.parse` made, as `Json`. */
function fromPlain(value: unknown, depth: number): Json {
  if (typeof value === 'string') return wellFormed(value);
  if (value === null || typeof value !== 'object') return value as Json;
  if (depth >= JSON_DEPTH_MAX) throw new TooDeep();
  if (Array.isArray(value)) return value.map((element) => fromPlain(element, depth + 1));
  return new Map(Object.entries(value).map(([name, member]) => [wellFormed(name), fromPlain(member, depth + 1)]));
}

/** How JSON.GET wants its text laid out. */
export interface JsonLayout {
  readonly indent: string;
  readonly newline: string;
  readonly space: string;
}

const COMPACT: JsonLayout = { indent: '', newline: '', space: '' };

/** The JSON text of a value as UTF-8, one char a byte; layout strings are bytes already. */
export function formatJson(value: Json, layout: JsonLayout = COMPACT): string {
  const parts: string[] = [];
  write(value, layout, layout.newline, parts);
  return parts.join('');
}

function write(value: Json, layout: JsonLayout, lineStart: string, parts: string[]): void {
  if (value === null || typeof value !== 'object') {
    parts.push(scalarText(value));
    return;
  }
  const isArray = Array.isArray(value);
  const entries: Iterable<readonly [string | number, Json]> = value.entries();
  const inner = lineStart + layout.indent;
  parts.push(isArray ? '[' : '{');
  let count = 0;
  for (const [name, member] of entries) {
    if (count++ > 0) parts.push(',');
    parts.push(inner);
    if (typeof name === 'string') parts.push(utf8Bytes(JSON.stringify(name)), ':', layout.space);
    write(member, layout, inner, parts);
  }
  if (count > 0) parts.push(lineStart);
  parts.push(isArray ? ']' : '}');
}

function scalarText(value: null | boolean | number | string): string {
  return typeof value === 'string' ? utf8Bytes(JSON.stringify(value)) : JSON.stringify(value);
}

/** The text that equal values share whatever the order of their members: for digests. */
export function canonicalJson(value: Json): string {
  return formatJson(sorted(value));
}

function sorted(value: Json): Json {
  if (Array.isArray(value)) return value.map(sorted);
  if (!(value instanceof Map)) return value;
  const names = [...value.keys()].sort();
  return new Map(names.map((name) => [name, sorted(value.get(name) as Json)]));
}

const HIGH = /[^\u0000-\u007f]/;

/** UTF-8 bytes, one char a byte, as text; null when they are no UTF-8. */
export function utf8Text(bytes: string): string | null {
  if (!HIGH.test(bytes)) return bytes;
  try {
    return decodeURIComponent(escaped(bytes));
  } catch {
    return null;
  }
}

function escaped(bytes: string): string {
  return bytes.replace(/[%\u0080-\u00ff]/g, (char) => `%${char.charCodeAt(0).toString(16).padStart(2, '0')}`);
}

/** Text as UTF-8 bytes, one char a byte. */
export function utf8Bytes(text: string): string {
  if (!HIGH.test(text)) return text;
  return encodeURIComponent(wellFormed(text)).replace(/%([0-9A-F]{2})/g, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
}
