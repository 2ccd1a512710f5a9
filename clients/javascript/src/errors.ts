/**
 * What can go wrong, as seen by a user of the SDK.
 *
 *     NCSError
 *       RefusedError            the server refused, with a code of the protocol
 *         AuthenticationError   the credential is missing, wrong or no longer good
 *         RateLimitError        too much at once; `retryAfter` says when to come back
 *         ValidationError       the request itself is wrong
 *       UnreachableError        no answer to a request
 *       ConnectionEndedError    the session is over, and reconnecting would not help
 *       QueueFullError          too many points wait to be acknowledged
 *       GapError                events are missing; a copy of the model would be wrong
 *       ProtocolError           the server said what the protocol does not know
 *       IllegalTransitionError  a state machine was asked for a step that it does not have
 */

import { CODES, type Code } from './generated/codes.js';

/** What a client does next: nothing, resend from `expected_seq`, or come back. */
export type Retry = (typeof CODES)[Code]['retry'];

export class NCSError extends Error {
  override name = 'NCSError';
}

export interface Refusal {
  readonly code: string;
  readonly detail: string;
  /** HTTP status; that of the table of codes when it came over the WebSocket. */
  readonly status?: number | undefined;
  /** Index of the point that is to blame, if one is. */
  readonly index?: number | undefined;
  /** Seconds after which the same may be tried again. */
  readonly retryAfter?: number | undefined;
}

export class RefusedError extends NCSError {
  override name = 'RefusedError';
  /** For example `dimension_mismatch`; see the table of codes. */
  readonly code: string;
  /** The server's sentence. */
  readonly detail: string;
  readonly statusCode: number | undefined;
  readonly index: number | undefined;
  readonly retryAfter: number | undefined;

  constructor(refusal: Refusal) {
    super(`${refusal.code}: ${refusal.detail}`);
    this.code = refusal.code;
    this.detail = refusal.detail;
    this.statusCode = refusal.status ?? codeRow(refusal.code)?.http;
    this.index = refusal.index;
    this.retryAfter = refusal.retryAfter;
  }
}

export class AuthenticationError extends RefusedError {
  override name = 'AuthenticationError';
}

export class RateLimitError extends RefusedError {
  override name = 'RateLimitError';
}

export class ValidationError extends RefusedError {
  override name = 'ValidationError';
}

export class UnreachableError extends NCSError {
  override name = 'UnreachableError';
}

export class ConnectionEndedError extends NCSError {
  override name = 'ConnectionEndedError';
  /** The name of the close code in the table, if it has one. */
  readonly code: string | undefined;

  constructor(
    /** WebSocket close code; null if none came, as from a server that is not there. */
    readonly closeCode: number | null,
    readonly reason: string,
  ) {
    const code = closeCode === null ? undefined : codeOfClose(closeCode);
    super(code ? `${code}: ${reason || CODES[code].meaning}` : reason || `closed ${closeCode}`);
    this.code = code;
  }
}

export class QueueFullError extends NCSError {
  override name = 'QueueFullError';
}

export class GapError extends NCSError {
  override name = 'GapError';
}

export class ProtocolError extends NCSError {
  override name = 'ProtocolError';
}

export class IllegalTransitionError extends NCSError {
  override name = 'IllegalTransitionError';
}

const CLASSES: Readonly<Record<number, typeof RefusedError>> = {
  400: ValidationError,
  401: AuthenticationError,
  413: ValidationError,
  415: ValidationError,
  422: ValidationError,
  429: RateLimitError,
};

/** Return the error for a refusal, of the class that its status has. */
export function refusedError(refusal: Refusal): RefusedError {
  const status = refusal.status ?? codeRow(refusal.code)?.http;
  return new (CLASSES[status ?? 0] ?? RefusedError)(refusal);
}

/** Return whether reconnecting after this close code would end the same way. */
export function closeIsFinal(closeCode: number): boolean {
  return (closeCode >= 4500 && closeCode <= 4999) || closeCode === CODES.frame_too_large.close;
}

/** Return the name that the table has for a close code. */
export function codeOfClose(closeCode: number): Code | undefined {
  return (Object.keys(CODES) as Code[]).find((code) => CODES[code].close === closeCode);
}

function codeRow(code: string): (typeof CODES)[Code] | undefined {
  return Object.hasOwn(CODES, code) ? CODES[code as Code] : undefined;
}
