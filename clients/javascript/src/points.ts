/**
 * Points as callers have them, checked and copied once when they are handed over.
 *
 * What the server would refuse for its form is refused here, with the same code and index.
 * The copy makes it harmless that a caller goes on to use the array.
 */

import { refusedError } from './errors.js';

/** Points that lie one after another in one array: nothing is converted on the way. */
export interface PointBlock {
  readonly data: Float32Array | Float64Array;
  /** How many numbers make a point. */
  readonly dimension: number;
}

/** n points of d numbers each. */
export type Points = readonly (readonly number[] | Float32Array | Float64Array)[] | PointBlock;

/** Return how many points there are. */
export function countOf(points: Points): number {
  return isBlock(points) ? points.data.length / points.dimension : points.length;
}

export function isBlock(points: Points): points is PointBlock {
  return typeof points === 'object' && points !== null && 'dimension' in points;
}

/**
 * Return the numbers of all points in one array, and their shape.
 *
 * A block stays what it is; lists become float64, which loses nothing.
 *
 * @throws ValidationError with the code that the server would give.
 */
export function flatten(points: Points): {
  data: Float32Array | Float64Array;
  shape: [number, number];
} {
  if (isBlock(points)) return flattenBlock(points);
  if (!Array.isArray(points)) {
    const detail = 'Points are a list of points, or { data, dimension }';
    throw refusedError({ code: 'invalid_message', detail });
  }
  if (points.length === 0)
    throw refusedError({ code: 'no_points', detail: 'There is no point.' });
  const dimension = points[0]?.length ?? 0;
  const data = new Float64Array(points.length * dimension || 0);
  points.forEach((point, index) => {
    if (!isList(point)) {
      const detail = `Point ${index} is no list of numbers`;
      throw refusedError({ code: 'invalid_message', detail, index });
    }
    if (point.length === 0) {
      throw refusedError({ code: 'empty_point', detail: `Point ${index} is empty`, index });
    }
    if (point.length !== dimension) {
      const detail = `Point ${index} has ${point.length} dimensions, expected ${dimension}`;
      throw refusedError({ code: 'ragged_points', detail, index });
    }
    for (const value of point) {
      if (typeof value !== 'number') {
        const detail = `Point ${index} has a coordinate that is no number`;
        throw refusedError({ code: 'invalid_message', detail, index });
      }
      if (!Number.isFinite(value)) throw notFinite(index);
    }
    data.set(point, index * dimension);
  });
  return { data, shape: [points.length, dimension] };
}

function isList(point: unknown): boolean {
  return Array.isArray(point) || ArrayBuffer.isView(point);
}

function flattenBlock({ data, dimension }: PointBlock): ReturnType<typeof flatten> {
  if (!(data instanceof Float32Array || data instanceof Float64Array)) {
    const detail = 'The data of a block are a Float32Array or a Float64Array';
    throw refusedError({ code: 'bad_array', detail });
  }
  const count = data.length / dimension;
  if (!Number.isInteger(count) || dimension < 1) {
    const detail = `${data.length} numbers do not make points of ${dimension} dimensions`;
    throw refusedError({ code: 'bad_array', detail });
  }
  if (count === 0) throw refusedError({ code: 'no_points', detail: 'There is no point.' });
  const bad = data.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0) throw notFinite(Math.floor(bad / dimension));
  return { data, shape: [count, dimension] };
}

function notFinite(index: number) {
  const detail = `Point ${index} has a coordinate that is NaN or infinite`;
  return refusedError({ code: 'not_finite', detail, index });
}
