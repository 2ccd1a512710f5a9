import { describe, expect, test } from 'vitest';
import { Camera } from '../src/map/camera';
import { edgeOf } from '../src/map/edge';
import { contains, ellipseOf, roots } from '../src/map/ellipse';
import { extentOf } from '../src/map/extent';
import { asCsv, asJson, isInside, pick, shares } from '../src/map/lasso';
import { Pace } from '../src/map/pace';
import { Range, ticks } from '../src/map/range';
import { Ring } from '../src/map/ring';
import type { Mark } from '../src/model/history';

const BOX = { width: 420, height: 320, left: 10, right: 10, top: 10, bottom: 10 };

function camera(dimensions: 2 | 3 = 2): Camera {
  const made = new Camera();
  made.dimensions = dimensions;
  for (const range of made.ranges) {
    range.low = 0;
    range.high = 10;
  }
  made.look(BOX);
  return made;
}

const block = (
  at: number,
  values: readonly number[],
  ids: readonly number[],
  dimensions = 2,
) => ({
  points: Float32Array.from(values),
  ids: Int32Array.from(ids),
  dimensions,
  at,
  projection: 1,
});

describe('the ring', () => {
  test('overwrites the oldest, and says what has changed', () => {
    const ring = new Ring(0, 4);
    expect(ring.write(block(1, [0, 0, 1, 1, 2, 2], [0, 1, 2]))).toEqual([
      { from: 0, count: 3 },
    ]);
    expect(ring.spans).toEqual([{ from: 0, count: 3 }]);
    expect(ring.write(block(2, [3, 3, 4, 4], [3, 4]))).toEqual([
      { from: 3, count: 1 },
      { from: 0, count: 1 },
    ]);
    const order: number[] = [];
    ring.each((k) => order.push(ring.ids[k]!));
    expect([ring.size, order]).toEqual([4, [1, 2, 3, 4]]);
    expect([...ring.positions]).toEqual([4, 4, 1, 1, 2, 2, 3, 3]);
  });

  test('of more than it holds keeps the newest', () => {
    const ring = new Ring(0, 2);
    ring.write(block(1, [0, 0, 1, 1, 2, 2], [0, 1, 2]));
    expect([...ring.ids]).toEqual([1, 2]);
  });

  test('begins anew with another dimension', () => {
    const ring = new Ring(100, 4);
    ring.write(block(101, [0, 0], [0]));
    ring.write(block(102.5, [1, 2, 3], [1], 3));
    expect([ring.size, ring.dimensions, ring.born[0]]).toEqual([1, 3, 2.5]);
  });
});

describe('the pace', () => {
  test('draws fewer points where a frame takes long, and all again where it does not', () => {
    const pace = new Pace();
    const took = (ms: number, times: number) => {
      for (let k = 0; k < times; k += 1) pace.took(ms);
    };
    took(60, 6);
    expect(pace.stride).toBe(2);
    took(40, 6);
    expect(pace.stride).toBe(4);
    took(16, 50);
    expect(pace.stride).toBe(4);
    took(3, 12);
    expect(pace.stride).toBe(1);
  });

  test('has an end', () => {
    const pace = new Pace();
    for (let k = 0; k < 1000; k += 1) pace.took(900);
    expect(pace.stride).toBe(16);
  });

  test('of few points draws all, however slow', () => {
    const pace = new Pace();
    for (let k = 0; k < 1000; k += 1) pace.took(900);
    expect([100, 4095, 4096, 20_000, 1e6].map((many) => pace.strideOf(many))).toEqual([
      1, 1, 2, 8, 16,
    ]);
  });

  test('does not change for a single slow frame', () => {
    const pace = new Pace();
    for (let k = 0; k < 20; k += 1) pace.took(k === 3 ? 90 : 10);
    expect(pace.stride).toBe(1);
  });
});

