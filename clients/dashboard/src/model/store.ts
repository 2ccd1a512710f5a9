/**
 * What the page knows of the stream that it follows: the clusters as they are now, what
 * happened, who is there, and how all of it was in the last quarter of an hour.
 */

import type {
  AlgorithmStatus,
  ClusterInfo,
  PerformanceMetrics,
  Presence,
} from 'ncs-javascript-sdk';
import type { Axes, Batch, Happening, Projected } from '../worker/bridge';
import { SPREAD } from '../worker/spreads';
import { History, type Mark } from './history';
import { axesOf, place } from './projection';
import { type Row, Series } from './series';

const MAX_HAPPENINGS = 2000;
const MAX_TOUCHED = 4096;
/** The server tells the performance every second while points flow. */
const FLOWING_S = 2.5;
const LEAST_WEIGHT = 8; // points before an ellipse says something

export class Store {
  readonly clusters = new Map<number, ClusterInfo>();
  status: AlgorithmStatus | null = null;
  presence: Presence | null = null;
  readonly happenings: Happening[] = [];
  readonly series = new Series();
  readonly history = new History();
  /** By cluster: the producer whose points changed it last. */
  readonly touched = new Map<number, string>();
  projection: Projected | null = null;
  epoch: string | null = null;
  /** Counts everything that was ever taken, for who wants to know what is new. */
  readonly taken = { events: 0, learned: 0, shown: 0, happenings: 0 };
  gaps = 0;
  /** Epoch seconds of the server, when the newest event was told, or a cluster had changed. */
  emitted = 0;
  /** Seconds that events were under way of late; null before the first one. */
  delay: number | null = null;
  /** Rises with each snapshot: what came with it did not happen just now. */
  generation = 0;
  #performance: PerformanceMetrics | null = null;
  #performanceAt = -Infinity;
  #spreads = new Map<number, Float32Array>();
  #marks: Mark[] | null = null;
  #axes: Projected | null = null;
  #wanted: Axes = 2;

  /** Forget everything: another stream, or other axes, are followed from now on. */
  begin(wanted: Axes, isOther: boolean): void {
    this.#wanted = wanted;
    this.projection = null;
    this.#spreads.clear();
    this.#marks = this.#axes = null;
    this.history.clear();
    if (!isOther) return;
    this.clusters.clear();
    this.status = this.presence = this.#performance = null;
    this.#performanceAt = -Infinity;
    this.happenings.length = 0;
    this.series.clear();
    this.touched.clear();
    this.epoch = null;
    this.taken.events = this.taken.learned = this.taken.shown = this.taken.happenings = 0;
    this.gaps = this.emitted = this.generation = 0;
    this.delay = null;
  }

  /** Take a batch at a time of the server's clock. */
  take(batch: Batch, now: number): void {
    if (batch.beginning) this.#begin(batch);
    for (const cluster of batch.clusters) {
      this.clusters.set(cluster.cluster_id, cluster);
      // A snapshot is told now, but what it tells is as old as the clusters in it.
      this.emitted = Math.max(this.emitted, cluster.last_updated);
    }
    for (const id of batch.gone) {
      this.clusters.delete(id);
      this.#spreads.delete(id);
      this.touched.delete(id);
    }
    for (const [id, source] of batch.touched) this.touched.set(id, source);
    while (this.touched.size > MAX_TOUCHED) {
      this.touched.delete(this.touched.keys().next().value!);
    }
    if (batch.status) this.status = batch.status;
    if (batch.presence) this.presence = batch.presence;
    if (batch.performance) {
      this.#performance = batch.performance;
      this.#performanceAt = now;
    }
    if (batch.projection) {
      this.projection = batch.projection;
      this.#spreads.clear();
    }
    if (batch.spreads) this.#spreads = spreadsOf(batch.spreads);
    this.happenings.push(...batch.happenings);
    if (this.happenings.length > MAX_HAPPENINGS) {
      this.happenings.splice(0, this.happenings.length - MAX_HAPPENINGS);
    }
    this.taken.happenings += batch.happenings.length;
    this.taken.events += batch.events;
    this.taken.learned += batch.learned;
    this.taken.shown += batch.shown;
    this.gaps = batch.gaps;
    if (batch.emitted > 0) {
      this.delay = Math.max(0, now - batch.emitted);
      this.emitted = batch.emitted;
    }
    this.#marks = this.#axes = null;
  }

  /** Note how everything is, once a second. */
  record(now: number): void {
    this.series.add(now, this.row(now));
    this.keep(now);
  }

  /** Keep the clusters as they are, so that one can look at this moment again. */
  keep(now: number): void {
    if (this.generation > 0) this.history.record(now, this.marks, this.axes.version);
  }

  /** Return what is drawn over time, as it is now. */
  row(now: number): Row {
    const { status } = this;
    const flow = now - this.#performanceAt < FLOWING_S ? this.#performance : null;
    const drifts = [...this.clusters.values()].map((cluster) => cluster.drift_coefficient);
    return {
      rate: flow?.points_per_second ?? 0,
      ack: flow?.ack_latency_ms ?? null,
      backlog: flow?.backlog_points ?? 0,
      quality: status?.clustering_quality ?? null,
      stability: status?.global_stability ?? null,
      threshold: status?.current_dynamic_threshold ?? null,
      outliers: status?.outlier_rate ?? null,
      drift: drifts.length ? drifts.reduce((a, b) => Math.max(a, b)) : null,
    };
  }

  /** The axes of the picture; of a stream of which no sample has come, some that fit. */
  get axes(): Projected {
    if (this.projection) return this.projection;
    this.#axes ??= axesOf(
      [...this.clusters.values()].flatMap(({ centroid }) => (centroid ? [centroid] : [])),
      this.#wanted,
    );
    return this.#axes;
  }

  /** The clusters as they are shown, the largest first. */
  get marks(): readonly Mark[] {
    this.#marks ??= this.#makeMarks();
    return this.#marks;
  }

  #begin({ beginning }: Batch): void {
    const { how, position } = beginning!;
    this.epoch = position.epoch;
    if (how === 'resumed') return;
    this.clusters.clear();
    this.generation += 1;
  }

  #makeMarks(): Mark[] {
    const { axes } = this;
    const marks = [...this.clusters.values()].map((cluster): Mark => {
      const id = cluster.cluster_id;
      const spread = this.#spreads.get(id);
      const { centroid } = cluster;
      const [x, y, z] =
        centroid && axes.mean.length === centroid.length
          ? place(centroid, axes)
          : [spread?.[2] ?? Number.NaN, spread?.[3] ?? Number.NaN, spread?.[4] ?? 0];
      return {
        id,
        size: cluster.size,
        quality: cluster.quality,
        health: cluster.health,
        confidence: cluster.confidence,
        drift: cluster.drift_coefficient,
        radius: cluster.radius,
        age: cluster.age,
        updated: cluster.last_updated,
        x,
        y,
        z,
        spread: spread ? [...spread.subarray(5, SPREAD)] : null,
      };
    });
    return marks.sort((a, b) => b.size - a.size || a.id - b.id);
  }
}

/** Return the rows that say something, by cluster. */
function spreadsOf(rows: Float32Array): Map<number, Float32Array> {
  const spreads = new Map<number, Float32Array>();
  for (let k = 0; k < rows.length; k += SPREAD) {
    if (rows[k + 1]! >= LEAST_WEIGHT) spreads.set(rows[k]!, rows.subarray(k, k + SPREAD));
  }
  return spreads;
}
