import { CausewayError } from '../errors.ts';

/** One share's prices on one day, as the file has them. */
export interface PriceRow {
  readonly symbol: string;
  /** `2017-12-29`; sorts as text. */
  readonly date: string;
  /** `date`, `open`, … with their values, as the quote's hash gets them. */
  readonly fields: readonly (readonly [name: string, value: string])[];
}

const FIELDS = ['date', 'open', 'high', 'low', 'close', 'volume'] as const;
/** What the column of the share's name may be called. */
const SYMBOL_COLUMNS = ['stock', 'symbol', 'ticker', 'name'];

/**
 * Reads rows of a file with a heading of at least Date, Open, High, Low, Close, Volume and Stock (or Symbol), in any order
 * and case, and gives them oldest first. Throws CONFIG that names the line.
 */
export function parsePriceRows(text: string, source: string): PriceRow[] {
  const lines = text.split(/\r?\n/);
  const headingLine = lines.findIndex((line) => line !== '' && !line.startsWith('#'));
  const headings = (lines[headingLine] ?? '').split(',').map((heading) => heading.trim().toLowerCase());
  const columnOf = (names: readonly string[]): number => {
    const column = headings.findIndex((heading) => names.includes(heading));
    if (column >= 0) return column;
    throw new CausewayError('CONFIG', `${source}: no column ${names.join(' or ')}; there are ${headings.join(', ')}`);
  };
  const symbolColumn = columnOf(SYMBOL_COLUMNS);
  const columns = FIELDS.map((field) => [field, columnOf([field])] as const);
  const rows: PriceRow[] = [];
  for (const [index, line] of lines.entries()) {
    if (index <= headingLine || line === '') continue;
    const cells = line.split(',');
    const at = `${source}:${index + 1}`;
    if (cells.length !== headings.length) {
      throw new CausewayError('CONFIG', `${at}: expected ${headings.length} values, got ${cells.length}`);
    }
    const fields = columns.map(([field, column]) => [field, cells[column] ?? ''] as const);
    const date = fields[0]?.[1] ?? '';
    const symbol = cells[symbolColumn] ?? '';
    if (!/^\d{4}-\d{2}-\d{2}$/.test(date)) throw new CausewayError('CONFIG', `${at}: expected a date, got "${date}"`);
    if (symbol === '') throw new CausewayError('CONFIG', `${at}: no symbol`);
    rows.push({ symbol, date, fields });
  }
  return rows.toSorted((a, b) => compareText(a.date, b.date) || compareText(a.symbol, b.symbol));
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
