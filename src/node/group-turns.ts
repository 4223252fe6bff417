import type { Now } from '../causal/replica.ts';
import type { StrongTier } from '../groups/strong-tier.ts';
import type { Delivery } from './delivery.ts';
import type { MembershipAgreement } from './membership-agreement.ts';

/** What groups decided is applied and shown; what that lets in is decided in the same turn. */
export function flushGroups(
  strong: StrongTier | null,
  agreement: MembershipAgreement | null,
  delivery: Delivery,
  now: Now,
): void {
  turnGroups(strong, delivery, now);
  // what was agreed on is done, and what is done reported, in the same turn
  if (agreement?.follow() === true) turnGroups(strong, delivery, now);
}

function turnGroups(strong: StrongTier | null, delivery: Delivery, now: Now): void {
  do while (strong?.flush(now) === true) delivery.deliver(now);
  while (strong?.answerApplied() === true);
}

/** Followers apply, and show, what they put off. Says whether there was something. */
export function settleGroups(strong: StrongTier | null, delivery: Delivery, now: Now): boolean {
  if (strong?.settle(now) !== true) return false;
  delivery.deliver(now);
  return true;
}
