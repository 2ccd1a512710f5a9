import type { StreamEvent } from 'ncs-javascript-sdk';
import { describe, expect, test } from 'vitest';
import { sentence } from '../src/ui/summary';
import { Gathering } from '../src/worker/gathering';
import { SPREAD, Spreads } from '../src/worker/spreads';

const cluster = (id: number, size = 5) => ({
  cluster_id: id,
  size,
  centroid: [id, 0],
  radius: 1,
  quality: 0.5,
  confidence: 0.5,
  health: 0.5,
  drift_coefficient: 0,
  age: size,
  last_updated: 0,
});

const snapshot = (...ids: number[]) =>
  ({
    type: 'snapshot',
    stream: 's',
    epoch: 'e',
    offsets: { lossless: 10, keyed: 20, latest: 0, sampled: 0 },
    data: {
      model_version: 1,
      dimension: 2,
      clusters: ids.map((id) => cluster(id)),
      status: {},
    },
  }) as unknown as StreamEvent;

const change = (kind: 'lossless' | 'keyed', offset: number, data: object, producer = 'p') =>
  ({
    type: 'cluster_update',
    stream: 's',
    epoch: 'e',
    class: kind,
    offset,
    caused_by: { offset: 1, producer },
    times: { ingest: 100 + offset, emitted: 100.5 + offset },
    data,
  }) as unknown as StreamEvent;

const packed = (data: Float32Array | Int32Array | Uint8Array, shape: number[]) => ({
  data,
  shape,
});

const sample = (offset: number, points: number[][], ids: number[], isNew = false) =>
  ({
    type: 'points_sample',
    stream: 's',
    epoch: 'e',
    class: 'sampled',
    offset,
    times: { ingest: 100 + offset, emitted: 101 + offset },
    data: {
      points: packed(Float32Array.from(points.flat()), [points.length, 2]),
      cluster_ids: packed(Int32Array.from(ids), [ids.length]),
      is_outlier: packed(new Uint8Array(ids.length), [ids.length]),
      learned: 10 * ids.length,
      ratio: 0.1,
      projection_version: 1,
      ...(isNew && {
        projection: {
          version: 1,
          method: 'pca',
          mean: packed(new Float32Array(2), [2]),
          components: packed(Float32Array.of(1, 0, 0, 1), [2, 2]),
        },
      }),
    },
  }) as unknown as StreamEvent;

describe('a batch', () => {
  test('has all clusters with a snapshot, then what changed', () => {
    const gathering = new Gathering(7);
    gathering.add(snapshot(1, 2));
    const [first] = gathering.take(0, 0);
    expect([first.follow, first.beginning?.how]).toEqual([7, 'snapshot']);
    expect(first.clusters.map(({ cluster_id }) => cluster_id)).toEqual([1, 2]);
    gathering.add(change('keyed', 21, { ...cluster(2, 6), change: 'updated' }, 'gw'));
    gathering.add(change('lossless', 11, { ...cluster(3, 1), change: 'created' }));
    const [second] = gathering.take(0, 0);
    expect(second.beginning).toBeUndefined();
    expect(second.clusters.map(({ cluster_id, size }) => [cluster_id, size])).toEqual([
      [2, 6],
      [3, 1],
    ]);
    expect(second.touched).toEqual([
      [2, 'gw'],
      [3, 'p'],
    ]);
    expect(second.happenings).toMatchObject([{ kind: 'created', cluster: 3, at: 111 }]);
    expect(gathering.isEmpty).toBe(true);
  });

  test('names a cluster that came and went as gone only', () => {
    const gathering = new Gathering(1);
    gathering.add(snapshot(1));
    gathering.take(0, 0);
    gathering.add(change('lossless', 11, { ...cluster(2), change: 'created' }));
    const into = { cluster_id: 2, size: 5, quality: 0, change: 'merged', merged_into: 1 };
    gathering.add(change('lossless', 12, into));
    const [batch] = gathering.take(0, 0);
    expect([batch.clusters, batch.gone]).toEqual([[], [2]]);
    expect(batch.happenings.map(({ kind, other }) => [kind, other])).toEqual([
      ['created', -1],
      ['merged', 1],
    ]);
  });

  test('has the points as they came, to be transferred, and counts those that were not shown', () => {
    const gathering = new Gathering(1);
    gathering.add(snapshot(1));
    gathering.add(
      sample(
        1,
        [
          [1, 2],
          [3, 4],
        ],
        [1, -1],
        true,
      ),
    );
    gathering.add(sample(2, [[5, 6]], [1]));
    const [batch, transfer] = gathering.take(0, 0);
    expect(batch.samples.map(({ points, ids, at }) => [[...points], [...ids], at])).toEqual([
      [[1, 2, 3, 4], [1, -1], 101],
      [[5, 6], [1], 102],
    ]);
    expect([batch.learned, batch.shown, batch.projection?.method]).toEqual([30, 3, 'pca']);
    expect(transfer.length).toBe(5); // two arrays of each sample, and the spreads
  });

  test('begins an outline anew once no points from before a birth can come', () => {
    const gathering = new Gathering(1);
    gathering.add(snapshot(1));
    const both = Array.from({ length: 10 }, (_, k) => [10 * (k % 2), k % 3]);
    const ids = both.map(() => 1);
    const outlined = (now: number) => {
      const { spreads = [] } = gathering.take(now, 0)[0];
      return [...spreads].filter((_, k) => k % SPREAD === 0);
    };
    gathering.add(sample(1, both, ids, true));
    expect(outlined(1)).toEqual([1]);
    gathering.add(
      change('lossless', 11, { ...cluster(2), centroid: [10, 1], change: 'created' }),
    );
    gathering.add(sample(2, both, ids));
    expect(outlined(2)).toEqual([]);
    gathering.add(sample(3, [[0, 1]], [1]));
    expect(outlined(3)).toEqual([1]);
  });

  test('keeps the newest points of a page that takes none', () => {
    const gathering = new Gathering(1);
    gathering.add(snapshot(1));
    const points = Array.from({ length: 10_000 }, () => [0, 0]);
    const ids = points.map(() => 1);
    for (let offset = 1; offset <= 40; offset += 1) gathering.add(sample(offset, points, ids));
    const [batch] = gathering.take(0, 0);
    expect(batch.samples.length).toBe(26);
    expect(batch.samples.at(-1)?.at).toBe(140);
    expect(batch.shown).toBe(400_000);
  });
});

