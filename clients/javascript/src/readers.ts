/**
 * Subscriptions of a session: where each stands, and whether what comes is what follows.
 *
 * Every event says which offsets of its class it covers. After a reconnect what was missed
 * is asked for by position. An event that does not follow the last, which only a defect of
 * the server brings about, is not passed on: the position is not to be trusted then, and
 * the subscription begins anew with a snapshot. Nothing is lost without a word.
 */

import { type NCSError, ProtocolError } from './errors.js';
import type {
  ClientMessage,
  DeliveryClass,
  ErrorMessage,
  Position,
  Snapshot,
  SubscribedMessage,
  SubscribeMessage,
  WireEvent,
} from './generated/messages.js';
import { errorOf, waitMs } from './lanes.js';
import { Machine } from './machine.js';
import { READER_TABLE } from './states.js';

/** The model as it was at a position; what comes after follows it. */
export interface SnapshotEvent extends Position {
  readonly type: 'snapshot';
  readonly stream: string;
  readonly data: Snapshot;
}

/** The connection was lost and is back, and nothing was missed. */
export interface ResumedEvent extends Position {
  readonly type: 'resumed';
  readonly stream: string;
  readonly data: Readonly<Record<string, never>>;
}

/** What a subscription gives. */
export type StreamEvent = SnapshotEvent | ResumedEvent | WireEvent;

/** What a subscription asks for; see the protocol. */
export type SubscribeFields = Omit<SubscribeMessage, 'type' | 'id' | 'since' | 'stream'>;

/** A server that leaves gaps is not asked again at once, and again, and again. */
const GAP_REST_MS = 250;

type Placed = Extract<WireEvent, { class: DeliveryClass }>;
type Skip = { class: DeliveryClass; epoch: string; from: number; to: number };

export class Reader {
  readonly machine = new Machine('subscription', READER_TABLE, 'pending');
  /** Of the present request; each has its own, so answers to old ones are told apart. */
  id = '';
  epoch: string | null = null;
  /** The last offset of each class that was passed on or skipped. */
  offsets: Partial<Record<DeliveryClass, number>> = {};
  /** Times that an event was not the next one, and a snapshot was asked for. */
  gaps = 0;
  restsUntil = Infinity;
  /** Why it is paused: by its user, for a full queue, or for a hidden page. */
  readonly pauses = new Set<'user' | 'full' | 'hidden'>();
  /** First offset that was skipped since the last event of the class. */
  #skipped: Partial<Record<DeliveryClass, number>> = {};

  constructor(
    readonly stream: string,
    readonly fields: SubscribeFields,
    readonly deliver: (event: StreamEvent) => void,
    readonly fail: (error: NCSError) => void,
  ) {}

  /** Go on after this position instead of beginning with a snapshot. */
  stand({ epoch, offsets }: Position): void {
    this.epoch = epoch;
    this.offsets = { ...offsets };
  }

  /** Return the request for it, under a new id. */
  request(id: string): ClientMessage {
    this.id = id;
    const { epoch, offsets } = this;
    const since = epoch === null ? {} : { since: { epoch, offsets: { ...offsets } } };
    return { type: 'subscribe', id, stream: this.stream, ...this.fields, ...since };
  }

  begin(message: SubscribedMessage): void {
    const { stream, epoch, snapshot, offsets } = message;
    if (!message.recovered && !snapshot) {
      throw new ProtocolError('subscribed: neither recovered nor with a snapshot');
    }
    this.epoch = epoch;
    this.offsets = { ...offsets };
    if (snapshot) {
      this.#skipped = {};
      this.deliver({ type: 'snapshot', stream, epoch, offsets, data: snapshot });
    } else {
      // What was skipped is still to be covered, by the next event of its class; but only
      // these two go on counting when the server starts anew.
      const { lossless, keyed } = this.#skipped;
      this.#skipped = {};
      const passedOn = { ...offsets };
      for (const [name, skipped] of Object.entries({ lossless, keyed })) {
        if (skipped === undefined) continue;
        this.#skipped[name as DeliveryClass] = skipped;
        passedOn[name as DeliveryClass] = skipped - 1;
      }
      this.deliver({ type: 'resumed', stream, epoch, offsets: passedOn, data: {} });
    }
  }

  /** Take an event; return false if it does not follow the last. */
  event(event: Placed): boolean {
    const first = event.from ?? event.offset ?? 0;
    const last = event.to ?? event.offset ?? first;
    const told = this.offsets[event.class] ?? 0;
    if (!this.#follows(event, first)) return false;
    if (last <= told) return true; // told already
    const skipped = this.#skipped[event.class];
    this.offsets[event.class] = last;
    delete this.#skipped[event.class];
    // What was skipped on the way is covered too, so that what is passed on has no holes.
    this.deliver(skipped === undefined ? event : { ...event, from: skipped, to: last });
    return true;
  }

  /** Take note of offsets that carry nothing it asked for; as `event`. */
  skip(skip: Skip): boolean {
    if (!this.#follows(skip, skip.from)) return false;
    this.#skipped[skip.class] ??= skip.from;
    this.offsets[skip.class] = Math.max(skip.to, this.offsets[skip.class] ?? 0);
    return true;
  }

  #follows(event: { class: DeliveryClass; epoch: string }, first: number): boolean {
    return event.epoch === this.epoch && first <= (this.offsets[event.class] ?? 0) + 1;
  }
}

/** The subscriptions of one connection. */
export class Readers {
  /** By the stream that they follow. */
  readonly #readers = new Map<string, Reader>();
  #number = 0;

