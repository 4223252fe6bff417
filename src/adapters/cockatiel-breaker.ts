import {
  BrokenCircuitError,
  circuitBreaker,
  CircuitState,
  ConsecutiveBreaker,
  ExponentialBackoff,
  handleAll,
} from 'cockatiel';

export interface BreakerOptions {
  /** Failures in a row after which nothing is tried for a while. */
  readonly failures: number;
  /** How long it is left alone before one call is let through to see: at first, and at most. */
  readonly firstMs: number;
  readonly mostMs: number;
  /** Called when it opens, closes or lets one through. */
  readonly changed: (state: BreakerState) => void;
}

export type BreakerState = 'closed' | 'open' | 'half-open';

const STATES: Readonly<Record<CircuitState, BreakerState>> = {
  [CircuitState.Closed]: 'closed',
  [CircuitState.Open]: 'open',
  [CircuitState.HalfOpen]: 'half-open',
  [CircuitState.Isolated]: 'open',
};

/** Keeps calls from what has failed: they fail at once then, and one at a time finds out whether it works again. */
export class Breaker {
  readonly #policy: ReturnType<typeof circuitBreaker>;

  constructor({ failures, firstMs, mostMs, changed }: BreakerOptions) {
    this.#policy = circuitBreaker(handleAll, {
      breaker: new ConsecutiveBreaker(failures),
      halfOpenAfter: new ExponentialBackoff({ initialDelay: firstMs, maxDelay: mostMs }),
    });
    this.#policy.onStateChange((state) => changed(STATES[state]));
  }

  get state(): BreakerState {
    return STATES[this.#policy.state];
  }

  /** Whether an error says that nothing was tried. */
  static isRefusal(error: unknown): boolean {
    return error instanceof BrokenCircuitError;
  }

  run<T>(call: () => Promise<T>): Promise<T> {
    return this.#policy.execute(call);
  }
}
