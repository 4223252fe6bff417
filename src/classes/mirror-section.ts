import { z } from 'zod';
import { MIRROR_MODES, type MirrorMode } from './key-class.ts';
import { expected } from './section-words.ts';

/** `mirror:` of a class: whether what its keys show is also in the regional Redis. */
export const mirrorSection: z.ZodType<MirrorMode> = z.enum(MIRROR_MODES, {
  error: expected(`one of ${MIRROR_MODES.join(', ')}`),
});
