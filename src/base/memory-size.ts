const UNITS: ReadonlyMap<string, number> = new Map([
  ['', 1],
  ['b', 1],
  ['k', 1000],
  ['kb', 1024],
  ['m', 1000 ** 2],
  ['mb', 1024 ** 2],
  ['g', 1000 ** 3],
  ['gb', 1024 ** 3],
]);

/** `16mb`, `1024`: bytes, as Redis writes them; null for what is none. */
export function parseMemory(text: string): number | null {
  const digits = /^\d{1,15}/.exec(text)?.[0];
  if (digits === undefined) return null;
  const unit = UNITS.get(text.slice(digits.length).toLowerCase());
  const bytes = unit === undefined ? NaN : Number(digits) * unit;
  return Number.isSafeInteger(bytes) ? bytes : null;
}
