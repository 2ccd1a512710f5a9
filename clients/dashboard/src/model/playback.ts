/** What time is shown: now, as it goes on, or a moment that was stopped at or gone back to. */

export interface Taken {
  readonly events: number;
  readonly learned: number;
}

export class Playback {
  /** Epoch seconds of the server; null for now. */
  at: number | null = null;
  #from: Taken = { events: 0, learned: 0 };

  get isLive(): boolean {
    return this.at === null;
  }

  /** Show a moment; what comes from the first stop on is counted. */
  show(at: number, taken: Taken): void {
    if (this.at === null) this.#from = { events: taken.events, learned: taken.learned };
    this.at = at;
  }

  live(): void {
    this.at = null;
  }

  /** What has come since it was stopped. */
  waiting(taken: Taken): Taken {
    if (this.at === null) return { events: 0, learned: 0 };
    return {
      events: taken.events - this.#from.events,
      learned: taken.learned - this.#from.learned,
    };
  }
}
