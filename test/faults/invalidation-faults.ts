import type { Fault } from './fault.ts';

/** Of what an invalidation comes to. */
export const INVALIDATION_FAULTS: readonly Fault[] = [
  {
    id: 'second-level-forgotten',
    rule: 'I4',
    about: 'what depends on a dependent is not invalidated with it',
    file: 'src/node/invalidation-walk.ts',
    find: '    this.#followed.add(key);\n    if (depth >= CASCADE_DEPTH_MAX)',
    replace: '    this.#followed.add(key);\n    if (depth > 0) return;\n    if (depth >= CASCADE_DEPTH_MAX)',
  },
  {
    id: 'newer-value-taken',
    rule: 'I2',
    about: 'an invalidation takes what was written later beside it',
    file: 'src/node/invalidation-walk.ts',
    find: 'return register !== null && !isSeen && register.stamp < stamp && this.#applied.contains(origin as Origin, seq);',
    replace: 'return register !== null && !isSeen && this.#applied.contains(origin as Origin, seq);',
  },
  {
    id: 'late-tag-left',
    rule: 'I2',
    about: 'a key that was given the tag at the same time elsewhere stays',
    file: 'src/node/invalidation-walk.ts',
    find: '      if (!isSeen && !this.isMaker) host.beginUnseen(key, this.record);\n',
    replace: '      if (!isSeen && !this.isMaker) continue;\n',
  },
];
