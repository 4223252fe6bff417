/** A JSON value. Numbers are doubles: whole ones beyond 2^53 lose their last digits (SPEC V9). */
export type Json = null | boolean | number | string | Json[] | JsonObject;
/** Members in their order; a Map, so that no name means anything to the runtime. */
export type JsonObject = Map<string, Json>;

/** How deep values may be nested, as in RedisJSON. */
export const JSON_DEPTH_MAX = 128;

/** Longest JSON text of a whole document or of one edit. */
export const JSON_BYTES_MAX: number = 16 * 1024 * 1024;

/** Most values (`valuesIn`) that one request brings: a million arrays are 600 MB while they are put into a document. */
export const JSON_VALUES_MAX = 1_000_000;

const LONE_SURROGATE = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;

/** Half a character cannot be written as UTF-8: every replica must keep the same text. */
const wellFormed = (text: string): string => text.replace(LONE_SURROGATE, '\ufffd');

/** The value of a JSON text (UTF-8, one char a byte); null when it is none, too deep or too long. */
export function parseJson(bytes: string, depthMax: number = JSON_DEPTH_MAX): { readonly value: Json } | null {
  // the depth first: a text of brackets alone would take seconds and hundreds of megabytes to be parsed
  if (bytes.length > JSON_BYTES_MAX || shapeOf(bytes, depthMax).depth > depthMax) return null;
  const text = utf8Text(bytes);
  if (text === null) return null;
  try {
    return { value: fromPlain(JSON.parse(text)) };
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

/** How many values a JSON text holds, members, elements and containers: each takes far more room in a document than here. */
export function valuesIn(bytes: string): number {
  return shapeOf(bytes, Infinity).values;
}

const [QUOTE, COMMA, BACKSLASH] = [0x22, 0x2c, 0x5c];

/** Counts brackets and commas outside of strings, down to one level below the depth: exact for what is JSON. */
function shapeOf(bytes: string, depthMax: number): { readonly depth: number; readonly values: number } {
  let [depth, deepest, values, isText] = [0, 0, 1, false];
  for (let at = 0; at < bytes.length && deepest <= depthMax; at++) {
    const code = bytes.charCodeAt(at);
    if (isText) {
      if (code === BACKSLASH) at++;
      else if (code === QUOTE) isText = false;
    } else if (code === QUOTE) isText = true;
    else if (code === COMMA) values++;
    // [ and {, ] and }
    else if ((code | 0x20) === 0x7b) {
      values++;
      deepest = Math.max(deepest, ++depth);
    } else if ((code | 0x20) === 0x7d) depth--;
  }
  return { depth: deepest, values };
}

/** What `JSON.parse` made, as `Json`. */
function fromPlain(value: unknown): Json {
  if (typeof value === 'string') return wellFormed(value);
  if (value === null || typeof value !== 'object') return value as Json;
  if (Array.isArray(value)) return value.map(fromPlain);
  return new Map(Object.entries(value).map(([name, member]) => [wellFormed(name), fromPlain(member)]));
}

/** How many objects and arrays a value is nested in itself. */
export function depthOf(value: Json | readonly Json[]): number {
  if (value === null || typeof value !== 'object') return 0;
  let depth = 0;
  for (const member of value.values()) depth = Math.max(depth, depthOf(member));
  return depth + 1;
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
