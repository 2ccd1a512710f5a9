/**
 * An exact copy of a stream's model, made from a snapshot and the events after it.
 *
 * Every event says which offsets it covers, and its class goes on without a gap; one
 * that does not fit is not applied, and the copy has to be begun anew.
 */

import { unpack } from './packed.js';

const SAMPLES = 8; // that are kept

export class View {
  /** id -> what the server last said of it */
  clusters = new Map();
  status = {};
  performance = {};
  /** when `performance` came, on the page's clock */
  performanceAt = -Infinity;
  /** samples of points, the newest last: {features, points, ids} */
  samples = [];
  /** rises with every snapshot: what came with it did not happen just now */
  generation = 0;
  #epoch = null;
  #offsets = {};

  /** Where to resume, or undefined if only a snapshot will do. */
  get position() {
    if (this.#epoch === null) return undefined;
    const { lossless, keyed } = this.#offsets;
    return { epoch: this.#epoch, offsets: { lossless, keyed } };
  }

  /** Forget the position: what follows it was lost. */
  invalidate() {
    this.#epoch = null;
  }

  /** Take a `subscribed`. */
  begin({ epoch, offsets, snapshot }) {
    this.#epoch = epoch;
    this.#offsets = offsets;
    if (!snapshot) return;
    this.generation += 1;
    this.samples = [];
    this.clusters = new Map(snapshot.clusters.map((cluster) => [cluster.cluster_id, cluster]));
    this.status = snapshot.status;
  }

  /**
   * Take an event or a skip; return whether it was the next one of its class.
   *
   * features are those that samples show.
   */
  apply(message, features) {
    const kind = message.class;
    const first = message.from ?? message.offset;
    if (message.epoch !== this.#epoch || first !== this.#offsets[kind] + 1) return false;
    this.#offsets[kind] = message.to ?? message.offset;
    if (message.type === 'cluster_update') {
      this.#change(message.data);
    } else if (message.type === 'algorithm_status') {
      this.status = message.data;
    } else if (message.type === 'performance_metrics') {
      this.performance = message.data;
      this.performanceAt = performance.now();
    } else if (message.type === 'points_sample') {
      const { points, cluster_ids: ids } = message.data;
      this.samples.push({ features, points: unpack(points).values, ids: unpack(ids).values });
      if (this.samples.length > SAMPLES) this.samples.shift();
    }
    return true;
  }

  #change(cluster) {
    const { cluster_id: id, change } = cluster;
    if (change === 'merged' || change === 'removed') {
      this.clusters.delete(id);
    } else if (change !== 'updated' || this.clusters.has(id)) {
      this.clusters.set(id, cluster); // ids are never reused: no update revives one
    }
  }
}
