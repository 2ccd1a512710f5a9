/** What a `SessionCore` wants to be done, and what it tells: values, carried out by others. */

import type { Frame } from './codec.js';
import type { NCSError } from './errors.js';
import type { WelcomeMessage } from './generated/messages.js';
import type { SessionState } from './states.js';

/** Why a credential is asked for. */
export type TokenReason = 'connect' | 'expiring' | 'expired';

/** What the user of a session may want to know. */
export type News =
  /** `reason` says why there is no connection, as far as that is known. */
  | { readonly type: 'state'; readonly state: SessionState; readonly reason: string }
  | { readonly type: 'welcome'; readonly welcome: WelcomeMessage }
  | { readonly type: 'reconnect'; readonly attempt: number }
  | { readonly type: 'error'; readonly error: NCSError }
  | { readonly type: 'slowdown'; readonly reason: string; readonly retryAfterMs: number }
  | { readonly type: 'draining'; readonly reconnectAfterMs: number }
  | {
      readonly type: 'lagging';
      readonly level: string;
      readonly skipped: number;
      readonly behindMs: number;
    }
  | { readonly type: 'caughtup'; readonly skipped: number }
  | { readonly type: 'end'; readonly error: NCSError | null };

export type Effect =
  | { readonly do: 'authorize'; readonly reason: TokenReason }
  | { readonly do: 'connect' }
  | { readonly do: 'send'; readonly frame: Frame }
  | { readonly do: 'disconnect'; readonly code: 1000 | null }
  | { readonly do: 'tell'; readonly news: News };
