const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Bytes in JSON: `{ name: text }` where they are UTF-8, else `{ name64: base64 }`. */
export function jsonBytes(name: string, bytes: Uint8Array): Record<string, string> {
  try {
    return { [name]: utf8.decode(bytes) };
  } catch {
    return { [`${name}64`]: Buffer.from(bytes).toString('base64') };
  }
}

/** The inverse, of an object that a client sent; null where it has neither, both, or no text. */
export function bytesInJson(name: string, object: Readonly<Record<string, unknown>>): Uint8Array | null {
  const [text, base64] = [own(object, name), own(object, `${name}64`)];
  if (typeof text === 'string' && base64 === undefined) return Buffer.from(text);
  if (typeof base64 !== 'string' || text !== undefined) return null;
  return /^[A-Za-z0-9+/]*={0,2}$/.test(base64) ? Buffer.from(base64, 'base64') : null;
}

/** A member of an object's own. */
export function own(object: Readonly<Record<string, unknown>>, name: string): unknown {
  return Object.hasOwn(object, name) ? object[name] : undefined;
}

/** The JSON object that a body is; null for anything else. */
export function objectIn(body: Uint8Array): Readonly<Record<string, unknown>> | null {
  try {
    const value: unknown = JSON.parse(Buffer.from(body).toString());
    return isObject(value) ? value : null;
  } catch {
    return null;
  }
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
