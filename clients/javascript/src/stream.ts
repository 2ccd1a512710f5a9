/** A live session: send points, follow streams, and be told how the connection is. */

import type { Body, Codec } from './codec.js';
import { Connection, type ConnectionOptions } from './connection.js';
import { type CoreOptions, SessionCore } from './core.js';
import type { Claim } from './credit.js';
import type { News } from './effects.js';
import { ConnectionEndedError, NCSError } from './errors.js';
import {
  type Position,
  type ResultDetail,
  type Results,
  SHAPES,
  type WelcomeMessage,
} from './generated/messages.js';
import { Batch, type Receipt } from './lanes.js';
import { checkOptions, type Names } from './options.js';
import { countOf, type Points } from './points.js';
import type { Reader, StreamEvent, SubscribeFields } from './readers.js';
import { type Camel, camel, snake } from './shapes.js';
import type { SessionState } from './states.js';
import { Subscription } from './subscription.js';

export interface SendOptions {
  /** Another stream than the session's own. */
  readonly stream?: string;
  /** Echoed in the events that this batch causes. */
  readonly metadata?: Readonly<Record<string, unknown>>;
  /** One event time a point: epoch seconds, or integer nanoseconds. */
  readonly timestamps?: readonly number[];
  /** How much is told of each point. */
  readonly results?: ResultDetail;
  /** Takes the batch back if it was not sent yet; else only stops waiting for it. */
  readonly signal?: AbortSignal;
}

/** A batch that is in the model, and durable at the level of `durability`. */
export interface SendResult {
  readonly stream: string;
  readonly seq: number;
  /** Points of this batch that are in the model: all of them. */
  readonly accepted: number;
  /** Whether it had been sent before and was counted then; never twice. */
  readonly duplicate: boolean;
  /** Its offset in the journal, or of one a little later; null if that ack was lost. */
  readonly offset: number | null;
  readonly modelVersion: number | null;
  readonly durability: string;
  readonly results: Camel<Results> | null;
}

export type SubscribeOptions = Camel<SubscribeFields> & {
  /** Another stream than the session's own. */
  readonly stream?: string;
  /** Where a copy stands that is to go on, as `ClusterView.position` tells. */
  readonly since?: Position;
  /** Events that may wait to be read before the subscription rests. */
  readonly maxQueue?: number;
  readonly signal?: AbortSignal;
};

export interface StreamOptions {
  /** The stream that is meant where none is named. */
  readonly stream: string;
  readonly onMessage?: ((event: StreamEvent) => unknown) | undefined;
  readonly onError?: ((error: Error) => unknown) | undefined;
  readonly onReconnect?: ((attempt: number) => unknown) | undefined;
  readonly onClose?: ((error: Error | null) => unknown) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** An event of the session itself; `detail` is the news. */
export class SessionEvent<T extends News['type'] = News['type']> extends Event {
  constructor(
    type: T | 'close',
    readonly detail: Extract<News, { type: T }>,
  ) {
    super(type);
  }
}

type SessionEvents = {
  [T in Exclude<News['type'], 'end'>]: SessionEvent<T>;
} & { close: SessionEvent<'end'> };

/** An EventTarget that knows the types of its events. */
interface SessionTarget extends EventTarget {
  addEventListener<T extends keyof SessionEvents>(
    type: T,
    listener: (event: SessionEvents[T]) => void,
    options?: boolean | AddEventListenerOptions,
  ): void;
  addEventListener(...args: Parameters<EventTarget['addEventListener']>): void;
}
const SessionTarget = EventTarget as new () => SessionTarget;

const SEND: Names<SendOptions> = {
  ...{ stream: true, metadata: true, timestamps: true, results: true, signal: true },
};
const SUBSCRIBE: Names<SubscribeOptions> = {
  ...{ stream: true, since: true, maxQueue: true, signal: true, events: true },
  ...{ maxHz: true, epsilon: true, filter: true, centroids: true, sample: true },
};
const MAX_QUEUE = 1024;
const STOP_MS = 30_000;

export class NCSStream extends SessionTarget {
  readonly #core: SessionCore;
  readonly #connection: Connection;
  readonly #codec: Codec;
  readonly #options: StreamOptions;
  /** Who waits for room, or for everything to be acknowledged. */
  readonly #waiting = new Set<() => void>();
  #begun: { resolve: () => void; reject: (error: Error) => void } | null = null;
  #ended: Error | null = null;
  /** Whether its user has ended it; then `onMessage` is not called any more. */
  #isStopped = false;
  /** Until `onMessage` has been given everything. */
  #passing: Promise<void> | null = null;

