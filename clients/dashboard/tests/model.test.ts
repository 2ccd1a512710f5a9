import { describe, expect, test } from 'vitest';
import { format, parse } from '../src/link';
import { apart } from '../src/model/apart';
import { History, type Mark } from '../src/model/history';
import { COLOURS, colourOf, SHAPES, shapeOf } from '../src/model/looks';
import { Playback } from '../src/model/playback';
import { axesOf, nameOf, place } from '../src/model/projection';
import { HISTORY_S, lastAtOrBefore, NOTHING, Series } from '../src/model/series';
import { Store } from '../src/model/store';
import type { Batch, Happening } from '../src/worker/bridge';

const mark = (id: number, more: Partial<Mark> = {}): Mark => ({
  id,
  size: 10,
  quality: 0.5,
  health: 0.5,
  confidence: 0.5,
  drift: 0.5,
  radius: 1,
  age: 10,
  updated: 0,
  x: id,
  y: -id,
  z: 0,
  spread: null,
  ...more,
});

describe('a cluster looks', () => {
  test('the same for ever, and unlike the 35 next to it', () => {
    const looks = Array.from({ length: 36 }, (_, id) => `${colourOf(id)} ${shapeOf(id)}`);
    expect(new Set(looks).size).toBe(COLOURS.length * SHAPES.length);
    expect([colourOf(36), shapeOf(36)]).toEqual([colourOf(0), shapeOf(0)]);
  });
});

describe('a series', () => {
  const row = (rate: number) => ({ ...NOTHING, rate });

  test('keeps a quarter of an hour, however long the page is open', () => {
    const series = new Series();
    for (let at = 0; at < 4 * HISTORY_S; at += 1) series.add(at, row(at));
    expect(series.times.length).toBeLessThanOrEqual(HISTORY_S);
    expect(series.lines.rate.length).toBe(series.times.length);
    expect(series.times.at(-1)).toBe(4 * HISTORY_S - 1);
  });

  test('breaks where nothing is known', () => {
    const series = new Series();
    series.add(1, row(5));
    series.tear(2, 'not connected');
    series.tear(3, 'hidden');
    series.mend(9);
    series.add(10, row(6));
    expect(series.lines.rate).toEqual([5, null, null, 6]);
    expect(series.gaps).toEqual([{ from: 2, to: 9, why: 'not connected' }]);
    expect([series.at(1.5).rate, series.at(5).rate, series.at(0).rate]).toEqual([
      5,
      null,
      null,
    ]);
  });

  test('does not go back when a clock is set', () => {
    const series = new Series();
    series.add(10, row(1));
    series.add(9, row(2));
    expect(series.times).toEqual([10]);
  });

  test('finds the last time that is not after another', () => {
    expect([0, 1, 2.5, 9].map((time) => lastAtOrBefore([1, 2, 3], time))).toEqual([
      -1, 0, 1, 2,
    ]);
  });
});

describe('the history', () => {
  test('gives the clusters as they were', () => {
    const history = new History();
    history.record(1, [mark(1)], 1);
    history.record(2, [mark(1, { x: 5, spread: [1, 2, 3, 4, 5, 6] }), mark(2)], 1);
    expect(history.at(0.5)).toEqual([]);
    expect(history.at(1.9)).toEqual([mark(1)]);
    expect(history.at(99).map(({ id, spread }) => [id, spread])).toEqual([
      [1, [1, 2, 3, 4, 5, 6]],
      [2, null],
    ]);
  });

  test('gives trails in the axes of their end', () => {
    const history = new History();
    history.record(1, [mark(1, { x: 9 })], 1);
    history.record(2, [mark(1, { x: 1 })], 2);
    history.record(3, [mark(1, { x: 2 })], 2);
    expect(
      history
        .trails(3, 30)
        .get(1)
        ?.map(({ place: [x] }) => x),
    ).toEqual([1, 2]);
    expect(history.trails(3, 1).get(1)?.length).toBe(1);
  });

  test('is bounded by age, and by numbers where clusters are many', () => {
    const history = new History();
    const many = Array.from({ length: 2000 }, (_, id) => mark(id));
    for (let at = 0; at < 100; at += 1) history.record(at, many, 1);
    expect(history.times.length).toBe(Math.floor(2_000_000 / (2000 * 18)));
    history.record(5000, [mark(1)], 1);
    expect(history.times).toEqual([5000]);
  });
});

describe('playback', () => {
  test('counts what has come since it was stopped, also when going farther back', () => {
    const playback = new Playback();
    expect(playback.waiting({ events: 5, learned: 50 })).toEqual({ events: 0, learned: 0 });
    playback.show(100, { events: 5, learned: 50 });
    playback.show(90, { events: 6, learned: 60 });
    expect(playback.waiting({ events: 8, learned: 90 })).toEqual({ events: 3, learned: 40 });
    playback.live();
    expect([playback.isLive, playback.waiting({ events: 9, learned: 99 }).events]).toEqual([
      true,
      0,
    ]);
  });
});

