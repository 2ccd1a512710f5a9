/** The client of one server: requests, and the way to a live session. */

import type { BackoffOptions } from './backoff.js';
import { arrayInJson, CODECS, type CodecName } from './codec.js';
import type { TokenSource } from './connection.js';
import {
  type Clock,
  page,
  platformWebSocket,
  type Surroundings,
  systemClock,
  type WebSocketClass,
} from './environment.js';
import { NCSError } from './errors.js';
import { type AlgorithmStatus, SHAPES } from './generated/messages.js';
import {
  type ClusterOut,
  type ConfigureReply,
  type Health,
  type PointResult,
  type ProcessResult as ProcessReply,
  SHAPES as REPLIES,
  type ResetReply,
  type ShadowOutcome as ShadowOutcomeReply,
  type ShadowReply,
  type TokenReply,
} from './generated/replies.js';
import type { QueueOptions } from './lanes.js';
import { checkOptions, type Names } from './options.js';
import { flatten, isBlock, type Points } from './points.js';
import { Rest, type RestRequest } from './rest.js';
import { type Camel, camel, type Shapes } from './shapes.js';
import { NCSStream, type StreamOptions } from './stream.js';

export interface ClientOptions {
  /** For example `http://127.0.0.1:8000`; requests and sessions go there. */
  readonly baseUrl: string;
  readonly apiKey?: string;
  /** Instead of `apiKey`: a token, or what returns a fresh one, asked for every connection. */
  readonly token?: TokenSource;
  /** Milliseconds for one request. */
  readonly timeout?: number;
  /** How often a request that is safe to repeat is repeated. */
  readonly maxRetries?: number;
  /** Instead of the platform's. */
  readonly fetch?: typeof fetch;
  readonly WebSocket?: WebSocketClass;
  readonly clock?: Clock;
  readonly surroundings?: Surroundings;
  /** Returns a number in [0, 1). */
  readonly random?: () => number;
}

export interface StreamingOptions extends Partial<StreamOptions> {
  /** A label for the server's logs. */
  readonly connectionId?: string;
  /** How often in a row to try again; for ever if left out. */
  readonly reconnectAttempts?: number;
  readonly codec?: CodecName;
  /**
   * Name of this sender, under which its batches count exactly once. One program at a time
   * speaks for a name: the server ends the session of an older one.
   */
  readonly producer?: string;
  /** Higher than in any earlier life of the producer; the time of day if left out. */
  readonly producerEpoch?: number;
  /** What waits while there is no connection. */
  readonly queue?: QueueOptions;
  readonly backoff?: BackoffOptions;
  /**
   * Bytes of events that may be on their way or wait to be read, over all subscriptions.
   * Beyond it the server leaves updates out, and says so: `lagging`, `caughtup`.
   */
  readonly eventCredit?: number;
  /** Return at once, and keep trying if the server is not there yet. */
  readonly lazy?: boolean;
  /** Let subscriptions rest while nobody can see the page. */
  readonly pauseWhenHidden?: boolean;
}

export interface RequestOptions {
  readonly stream?: string;
  /** Milliseconds for this request. */
  readonly timeout?: number;
  readonly signal?: AbortSignal;
}

export interface ProcessOptions extends RequestOptions {
  /** Echoed in the events that this batch causes. */
  readonly metadata?: Readonly<Record<string, unknown>>;
  readonly timestamps?: readonly number[];
  /** Accepted for compatibility: a request is always one batch. */
  readonly batchMode?: boolean;
  /** The same key makes the same batch count once; random if left out. */
  readonly idempotencyKey?: string;
}

export type Cluster = Camel<ClusterOut>;
export type PointOutcome = Camel<PointResult>;
export type Status = Camel<AlgorithmStatus>;
export type HealthStatus = Camel<Health>;

