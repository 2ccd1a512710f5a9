/**
 * The session with the server as somebody has it: logged in or not, connected or not, with a
 * notice where something is the matter.
 */

import { Feed } from './feed';
import { Header } from './header';
import { credential, endOf, keepCredential, LoginForm } from './login';
import { byId } from './ui/dom';
import { clock } from './ui/format';
import { Notice } from './ui/notice';
import type { Batch, FromWorker } from './worker/bridge';

export interface SessionEvents {
  /** It is open: the worker may be told what to follow. */
  opened(): void;
  batch(batch: Batch): void;
  /** From now on nothing is known, until the next batch. */
  lost(): void;
  changed(): void;
  pause(): void;
  jump(): void;
}

export class Session {
  readonly feed = new Feed((message) => this.#told(message));
  readonly notice = new Notice(() => {
    this.#login.show('Log in again to go on without a break.');
  });
  readonly header: Header;
  readonly #login = new LoginForm(
    (username, password) => this.feed.ask('login', { username, password }),
    (key) => this.#enter(key),
  );
  /** Seconds by which the server's clock is ahead. */
  #ahead = 0;

  constructor(readonly events: SessionEvents) {
    this.header = new Header({
      retry: () => this.feed.tell({ do: 'retry' }),
      logout: () => this.#leave(),
      pause: () => events.pause(),
      jump: () => events.jump(),
    });
  }

  /** Whether the page is shown, and not the form. */
  get isOpen(): boolean {
    return !byId('live').hidden;
  }

  /** Epoch seconds of the server. */
  get now(): number {
    return Date.now() / 1000 + this.#ahead;
  }

  /** Open it with a key, or with the credential that is kept; else ask for one. */
  begin(key: string | null): void {
    const held = key ?? credential();
    if (held) this.#enter(held);
    else this.#ask('');
  }

  #enter(key: string): void {
    const isRenewal = this.isOpen && this.header.link !== 'ended';
    keepCredential(key);
    this.#login.hide();
    byId('live').hidden = false;
    this.notice.show('');
    this.feed.tell({ do: isRenewal ? 'renew' : 'open', token: key });
    if (!isRenewal) this.events.opened();
    this.events.changed();
  }

  #leave(): void {
    this.feed.tell({ do: 'close' });
    this.events.lost();
    this.#forget('You are logged out.');
  }

  #forget(reason: string): void {
    keepCredential(undefined);
    this.#ask(reason);
  }

  #ask(reason: string): void {
    byId('live').hidden = true;
    this.#login.show(reason);
  }

  #told(message: FromWorker): void {
    switch (message.type) {
      case 'batch':
        this.events.batch(message);
        this.feed.tell({ do: 'taken' });
        break;
      case 'connection':
        this.header.connection(message.state, message.reason, message.retryInMs);
        if (this.header.link !== 'live') this.events.lost();
        this.events.changed();
        break;
      case 'welcome':
        this.#ahead = message.ahead;
        this.notice.show('');
        break;
      case 'behind':
        this.header.behind(message.ms, message.skipped);
        break;
      case 'caughtup':
        this.header.caughtUp(message.skipped);
        break;
      case 'expiring': {
        const end = endOf(credential() ?? '');
        const when = end ? `at ${clock(end)}` : 'soon';
        this.notice.show(`Your session ends ${when}.`, 'Log in again');
        break;
      }
      case 'ended':
        if (message.isCredential) this.#forget(whyRefused(message.reason));
        else this.header.connection('ended', message.reason, null);
        break;
      case 'trouble':
        this.notice.show(message.detail);
        break;
      case 'answer':
      case 'refusal':
    }
  }
}

const whyRefused = (reason: string): string =>
  reason.startsWith('token_expired')
    ? 'Your session has ended. Log in again to go on.'
    : `The server refused the credential: ${reason}`;
