/** Carries out one command of a scenario and returns the lines that it says. */
export type RunCommand = (line: string) => readonly string[];

/**
 * Runs a scenario: lines that begin with `>` are commands, what follows one is what it said; comments (`#`) and empty lines
 * stay as they are. Returns the file as it should read.
 */
export function played(text: string, run: RunCommand): string {
  const lines: string[] = [];
  for (const line of text.trimEnd().split('\n')) {
    if (line.startsWith('>')) lines.push(line, ...run(line.slice(1).trim()));
    else if (line === '' || line.startsWith('#')) lines.push(line);
  }
  return `${lines.join('\n')}\n`;
}
