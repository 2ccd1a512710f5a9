/**
 * The hands of a `SessionCore`: carries out its effects with a real socket and a real
 * timer, and tells it what happens. Decides nothing.
 */

import type { SessionCore } from './core.js';
import type { Effect, News, TokenReason } from './effects.js';
import type { Clock, Surroundings, WebSocketClass, WebSocketLike } from './environment.js';
import { NCSError } from './errors.js';

/** A credential, or what returns a fresh one; it is asked for every connection. */
export type TokenSource = string | ((reason: TokenReason) => string | Promise<string>);

export interface ConnectionOptions {
  /** `ws://` or `wss://` address of the server's `/ws`. */
  readonly url: string;
  readonly subprotocol: string;
  readonly token: TokenSource;
  readonly WebSocket: WebSocketClass;
  readonly clock: Clock;
  readonly surroundings: Surroundings;
}

/** Timers that are longer go off at once; going off early does no harm. */
const MAX_TIMER_MS = 2 ** 31 - 1;

export class Connection {
  #socket: WebSocketLike | null = null;
  #timer: unknown = null;
  #timerAt = Infinity;
  #unwatch: (() => void) | null = null;

  /** `told` gets what the user of the session may want to know. */
  constructor(
    readonly core: SessionCore,
    readonly options: ConnectionOptions,
    readonly told: (news: News) => void,
  ) {}

  get now(): number {
    return this.options.clock.now();
  }

  start(): void {
    const { surroundings } = this.options;
    let { isOnline, isVisible } = surroundings;
    this.#unwatch = surroundings.watch(() => {
      if (surroundings.isOnline !== isOnline) {
        isOnline = surroundings.isOnline;
        this.perform(this.core.online(isOnline, this.now));
      }
      if (surroundings.isVisible !== isVisible) {
        isVisible = surroundings.isVisible;
        this.perform(this.core.visible(isVisible, this.now));
      }
    });
    this.perform(this.core.start(this.now));
    if (!isOnline) this.perform(this.core.online(false, this.now));
    if (!isVisible) this.perform(this.core.visible(false, this.now));
  }

  /** Carry out effects, in order. */
  perform(effects: readonly Effect[]): void {
    for (const effect of effects) {
      switch (effect.do) {
        case 'authorize':
          this.#authorize(effect.reason);
          break;
        case 'connect':
          this.#connect();
          break;
        case 'send':
          this.#socket?.send(effect.frame);
          break;
        case 'disconnect':
          this.#disconnect(effect.code);
          break;
        case 'tell':
          if (effect.news.type === 'end') this.#unwatch?.();
          this.told(effect.news);
      }
    }
    this.#schedule();
  }

  #authorize(reason: TokenReason): void {
    const { token } = this.options;
    if (typeof token === 'string') {
      this.perform(this.core.authorized(token, this.now));
      return;
    }
    new Promise<string>((resolve) => resolve(token(reason))).then(
      (fresh) => this.perform(this.core.authorized(fresh, this.now)),
      (why: unknown) => {
        const said = why instanceof Error ? why.message : String(why);
        const error = new NCSError(`no token: ${said}`, { cause: why });
        this.perform(this.core.unauthorized(error, this.now));
      },
    );
  }

  #connect(): void {
    const { url, subprotocol, WebSocket } = this.options;
    let socket: WebSocketLike;
    try {
      socket = new WebSocket(url, [subprotocol]);
    } catch (error) {
      this.perform(this.core.closed(null, (error as Error).message, this.now));
      return;
    }
    let failure = '';
    socket.binaryType = 'arraybuffer';
    socket.onopen = () => this.perform(this.core.opened(this.now));
    socket.onmessage = ({ data }: { data: unknown }) =>
      this.perform(this.core.received(data, this.now));
    socket.onerror = (event: { message?: string }) => {
      failure = event.message ?? ''; // only outside of browsers; `close` follows
    };
    socket.onclose = ({ code, reason }: { code: number; reason: string }) => {
      this.#socket = null;
      this.perform(this.core.closed(code, reason || failure, this.now));
    };
    this.#socket = socket;
  }

  #disconnect(code: 1000 | null): void {
    const socket = this.#socket as (WebSocketLike & { terminate?: () => void }) | null;
    this.#socket = null;
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.onerror = () => {}; // `ws` throws what nobody listens to
    if (code !== null) socket.close(code);
    else if (socket.terminate)
      socket.terminate(); // does not wait for a peer that is gone
    else socket.close();
  }

  #schedule(): void {
    const { clock } = this.options;
    const { deadline } = this.core;
    if (deadline === this.#timerAt) return;
    clock.clearTimeout(this.#timer);
    this.#timerAt = deadline;
    if (deadline === Infinity) return;
    this.#timer = clock.setTimeout(
      () => {
        this.#timerAt = Infinity;
        this.perform(this.core.tick(this.now));
      },
      Math.min(Math.max(0, deadline - this.now), MAX_TIMER_MS),
    );
  }
}
