import { readFileSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { fileURLToPath } from 'node:url';
import type { Fault } from './fault.ts';
import { FAULTS } from './faults.ts';

/** The repository, as a file URL. */
const ROOT: URL = new URL('../../', import.meta.url);

/** The text of a source file with a fault in it. Throws where the place is not there exactly once: the code has moved on. */
export function planted({ id, file, find, replace }: Fault, source: string): string {
  const parts = source.split(find);
  if (parts.length !== 2) throw new Error(`fault ${id}: its place is ${parts.length - 1} times in ${file}`);
  return parts.join(replace);
}

export function faultOf(id: string): Fault {
  const fault = FAULTS.find((each) => each.id === id);
  if (fault === undefined) throw new Error(`no fault ${id}; there are ${FAULTS.map((each) => each.id).join(', ')}`);
  return fault;
}

export function sourceOf({ file }: Fault): string {
  return readFileSync(new URL(file, ROOT), 'utf8');
}

/**
 * Puts a fault into the sources that this process loads from now on. The shipped code knows nothing of it: what is in the package has no
 * such switch.
 */
export function plant(id: string): void {
  const fault = faultOf(id);
  const url = new URL(fault.file, ROOT).href;
  planted(fault, sourceOf(fault));
  registerHooks({
    load(loaded, context, next) {
      const result = next(loaded, context);
      if (loaded !== url) return result;
      const text = typeof result.source === 'string' ? result.source : readFileSync(fileURLToPath(url), 'utf8');
      return { ...result, source: planted(fault, text) };
    },
  });
}