describe('what sets a cluster apart', () => {
  test('is where it is farthest, in deviations among the others', () => {
    const others = [
      { centroid: [0, 10, 0], size: 1 },
      { centroid: [2, 12, 0], size: 1 },
    ];
    const parts = apart({ centroid: [1, 21, 0], size: 9 }, others);
    expect(parts.map(({ dimension }) => dimension)).toEqual([1, 0, 2]);
    expect(parts[0]).toEqual({ dimension: 1, value: 21, others: 11, far: 10 });
  });

  test('weighs the others by their size', () => {
    const parts = apart({ centroid: [0], size: 1 }, [
      { centroid: [10], size: 3 },
      { centroid: [20], size: 1 },
    ]);
    expect(parts[0]?.others).toBe(12.5);
  });

  test('of two clusters is the share of the larger value', () => {
    const parts = apart({ centroid: [1, 8], size: 1 }, [{ centroid: [1, 10], size: 1 }]);
    expect(parts.map(({ dimension, far }) => [dimension, far])).toEqual([
      [1, -0.2],
      [0, 0],
    ]);
  });

  test('is nothing where there is no other', () => {
    expect(apart({ centroid: [3], size: 1 }, [])[0]?.far).toBe(0);
  });
});

describe('the axes', () => {
  test('without a sample are dimensions in which the centroids differ, and not alike', () => {
    const centroids = [
      [7, 0, 0, 1],
      [7, 10, 10, 1],
      [7, 10, 10, 100],
      [7, 0, 0.5, 100],
    ];
    const axes = axesOf(centroids, 2);
    expect([nameOf(0, axes), nameOf(1, axes)]).toEqual(['dimension 1', 'dimension 3']);
    expect(place([7, 4, 5, 6], axes)).toEqual([4, 6, 0]);
  });

  test('are those that were asked for, and 0 where the data have none', () => {
    const axes = axesOf([[1, 2]], [1, 5]);
    expect(place([1, 2], axes)).toEqual([2, 0, 0]);
    expect(nameOf(1, axes)).toBe('');
  });

  test('of a main axis name what it is mostly made of', () => {
    const components = [Float32Array.of(0.1, -0.9, 0.4)];
    const axes = { version: 1, method: 'pca' as const, mean: new Float32Array(3), components };
    expect(nameOf(0, axes)).toBe('main axis 1 (mostly −1 +2)');
  });
});

describe('an address', () => {
  test('leads back to stream, cluster, axes and tab', () => {
    const link = { stream: 'a b/ü', cluster: 12, axes: [0, 4, 7], tab: 'log' };
    expect(format(link)).toBe('#stream=a+b%2F%C3%BC&cluster=12&view=3d&axes=0,4,7&tab=log');
    expect(parse(format(link))).toEqual({ ...link, key: null });
  });

  test.each(['', '#', '#cluster=-1', '#cluster=x&axes=a,b', '#axes=1', '#axes=1,2,3,4'])(
    'that makes no sense asks for nothing: %s',
    (fragment) => {
      expect(parse(fragment)).toEqual({
        key: null,
        stream: null,
        cluster: null,
        axes: 2,
        tab: null,
      });
    },
  );
});

describe('the store', () => {
  const happening = (at: number): Happening => ({
    kind: 'created',
    at,
    cluster: at,
    other: -1,
    size: 1,
    source: null,
  });
  const batch = (more: Partial<Batch>): Batch => ({
    type: 'batch',
    follow: 1,
    clusters: [],
    gone: [],
    touched: [],
    happenings: [],
    samples: [],
    learned: 0,
    shown: 0,
    events: 1,
    emitted: 0,
    gaps: 0,
    ...more,
  });

  test('keeps what happened within bounds, and counts it all', () => {
    const store = new Store();
    store.begin(2, true);
    for (let at = 0; at < 5000; at += 1) store.take(batch({ happenings: [happening(at)] }), at);
    expect([store.happenings.length, store.taken.happenings]).toEqual([2000, 5000]);
    expect(store.happenings.at(-1)?.at).toBe(4999);
  });

  test('knows how old a snapshot is', () => {
    const store = new Store();
    const clusters = [20, 70, 50].map((last_updated, id) => ({
      ...{ cluster_id: id, size: 1, centroid: [0, 0], radius: 1, quality: 1, confidence: 1 },
      ...{ health: 1, drift_coefficient: 0, age: 1, last_updated },
    }));
    const position = { epoch: 'e', offsets: { lossless: 1, keyed: 1, latest: 1, sampled: 1 } };
    store.take(batch({ clusters, beginning: { how: 'snapshot', position } }), 100);
    expect([store.emitted, store.delay]).toEqual([70, null]);
  });

  test('tells no rate of which nothing was heard for a while', () => {
    const store = new Store();
    const performance = {
      points_per_second: 9,
      batches_per_second: 1,
      avg_processing_time_ms: 1,
      ack_latency_ms: 4,
      backlog_points: 2,
      subscribers: 1,
    };
    store.take(batch({ performance }), 10);
    expect([store.row(11).rate, store.row(11).ack]).toEqual([9, 4]);
    expect([store.row(13).rate, store.row(13).ack]).toEqual([0, null]);
  });
});