describe('the camera', () => {
  test('lays a plane into the box', () => {
    const flat = camera();
    expect(flat.project(0, 0, 0).map(Math.round)).toEqual([10, 310, 1]);
    expect(flat.project(10, 10, 0).map(Math.round)).toEqual([410, 10, 1]);
  });

  test('zooms around a place, which stays where it is', () => {
    const flat = camera();
    const before = flat.project(2, 7, 0);
    flat.zoomAt(3, before[0], before[1]);
    flat.look(BOX);
    const after = flat.project(2, 7, 0);
    expect(after[0]).toBeCloseTo(before[0], 3);
    expect(after[1]).toBeCloseTo(before[1], 3);
    expect(flat.zoom).toBe(3);
  });

  test('moves with the hand', () => {
    const flat = camera();
    const [x, y] = flat.project(5, 5, 0);
    flat.pan(30, -20);
    flat.look(BOX);
    const [px, py] = flat.project(5, 5, 0);
    expect([px - x, py - y].map(Math.round)).toEqual([30, -20]);
  });

  test('says what part of the data is seen', () => {
    const flat = camera();
    flat.zoom = 2;
    expect(flat.shown(0)).toEqual([2.5, 7.5]);
    expect(flat.shown(1)).toEqual([2.5, 7.5]);
  });

  test('turns space around its middle, with what is near larger', () => {
    const space = camera(3);
    const middle = space.project(5, 5, 5);
    space.turn(50, 20);
    space.look(BOX);
    expect(space.project(5, 5, 5).map(Math.round)).toEqual(middle.map(Math.round));
    const scales = [0, 10].flatMap((x) => [0, 10].map((z) => space.project(x, 5, z)[2]));
    expect(Math.max(...scales)).toBeGreaterThan(1.05);
    expect(Math.min(...scales)).toBeLessThan(0.95);
  });

  test('keeps "up" up', () => {
    const space = camera(3);
    for (const yaw of [0, 1, 2, 3]) {
      space.yaw = yaw;
      space.look(BOX);
      expect(space.project(5, 10, 5)[1]).toBeLessThan(space.project(5, 0, 5)[1]);
    }
  });
});

describe('an ellipse', () => {
  const mark = { id: 1, x: 5, y: 5, z: 0, spread: [1, 0, 0, 0.25, 0, 0] } as unknown as Mark;

  test('has two deviations of the points along each axis', () => {
    const { a, b, angle } = ellipseOf(mark, camera());
    expect([a, b, angle].map(Math.round)).toEqual([80, 30, 0]);
  });

  test('turns with how the points lie', () => {
    const turned = { ...mark, spread: [1, 0.9, 0, 1, 0, 0] } as Mark;
    const { angle, a, b } = ellipseOf(turned, camera());
    expect(angle).toBeLessThan(0); // up to the right, where y of the screen goes down
    expect(a).toBeGreaterThan(2 * b);
  });

  test('contains its middle and not what is outside', () => {
    const ellipse = ellipseOf(mark, camera());
    expect(contains(ellipse, ellipse.x + 70, ellipse.y, 0)).toBe(true);
    expect(contains(ellipse, ellipse.x, ellipse.y + 70, 0)).toBe(false);
  });

  test('is a small circle for a cluster without points', () => {
    expect(ellipseOf({ ...mark, spread: null }, camera())).toMatchObject({ a: 5, b: 5 });
  });

  test('roots give the covariance back', () => {
    const spread = [4, 1, 0.5, 3, 0.2, 2];
    const r = roots(spread);
    const back = [0, 0, 0, 1, 1, 2].map((i, k) => {
      const j = [0, 1, 2, 1, 2, 2][k]!;
      return r.reduce((sum, row) => sum + row[i]! * row[j]!, 0);
    });
    back.forEach((value, k) => {
      expect(value).toBeCloseTo(spread[k]!, 10);
    });
  });
});

