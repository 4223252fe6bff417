/** How Redis Cluster places keys (CRC16 of XMODEM, as in its specification, appendix A). */
const CRC_POLYNOMIAL = 0x1021;
const SLOTS = 16_384;

const CRC_TABLE: Uint16Array = Uint16Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 8;
  for (let bit = 0; bit < 8; bit++) crc = (crc & 0x8000) === 0 ? crc << 1 : (crc << 1) ^ CRC_POLYNOMIAL;
  return crc & 0xffff;
});

function slotOf(text: string): number {
  let crc = 0;
  for (let at = 0; at < text.length; at++)
    crc = ((crc << 8) ^ (CRC_TABLE[((crc >> 8) ^ text.charCodeAt(at)) & 0xff] as number)) & 0xffff;
  return crc % SLOTS;
}

/** The part of a name that decides its slot: between the first { and the next }, where there is something; null for all of it. */
function hashTag(name: string): string | null {
  const open = name.indexOf('{');
  const close = open < 0 ? -1 : name.indexOf('}', open + 1);
  return close > open + 1 ? name.slice(open + 1, close) : null;
}

const tags: Map<number, string> = new Map();
let nextTag = 0;

/** A short text that falls into a slot: numbers are tried until one does, each once in the life of the process. */
function tagOfSlot(slot: number): string {
  for (;;) {
    const known = tags.get(slot);
    if (known !== undefined) return known;
    const text = (nextTag++).toString(36);
    const of = slotOf(text);
    if (!tags.has(of)) tags.set(of, text);
  }
}

const BEGINS = 'cw:v:{';

/**
 * The name under which the version of a value is kept: in the value's slot, so that one script can change both. All names are latin1.
 *
 *     quote:AAPL          cw:v:{quote:AAPL}
 *     {desk7}:limit       cw:v:{desk7}:{desk7}:limit
 *     odd}name            cw:v:{3f2}:odd}name             a text of the same slot, since no tag can hold a }
 */
export function versionName(name: string): string {
  const tag = hashTag(name);
  if (tag !== null) return `${BEGINS}${tag}}:${name}`;
  if (name !== '' && !name.includes('}')) return `${BEGINS}${name}}`;
  return `${BEGINS}${tagOfSlot(slotOf(name))}}:${name}`;
}

/** The name of the value that a version is of; null for no version. */
export function valueName(version: string): string | null {
  if (!version.startsWith(BEGINS)) return null;
  const close = version.indexOf('}', BEGINS.length);
  if (close < 0) return null;
  if (close === version.length - 1) return version.slice(BEGINS.length, close);
  return version[close + 1] === ':' ? version.slice(close + 2) : null;
}

/** All versions, as a pattern of SCAN. */
export const VERSIONS_PATTERN = 'cw:v:{*';
