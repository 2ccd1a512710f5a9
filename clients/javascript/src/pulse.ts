/**
 * Whether the peer is there: who has not been heard for a heartbeat is asked, and taken
 * for gone if no answer comes. Anything that is heard is an answer.
 */

const LONGEST_MS = 10_000; // for an answer, if the heartbeat is not shorter
const SHORTEST_MS = 1000;

export class Pulse {
  /** When to ask; Infinity while there is nobody to ask, or an answer is waited for. */
  askAt = Infinity;
  /** When an answer has to be there. */
  answerDue = Infinity;
  #beatMs = 0;

  /** The next time that something is due. */
  get deadline(): number {
    return Math.min(this.askAt, this.answerDue);
  }

  /** A connection is made, on which the server's own pings come so often. */
  begin(heartbeatS: number, now: number): void {
    this.#beatMs = heartbeatS > SHORTEST_MS / 1000 ? 1000 * heartbeatS : SHORTEST_MS;
    this.heard(now);
  }

  /** Something has arrived. */
  heard(now: number): void {
    if (this.#beatMs > 0) this.askAt = now + this.#beatMs;
    this.answerDue = Infinity;
  }

  /** Return whether to ask now: not if an answer is waited for. */
  asks(now: number): boolean {
    if (this.#beatMs === 0 || this.answerDue !== Infinity) return false;
    this.askAt = Infinity;
    this.answerDue = now + Math.min(LONGEST_MS, this.#beatMs);
    return true;
  }

  /** The connection is gone. */
  end(): void {
    this.#beatMs = 0;
    this.askAt = this.answerDue = Infinity;
  }
}