  /** When the first one that rests may ask again. */
  get deadline(): number {
    return Math.min(...[...this.#readers.values()].map((reader) => reader.restsUntil));
  }

  add(reader: Reader): void {
    this.#readers.set(reader.stream, reader);
  }

  /** Return the one that follows a stream. */
  of(stream: string): Reader | undefined {
    return this.#readers.get(stream);
  }

  /** Give a subscription up; return what to send. */
  end(reader: Reader): ClientMessage[] {
    if (reader.machine.state === 'ended') return [];
    this.#readers.delete(reader.stream);
    const messages = this.#leave(reader);
    reader.machine.fire('end');
    return messages;
  }

  pause(reader: Reader, why: 'user' | 'full' | 'hidden'): ClientMessage[] {
    reader.pauses.add(why);
    if (!reader.machine.can('pause')) return [];
    const messages = this.#leave(reader);
    reader.machine.fire('pause');
    return messages;
  }

  resume(reader: Reader, why: 'user' | 'full' | 'hidden'): void {
    reader.pauses.delete(why);
    if (reader.pauses.size === 0 && reader.machine.can('resume')) reader.machine.fire('resume');
  }

  /** Pause all that may be while nobody looks, or let them go on. */
  hide(hidden: boolean): ClientMessage[] {
    const all = [...this.#readers.values()];
    if (hidden) return all.flatMap((reader) => this.pause(reader, 'hidden'));
    for (const reader of all) this.resume(reader, 'hidden');
    return [];
  }

  disconnected(): void {
    for (const reader of this.#readers.values()) {
      reader.restsUntil = Infinity;
      reader.machine.fire('lost');
    }
  }

  /** Return the requests that are due. */
  requests(now: number): ClientMessage[] {
    const messages: ClientMessage[] = [];
    for (const reader of this.#readers.values()) {
      if (reader.restsUntil <= now && reader.machine.can('due')) {
        reader.restsUntil = Infinity;
        reader.machine.fire('due');
      }
      if (reader.machine.state !== 'pending') continue;
      reader.machine.fire('asked');
      messages.push(reader.request(`s${++this.#number}`));
    }
    return messages;
  }

  subscribed(message: SubscribedMessage): void {
    const reader = this.#byId(message.id);
    if (!reader?.machine.can('joined')) return;
    reader.machine.fire('joined');
    reader.begin(message);
  }

  /** Take an event; return what to send if it does not follow the last. */
  event(event: Placed, now: number): ClientMessage[] {
    return this.#follow(event.stream, now, (reader) => reader.event(event));
  }

  /** As `event`. */
  skip(skip: Skip & { stream: string }, now: number): ClientMessage[] {
    return this.#follow(skip.stream, now, (reader) => reader.skip(skip));
  }

  /** Take a refusal; return whether it was about one of them. */
  refused(error: ErrorMessage, now: number): boolean {
    const reader = this.#byId(error.id ?? '');
    if (reader?.machine.state !== 'joining') return false;
    if (error.retry === 'later') {
      reader.machine.fire('refused_for_now');
      reader.restsUntil = now + waitMs(error);
    } else if (error.retry !== 'reconnect') {
      this.#readers.delete(reader.stream);
      reader.machine.fire('end');
      reader.fail(errorOf(error));
    }
    return true;
  }

  /** End all: the session is over. */
  fail(error: NCSError): void {
    for (const reader of this.#readers.values()) {
      reader.machine.fire('end');
      reader.fail(error);
    }
    this.#readers.clear();
  }

  #byId(id: string): Reader | undefined {
    return [...this.#readers.values()].find((reader) => reader.id === id);
  }

  #leave(reader: Reader): ClientMessage[] {
    const asked = reader.machine.state === 'joining' || reader.machine.state === 'live';
    return asked ? [{ type: 'unsubscribe', id: reader.id }] : [];
  }

  #follow(stream: string, now: number, take: (reader: Reader) => boolean): ClientMessage[] {
    const reader = this.of(stream);
    if (reader?.machine.state !== 'live' || take(reader)) return [];
    reader.gaps += 1;
    reader.epoch = null;
    const messages = this.#leave(reader);
    reader.machine.fire('gap');
    reader.restsUntil = now + GAP_REST_MS;
    return messages;
  }
}
