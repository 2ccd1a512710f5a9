/** The states of a session and of a subscription, and what leads from one to another. */

import type { Table } from './machine.js';

export type SessionState =
  | 'idle'
  | 'authorizing'
  | 'connecting'
  | 'greeting'
  | 'open'
  | 'draining'
  | 'waiting'
  | 'offline'
  | 'ended';
export type SessionStep =
  | 'start'
  | 'authorized'
  | 'opened'
  | 'welcomed'
  | 'drains'
  | 'lost'
  | 'went_offline'
  | 'went_online'
  | 'due'
  | 'end';

export const SESSION_TABLE: Table<SessionState, SessionStep> = {
  idle: { start: 'authorizing', end: 'ended' },
  authorizing: { authorized: 'connecting', lost: 'waiting', end: 'ended' },
  connecting: { opened: 'greeting', lost: 'waiting', end: 'ended' },
  greeting: { welcomed: 'open', lost: 'waiting', end: 'ended' },
  open: { drains: 'draining', lost: 'waiting', end: 'ended' },
  draining: { lost: 'waiting', end: 'ended' },
  waiting: { due: 'authorizing', went_offline: 'offline', end: 'ended' },
  offline: { due: 'authorizing', went_online: 'waiting', end: 'ended' },
  ended: {},
};

export type ReaderState = 'pending' | 'joining' | 'live' | 'resting' | 'paused' | 'ended';
export type ReaderEvent =
  | 'asked'
  | 'joined'
  | 'gap'
  | 'refused_for_now'
  | 'due'
  | 'lost'
  | 'pause'
  | 'resume'
  | 'end';

export const READER_TABLE: Table<ReaderState, ReaderEvent> = {
  pending: { asked: 'joining', pause: 'paused', lost: 'pending', end: 'ended' },
  joining: {
    joined: 'live',
    refused_for_now: 'resting',
    lost: 'pending',
    pause: 'paused',
    end: 'ended',
  },
  live: { joined: 'live', gap: 'resting', lost: 'pending', pause: 'paused', end: 'ended' },
  resting: { due: 'pending', lost: 'pending', pause: 'paused', end: 'ended' },
  paused: { resume: 'pending', lost: 'paused', end: 'ended' },
  ended: {},
};
