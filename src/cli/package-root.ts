import { join } from 'node:path';

/** The package's own folder: this file is two below it, as a source and when built. */
export function packageRoot(): string {
  return join(import.meta.dirname, '..', '..');
}

/** The regions that the package knows, and their round trips. */
export function regionsFolder(): string {
  return join(packageRoot(), 'regions');
}

/** What Node is given to run this program again, as another process. */
export function programEntry(): string {
  return join(packageRoot(), 'bin', 'causeway.js');
}
