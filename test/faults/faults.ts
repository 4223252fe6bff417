import { DELIVERY_FAULTS } from './delivery-faults.ts';
import type { Fault } from './fault.ts';
import { INVALIDATION_FAULTS } from './invalidation-faults.ts';
import { RAFT_FAULTS } from './raft-faults.ts';
import { TIER_FAULTS } from './tier-faults.ts';
import { VALUE_FAULTS } from './value-faults.ts';

/** Of each rule that protects a promise at least one fault that breaks it. */
export const FAULTS: readonly Fault[] = [
  ...DELIVERY_FAULTS,
  ...VALUE_FAULTS,
  ...INVALIDATION_FAULTS,
  ...TIER_FAULTS,
  ...RAFT_FAULTS,
];
