import type { ClassPolicy, ClassRule } from './class-policy.ts';
import { conflictName } from './explain-class.ts';
import { isWeak, type KeyClass } from './key-class.ts';

/** Raised when the meaning of a rule changes, so that nodes of different versions refuse each other. */
const VERSION = 2;

/**
 * A digest of what all members must agree on, since replicas would differ otherwise: which keys replicate, and how concurrent writes
 * end, and which quorum group has which keys. Other levels are not part of it, nor ttl and audit (of strong keys those are agreed by the
 * group's log), nor how patterns are grouped. `codeDigests` has a digest of the code of
 * each resolver module, by its path as written.
 */
export function rulesDigest(policy: ClassPolicy, codeDigests: ReadonlyMap<string, string> = new Map()): string {
  return `rules-${VERSION}:${textDigest(rulesText(policy, codeDigests))}`;
}

/** What the digest is made of: a line a pattern that decides something, in the order in which they are tried. */
export function rulesText(policy: ClassPolicy, codeDigests: ReadonlyMap<string, string> = new Map()): string {
  const { rules } = policy;
  const kinds = rules.map(({ keyClass }) => kindOf(keyClass, codeDigests));
  const plain = kinds.at(-1);
  const lines: string[] = [];
  let run: { kind: string; lines: string[] } | null = null;
  const endRun = (): void => void lines.push(...(run?.lines.sort() ?? []));
  for (const [at, { pattern }] of rules.entries()) {
    const kind = kinds[at];
    if (pattern === null || kind === undefined) continue;
    if (kind === plain && !shieldsLater(rules, kinds, at)) continue;
    if (run === null || run.kind !== kind) {
      endRun();
      run = { kind, lines: [] };
    }
    run.lines.push(JSON.stringify([pattern.text, kind]));
  }
  endRun();
  return lines.join('\n');
}

/** Whether a pattern keeps keys from a later one with another rule. */
function shieldsLater(rules: readonly ClassRule[], kinds: readonly string[], at: number): boolean {
  const pattern = rules[at]?.pattern;
  return rules.some((later, index) => {
    if (index <= at || later.pattern === null || kinds[index] === kinds[at]) return false;
    return pattern?.overlaps(later.pattern) === true;
  });
}

function kindOf(keyClass: KeyClass, codeDigests: ReadonlyMap<string, string>): string {
  if (isWeak(keyClass)) return 'weak';
  const { conflict, strong } = keyClass;
  if (strong !== undefined) return `strong ${strong.group}`;
  if (conflict.kind !== 'resolver') return conflictName(conflict);
  const { name, module } = conflict;
  return module === null ? `resolver ${name}` : `resolver ${module} ${codeDigests.get(module) ?? ''}`;
}

/** Two lanes of multiply and rotate (after bryc's cyrb53), 16 hex digits: finds mistakes, does not withstand an adversary. */
function textDigest(text: string): string {
  let a = 0xdeadbeef ^ text.length;
  let b = 0x41c6ce57 ^ text.length;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    a = Math.imul(a ^ code, 2_654_435_761);
    b = Math.imul(b ^ code, 1_597_334_677);
  }
  const left = Math.imul(a ^ (a >>> 16), 2_246_822_507) ^ Math.imul(b ^ (b >>> 13), 3_266_489_909);
  const right = Math.imul(b ^ (b >>> 16), 2_246_822_507) ^ Math.imul(left ^ (left >>> 13), 3_266_489_909);
  return [left, right].map((lane) => (lane >>> 0).toString(16).padStart(8, '0')).join('');
}
