/**
 * The JavaScript client of NeuroCluster Streamer.
 *
 *     const client = new NCSClient({ baseUrl: 'http://127.0.0.1:8000', apiKey: 'nck_...' });
 *     const stream = await client.startStreaming();
 *     await stream.sendBatch([[1, 2, 3], [10, 20, 30]]);
 *     for await (const event of stream.subscribe()) console.log(event.type, event.data);
 */

export type { BackoffOptions } from './backoff.js';
export {
  type ClientOptions,
  type Cluster,
  type HealthStatus,
  NCSClient,
  type PointOutcome,
  type ProcessOptions,
  type ProcessResult,
  type RequestOptions,
  type ShadowConfiguration,
  type ShadowOptions,
  type ShadowOutcome,
  type ShadowResult,
  type Status,
  type StreamingOptions,
} from './client.js';
export type { CodecName } from './codec.js';
export type { TokenSource } from './connection.js';
export type { News, TokenReason } from './effects.js';
export type { Clock, Surroundings, WebSocketClass, WebSocketLike } from './environment.js';
export * from './errors.js';
export { CODES, type Code } from './generated/codes.js';
export type * from './generated/messages.js';
export { EVENT_TYPES } from './generated/messages.js';
export type { QueueOptions } from './lanes.js';
export { type PackedArray, pack, unpack } from './ndarray.js';
export type { PointBlock, Points } from './points.js';
export type { ResumedEvent, SnapshotEvent, StreamEvent } from './readers.js';
export { READER_TABLE, type ReaderState, SESSION_TABLE, type SessionState } from './states.js';
export type { NCSStream, SendOptions, SendResult, SubscribeOptions } from './stream.js';
export { SessionEvent } from './stream.js';
export type { Subscription } from './subscription.js';
export { ClusterView } from './view.js';
