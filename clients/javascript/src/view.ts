/**
 * An exact copy of a stream's model: a snapshot, and the events after it.
 *
 * It takes everything that a subscription gives, in order, and sees that within each
 * delivery class nothing is missing: then the copy equals what the server had at the
 * offsets that the last event names. It needs no session, so it can live in a worker.
 */

import { GapError } from './errors.js';
import type {
  AlgorithmStatus,
  ClusterInfo,
  ClusterUpdate,
  DeliveryClass,
  DriftDetection,
  PerformanceMetrics,
  Position,
} from './generated/messages.js';
import type { StreamEvent } from './readers.js';

export class ClusterView {
  /** By id, in the order in which they came to be known. */
  readonly clusters = new Map<number, ClusterInfo>();
  status: AlgorithmStatus | null = null;
  performance: PerformanceMetrics | null = null;
  /** The last drift that was told. */
  drift: DriftDetection | null = null;
  /** Rises with every change of the copy, for who draws it. */
  version = 0;
  #epoch: string | null = null;
  #offsets: Partial<Record<DeliveryClass, number>> = {};
  #highest = -1;

  /** Where the copy stands; null before the first snapshot. */
  get position(): Position | null {
    return this.#epoch === null ? null : { epoch: this.#epoch, offsets: { ...this.#offsets } };
  }

  /**
   * Take the next event.
   *
   * @throws GapError if it does not follow the last one; the copy is unchanged then.
   */
  apply(event: StreamEvent): void {
    switch (event.type) {
      case 'snapshot':
        this.#begin(event, event.data.clusters);
        this.status = event.data.status;
        break;
      case 'resumed':
        this.#stand(event);
        break;
      default:
        this.#follow(event);
    }
    this.version += 1;
  }

  #begin(position: Position, clusters: readonly ClusterInfo[]): void {
    this.#epoch = position.epoch;
    this.#offsets = { ...position.offsets };
    this.clusters.clear();
    for (const cluster of clusters) this.clusters.set(cluster.cluster_id, cluster);
    this.#highest = Math.max(-1, ...this.clusters.keys());
  }

  /** Go on where it stood; the other classes count anew with each start of the server. */
  #stand({ epoch, offsets }: Position): void {
    for (const name of ['lossless', 'keyed'] as const) {
      if (epoch !== this.#epoch || offsets[name] !== this.#offsets[name]) {
        const here = `${this.#epoch} ${this.#offsets[name]}`;
        throw new GapError(
          `resumed at ${name} ${epoch} ${offsets[name]}, the copy is at ${here}`,
        );
      }
    }
    this.#offsets = { ...offsets };
  }

  #follow(event: Exclude<StreamEvent, { type: 'snapshot' | 'resumed' }>): void {
    const told = this.#offsets[event.class] ?? 0;
    const first = event.from ?? event.offset ?? told + 1;
    if (event.epoch !== this.#epoch || first > told + 1) {
      const here = `${this.#epoch} ${told}`;
      throw new GapError(`${event.class} ${event.epoch} ${first} does not follow ${here}`);
    }
    const last = event.to ?? event.offset ?? first;
    if (last <= told) return;
    this.#offsets[event.class] = last;
    switch (event.type) {
      case 'cluster_update':
        this.#update(event.data);
        break;
      case 'algorithm_status':
        this.status = event.data;
        break;
      case 'performance_metrics':
        this.performance = event.data;
        break;
      case 'drift_detection':
        this.drift = event.data;
    }
  }

  #update(update: ClusterUpdate): void {
    const { change, merged_into: _into, split_from: _from, ...cluster } = update;
    const { cluster_id: id } = cluster;
    if (change === 'merged' || change === 'removed') {
      this.clusters.delete(id);
    } else if (cluster.radius !== undefined && (id > this.#highest || this.clusters.has(id))) {
      // Ids are never given twice: an update of one that is not here any more was
      // overtaken by the event that ended it.
      this.clusters.set(id, cluster as ClusterInfo);
    }
    this.#highest = Math.max(this.#highest, id);
  }
}
