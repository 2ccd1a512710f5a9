/** A world that the tests rule: time, sockets, the network, and who looks at the page. */

import { NCSClient, type StreamingOptions } from '../src/client.js';
import type { Clock, Surroundings, WebSocketLike } from '../src/environment.js';
import type { ServerMessage } from '../src/generated/messages.js';
import { welcome } from './wire.js';

export class FakeSocket implements WebSocketLike {
  binaryType = '';
  onopen: ((event: never) => void) | null = null;
  onmessage: ((event: never) => void) | null = null;
  onclose: ((event: never) => void) | null = null;
  onerror: ((event: never) => void) | null = null;
  readonly sent: Record<string, unknown>[] = [];
  closed: number | 'terminated' | null = null;

  constructor(
    readonly url: string,
    readonly protocols: string[],
  ) {}

  send(data: string | Uint8Array): void {
    this.sent.push(JSON.parse(data as string));
  }
  close(code = 1005): void {
    this.closed = code;
  }
  terminate(): void {
    this.closed = 'terminated';
  }

  open(): void {
    this.onopen?.({} as never);
  }
  hear(message: ServerMessage): void {
    this.onmessage?.({ data: JSON.stringify(message) } as never);
  }
  lose(code = 1006, reason = ''): void {
    this.onclose?.({ code, reason } as never);
  }
  greet(): this {
    this.open();
    this.hear(welcome());
    return this;
  }

  last(type: string): Record<string, unknown> | undefined {
    return this.sent.findLast((message) => message.type === type);
  }
}

type Timer = { at: number; callback: () => void };

export class World {
  time = 0;
  readonly sockets: FakeSocket[] = [];
  isOnline = true;
  isVisible = true;
  #timers = new Set<Timer>();
  #watchers = new Set<() => void>();

  readonly clock: Clock = {
    now: () => this.time,
    setTimeout: (callback, ms) => {
      // What is longer, or no number, would go off at once on a real clock.
      if (!(ms >= 0 && ms < 2 ** 31)) throw new Error(`a timer of ${ms} ms`);
      const timer = { at: this.time + ms, callback };
      this.#timers.add(timer);
      return timer;
    },
    clearTimeout: (timer) => {
      this.#timers.delete(timer as Timer);
    },
  };

  get surroundings(): Surroundings {
    const world = this;
    return {
      get isOnline() {
        return world.isOnline;
      },
      get isVisible() {
        return world.isVisible;
      },
      watch: (changed) => {
        this.#watchers.add(changed);
        return () => this.#watchers.delete(changed);
      },
    };
  }

  get timers(): number {
    return this.#timers.size;
  }
  get watchers(): number {
    return this.#watchers.size;
  }
  get socket(): FakeSocket {
    return this.sockets.at(-1) as FakeSocket;
  }

  /** Change what the page can see of the world. */
  change(what: { isOnline?: boolean; isVisible?: boolean }): void {
    Object.assign(this, what);
    for (const changed of this.#watchers) changed();
  }

  /** Let time pass, with all that is due in it. */
  pass(ms: number): void {
    const end = this.time + ms;
    for (;;) {
      const due = [...this.#timers].filter((t) => t.at <= end).sort((a, b) => a.at - b.at)[0];
      if (!due) break;
      this.#timers.delete(due);
      this.time = Math.max(this.time, due.at);
      due.callback();
    }
    this.time = end;
  }

  client(options: Partial<ConstructorParameters<typeof NCSClient>[0]> = {}): NCSClient {
    const { sockets } = this;
    return new NCSClient({
      baseUrl: 'http://host:1',
      ...(options.token ? {} : { apiKey: 'KEY' }),
      random: () => 0.5,
      clock: this.clock,
      surroundings: this.surroundings,
      WebSocket: class extends FakeSocket {
        constructor(url: string, protocols: string[]) {
          super(url, protocols);
          sockets.push(this);
        }
      },
      ...options,
    });
  }

  /** Return a session that is open. */
  async stream(options: StreamingOptions = {}, of = this.client()) {
    const starting = of.startStreaming({ codec: 'json', ...options });
    await settled();
    this.socket.greet();
    return await starting;
  }
}

/** Let everything run that waits for nothing but its turn. */
export async function settled(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}
