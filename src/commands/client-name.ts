import { refuse } from './refusals.ts';
import type { Session } from './session.ts';

/** Only what prints and is no space: CLIENT LIST is split at spaces. */
export function isPlainName(name: string): boolean {
  return /^[!-~]*$/.test(name);
}

/** An empty name removes the present one. */
export function setClientName(session: Session, name: string): void {
  if (!isPlainName(name)) throw refuse('Client names cannot contain spaces, newlines or special characters.');
  session.name = name;
}
