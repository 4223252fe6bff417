/** What a suite of test/outside found. */
export interface SuiteResult {
  readonly name: string;
  readonly passed: number;
  readonly failed: number;
  /** One line each: what failed, or which absent tool kept the suite from running. */
  readonly notes: readonly string[];
  /** The tool that is absent, so that nothing was tested; in CI that is a failure. */
  readonly absent: string | null;
}

/** The result of a suite that could not run. */
export function absentTool(name: string, tool: string): SuiteResult {
  return { name, passed: 0, failed: 0, notes: [`${name}: not run, there is no ${tool}`], absent: tool };
}

/** Runs named checks one after the other; a check fails by throwing. Prints a line for each. */
export class Checks {
  readonly #suite: string;
  readonly #notes: string[] = [];
  #passed = 0;

  constructor(suite: string) {
    this.#suite = suite;
  }

  async check(name: string, body: () => Promise<void>): Promise<void> {
    try {
      await body();
      this.#passed++;
      process.stdout.write(`ok    ${name}\n`);
    } catch (error) {
      const problem = error instanceof Error ? error.message : String(error);
      this.#notes.push(`${this.#suite}: ${name}: ${problem}`);
      process.stdout.write(`FAIL  ${name}: ${problem}\n`);
    }
  }

  result(): SuiteResult {
    return { name: this.#suite, passed: this.#passed, failed: this.#notes.length, notes: this.#notes, absent: null };
  }
}
