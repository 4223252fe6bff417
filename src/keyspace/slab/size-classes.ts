/** Blocks begin at multiples of it. */
export const GRANULE_BYTES = 16;
/** Classes a granule apart, up to 256 bytes. */
const FINE_CLASSES = 16;
const FINE_BYTES_MAX: number = FINE_CLASSES * GRANULE_BYTES;
/** From there on so many for each doubling: at most an eighth of a block is not used. */
const STEP_BITS = 3;
const STEPS: number = 1 << STEP_BITS;
const FINE_BITS = 8;

/** The longest block that is one of several in a segment. */
export const CLASS_BYTES_MAX: number = 128 * 1024;

export const SIZE_CLASSES: number = classOf(CLASS_BYTES_MAX) + 1;
/** What stands for a block that has a segment of its own. */
export const LARGE_CLASS = 255;

/** The class of blocks of at least so many bytes, 1 … `CLASS_BYTES_MAX`. */
export function classOf(bytes: number): number {
  if (bytes <= FINE_BYTES_MAX) return (bytes - 1) >>> 4;
  const doubling = 31 - Math.clz32(bytes - 1);
  const step = (bytes - 1) >>> (doubling - STEP_BITS);
  return FINE_CLASSES + (doubling - FINE_BITS) * STEPS + (step & (STEPS - 1));
}

/** The bytes of a block of a class. */
export function bytesOf(sizeClass: number): number {
  if (sizeClass < FINE_CLASSES) return (sizeClass + 1) * GRANULE_BYTES;
  const doubling = ((sizeClass - FINE_CLASSES) >>> STEP_BITS) + FINE_BITS;
  const step = ((sizeClass - FINE_CLASSES) & (STEPS - 1)) + 1;
  return (1 << doubling) + step * (1 << (doubling - STEP_BITS));
}
