/**
 * What has come from the server and was not handed to the page yet, bounded.
 *
 * The page takes a batch when it is done with the last one. What is newer replaces what is
 * older where only the newest counts; of points the newest are kept; of what happened,
 * everything within a bound that a page which is not stuck never reaches.
 */

import { ClusterView, type StreamEvent } from 'ncs-javascript-sdk';
import { place } from '../model/projection';
import type { Batch, Beginning, Happening, Projected, SampleBlock } from './bridge';
import { Spreads } from './spreads';

const MAX_POINTS = 262_144;
const MAX_HAPPENINGS = 4096;
const SPREADS_EVERY_S = 0.5;

type Changing<T> = { -readonly [Key in keyof T]: T[Key] };

export class Gathering {
  readonly view = new ClusterView();
  readonly #spreads = new Spreads();
  #spreadsAt = -Infinity;
  #projection: Projected | null = null;
  #beginning: Beginning | undefined;
  /** Clusters of which no points were told since they are there. */
  readonly #newborn: Told<'cluster_update'>['data'][] = [];
  #changed = new Set<number>();
  #gone = new Set<number>();
  #touched = new Map<number, string>();
  #happenings: Happening[] = [];
  #samples: SampleBlock[] = [];
  #points = 0;
  #fresh = empty();

  constructor(readonly follow: number) {}

  get isEmpty(): boolean {
    return this.#fresh.events === 0;
  }

