/**
 * How many bytes of events the server may send: as many as were read again.
 *
 * A page reads everything into its memory, however slow it is, so its socket never tells
 * the server that it is behind. Credit does: events that are on their way, or wait in the
 * queues of subscriptions, stay within a window.
 */

/** Bytes of an event that somebody keeps to read later, and the connection it came by. */
export interface Claim {
  readonly bytes: number;
  readonly connection: number;
}

export class EventCredit {
  readonly #window: number | undefined;
  #connection = 0;
  /** Bytes of the event that is arriving, until somebody claims them. */
  #unclaimed = 0;
  /** Bytes that were read since credit was given last. */
  #read = 0;

  /** `window` is in bytes; without one there is no bound, and no credit is spoken of. */
  constructor(window: number | undefined) {
    this.#window = window;
  }

  /** Begin a connection; return the credit to give, if any. */
  connected(): number | undefined {
    this.#connection += 1;
    this.#read = 0;
    return this.#window;
  }

  /** An event of so many bytes has arrived. */
  arrived(bytes: number): void {
    this.#unclaimed = bytes;
  }

  /** Take over the event that is arriving: its bytes count as unread until `read`. */
  claim(): Claim {
    const claim = { bytes: this.#unclaimed, connection: this.#connection };
    this.#unclaimed = 0;
    return claim;
  }

  /** Return the credit to give: as much as was read, but not for every little bit. */
  read({ bytes, connection }: Claim): number | undefined {
    if (this.#window === undefined || connection !== this.#connection) return undefined;
    this.#read += bytes;
    if (this.#read === 0 || this.#read * 2 < this.#window) return undefined;
    const granted = this.#read;
    this.#read = 0;
    return granted;
  }
}
