import {
  BrokenCircuitError,
  circuitBreaker,
  ConsecutiveBreaker,
  handleAll,
  type CircuitBreakerPolicy,
} from 'cockatiel';

/** What is said of a source that is not asked. */
export class NotAsked extends Error {}

/** Stops asking what does not answer, so that nobody waits for it: open after some failures in a row, half open after a while, closed by one success. */
export class SourceBreaker {
  readonly #policy: CircuitBreakerPolicy;
  readonly #failuresMax: number;
  readonly #pauseMs: number;
  #isOpen = false;

  /** After so many failures in a row it is left alone for so long. */
  constructor(failuresMax: number, pauseMs: number) {
    this.#failuresMax = failuresMax;
    this.#pauseMs = pauseMs;
    this.#policy = circuitBreaker(handleAll, {
      halfOpenAfter: pauseMs,
      breaker: new ConsecutiveBreaker(failuresMax),
    });
    this.#policy.onBreak(() => {
      this.#isOpen = true;
    });
    this.#policy.onReset(() => {
      this.#isOpen = false;
    });
  }

  /** Whether it is not asked, but for a try now and then. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Rejects with `NotAsked` where the source is not asked. */
  async run<T>(ask: () => Promise<T>): Promise<T> {
    try {
      return await this.#policy.execute(ask);
    } catch (error) {
      if (error instanceof BrokenCircuitError)
        throw new NotAsked(
          `the source failed ${this.#failuresMax} times in a row and is not asked for ${this.#pauseMs} ms`,
        );
      throw error;
    }
  }
}
