/**
 * Requests over HTTP: with a time-out, and repeated where that cannot do harm.
 *
 * Reads may be repeated, and so may what carries an idempotency key. Anything else is only
 * repeated after an answer that says that nothing was done.
 */

import { Backoff } from './backoff.js';
import type { TokenSource } from './connection.js';
import type { Clock } from './environment.js';
import {
  NCSError,
  ProtocolError,
  RefusedError,
  refusedError,
  UnreachableError,
} from './errors.js';
import { Checker, type Shapes } from './shapes.js';

export interface RestOptions {
  readonly baseUrl: URL;
  readonly fetch: typeof fetch;
  readonly clock: Clock;
  readonly random: () => number;
  readonly timeoutMs: number;
  /** How often a request is repeated at most. */
  readonly maxRetries: number;
}

export interface RestRequest {
  readonly method: 'GET' | 'POST' | 'PATCH';
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly json?: unknown;
  readonly form?: Readonly<Record<string, string>>;
  /** Makes it safe to repeat. */
  readonly idempotencyKey?: string;
  /** Whether it changes nothing, though it is not a GET. */
  readonly isSafe?: boolean;
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Answers after which nothing was done, so that anything may be sent again. */
const NOTHING_DONE = new Set([
  'starting',
  'overloaded',
  'draining',
  'rate_limited',
  'idempotency_key_in_use',
  'too_many_shadows',
]);

export class Rest {
  readonly #options: RestOptions;

  constructor(options: RestOptions) {
    this.#options = options;
  }

  /** Return the reply's body, which has the shape that is named. */
  async request<T>(
    request: RestRequest,
    token: TokenSource | null,
    shape: string,
    shapes: Shapes,
  ): Promise<T> {
    const { maxRetries, random, clock } = this.#options;
    const isSafe =
      request.method === 'GET' || request.isSafe || request.idempotencyKey !== undefined;
    const backoff = new Backoff(random, { firstMs: 1000 });
    let reason: 'connect' | 'expired' = 'connect';
    for (let attempt = 0; ; attempt += 1) {
      try {
        const credential = typeof token === 'function' ? await token(reason) : token;
        const body = await this.#once(request, credential);
        new Checker(shapes, () => undefined).check(body, shape);
        return body as T;
      } catch (error) {
        request.signal?.throwIfAborted();
        if (attempt === maxRetries || !(error instanceof NCSError)) throw error;
        const isExpired = error instanceof RefusedError && error.code === 'token_expired';
        const hasFresh = isExpired && typeof token === 'function' && reason === 'connect';
        if (!hasFresh && !mayRepeat(error, isSafe)) throw error;
        if (hasFresh) {
          reason = 'expired';
          continue;
        }
        const told = error instanceof RefusedError ? error.retryAfter : undefined;
        const wait = told === undefined ? backoff.nextMs() : 1000 * told;
        await pause(clock, wait, request.signal);
      }
    }
  }

  async #once(request: RestRequest, credential: string | null): Promise<unknown> {
    const { baseUrl, fetch, timeoutMs } = this.#options;
    const url = new URL(request.path, baseUrl);
    for (const [name, value] of Object.entries(request.query ?? {})) {
      url.searchParams.set(name, value);
    }
    const limit = AbortSignal.timeout(request.timeoutMs ?? timeoutMs);
    const signal = request.signal ? AbortSignal.any([request.signal, limit]) : limit;
    let response: Response;
    let text: string;
    try {
      response = await fetch(url, { ...contentOf(request, credential), signal });
      text = await response.text();
    } catch (error) {
      const said = limit.aborted ? 'time-out' : reasonOf(error);
      throw new UnreachableError(`no answer from ${baseUrl}: ${said}`, { cause: error });
    }
    if (!response.ok) throw refusal(response, text);
    try {
      return text === '' ? null : JSON.parse(text);
    } catch {
      throw new ProtocolError(`${url.pathname} answered what is not JSON`);
    }
  }
}

function contentOf(request: RestRequest, credential: string | null): RequestInit {
  const headers: Record<string, string> = { Accept: 'application/json' };
  if (credential !== null) headers.Authorization = `Bearer ${credential}`;
  if (request.idempotencyKey) headers['Idempotency-Key'] = request.idempotencyKey;
  if (request.json !== undefined) headers['Content-Type'] = 'application/json';
  const form = request.form && new URLSearchParams(request.form);
  const body = form ?? (request.json === undefined ? null : JSON.stringify(request.json));
  return { method: request.method, headers, body };
}

function mayRepeat(error: NCSError, isSafe: boolean): boolean {
  if (error instanceof UnreachableError) return isSafe;
  if (!(error instanceof RefusedError)) return false;
  return NOTHING_DONE.has(error.code) || (isSafe && error.statusCode === 503);
}

/** Return the error in a reply's body. */
function refusal(response: Response, text: string): RefusedError {
  let fields: Record<string, unknown> = {};
  try {
    fields = JSON.parse(text) as Record<string, unknown>;
  } catch {
    // a proxy's page; what it says is better than nothing
  }
  const [first] = Array.isArray(fields.detail) ? fields.detail : [];
  const place: unknown[] = first?.loc ?? [];
  const header = response.headers.get('Retry-After');
  const retryAfter = Number(fields.retry_after ?? header ?? Number.NaN);
  return refusedError({
    code: String(fields.reason ?? fields.error_code ?? `http_${response.status}`).toLowerCase(),
    detail: String(first?.msg ?? fields.detail ?? text.slice(0, 200)),
    status: response.status,
    index: place.find((step) => typeof step === 'number') as number | undefined,
    retryAfter: Number.isFinite(retryAfter) ? retryAfter : undefined,
  });
}

/** `fetch` says only that it failed; the cause says why. */
function reasonOf(error: unknown): string {
  const cause = (error as { cause?: { message?: string } }).cause;
  return cause?.message || (error as Error).message;
}

function pause(clock: Clock, ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = clock.setTimeout(() => {
      signal?.removeEventListener('abort', aborted);
      resolve();
    }, ms);
    const aborted = () => {
      clock.clearTimeout(timer);
      reject(signal?.reason);
    };
    signal?.addEventListener('abort', aborted, { once: true });
  });
}
