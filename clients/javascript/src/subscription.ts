/**
 * A subscription as its user sees it: an async iterator over a bounded queue.
 *
 * When the queue is full the subscription rests on the server too, and goes on after the
 * last event in the queue once half of it has been read. What is read slowly is thinned
 * out by the server, and nothing is lost here.
 */

import type { Claim } from './credit.js';
import { ConnectionEndedError, type NCSError } from './errors.js';
import { Reader, type StreamEvent, type SubscribeFields } from './readers.js';
import type { ReaderState } from './states.js';

/** What a subscription asks of its session. */
export interface SubscriptionOwner {
  /** Take over the event that is being delivered; its bytes count as unread until `read`. */
  claim(): Claim;
  read(claim: Claim): void;
  pause(reader: Reader, why: 'user' | 'full'): void;
  resume(reader: Reader, why: 'user' | 'full'): void;
  unsubscribe(reader: Reader): void;
}

type Unread = { readonly event: StreamEvent; readonly claim: Claim };

export class Subscription implements AsyncIterableIterator<StreamEvent> {
  readonly #reader: Reader;
  readonly #owner: SubscriptionOwner;
  readonly #maxQueue: number;
  readonly #queue: Unread[] = [];
  #read = 0;
  #arrival: Promise<void> | null = null;
  #wake = (): void => {};
  #finished = false;
  #error: unknown = null;

  constructor(
    owner: SubscriptionOwner,
    stream: string,
    fields: SubscribeFields,
    maxQueue: number,
  ) {
    this.#owner = owner;
    this.#maxQueue = maxQueue;
    this.#reader = new Reader(
      stream,
      fields,
      (event) => this.#deliver(event),
      (error) => this.#fail(error),
    );
  }

  /** @internal What the core knows of it. */
  get reader(): Reader {
    return this.#reader;
  }

  get stream(): string {
    return this.#reader.stream;
  }

  get state(): ReaderState {
    return this.#reader.machine.state;
  }

  /** Times that an event was not the next one, and a snapshot was asked for. */
  get gaps(): number {
    return this.#reader.gaps;
  }

  /** Events that wait to be read. */
  get queued(): number {
    return this.#queue.length - this.#read;
  }

  /** Hear nothing until `resume`; what happens meanwhile is told then. */
  pause(): void {
    this.#owner.pause(this.#reader, 'user');
  }

  resume(): void {
    this.#owner.resume(this.#reader, 'user');
  }

  /** End the subscription; who iterates gets what is in the queue, and the end. */
  close(): void {
    if (this.#finished) return;
    this.#finished = true;
    this.#owner.unsubscribe(this.#reader);
    this.#tell();
  }

  /** @internal End it with an error that who iterates gets, once the queue is empty. */
  abort(error: unknown): void {
    if (this.#finished) return;
    this.#error = error;
    this.close();
  }

  async next(): Promise<IteratorResult<StreamEvent, undefined>> {
    while (this.queued === 0) {
      if (this.#error) {
        const error = this.#error;
        this.#error = null;
        throw error;
      }
      if (this.#finished) return { done: true, value: undefined };
      this.#arrival ??= new Promise((resolve) => {
        this.#wake = resolve;
      });
      await this.#arrival;
    }
    return { done: false, value: this.#take() };
  }

  async return(): Promise<IteratorResult<StreamEvent, undefined>> {
    this.close();
    while (this.queued > 0) this.#take();
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #take(): StreamEvent {
    const { event, claim } = this.#queue[this.#read++] as Unread;
    // Amortized: a shift of every event would move the whole queue each time.
    if (this.#read * 2 > this.#maxQueue) this.#read -= this.#queue.splice(0, this.#read).length;
    if (this.#reader.pauses.has('full') && this.queued * 2 <= this.#maxQueue) {
      this.#owner.resume(this.#reader, 'full');
    }
    this.#owner.read(claim);
    return event;
  }

  #deliver(event: StreamEvent): void {
    if (this.#finished) return;
    this.#queue.push({ event, claim: this.#owner.claim() });
    if (this.queued >= this.#maxQueue) this.#owner.pause(this.#reader, 'full');
    this.#tell();
  }

  #fail(error: NCSError): void {
    const isStop = error instanceof ConnectionEndedError && error.closeCode === 1000;
    this.#error ??= isStop ? null : error;
    this.#finished = true;
    this.#tell();
  }

  /** Wake who waits for an event, or for the end. */
  #tell(): void {
    this.#arrival = null;
    this.#wake();
  }
}
