import type { BreakerState } from '../adapters/cockatiel-breaker.ts';
import type { WarmProgress } from '../mirror/warm-start.ts';
import type { MirrorCounts } from '../mirror/mirror.ts';

/** What a node shows of its regional Redis, taken at one moment. */
export interface RedisFigures {
  readonly url: string;
  readonly breaker: BreakerState;
  /** Whether this node is the one of those at this Redis that writes. */
  readonly isHolder: boolean;
  /** Keys that wait to be written. */
  readonly waiting: number;
  readonly isComparing: boolean;
  readonly mirror: MirrorCounts;
  /** Null where nothing was to be taken at the start. */
  readonly warm: WarmProgress | null;
}

/** The same as lines of INFO. */
export function infoOfRedis(figures: RedisFigures): [name: string, value: string | number][] {
  const { url, breaker, isHolder, waiting, isComparing, mirror, warm } = figures;
  const { verdicts } = mirror;
  return [
    ['redis_url', url],
    ['redis_breaker', breaker],
    ['redis_writes_here', isHolder ? 1 : 0],
    ['redis_waiting_keys', waiting],
    ['redis_comparing', isComparing ? 1 : 0],
    ['redis_written', verdicts.written],
    ['redis_same', verdicts.same],
    ['redis_refused', verdicts.refused],
    ['redis_too_long', mirror.tooLong],
    ['redis_failed_steps', mirror.failedSteps],
    ['redis_passes', mirror.passes],
    ['redis_published', mirror.published],
    ['redis_overflows', mirror.overflows],
    ['redis_warming', warm === null || warm.isOver ? 0 : 1],
    ['redis_warm_looked', warm?.looked ?? 0],
    ['redis_warm_taken', warm?.taken ?? 0],
    ['redis_warm_asked_for', warm?.askedFor ?? 0],
    ['redis_warm_gave_up', warm?.gaveUp ?? ''],
  ];
}
