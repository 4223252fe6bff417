/** Something about a classes file that is wrong, or that was hardly meant. */
export interface ClassProblem {
  readonly severity: 'error' | 'warning';
  /** From 1. */
  readonly line: number;
  readonly column: number;
  /** Such as `classes[1].ttl`; empty for the file as a whole. */
  readonly path: string;
  /** What was expected, or what follows from it. */
  readonly message: string;
}

/** One line: `regions/classes.yaml:7:10: classes[1].ttl: expected …`. */
export function problemText(file: string, { line, column, path, message }: ClassProblem): string {
  return `${file}:${line}:${column}: ${path === '' ? '' : `${path}: `}${message}`;
}

/** The path of an issue as people write it. */
export function pathText(path: readonly PropertyKey[]): string {
  let text = '';
  for (const key of path) {
    if (typeof key === 'number') text += `[${key}]`;
    else text += `${text === '' ? '' : '.'}${String(key)}`;
  }
  return text;
}