/** What became of a batch; iterating gives each point's outcome, in order. */
export interface ProcessResult
  extends Omit<
    Camel<ProcessReply>,
    'clusters' | 'outliers' | 'results' | 'clusterSummaries' | 'duplicate'
  > {
  /** The clusters that points of this batch fell into. */
  readonly clusters: readonly Cluster[];
  /** Every point, in the order of the request. */
  readonly assignments: readonly PointOutcome[];
  /** The points that fell into no cluster. */
  readonly outliers: readonly PointOutcome[];
  /** Whether the batch was in the model already, by its idempotency key. */
  readonly duplicate: boolean;
  [Symbol.iterator](): Iterator<PointOutcome>;
}

export type ShadowOutcome = Camel<ShadowOutcomeReply>;
/** The parameters in force, and beside them what was tried on the same points. */
export type ShadowResult = Camel<ShadowReply>;

/** Parameters to try: those in force, then the preset's, then `params`. */
export interface ShadowConfiguration {
  readonly name?: string;
  readonly preset?: string;
  /** With the names of the engine, as in `base_threshold`. */
  readonly params?: Readonly<Record<string, unknown>>;
}

export interface ShadowOptions extends RequestOptions, Omit<ShadowConfiguration, 'name'> {
  /** Instead of one by `preset` and `params`: up to 16, to compare them. */
  readonly configurations?: readonly ShadowConfiguration[];
  /** Of the stream, to try them on; 10,000 unless points are given. */
  readonly lastPoints?: number;
  /** To try them on. */
  readonly points?: Points;
  /** Classes of `points`, to see how true the clusters are. */
  readonly labels?: readonly (number | string)[];
  /**
   * `model` changes the parameters in the stream's model as it was before these points,
   * `empty` begins without a model.
   */
  readonly start?: 'model' | 'empty';
  /** Whether clusters are returned one by one. */
  readonly summaries?: boolean;
}

export class NCSClient {
  readonly #options: ClientOptions;
  readonly #baseUrl: URL;
  readonly #rest: Rest;
  readonly #clock: Clock;
  readonly #random: () => number;
  #token: TokenSource | null;