describe('the spread of a cluster', () => {
  test('is the mean and the covariance of its points', () => {
    const spreads = new Spreads();
    const points = [
      [0, 0],
      [2, 0],
      [0, 2],
      [2, 6],
    ];
    spreads.add(Float32Array.from(points.flat()), Int32Array.of(5, 5, 5, 5), 2);
    const row = spreads.packed();
    expect(row.length).toBe(SPREAD);
    expect([...row].map((value) => Number(value.toFixed(4)))).toEqual([
      5, 4, 1, 2, 0, 1, 1, 0, 6, 0, 0,
    ]);
  });

  test('follows a cluster that moves', () => {
    const spreads = new Spreads();
    const at = (x: number) => {
      for (let k = 0; k < 2000; k += 1) spreads.add(Float32Array.of(x, 0), Int32Array.of(1), 2);
    };
    at(0);
    at(100);
    expect(spreads.packed()[2]).toBeGreaterThan(99);
  });

  test('begins anew for a cluster in which another one is born', () => {
    const spreads = new Spreads();
    const around = (id: number, x: number) =>
      spreads.add(Float32Array.of(x, -1, x + 9, 1), Int32Array.of(id, id), 2);
    around(1, 0);
    around(2, 50);
    around(3, 4);
    spreads.born(3, [8, 0, 0]);
    expect([...spreads.packed()].filter((_, k) => k % SPREAD === 0)).toEqual([2, 3]);
  });

  test('is not of outliers, and is forgotten with its cluster', () => {
    const spreads = new Spreads();
    spreads.add(Float32Array.of(1, 1, 2, 2), Int32Array.of(-1, 3), 2);
    expect(spreads.packed().length).toBe(SPREAD);
    spreads.forget(3);
    expect(spreads.packed().length).toBe(0);
  });
});

describe('the summary', () => {
  const summed = {
    stream: 'plant',
    state: 'live',
    clusters: 1,
    rate: 4000,
    quality: 0.5,
    happenings: [],
    total: 0,
  };

  test('says how the stream is', () => {
    expect(sentence(summed, [])).toBe(
      'Stream plant: 1 cluster, 4,000 points a second, quality 0.50.',
    );
  });

  test('says what has happened since', () => {
    const news = [
      { kind: 'created' as const },
      { kind: 'created' as const },
      { kind: 'drift' as const, severity: 'high' as const },
    ].map((some) => ({ at: 0, cluster: 0, other: -1, size: 0, source: null, ...some }));
    expect(sentence(summed, news)).toMatch('Since then: 2 created, drift, high.');
  });

  test('says only that there is no connection', () => {
    expect(sentence({ ...summed, state: 'waiting' }, [])).toBe('Stream plant: waiting.');
  });
});