  /** Take the next event of the subscription. @throws GapError as `ClusterView.apply`. */
  add(event: StreamEvent): void {
    const before = this.view.clusters.size;
    this.view.apply(event);
    this.#fresh.events += 1;
    if (event.type === 'snapshot' || event.type === 'resumed') {
      this.#begin(event);
      return;
    }
    if (event.times) this.#fresh.emitted = event.times.emitted;
    switch (event.type) {
      case 'cluster_update': {
        const { data } = event;
        const { cluster_id: id, change } = data;
        const isHere = this.view.clusters.has(id);
        (isHere ? this.#changed : this.#gone).add(id);
        (isHere ? this.#gone : this.#changed).delete(id);
        if (event.caused_by?.producer) this.#touched.set(id, event.caused_by.producer);
        if (!isHere) this.#spreads.forget(id);
        if (change === 'updated') break;
        this.#happened(happeningOf(event, change));
        if (change === 'created' || change === 'split') {
          this.#part(data);
          this.#newborn.push(data);
          if (this.#newborn.length > MAX_HAPPENINGS) this.#newborn.shift();
        }
        break;
      }
      case 'drift_detection':
        this.#happened(driftOf(event));
        break;
      case 'algorithm_status':
        this.#fresh.status = event.data;
        if (before > 0 && event.data.total_points_processed === 0) this.#spreads.clear();
        break;
      case 'performance_metrics':
        this.#fresh.performance = event.data;
        break;
      case 'presence':
        this.#fresh.presence = event.data;
        break;
      case 'points_sample':
        this.#sample(event);
    }
  }

  /** Hand over what there is, and what may be transferred of it. */
  take(now: number, gaps: number): [Batch, ArrayBufferLike[]] {
    const { clusters } = this.view;
    const isAll = this.#beginning?.how === 'snapshot';
    const changed = isAll
      ? [...clusters.values()]
      : [...this.#changed].map((id) => clusters.get(id)!);
    const batch: Changing<Batch> = {
      type: 'batch',
      follow: this.follow,
      ...(this.#beginning && { beginning: this.#beginning }),
      clusters: changed,
      gone: [...this.#gone],
      touched: [...this.#touched],
      happenings: this.#happenings,
      samples: this.#samples,
      gaps,
      ...this.#fresh,
    };
    if (this.#samples.length > 0 && now - this.#spreadsAt >= SPREADS_EVERY_S) {
      this.#spreadsAt = now;
      batch.spreads = this.#spreads.packed();
    }
    const transferred = this.#samples.flatMap(({ points, ids }) => [points.buffer, ids.buffer]);
    if (batch.spreads) transferred.push(batch.spreads.buffer);
    this.#beginning = undefined;
    this.#changed = new Set();
    this.#gone = new Set();
    this.#touched = new Map();
    this.#happenings = [];
    this.#samples = [];
    this.#points = 0;
    this.#fresh = empty();
    return [batch, transferred];
  }

  #begin(event: Extract<StreamEvent, { type: 'snapshot' | 'resumed' }>): void {
    const { type: how, epoch, offsets } = event;
    const wasSnapshot = this.#beginning?.how === 'snapshot';
    this.#beginning = { how: wasSnapshot ? 'snapshot' : how, position: { epoch, offsets } };
    if (event.type === 'snapshot') this.#fresh.status = event.data.status;
  }

  /** What lay around a new cluster was counted for others: their outlines begin anew. */
  #part(data: Told<'cluster_update'>['data']): void {
    if (data.split_from !== undefined) this.#spreads.forget(data.split_from);
    const axes = this.#projection;
    if (!axes || data.centroid?.length !== axes.mean.length) return;
    this.#spreads.born(data.cluster_id, place(data.centroid, axes));
  }

  #happened(happening: Happening): void {
    this.#happenings.push(happening);
    if (this.#happenings.length > MAX_HAPPENINGS) this.#happenings.shift();
  }

  #sample({ data, times }: Extract<StreamEvent, { type: 'points_sample' }>): void {
    if (data.projection) {
      const { version, method, mean, components } = data.projection;
      const axes = components.shape[0]!;
      const width = components.shape[1]!;
      const values = components.data as Float32Array;
      this.#projection = {
        version,
        method,
        mean: Float32Array.from(mean.data as Float32Array),
        components: Array.from({ length: axes }, (_, k) =>
          values.slice(k * width, (k + 1) * width),
        ),
      };
      this.#fresh.projection = this.#projection;
      this.#spreads.clear();
      this.#samples = [];
      this.#points = 0;
    }
    const dimensions = data.points.shape[1]!;
    // Copied out of the frame that they came in, so that they can be transferred alone.
    const points = Float32Array.from(data.points.data as Float32Array);
    const ids = Int32Array.from(data.cluster_ids.data as Int32Array);
    this.#fresh.learned += data.learned;
    this.#fresh.shown += ids.length;
    if (ids.length === 0) return;
    this.#spreads.add(points, ids, dimensions);
    // Some of these points were learned before the clusters that are new.
    for (const cluster of this.#newborn.splice(0)) this.#part(cluster);
    const at = times?.ingest ?? this.#fresh.emitted;
    this.#samples.push({ points, ids, dimensions, at, projection: data.projection_version });
    this.#points += ids.length;
    while (this.#points > MAX_POINTS) this.#points -= this.#samples.shift()!.ids.length;
  }
}

type Fresh = Pick<Changing<Batch>, 'status' | 'performance' | 'presence' | 'projection'> &
  Pick<Changing<Batch>, 'learned' | 'shown' | 'events' | 'emitted'>;

const empty = (): Fresh => ({ learned: 0, shown: 0, events: 0, emitted: 0 });

type Told<T extends StreamEvent['type']> = Extract<StreamEvent, { type: T }>;

function happeningOf(
  { data, times, caused_by }: Told<'cluster_update'>,
  kind: 'created' | 'split' | 'merged' | 'removed',
): Happening {
  return {
    kind,
    at: times?.ingest ?? 0,
    cluster: data.cluster_id,
    other: data.merged_into ?? data.split_from ?? -1,
    size: data.size,
    source: caused_by?.producer ?? null,
  };
}

function driftOf({ data, times, caused_by }: Told<'drift_detection'>): Happening {
  return {
    kind: 'drift',
    at: times?.ingest ?? 0,
    cluster: -1,
    other: -1,
    size: 0,
    source: caused_by?.producer ?? null,
    severity: data.severity,
    affected: data.affected_clusters,
    text: data.recommendation,
  };
}
