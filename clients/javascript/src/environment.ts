/** What the world around a session provides, each replaceable: clock, chance, sockets, network. */

import { NCSError } from './errors.js';

export interface Clock {
  /** Milliseconds of a clock that never goes back. */
  now(): number;
  setTimeout(callback: () => void, ms: number): unknown;
  clearTimeout(handle: unknown): void;
}

/** What is used of a WebSocket, as browsers, `ws` and newer Nodes have it. */
export interface WebSocketLike {
  binaryType: string;
  onopen: ((event: never) => void) | null;
  onmessage: ((event: never) => void) | null;
  onclose: ((event: never) => void) | null;
  onerror: ((event: never) => void) | null;
  send(data: string | Uint8Array<ArrayBuffer>): void;
  close(code?: number, reason?: string): void;
}

export type WebSocketClass = new (url: string, protocols: string[]) => WebSocketLike;

/** Tells when the network, or who looks at the page, comes and goes. */
export interface Surroundings {
  readonly isOnline: boolean;
  readonly isVisible: boolean;
  /** Call back on every change until the returned function is called. */
  watch(changed: () => void): () => void;
}

export const systemClock: Clock = {
  now: () => performance.now(),
  setTimeout: (callback, ms) => setTimeout(callback, ms),
  clearTimeout: (handle) => clearTimeout(handle as ReturnType<typeof setTimeout>),
};

/** The page that the program runs in; in a worker or on a server, what there is of one. */
export const page: Surroundings = {
  get isOnline() {
    return globalThis.navigator?.onLine ?? true;
  },
  get isVisible() {
    return globalThis.document?.visibilityState !== 'hidden';
  },
  watch(changed) {
    const targets: [EventTarget | undefined, string][] = [
      [globalThis as Partial<EventTarget> as EventTarget, 'online'],
      [globalThis as Partial<EventTarget> as EventTarget, 'offline'],
      [globalThis.document, 'visibilitychange'],
    ];
    for (const [target, type] of targets) target?.addEventListener?.(type, changed);
    return () => {
      for (const [target, type] of targets) target?.removeEventListener?.(type, changed);
    };
  },
};

/**
 * Return the class of WebSockets that this platform has: its own, or that of `ws`.
 *
 * @throws NCSError if there is none.
 */
export async function platformWebSocket(): Promise<WebSocketClass> {
  if (globalThis.WebSocket) return globalThis.WebSocket as unknown as WebSocketClass;
  const ws = 'ws'; // not a literal: bundlers for the browser must not look for it
  try {
    return ((await import(ws)) as { WebSocket: WebSocketClass }).WebSocket;
  } catch {
    const how = 'install the package `ws`, or pass the option WebSocket';
    throw new NCSError(`there is no WebSocket on this platform: ${how}`);
  }
}
