import { bold, printable, type Terminal } from './usage.ts';

const BAR_CELLS = 24;
/** How often a line is printed where nothing can be rewritten. */
const LINE_EVERY_MS = 10_000;

/** How far a run is: a bar below the lines that stay, or now and then a line where there is no terminal. */
export class Progress {
  readonly #terminal: Terminal;
  #lastLineMs = Number.NEGATIVE_INFINITY;
  #isShown = false;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  /** A line that stays. */
  say(text: string): void {
    this.clear();
    this.#terminal.write(`${text}\n`);
  }

  title(text: string): void {
    this.say(bold(this.#terminal, text));
  }

  /** `part` is 0 to 1. */
  show(part: number, text: string): void {
    const percent = `${Math.floor(part * 100)} %`.padStart(5);
    if (this.#terminal.isTty) {
      const cells = Math.round(part * BAR_CELLS);
      const line = `[${'#'.repeat(cells)}${'-'.repeat(BAR_CELLS - cells)}] ${percent}  ${printable(text)}`;
      this.#terminal.write(`\r\u001b[K${line.slice(0, Math.max(1, this.#terminal.columns() - 1))}`);
      this.#isShown = true;
      return;
    }
    const nowMs = performance.now();
    if (nowMs - this.#lastLineMs < LINE_EVERY_MS) return;
    this.#lastLineMs = nowMs;
    this.#terminal.write(`${percent}  ${printable(text)}\n`);
  }

  clear(): void {
    if (this.#isShown) this.#terminal.write('\r\u001b[K');
    this.#isShown = false;
  }
}