  constructor(options: ClientOptions) {
    this.#options = checkOptions('NCSClient', options, CLIENT);
    this.#baseUrl = baseUrlOf(options.baseUrl);
    this.#token = options.token ?? options.apiKey ?? null;
    this.#clock = options.clock ?? systemClock;
    this.#random = options.random ?? Math.random;
    this.#rest = new Rest({
      baseUrl: this.#baseUrl,
      fetch: options.fetch ?? ((input, init) => fetch(input, init)),
      clock: this.#clock,
      random: this.#random,
      timeoutMs: options.timeout ?? 30_000,
      maxRetries: options.maxRetries ?? 3,
    });
  }

  /** Exchange a password for a token, and use that from now on. Returns it, for who keeps it. */
  async login(username: string, password: string): Promise<string> {
    const request = {
      method: 'POST',
      path: 'auth/login',
      form: { username, password },
    } as const;
    const reply = await this.#rest.request<TokenReply>(request, null, 'TokenReply', REPLIES);
    this.#token = reply.access_token;
    return reply.access_token;
  }

  // Requests

  /**
   * Cluster a batch and return what became of each point. Repeated if the answer is lost:
   * with its idempotency key it counts once all the same.
   */
  async processPoints(points: Points, options: ProcessOptions = {}): Promise<ProcessResult> {
    checkOptions('processPoints', options, PROCESS);
    const { stream, metadata, timestamps, timeout, signal } = options;
    const reply = await this.#ask<ProcessReply>(
      {
        method: 'POST',
        path: 'api/v1/process_points',
        json: { ...contentOf(points), stream, metadata, timestamps },
        idempotencyKey: options.idempotencyKey ?? crypto.randomUUID(),
        timeoutMs: timeout,
        signal,
      },
      'ProcessResult',
    );
    return resultOf(camel(reply, 'ProcessResult', REPLIES));
  }

  async getAlgorithmStatus(options: RequestOptions = {}): Promise<Status> {
    const request = get('getAlgorithmStatus', 'api/v1/algorithm_status', options);
    const reply = await this.#ask<AlgorithmStatus>(request, 'AlgorithmStatus', SHAPES);
    return camel(reply, 'AlgorithmStatus', SHAPES);
  }

  /** Return the clusters of a stream, by id. */
  async getClusters(options: RequestOptions = {}): Promise<readonly Cluster[]> {
    const request = get('getClusters', 'api/v1/clusters_summary', options);
    const reply = await this.#ask<readonly ClusterOut[]>(request, '[ClusterOut]');
    return camel(reply, '[ClusterOut]', REPLIES);
  }

  /** Return the names of the streams that there are. */
  async listStreams(options: RequestOptions = {}): Promise<readonly string[]> {
    const request = get('listStreams', 'api/v1/streams', options);
    return await this.#ask<readonly string[]>(request, '[string]');
  }

  /** Return what other parameters would make of a stream, which is not touched. */
  async shadow(options: ShadowOptions): Promise<ShadowResult> {
    checkOptions('shadow', options, SHADOW);
    const { points, lastPoints, timeout, signal, ...rest } = options;
    const request = {
      method: 'POST',
      path: 'api/v1/shadow',
      json: { ...rest, ...contentOf(points), last_points: lastPoints },
      isSafe: true,
      timeoutMs: timeout,
      signal,
    } as const;
    const reply = await this.#ask<ShadowReply>(request, 'ShadowReply');
    return camel(reply, 'ShadowReply', REPLIES);
  }

  /** Throw the model of a stream away; needs the scope `admin`. */
  async resetAlgorithm(options: RequestOptions = {}): Promise<Camel<ResetReply>> {
    const { stream, timeout, signal } = checkOptions('resetAlgorithm', options, REQUEST);
    const json = { stream, confirm: true };
    const path = 'api/v1/algorithm/reset';
    const reply = await this.#ask<ResetReply>(
      { method: 'POST', path, json, timeoutMs: timeout, signal },
      'ResetReply',
    );
    return camel(reply, 'ResetReply', REPLIES);
  }

  /** Return the engine parameters of a stream that are in force. */
  async getParameters(options: RequestOptions = {}): Promise<ConfigureReply['params']> {
    const request = get('getParameters', 'api/v1/algorithm/config', options);
    return (await this.#ask<ConfigureReply>(request, 'ConfigureReply')).params;
  }

  /** Change engine parameters and return all in force; needs the scope `admin`. */
  async configure(
    params: Readonly<Record<string, unknown>>,
    options: RequestOptions = {},
  ): Promise<ConfigureReply['params']> {
    const { stream, timeout, signal } = checkOptions('configure', options, REQUEST);
    const path = 'api/v1/algorithm/config';
    const json = { params, stream };
    const reply = await this.#ask<ConfigureReply>(
      { method: 'PATCH', path, json, timeoutMs: timeout, signal },
      'ConfigureReply',
    );
    return reply.params;
  }

  /** Return how the server is; needs no credential. */
  async healthCheck(options: Omit<RequestOptions, 'stream'> = {}): Promise<HealthStatus> {
    const request = get('healthCheck', 'health', options);
    const reply = await this.#rest.request<Health>(request, null, 'Health', REPLIES);
    return camel(reply, 'Health', REPLIES);
  }

  // Live

  /**
   * Open a live session, which keeps itself up until it is stopped.
   *
   * @throws ConnectionEndedError if the server cannot be reached or refuses; not if `lazy`.
   */
  async startStreaming(options: StreamingOptions = {}): Promise<NCSStream> {
    checkOptions('startStreaming', options, STREAMING);
    checkOptions('queue', options.queue ?? {}, QUEUE);
    checkOptions('backoff', options.backoff ?? {}, BACKOFF);
    const { stream = 'default', codec: codecName = 'msgpack', connectionId, lazy } = options;
    options.signal?.throwIfAborted();
    const codec = CODECS[codecName];
    const url = new URL('ws', this.#baseUrl);
    url.protocol = url.protocol.replace('http', 'ws');
    const session = new NCSStream(
      {
        codec,
        producer: options.producer ?? `js-${crypto.randomUUID()}`,
        // In microseconds, so that lives of a producer that follow each other quickly differ.
        producerEpoch: options.producerEpoch ?? Math.floor(Date.now() * 1000),
        connectionId,
        streams: [stream],
        queue: options.queue,
        reconnectAttempts: options.reconnectAttempts,
        lazy,
        backoff: options.backoff,
        eventCredit: options.eventCredit,
        pauseWhenHidden: options.pauseWhenHidden,
        random: this.#random,
      },
      {
        url: url.href,
        subprotocol: codec.subprotocol,
        token: this.#credential(),
        WebSocket: this.#options.WebSocket ?? (await platformWebSocket()),
        clock: this.#clock,
        surroundings: this.#options.surroundings ?? page,
      },
      { ...options, stream },
    );
    const begun = session.begin();
    if (lazy)
      begun.catch(() => {}); // told to `onClose`
    else await begun;
    return session;
  }

  #credential(): TokenSource {
    if (this.#token === null)
      throw new NCSError('no credential: pass apiKey or token, or log in');
    return this.#token;
  }

  async #ask<T>(request: RestRequest, shape: string, shapes: Shapes = REPLIES): Promise<T> {
    return await this.#rest.request<T>(request, this.#credential(), shape, shapes);
  }
}

