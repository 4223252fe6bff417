import { bytesOf, integerOf, listOf, pairsOf, textOf } from './replies.ts';
import type { Argument } from './request-bytes.ts';
import type { CallOptions } from './request.ts';
import type { Values } from './values.ts';

/** A write of a string that no other has seen. */
export interface Sibling<T> {
  readonly value: T;
  /** Names the write: `us-east-1/a#3:17`. */
  readonly dot: string;
  /** Unix milliseconds. */
  readonly writtenMs: number;
  /** Unix milliseconds, null where it stays. */
  readonly expiresMs: number | null;
}

/** What is kept of concurrent writes of a key, whose class says `conflict: siblings` or names a resolver. */
export interface Siblings<T> {
  readonly rule: string;
  /** What reads show; null where the key shows nothing. */
  readonly view: T | null;
  /** The latest first; one where nothing was concurrent. */
  readonly siblings: readonly Sibling<T>[];
  /** Why the class's resolver could not be asked, null where it was. */
  readonly error: string | null;
}

/** How concurrent writes are ended: by a value, by one of them, or by what reads show. */
export type Decision = { readonly value: unknown } | { readonly pick: string } | { readonly view: true };

export interface ResolveOptions extends CallOptions {
  /** The dots that were decided on: `CHANGED` where there are others by now. */
  readonly ifSiblings?: readonly string[];
}

export async function siblingsOf<T>(values: Values, key: string, options: CallOptions): Promise<Siblings<T>> {
  const fields = new Map(pairsOf(await values.read(['CW.SIBLINGS', key], [key], options)));
  const error = bytesOf(fields.get('error'));
  return {
    rule: textOf(fields.get('rule')),
    view: values.decode<T>(key, fields.get('view')),
    siblings: listOf(fields.get('siblings')).map((sibling) => {
      const [value, dot, writtenMs, expiresMs] = listOf(sibling);
      return {
        value: values.decode<T>(key, value) as T,
        dot: textOf(dot),
        writtenMs: integerOf(writtenMs),
        expiresMs: expiresMs === null ? null : integerOf(expiresMs),
      };
    }),
    error: error === null ? null : textOf(error),
  };
}

export async function resolveSiblings(
  values: Values,
  key: string,
  decision: Decision,
  { ifSiblings, ...options }: ResolveOptions,
): Promise<void> {
  const args: Argument[] = ['CW.RESOLVE', key];
  if ('value' in decision) args.push('VALUE', values.encode(key, decision.value));
  else if ('pick' in decision) args.push('PICK', decision.pick);
  else args.push('VIEW');
  if (ifSiblings !== undefined) args.push('IF', ...ifSiblings);
  await values.write(args, [key], options);
}
