import type { StrongView } from '../commands/strong-view.ts';
import { CausewayError } from '../errors.ts';

/** The strong tier of a node whose classes pin no keys. */
export const NO_GROUPS: StrongView = {
  originOf: () => null,
  leaderOf: () => null,
  groups: () => [],
  membersGroup: () => null,
  ageMs: () => null,
  audit: () => null,
  submit: ({ group }, answered) => {
    answered({ error: new CausewayError('NOQUORUM', `there is no group ${group} here`) });
    return 0;
  },
  operate: ({ group }) => {
    throw new CausewayError('ERR', `there is no group ${group} here`);
  },
  cancel: () => undefined,
};
