/** The line on top: how the connection is, how old the data are, what waits, what was skipped. */

import type { SessionState } from 'ncs-javascript-sdk';
import { byId, say } from './ui/dom';
import { count, duration } from './ui/format';

/** How the connection is, in the words of the page. */
export type Link = 'connecting' | 'live' | 'waiting' | 'ended';

const LINKS: Readonly<Record<SessionState, Link>> = {
  idle: 'connecting',
  authorizing: 'connecting',
  connecting: 'connecting',
  greeting: 'connecting',
  open: 'live',
  draining: 'live',
  waiting: 'waiting',
  offline: 'waiting',
  ended: 'ended',
};
const OLD_S = 5;

export interface HeaderShown {
  /** Seconds since the newest event was told; null before the first. */
  readonly quietS: number | null;
  /** Seconds that events are under way. */
  readonly delay: number | null;
  readonly gaps: number;
  readonly waiting: { readonly events: number; readonly learned: number } | null;
}

export class Header {
  link: Link = 'connecting';
  #state: SessionState = 'idle';
  #reason = '';
  #retryAt: number | null = null;
  #behind = '';
  #skipped = 0;

  constructor(events: { retry(): void; logout(): void; pause(): void; jump(): void }) {
    byId('retry').addEventListener('click', () => events.retry());
    byId('logout').addEventListener('click', () => events.logout());
    byId('pause').addEventListener('click', () => events.pause());
    byId('jump').addEventListener('click', () => events.jump());
  }

  connection(state: SessionState, reason: string, retryInMs: number | null): void {
    this.#state = state;
    this.#reason = reason;
    this.link = LINKS[state];
    this.#retryAt = retryInMs === null ? null : performance.now() + retryInMs;
    if (this.link !== 'live') this.#behind = '';
  }

  behind(ms: number, skipped: number): void {
    this.#behind = `⚠ ${duration(ms / 1000)} behind`;
    this.#skipped = Math.max(this.#skipped, skipped);
  }

  caughtUp(skipped: number): void {
    this.#behind = '';
    this.#skipped += skipped;
  }

  /** Begin to count anew. */
  reset(): void {
    this.#behind = '';
    this.#skipped = 0;
  }

  show({ quietS, delay, gaps, waiting }: HeaderShown): void {
    const isLive = this.link === 'live';
    byId('connection').dataset.state = this.link;
    say(byId('state'), this.#words());
    const left =
      this.#retryAt === null ? 0 : Math.ceil((this.#retryAt - performance.now()) / 1000);
    say(byId('wait'), this.link === 'waiting' ? `in ${Math.max(0, left)} s` : '');
    byId('wait').title = this.#reason;
    byId('retry').hidden = this.link !== 'waiting' && this.link !== 'ended';
    const isOld = quietS !== null && (!isLive || quietS > OLD_S);
    byId('age').classList.toggle('old', isOld && !isLive);
    say(byId('age'), ageOf(quietS, delay ?? quietS, isOld));
    const skipped = this.#skipped ? `${count(this.#skipped)} updates skipped` : '';
    say(byId('skipped'), [this.#behind, skipped].filter(Boolean).join(', '));
    say(byId('gaps'), gaps ? `⚠ ${count(gaps)} ${gaps === 1 ? 'gap' : 'gaps'}` : '');
    const pause = byId('pause');
    pause.setAttribute('aria-pressed', String(waiting !== null));
    say(pause, waiting ? 'Go on' : 'Pause');
    const jump = byId('jump');
    jump.hidden = waiting === null;
    if (waiting) {
      const what = waiting.learned || !waiting.events ? 'points' : 'events';
      say(jump, `Jump to live · ${count(waiting.learned || waiting.events)} ${what} wait`);
    }
  }

  #words(): string {
    if (this.#state === 'offline') return 'no network; trying';
    if (this.#state === 'draining') return 'live, server restarts';
    if (this.link === 'waiting') return 'reconnecting';
    if (this.link === 'ended') return `ended${this.#reason ? `: ${this.#reason}` : ''}`;
    return this.link;
  }
}

function ageOf(quietS: number | null, delay: number | null, isOld: boolean): string {
  if (quietS === null) return 'no data yet';
  if (isOld) return `last event ${duration(quietS)} ago`;
  return `data ${(delay ?? 0) < 0.1 ? '< 0.1' : (delay ?? 0).toFixed(1)} s old`;
}