describe('what the picture is of', () => {
  const mark = (id: number, x: number, confidence = 1, variance = 0) =>
    ({ id, x, y: 0, z: 0, confidence, spread: [variance, 0, 0, 0, 0, 0] }) as unknown as Mark;
  const near = [mark(1, 0, 1, 1), mark(2, 10)];

  test('are clusters with their points', () => {
    expect(extentOf(near, 0, null)).toEqual([-2.2, 10]);
    expect(extentOf([], 0, null).map(Number.isFinite)).toEqual([false, false]);
  });

  test('is not pushed together by one that is hardly there, until that is chosen', () => {
    const marks = [...near, mark(3, 90, 0.1)];
    expect(extentOf(marks, 0, null)).toEqual([-2.2, 10]);
    expect(extentOf(marks, 0, 3)).toEqual([-2.2, 90]);
    expect(extentOf([...near, mark(3, 90, 0.9)], 0, null)).toEqual([-2.2, 90]);
    expect(extentOf([...near, mark(3, 15, 0.1)], 0, null)).toEqual([-2.2, 15]);
  });

  test('are those that are hardly there where there are no others', () => {
    expect(extentOf([mark(1, 0, 0.1), mark(2, 50, 0.1)], 0, null)).toEqual([0, 50]);
    expect(extentOf([mark(1, 0), mark(2, 50, 0.1)], 0, null)).toEqual([0, 50]);
  });

  test('is told of what is out of it, at the edge', () => {
    expect(edgeOf(200, 150, BOX)).toBe(null);
    expect(edgeOf(900, 150, BOX)).toEqual({ x: 401, y: 150, angle: 0 });
    expect(edgeOf(200, -80, BOX)).toEqual({ x: 200, y: 19, angle: -Math.PI / 2 });
  });
});

describe('a lasso', () => {
  const square = [
    [0, 0],
    [100, 0],
    [100, 320],
    [0, 320],
  ] as const;
  const axes = {
    version: 3,
    method: 'dimensions' as const,
    mean: new Float32Array(2),
    components: [Float32Array.of(1, 0), Float32Array.of(0, 1)],
  };

  test('is inside where a line out of it crosses it once', () => {
    expect([isInside(square, 50, 50), isInside(square, 150, 50)]).toEqual([true, false]);
  });

  test('holds the points that were there at the time, of clusters that are seen', () => {
    const ring = new Ring(1000, 8);
    ring.write(block(1001, [1, 5, 1, 6, 9, 5, 1.1, 4], [0, 1, 0, -1]));
    ring.write(block(1009, [1, 5], [0]));
    const all = pick(ring, camera(), square, 5, () => true);
    expect(all.rows.map(({ cluster }) => cluster)).toEqual([0, 1, -1]);
    expect(pick(ring, camera(), square, 5, (id) => id !== 1).rows.length).toBe(2);
    expect(shares(pick(ring, camera(), square, 99, () => true))).toEqual([
      [0, 2],
      [-1, 1],
      [1, 1],
    ]);
    expect(asCsv(all, axes)).toBe(
      'time,cluster_id,"dimension 0","dimension 1"\n' +
        '1970-01-01T00:16:41.000Z,0,1,5\n1970-01-01T00:16:41.000Z,1,1,6\n' +
        '1970-01-01T00:16:41.000Z,-1,1.10000002,4\n',
    );
    expect(JSON.parse(asJson(all, axes, 's'))).toMatchObject({
      stream: 's',
      projection: {
        version: 3,
        components: [
          [1, 0],
          [0, 1],
        ],
      },
      points: [{ cluster_id: 0, place: [1, 5] }, {}, {}],
    });
  });
});

describe('a range', () => {
  test('is set at once first, then makes room smoothly, and stays while the data fill it', () => {
    const range = new Range();
    expect(range.follow(0, 10, 16)).toBe(false);
    expect([range.low, range.high]).toEqual([-0.6, 10.6]);
    expect(range.follow(1, 9, 16)).toBe(false);
    expect(range.follow(0, 30, 16)).toBe(true);
    expect([range.high > 30, range.high < 31]).toEqual([true, true]);
    range.follow(0, 30, Infinity);
    expect(range.high).toBeCloseTo(31.8);
  });

  test('has what is new in sight at once, with room for a sign', () => {
    const range = new Range();
    range.follow(0, 10, 16);
    range.follow(-40, 10, 0);
    expect(range.low).toBe(-40);
    range.follow(-40, 10, Infinity, 0.1);
    range.follow(-42, 10, Infinity, 0.1);
    expect(range.low).toBeCloseTo(-47.2); // -42 was inside, but at the edge
  });

  test('of nothing stays', () => {
    expect(new Range().follow(Infinity, -Infinity, 16)).toBe(false);
  });

  test('has round ticks', () => {
    expect(ticks(0, 10, 5).map(([, text]) => text)).toEqual(['0', '2', '4', '6', '8', '10']);
    expect(ticks(-0.31, 0.3, 4).map(([, text]) => text)).toEqual(['-0.2', '0.0', '0.2']);
    expect(ticks(5, 5, 4)).toEqual([]);
  });
});
