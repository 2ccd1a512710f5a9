/**
 * A session with a server, without any socket, clock or chance: what happens goes in, what
 * is to be done comes out. `now` is in milliseconds of any steady clock.
 *
 * It keeps one connection up: fetches a credential, says hello, sends what waits, resumes
 * subscriptions, notices a peer that is gone, and comes back when coming back can help.
 * Who uses it carries out the effects in order, and calls `tick` at `deadline`.
 */

import { Backoff, type BackoffOptions } from './backoff.js';
import { bytesOf, type Codec } from './codec.js';
import { type Claim, EventCredit } from './credit.js';
import type { Effect, News, TokenReason } from './effects.js';
import {
  ConnectionEndedError,
  closeIsFinal,
  type NCSError,
  ProtocolError,
  refusedError,
} from './errors.js';
import { CODES } from './generated/codes.js';
import type {
  ClientMessage,
  ErrorMessage,
  ServerMessage,
  WelcomeMessage,
} from './generated/messages.js';
import { type Batch, errorOf, Lanes, type QueueOptions } from './lanes.js';
import { Machine } from './machine.js';
import { Pulse } from './pulse.js';
import { type Reader, Readers } from './readers.js';
import { SESSION_TABLE, type SessionState, type SessionStep } from './states.js';

export interface CoreOptions {
  readonly codec: Codec;
  readonly producer: string;
  readonly producerEpoch: number;
  readonly connectionId?: string | undefined;
  /** Streams to be told of in `welcome` from the start. */
  readonly streams?: readonly string[] | undefined;
  readonly queue?: QueueOptions | undefined;
  /** How often in a row to try again. */
  readonly reconnectAttempts?: number | undefined;
  /** Whether a first connection that fails is tried again. */
  readonly lazy?: boolean | undefined;
  readonly backoff?: BackoffOptions | undefined;
  /** Bytes of events that may be on their way, or arrived and not read; no bound if left out. */
  readonly eventCredit?: number | undefined;
  /** Whether subscriptions rest while nobody can see the page. */
  readonly pauseWhenHidden?: boolean | undefined;
  /** Returns a number in [0, 1). */
  readonly random: () => number;
}

const CONNECT_MS = 20_000; // for each step until the welcome
const STEADY_MS = 5_000; // a connection that held this long was a success
const CLOSING_MS = 5_000; // for the server to close what it said to reconnect
const DRAIN_MS = 30_000; // for a server to answer what is in flight, and close
const LONGEST_MS = 3_600_000; // whatever a draining server says
const HIDDEN_MS = 5_000; // nobody looks for this long before subscriptions rest

export class SessionCore {
  readonly machine = new Machine<SessionState, SessionStep>('session', SESSION_TABLE, 'idle');
  readonly lanes: Lanes;
  readonly readers = new Readers();
  readonly credit: EventCredit;
  welcome: WelcomeMessage | null = null;
  readonly #options: CoreOptions;
  readonly #backoff: Backoff;
  readonly #pulse = new Pulse();
  #effects: Effect[] = [];
  #token = '';
  #expiredToken: string | null = null;
  #wasWelcomed = false;
  #welcomedAt = Infinity;
  /** When the present step has to be over. */
  #due = Infinity;
  #hideAt = Infinity;
  #reconnectAt: number | null = null;
  #isOnline = true;
  #ended: NCSError | null = null;
  #lastFailure = '';
  /** The sentence of the last refusal, whole, where a close frame cuts it off. */
  #lastDetail = '';

  constructor(options: CoreOptions) {
    this.#options = options;
    this.#backoff = new Backoff(options.random, options.backoff);
    this.credit = new EventCredit(options.eventCredit);
    this.lanes = new Lanes(options.producerEpoch, options.streams ?? [], options.queue);
  }

  get state(): SessionState {
    return this.machine.state;
  }