  /** @internal Use `NCSClient.startStreaming`. */
  constructor(core: CoreOptions, connection: ConnectionOptions, options: StreamOptions) {
    super();
    this.#core = new SessionCore(core);
    this.#connection = new Connection(this.#core, connection, (news) => this.#told(news));
    this.#codec = core.codec;
    this.#options = options;
  }

  get state(): SessionState {
    return this.#core.state;
  }

  /** What the server said of the present connection; null while there is none. */
  get welcome(): WelcomeMessage | null {
    return this.#core.welcome;
  }

  /** Milliseconds until it tries to connect again; null unless it waits for that. */
  get retryInMs(): number | null {
    const { state, deadline } = this.#core;
    if (state !== 'waiting' && state !== 'offline') return null;
    return Math.max(0, deadline - this.#connection.now);
  }

  /** Try to connect now, if it waits to do so later. */
  retryNow(): void {
    this.#connection.perform(this.#core.retry(this.#connection.now));
  }

  /** Batches that are not acknowledged. */
  get unacknowledged(): number {
    return this.#core.lanes.unacknowledged;
  }

  /** @internal Start to connect; resolves with the first welcome. */
  begin(): Promise<void> {
    const begun = new Promise<void>((resolve, reject) => {
      this.#begun = { resolve, reject };
    });
    const { signal, onMessage } = this.#options;
    onAbort(signal, () => this.#end());
    this.#connection.start();
    if (onMessage) this.#passing = this.#pass(this.subscribe(), onMessage);
    return begun;
  }

  // Points

  /** Send one point; see `sendBatch`. */
  sendPoint(point: readonly number[], options: SendOptions = {}): Promise<SendResult> {
    return this.sendBatch([point], options);
  }

  /**
   * Send points. The promise resolves when they are durable and in the model, exactly once
   * whatever happens to the connection meanwhile.
   *
   * It rejects with a `RefusedError` if the server refuses them (nothing of the batch was
   * applied then), a `QueueFullError` if too much waits already, or a
   * `ConnectionEndedError` if the session is over.
   */
  async sendBatch(points: Points, options: SendOptions = {}): Promise<SendResult> {
    checkOptions('sendBatch', options, SEND);
    const { stream = this.#options.stream, results, signal } = options;
    signal?.throwIfAborted();
    const body = this.#codec.encodeBody(points);
    const count = countOf(points); // now: the caller may go on to use the array
    const head = { stream, ...(results && { results }), ...this.#about(options, body) };
    const receipt = await new Promise<Receipt>((resolve, reject) => {
      const batch = new Batch(head, body, (outcome) => {
        release();
        if (outcome instanceof NCSError) reject(outcome);
        else resolve(outcome);
        this.#wake();
      });
      const release = onAbort(signal, () => {
        this.#core.lanes.withdraw(batch);
        reject(signal?.reason);
        this.#wake();
      });
      try {
        this.#connection.perform(this.#core.push(batch, this.#connection.now));
      } catch (error) {
        release();
        throw error;
      }
    });
    return this.#resultOf(stream, count, receipt);
  }

  /** Resolve when another batch is taken without a `QueueFullError`. */
  async ready(): Promise<void> {
    while (!this.#core.lanes.hasRoom) await this.#change();
    if (this.#ended) throw this.#ended;
  }

  // Events

  /**
   * Follow a stream: first a `snapshot`, then what changes; after a reconnect `resumed`
   * and what was missed, or another `snapshot`. A session follows a stream once.
   */
  subscribe(options: SubscribeOptions = {}): Subscription {
    checkOptions('subscribe', options, SUBSCRIBE);
    const { stream = this.#options.stream, maxQueue = MAX_QUEUE, signal, ...rest } = options;
    const { since, ...fields } = rest;
    signal?.throwIfAborted();
    const connection = this.#connection;
    const core = this.#core;
    const owner = {
      claim: () => core.credit.claim(),
      read: (claim: Claim) => connection.perform(core.read(claim, connection.now)),
      pause: (reader: Reader, why: 'user' | 'full') =>
        connection.perform(core.pause(reader, why, connection.now)),
      resume: (reader: Reader, why: 'user' | 'full') =>
        connection.perform(core.resume(reader, why, connection.now)),
      unsubscribe: (reader: Reader) =>
        connection.perform(core.unsubscribe(reader, connection.now)),
    };
    const subscription = new Subscription(
      owner,
      stream,
      snake(fields) as SubscribeFields,
      maxQueue,
    );
    if (since) subscription.reader.stand(since);
    connection.perform(core.subscribe(subscription.reader, connection.now));
    onAbort(signal, () => subscription.abort(signal?.reason));
    return subscription;
  }

  // The end

  /**
   * Wait until everything sent is acknowledged, then end the session.
   *
   * After `timeoutMs` it ends all the same, and what still waits rejects.
   */
  async stop(options: { timeoutMs?: number } = {}): Promise<void> {
    const { timeoutMs = STOP_MS } = checkOptions('stop', options, { timeoutMs: true });
    const { clock } = this.#connection.options;
    let isLate = false;
    const timer = clock.setTimeout(() => {
      isLate = true;
      this.#wake();
    }, timeoutMs);
    while (this.unacknowledged > 0 && !isLate) await this.#change();
    clock.clearTimeout(timer);
    this.#end();
  }

  /** Return what is told beside the points, copied; what cannot be encoded fails here. */
  #about({ metadata, timestamps }: SendOptions, body: Body) {
    if (!metadata && !timestamps) return {};
    const about = structuredClone({
      ...(metadata && { metadata }),
      ...(timestamps && { timestamps }),
    });
    this.#codec.encodePoints({ type: 'points', seq: 1, ...about }, body.slice(0, 0));
    return about;
  }

  #resultOf(stream: string, accepted: number, { seq, ack }: Receipt): SendResult {
    const own = ack?.seq === seq ? ack : null; // a later one covers it too
    return {
      stream,
      seq,
      accepted,
      duplicate: own?.duplicate ?? ack === null,
      offset: ack?.offset ?? null,
      modelVersion: ack?.model_version ?? null,
      durability: ack?.durability ?? '',
      results: own?.results ? camel(own.results, 'Results', SHAPES) : null,
    };
  }

  #end(): void {
    this.#isStopped = true;
    this.#connection.perform(this.#core.stop(this.#connection.now));
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#waiting.add(resolve));
  }

  #wake(): void {
    for (const resolve of this.#waiting) resolve();
    this.#waiting.clear();
  }

  async #pass(subscription: Subscription, onMessage: (event: StreamEvent) => unknown) {
    try {
      for await (const event of subscription) {
        if (this.#isStopped) break;
        await this.#call(onMessage, event);
      }
    } catch (error) {
      if (error !== this.#ended) this.#report(error as Error); // told already
    }
  }

  /** Call a user's callback; what it throws is told, and disturbs nothing here. */
  async #call<T>(callback: ((value: T) => unknown) | undefined, value: T): Promise<void> {
    try {
      await callback?.(value);
    } catch (error) {
      if (callback === (this.#options.onError as unknown)) console.error(error);
      else this.#report(error as Error);
    }
  }

  /** Tell of an error that nobody else waits for. */
  #report(error: Error): void {
    const { onError } = this.#options;
    if (onError) void this.#call(onError, error);
    else console.error(error);
  }

  #told(news: News): void {
    const { onError, onReconnect, onClose } = this.#options;
    switch (news.type) {
      case 'welcome':
        this.#begun?.resolve();
        break;
      case 'reconnect':
        void this.#call(onReconnect, news.attempt);
        break;
      case 'error':
        void this.#call(onError, news.error);
        break;
      case 'end':
        this.#ended = news.error ?? new ConnectionEndedError(1000, 'the session was stopped');
        this.#begun?.reject(this.#ended);
        this.#wake();
        if (news.error) void this.#call(onError, news.error);
        if (this.#passing && !this.#isStopped)
          void this.#passing.then(() => this.#call(onClose, news.error)); // the last one
        else void this.#call(onClose, news.error);
        this.dispatchEvent(new SessionEvent('close', news));
        return;
    }
    this.dispatchEvent(new SessionEvent(news.type, news));
  }
}

/** Call back when a signal aborts; return what ends that. */
function onAbort(signal: AbortSignal | undefined, callback: () => void): () => void {
  if (signal?.aborted) callback();
  signal?.addEventListener('abort', callback, { once: true });
  return () => signal?.removeEventListener('abort', callback);
}