const CLIENT: Names<ClientOptions> = {
  ...{ baseUrl: true, apiKey: true, token: true, timeout: true, maxRetries: true },
  ...{ fetch: true, WebSocket: true, clock: true, surroundings: true, random: true },
};
const REQUEST: Names<RequestOptions> = { stream: true, timeout: true, signal: true };
const PROCESS: Names<ProcessOptions> = {
  ...REQUEST,
  ...{ metadata: true, timestamps: true, batchMode: true, idempotencyKey: true },
};
const SHADOW: Names<ShadowOptions> = {
  ...REQUEST,
  ...{ preset: true, params: true, configurations: true, lastPoints: true, points: true },
  ...{ labels: true, start: true, summaries: true },
};
const STREAMING: Names<StreamingOptions> = {
  ...{ stream: true, signal: true, connectionId: true, reconnectAttempts: true },
  ...{ onMessage: true, onError: true, onReconnect: true, onClose: true, codec: true },
  ...{ producer: true, producerEpoch: true, queue: true, backoff: true },
  ...{ eventCredit: true, lazy: true, pauseWhenHidden: true },
};
const QUEUE: Names<QueueOptions> = { maxBatches: true, maxBytes: true, overflow: true };
const BACKOFF: Names<BackoffOptions> = { firstMs: true, longestMs: true };

function baseUrlOf(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (!url || !['http:', 'https:'].includes(url.protocol)) {
    throw new NCSError(`baseUrl has to be like http://host:port, and is ${text}`);
  }
  url.pathname = url.pathname.replace(/\/?$/, '/');
  return url;
}

function contentOf(points: Points | undefined): object {
  if (points === undefined) return {};
  if (isBlock(points)) return { array: arrayInJson(points) };
  flatten(points); // for what it refuses
  return { points: points.map((point) => Array.from(point)) };
}

function get(method: string, path: string, options: RequestOptions): RestRequest {
  const { stream, timeout, signal } = checkOptions(method, options, REQUEST);
  const query = stream === undefined ? {} : { stream };
  return { method: 'GET', path, query, timeoutMs: timeout, signal };
}

function resultOf(reply: Camel<ProcessReply>): ProcessResult {
  const { results, clusterSummaries, clusters: _, outliers: __, ...rest } = reply;
  return {
    ...rest,
    duplicate: rest.duplicate ?? false,
    clusters: clusterSummaries,
    assignments: results,
    outliers: results.filter((outcome) => outcome.isOutlier),
    [Symbol.iterator]: () => results[Symbol.iterator](),
  };
}
