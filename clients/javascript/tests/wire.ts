/** Messages of a server, as the tests need them. */

import type {
  AckMessage,
  AlgorithmStatus,
  ClusterInfo,
  ClusterUpdateEvent,
  DeliveryClass,
  SkipMessage,
  Snapshot,
  SubscribedMessage,
  WelcomeMessage,
} from '../src/generated/messages.js';

export const STATUS: AlgorithmStatus = {
  is_ready: true,
  total_points_processed: 1,
  active_clusters: 1,
  algorithm_quality: 1,
  clustering_quality: 1,
  global_stability: 1,
  current_dynamic_threshold: 0.7,
  outlier_rate: 0,
  dimension: 1,
  memory_usage_mb: 0,
  avg_processing_time_ms: 0,
  uptime_seconds: 0,
};

export function welcome(more: Partial<WelcomeMessage> = {}): WelcomeMessage {
  return {
    type: 'welcome',
    session: 'x',
    server_time: 0,
    versions: {},
    limits: { max_frame_bytes: 1 << 20 },
    durability: 'local',
    heartbeat_s: 20,
    credit: 1 << 20,
    ...more,
  };
}

export function ack(seq: number, more: Partial<AckMessage> = {}): AckMessage {
  return {
    type: 'ack',
    stream: 'default',
    seq,
    offset: seq + 1,
    model_version: seq + 1,
    accepted: 1,
    credit: 1 << 20,
    durability: 'local',
    ...more,
  };
}

export function cluster(id: number, size = 1): ClusterInfo {
  return {
    cluster_id: id,
    size,
    centroid: [id],
    radius: 0,
    quality: 1,
    confidence: 1,
    health: 1,
    drift_coefficient: 0,
    age: size,
    last_updated: 0,
  };
}

export function snapshot(...clusters: ClusterInfo[]): Snapshot {
  return { model_version: 1, dimension: 1, clusters, status: STATUS };
}

export function subscribed(
  id: string,
  more: Partial<SubscribedMessage> = {},
): SubscribedMessage {
  return {
    type: 'subscribed',
    id,
    stream: 'default',
    epoch: 'e',
    offsets: { lossless: 0, keyed: 0, latest: 0 },
    recovered: false,
    snapshot: snapshot(),
    ...more,
  };
}

export function resumed(id: string, lossless: number, keyed: number): SubscribedMessage {
  const { snapshot: _, ...rest } = subscribed(id, {
    recovered: true,
    offsets: { lossless, keyed, latest: 0 },
  });
  return rest;
}

export function update(
  of: DeliveryClass,
  offset: number,
  id = offset,
  more: Partial<ClusterUpdateEvent> = {},
): ClusterUpdateEvent {
  const change = of === 'lossless' ? 'created' : 'updated';
  return {
    type: 'cluster_update',
    stream: 'default',
    class: of,
    epoch: 'e',
    offset,
    key: id,
    data: { ...cluster(id, offset), change },
    ...more,
  };
}

export function skip(of: DeliveryClass, from: number, to: number): SkipMessage {
  return { type: 'skip', stream: 'default', class: of, epoch: 'e', from, to };
}
