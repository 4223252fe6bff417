/** Rows under their headings in columns of equal width, a line each; figures to the right. */
export function tableOf(headings: readonly string[], rows: readonly (readonly string[])[], indent = ''): string {
  const widths = headings.map((heading, column) => {
    return Math.max(heading.length, ...rows.map((row) => row[column]?.length ?? 0));
  });
  const isFigures = headings.map((_, column) => rows.every((row) => /^[\d.,-]+( %)?$/.test(row[column] ?? '')));
  const line = (cells: readonly string[]): string => {
    const padded = cells.map((cell, column) => {
      const width = widths[column] ?? 0;
      return isFigures[column] === true ? cell.padStart(width) : cell.padEnd(width);
    });
    return `${indent}${padded.join('  ').trimEnd()}\n`;
  };
  return [headings, ...rows].map(line).join('');
}
