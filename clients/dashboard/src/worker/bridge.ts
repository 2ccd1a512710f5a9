/** What the page and its worker say to each other: plain values, arrays transferred. */

import type {
  AlgorithmStatus,
  ClusterInfo,
  PerformanceMetrics,
  Position,
  Presence,
  SessionState,
  ShadowResult,
} from 'ncs-javascript-sdk';

/** Which axes of the data are shown: so many main ones, or these coordinates. */
export type Axes = 2 | 3 | readonly number[];

/** How the points of a stream are to be told. */
export interface Wanted {
  readonly axes: Axes;
  readonly maxPoints: number;
  readonly maxHz: number;
}

/** What the page asks for and waits for, by name: arguments and answer. */
export interface Questions {
  login: { ask: { username: string; password: string }; answer: string };
  streams: { ask: Record<string, never>; answer: readonly string[] };
  parameters: { ask: { stream: string }; answer: Readonly<Record<string, unknown>> };
  configure: {
    ask: { stream: string; params: Readonly<Record<string, unknown>> };
    answer: Readonly<Record<string, unknown>>;
  };
  shadow: {
    ask: { stream: string; params: Readonly<Record<string, unknown>>; lastPoints: number };
    answer: ShadowResult;
  };
  reset: { ask: { stream: string }; answer: { clustersRemoved: number } };
}
export type Question = keyof Questions;

export type ToWorker =
  | { readonly do: 'open'; readonly token: string }
  | { readonly do: 'renew'; readonly token: string }
  | { readonly do: 'close' }
  | {
      readonly do: 'follow';
      readonly stream: string;
      readonly wanted: Wanted;
      readonly follow: number;
    }
  | { readonly do: 'look'; readonly isVisible: boolean }
  | { readonly do: 'retry' }
  /** The last batch has been taken: the next may come. */
  | { readonly do: 'taken' }
  | {
      readonly do: 'ask';
      readonly id: number;
      readonly what: Question;
      readonly with: unknown;
    };

/** One thing that happened to the clusters, as the timeline shows it. */
export interface Happening {
  readonly kind: 'created' | 'split' | 'merged' | 'removed' | 'drift' | 'reset';
  /** Epoch seconds of the server: when the points came that brought it about. */
  readonly at: number;
  /** The cluster; -1 if it is about none in particular. */
  readonly cluster: number;
  /** The cluster that it merged into or split from, or -1. */
  readonly other: number;
  readonly size: number;
  /** Producer of the points that brought it about, if it named itself. */
  readonly source: string | null;
  readonly severity?: 'low' | 'medium' | 'high';
  readonly affected?: readonly number[];
  readonly text?: string;
}

/** Points as the server packed them, in the axes of `projection`. */
export interface SampleBlock {
  readonly points: Float32Array;
  readonly ids: Int32Array;
  /** Coordinates of a point: 2 or 3. */
  readonly dimensions: number;
  /** Epoch seconds of the server. */
  readonly at: number;
  readonly projection: number;
}

/** ``(point - mean) @ components.T`` is where a point is shown. */
export interface Projected {
  readonly version: number;
  readonly method: 'pca' | 'dimensions';
  readonly mean: Float32Array;
  /** As many rows as there are axes. */
  readonly components: readonly Float32Array[];
}

/** How the model came to be what it is. */
export interface Beginning {
  readonly how: 'snapshot' | 'resumed';
  readonly position: Position;
}

/** What has come since the last batch. */
export interface Batch {
  readonly type: 'batch';
  /** That of the message that asked for it: what was still on its way is told apart. */
  readonly follow: number;
  readonly beginning?: Beginning;
  /** With a snapshot these are all. */
  readonly clusters: readonly ClusterInfo[];
  readonly gone: readonly number[];
  /** By cluster: the producer whose points changed it last. */
  readonly touched: readonly (readonly [cluster: number, source: string])[];
  readonly status?: AlgorithmStatus;
  readonly performance?: PerformanceMetrics;
  readonly presence?: Presence;
  readonly happenings: readonly Happening[];
  readonly samples: readonly SampleBlock[];
  readonly projection?: Projected;
  /** Rows of `SPREAD` numbers: how the points of a cluster lie in the projection. */
  readonly spreads?: Float32Array;
  /** Points learned since the last batch, whether shown or not. */
  readonly learned: number;
  /** Points that the samples showed of them. */
  readonly shown: number;
  /** Events of the server in this batch. */
  readonly events: number;
  /** Epoch seconds of the server, when the newest event was told; 0 if there was none. */
  readonly emitted: number;
  /** Times that an event was not the next one. */
  readonly gaps: number;
}

export interface ConnectionNews {
  readonly type: 'connection';
  readonly state: SessionState;
  readonly reason: string;
  /** Milliseconds until the next attempt. */
  readonly retryInMs: number | null;
}

export type FromWorker =
  | Batch
  | ConnectionNews
  /** The server's clock minus this machine's, in seconds. */
  | { readonly type: 'welcome'; readonly ahead: number }
  | {
      readonly type: 'behind';
      readonly skipped: number;
      readonly ms: number;
    }
  | { readonly type: 'caughtup'; readonly skipped: number }
  | { readonly type: 'expiring' }
  /** The session is over; `isCredential` says that a new login would help. */
  | { readonly type: 'ended'; readonly isCredential: boolean; readonly reason: string }
  | { readonly type: 'trouble'; readonly detail: string }
  | { readonly type: 'answer'; readonly id: number; readonly value: unknown }
  | {
      readonly type: 'refusal';
      readonly id: number;
      readonly code: string;
      readonly status: number;
      readonly detail: string;
      readonly retryAfter: number | null;
    };
