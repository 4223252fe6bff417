/** A drawing of figures side by side. */
export interface BarChart {
  readonly title: string;
  /** What the bars of a group are, in their order. */
  readonly series: readonly string[];
  readonly groups: readonly { readonly label: string; readonly values: readonly number[] }[];
  /** A value that is drawn as a line across all bars: a bar that is to be met. */
  readonly line?: number;
  /** What the figures are counted in, behind each; nothing where they are ratios. */
  readonly unit?: string;
}

const COLOURS = ['#2f6f9f', '#e08a3c', '#5b9a57', '#8a5a9e'];
const WIDTH = 860;
const LABEL_WIDTH = 190;
const VALUE_WIDTH = 70;
const BAR_HEIGHT = 12;
const GROUP_GAP = 8;
const HEAD_HEIGHT = 58;
const FOOT_HEIGHT = 26;

const FIGURE_STYLE = 'font-size="10" paint-order="stroke" stroke="#fff" stroke-width="4"';

const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');

/** The chart as SVG: a horizontal bar a value, groups one below the other. A value that is no number has no bar. */
export function barChart({ title, series, groups, line, unit = '' }: BarChart): string {
  const groupHeight = series.length * BAR_HEIGHT + GROUP_GAP;
  const height = HEAD_HEIGHT + groups.length * groupHeight + FOOT_HEIGHT;
  const largest = Math.max(
    line ?? 0,
    ...groups.flatMap(({ values }) => values.filter((value) => Number.isFinite(value))),
  );
  const scale = (WIDTH - LABEL_WIDTH - VALUE_WIDTH) / (largest > 0 ? largest : 1);
  const text = (x: number, y: number, content: string, attributes = ''): string =>
    `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" ${attributes}>${escaped(content)}</text>`;
  const parts = [text(12, 22, title, 'font-size="15" font-weight="bold"')];
  /** On a white ground of their own, above the line of the bar. */
  const figures: string[] = [];
  let legendX = LABEL_WIDTH;
  for (const [at, name] of series.entries()) {
    parts.push(
      `<rect x="${legendX}" y="33" width="11" height="10" fill="${colourOf(at)}"/>`,
      text(legendX + 16, 43, name),
    );
    legendX += 40 + name.length * 7;
  }
  for (const [at, { label, values }] of groups.entries()) {
    const top = HEAD_HEIGHT + at * groupHeight;
    parts.push(text(LABEL_WIDTH - 8, top + (series.length * BAR_HEIGHT) / 2 + 4, label, 'text-anchor="end"'));
    for (const [of, value] of values.entries()) {
      if (!Number.isFinite(value)) continue;
      const y = top + of * BAR_HEIGHT;
      const width = Math.max(0, value * scale);
      parts.push(
        `<rect x="${LABEL_WIDTH}" y="${y}" width="${width.toFixed(1)}" height="${BAR_HEIGHT - 1}" fill="${colourOf(of)}"/>`,
      );
      figures.push(text(LABEL_WIDTH + width + 5, y + BAR_HEIGHT - 2, `${figure(value)}${unit}`, FIGURE_STYLE));
    }
  }
  if (line !== undefined) {
    const x = (LABEL_WIDTH + line * scale).toFixed(1);
    const bottom = height - FOOT_HEIGHT;
    parts.push(
      `<line x1="${x}" y1="${HEAD_HEIGHT - 6}" x2="${x}" y2="${bottom}" stroke="#444" stroke-dasharray="4 3"/>`,
    );
    parts.push(text(Number(x), bottom + 14, `${figure(line)}${unit}`, 'text-anchor="middle"'));
  }
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" font-family="sans-serif" font-size="12">`,
    `<rect width="${WIDTH}" height="${height}" fill="#fff"/>`,
    ...parts,
    ...figures,
    '</svg>',
    '',
  ].join('\n');
}

function colourOf(series: number): string {
  return COLOURS[series % COLOURS.length] ?? '#888';
}

/** Three digits that matter. */
function figure(value: number): string {
  return Math.abs(value) >= 100 ? value.toFixed(0) : value.toFixed(Math.abs(value) >= 10 ? 1 : 2);
}
