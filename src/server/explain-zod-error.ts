import type { z } from 'zod';

const ISSUES_SHOWN_MAX = 5;

/** One line a problem: the file, the path in it, and what was expected there. */
export function explainZodError(source: string, error: z.ZodError): string {
  const lines = error.issues.slice(0, ISSUES_SHOWN_MAX).map((issue) => {
    const path = issue.path.map(String).join('.');
    return `${source}: ${path === '' ? '' : `${path}: `}${issue.message}`;
  });
  const more = error.issues.length - lines.length;
  return more > 0 ? [...lines, `${source}: and ${more} more`].join('\n') : lines.join('\n');
}
