/**
 * How long to wait before connecting again: a random part of a time that doubles.
 *
 * "Full jitter", after "Exponential Backoff And Jitter" (AWS Architecture Blog, 2015):
 * drawn evenly from zero to the bound, a crowd of clients is spread best.
 */

export interface BackoffOptions {
  /** Bound of the first wait. */
  readonly firstMs?: number;
  /** Bound that no wait passes. */
  readonly longestMs?: number;
}

export class Backoff {
  /** Waits since the last reset. */
  attempt = 0;
  readonly firstMs: number;
  readonly longestMs: number;
  readonly #random: () => number;

  /** `random` returns a number in [0, 1). */
  constructor(
    random: () => number,
    { firstMs = 200, longestMs = 30_000 }: BackoffOptions = {},
  ) {
    this.#random = random;
    this.firstMs = firstMs;
    this.longestMs = longestMs;
  }

  /** Return the next wait. */
  nextMs(): number {
    const bound = Math.min(this.longestMs, this.firstMs * 2 ** this.attempt);
    this.attempt += 1;
    return bound * this.#random();
  }

  /** Return a wait that grows nothing: for what many do at the same moment. */
  shortMs(): number {
    return this.firstMs * this.#random();
  }

  reset(): void {
    this.attempt = 0;
  }
}