  /** When `tick` has to be called next; Infinity for never. */
  get deadline(): number {
    if (this.state === 'ended') return Infinity;
    const parts = this.state === 'open' ? [this.lanes.deadline, this.readers.deadline] : [];
    return Math.min(this.#due, this.#hideAt, this.#pulse.deadline, ...parts);
  }

  // What happens

  start(now: number): Effect[] {
    this.#step('start');
    this.#authorize('connect', now);
    return this.#done(now);
  }

  /** Take a credential that an `authorize` effect asked for. */
  authorized(token: string, now: number): Effect[] {
    if (this.state === 'authorizing') {
      if (token === this.#expiredToken) {
        const said = 'the token has expired, and there is no fresh one';
        this.#end(new ConnectionEndedError(CODES.token_expired.close, said));
        return this.#done(now);
      }
      this.#token = token;
      this.#expiredToken = null;
      this.#step('authorized');
      this.#due = now + CONNECT_MS;
      this.#effects.push({ do: 'connect' });
    } else if (this.welcome && token !== this.#token) {
      this.#token = token;
      this.#send({ type: 'auth', id: 'renewed', token });
    }
    return this.#done(now);
  }

  /** There is no credential to be had at the moment. */
  unauthorized(error: NCSError, now: number): Effect[] {
    if (this.state === 'ended') return [];
    this.#tell({ type: 'error', error });
    if (this.state === 'authorizing') this.#lost(null, error.message, now);
    return this.#done(now);
  }

  /** The socket is open. */
  opened(now: number): Effect[] {
    if (this.state !== 'connecting') return this.#done(now);
    this.#step('opened');
    this.#due = now + CONNECT_MS;
    const { producer, connectionId } = this.#options;
    this.#send({
      type: 'hello',
      token: this.#token,
      producer,
      producer_epoch: this.lanes.epoch,
      ...(connectionId === undefined ? {} : { connection_id: connectionId }),
      streams: this.lanes.streams,
    });
    return this.#done(now);
  }

  /** A frame has arrived. */
  received(frame: unknown, now: number): Effect[] {
    this.#pulse.heard(now);
    try {
      const message = this.#options.codec.decode(frame);
      if (message) {
        const usesCredit = 'class' in message || message.type === 'subscribed';
        if (usesCredit) this.credit.arrived(bytesOf(frame as string | ArrayBuffer));
        this.#receive(message, now);
        this.#give(this.credit.read(this.credit.claim())); // for what nobody keeps
      }
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#effects.push({ do: 'disconnect', code: null });
      this.#end(error);
    }
    return this.#done(now);
  }

  /** The socket is closed, or could not be opened. */
  closed(code: number | null, reason: string, now: number): Effect[] {
    const detail = reason && this.#lastDetail.startsWith(reason) ? this.#lastDetail : reason;
    // What a platform says where no close frame came.
    if (this.state !== 'ended') this.#lost(code === 1006 ? null : code, detail, now);
    return this.#done(now);
  }

  /** The time `deadline` has come. */
  tick(now: number): Effect[] {
    if (this.state === 'ended') return [];
    if (now >= this.#hideAt) {
      this.#hideAt = Infinity;
      this.#sendAll(this.readers.hide(true));
    }
    if (this.state === 'waiting' || this.state === 'offline') {
      if (now >= this.#due) this.#again(now);
    } else if (now >= Math.min(this.#due, this.#pulse.answerDue)) {
      this.#lost(null, 'no answer', now);
    } else if (now >= this.#pulse.askAt) {
      this.#probe(now);
    }
    this.lanes.tick(now);
    return this.#done(now);
  }

  /** The machine has lost or found a network. */
  online(isOnline: boolean, now: number): Effect[] {
    this.#isOnline = isOnline;
    if (this.state === 'waiting' && !isOnline) {
      this.#goOffline(now);
    } else if (this.state === 'offline' && isOnline) {
      this.#step('went_online');
      this.#due = now + this.#backoff.shortMs(); // a whole building comes back at once
    } else {
      this.#probe(now);
    }
    return this.#done(now);
  }

  /** Somebody does not want to wait for the next attempt. */
  retry(now: number): Effect[] {
    if (this.state === 'waiting' || this.state === 'offline') this.#again(now);
    return this.#done(now);
  }

  /** The page can be seen, or cannot be seen any more. */
  visible(isVisible: boolean, now: number): Effect[] {
    this.#hideAt = isVisible || !this.#options.pauseWhenHidden ? Infinity : now + HIDDEN_MS;
    if (isVisible) {
      this.readers.hide(false);
      this.#probe(now);
      if (this.state === 'waiting')
        this.#due = Math.min(this.#due, now + this.#backoff.shortMs());
    }
    return this.#done(now);
  }

  // What the user wants

  /** Take a batch. @throws QueueFullError if there is no room, or the session has ended. */
  push(batch: Batch, now: number): Effect[] {
    if (this.#ended) throw this.#ended;
    this.lanes.add(batch);
    return this.#done(now);
  }

  subscribe(reader: Reader, now: number): Effect[] {
    if (this.#ended) throw this.#ended;
    if (this.readers.of(reader.stream)) {
      const detail = `the session follows ${reader.stream} already; start another session`;
      throw refusedError({ code: 'duplicate_subscription', detail });
    }
    this.readers.add(reader);
    return this.#done(now);
  }

  unsubscribe(reader: Reader, now: number): Effect[] {
    this.#sendAll(this.readers.end(reader));
    return this.#done(now);
  }

  pause(reader: Reader, why: 'user' | 'full', now: number): Effect[] {
    this.#sendAll(this.readers.pause(reader, why));
    return this.#done(now);
  }

  resume(reader: Reader, why: 'user' | 'full', now: number): Effect[] {
    this.readers.resume(reader, why);
    return this.#done(now);
  }

  /** Take note that an event was read. */
  read(claim: Claim, now: number): Effect[] {
    this.#give(this.credit.read(claim));
    return this.#done(now);
  }

  /** End the session; what is not acknowledged may be lost. */
  stop(now: number): Effect[] {
    if (this.state !== 'ended') {
      this.#effects.push({ do: 'disconnect', code: 1000 });
      this.#end(null);
    }
    return this.#done(now);
  }

  // What the server says

  #receive(message: ServerMessage, now: number): void {
    switch (message.type) {
      case 'welcome':
        this.#welcomed(message, now);
        break;
      case 'ack':
        this.lanes.acknowledged(message);
        break;
      case 'error':
        this.#refused(message, now);
        break;
      case 'subscribed':
        this.readers.subscribed(message);
        break;
      case 'skip':
        this.#sendAll(this.readers.skip(message, now));
        break;
      case 'token_expiring':
        this.#effects.push({ do: 'authorize', reason: 'expiring' });
        break;
      case 'slow_down': {
        const { reason, retry_after_ms: retryAfterMs } = message;
        this.lanes.slowDown();
        this.#tell({ type: 'slowdown', reason, retryAfterMs });
        break;
      }
      case 'lagging': {
        const { level, skipped, behind_ms: behindMs } = message;
        this.#tell({ type: 'lagging', level, skipped, behindMs });
        break;
      }
      case 'caught_up':
        this.#tell({ type: 'caughtup', skipped: message.skipped });
        break;
      case 'draining':
        if (this.state === 'open') this.#step('drains');
        this.#reconnectAt = now + Math.min(message.reconnect_after_ms || 0, LONGEST_MS);
        this.#due = this.#reconnectAt + DRAIN_MS;
        this.#tell({ type: 'draining', reconnectAfterMs: message.reconnect_after_ms });
        break;
      default:
        if ('class' in message) this.#sendAll(this.readers.event(message, now));
    }
  }

  #welcomed(welcome: WelcomeMessage, now: number): void {
    if (this.state !== 'greeting') return;
    this.lanes.welcomed(welcome.resume ?? {}, welcome.credit);
    this.#wasWelcomed = true;
    if (this.lanes.mustReconnect) {
      this.#beginAnew(now);
      return;
    }
    this.welcome = welcome;
    this.#welcomedAt = now;
    this.#pulse.begin(welcome.heartbeat_s, now);
    this.#due = Infinity;
    this.#step('welcomed');
    this.#tell({ type: 'welcome', welcome });
    this.#give(this.credit.connected());
  }

  #give(bytes: number | undefined): void {
    if (bytes !== undefined && this.welcome) this.#send({ type: 'credit', bytes });
  }

  #refused(error: ErrorMessage, now: number): void {
    this.#lastDetail = error.detail;
    const isKnown = this.lanes.refused(error, now) || this.readers.refused(error, now);
    // An answer to a batch that has been sent again since is no news.
    if (!isKnown && error.seq === undefined)
      this.#tell({ type: 'error', error: errorOf(error) });
    // The server closes such a connection, once it has answered what is in flight.
    if (error.retry === 'reconnect') this.#due = Math.min(this.#due, now + CLOSING_MS);
    if (this.lanes.mustReconnect) this.#beginAnew(now);
  }

  /** Greet again, under another epoch. */
  #beginAnew(now: number): void {
    this.#reconnectAt = now;
    this.#lost(null, 'the clock was set back', now);
  }

  // The connection

  #lost(code: number | null, reason: string, now: number): void {
    this.#effects.push({ do: 'disconnect', code: null });
    const silent = this.welcome ? 'the connection was lost' : 'cannot connect';
    this.#lastFailure = reason || (code === null ? silent : `closed with ${code}`);
    this.welcome = null;
    this.#pulse.end();
    this.readers.disconnected();
    this.lanes.disconnected();
    if (code !== null && closeIsFinal(code)) {
      this.#end(new ConnectionEndedError(code, reason));
      return;
    }
    if (now - this.#welcomedAt > STEADY_MS) this.#backoff.reset();
    this.#welcomedAt = Infinity;
    const isHopeless = this.#backoff.attempt >= (this.#options.reconnectAttempts ?? Infinity);
    if (isHopeless || !(this.#wasWelcomed || this.#options.lazy)) {
      this.#end(new ConnectionEndedError(code, this.#lastFailure));
      return;
    }
    if (code === CODES.token_expired.close) this.#expiredToken = this.#token;
    this.#step('lost');
    const wait = this.#backoff.nextMs();
    this.#due = this.#reconnectAt ?? now + wait;
    this.#reconnectAt = null;
    if (!this.#isOnline) this.#goOffline(now);
  }

  #goOffline(now: number): void {
    this.#step('went_offline');
    this.#due = now + this.#backoff.longestMs; // a server on this machine may be there
  }

  #again(now: number): void {
    this.#step('due');
    this.#tell({ type: 'reconnect', attempt: this.#backoff.attempt });
    this.#authorize(this.#expiredToken === null ? 'connect' : 'expired', now);
  }

  #authorize(reason: TokenReason, now: number): void {
    this.#due = now + CONNECT_MS;
    this.#effects.push({ do: 'authorize', reason });
  }

  /** Find out whether the peer is there. */
  #probe(now: number): void {
    if (this.#pulse.asks(now)) this.#send({ type: 'ping' });
  }

  #end(error: NCSError | null): void {
    this.welcome = null;
    this.#pulse.end();
    this.#step('end');
    this.#ended = error ?? new ConnectionEndedError(1000, 'the session was stopped');
    this.lanes.fail(this.#ended);
    this.readers.fail(this.#ended);
    this.#tell({ type: 'end', error });
  }

  // Effects

  #step(step: SessionStep): void {
    const reason = step === 'lost' ? this.#lastFailure : '';
    this.#tell({ type: 'state', state: this.machine.fire(step), reason });
  }

  #tell(news: News): void {
    this.#effects.push({ do: 'tell', news });
  }

  #send(message: ClientMessage): void {
    this.#effects.push({ do: 'send', frame: this.#options.codec.encode(message) });
  }

  #sendAll(messages: readonly ClientMessage[]): void {
    for (const message of messages) this.#send(message);
  }

  /** Return what is to be done, with all that may be sent by now. */
  #done(now: number): Effect[] {
    if (this.state === 'open' && this.welcome) {
      const limit = this.welcome.limits.max_frame_bytes ?? Infinity;
      for (const frame of this.lanes.take(this.#options.codec, limit)) {
        this.#effects.push({ do: 'send', frame });
      }
      this.#sendAll(this.readers.requests(now));
    }
    const effects = this.#effects;
    this.#effects = [];
    return effects;
  }
}
