/** Where points and centroids lie in the picture, and which axes it has. */

import type { Axes, Projected } from '../worker/bridge';

export type Place = readonly [number, number, number];

/** Return where a point is shown: ``(point - mean) @ components.T``; a missing axis is 0. */
export function place(point: readonly number[], { mean, components }: Projected): Place {
  const at: [number, number, number] = [0, 0, 0];
  components.forEach((row, axis) => {
    let sum = 0;
    for (let k = 0; k < row.length; k += 1) sum += (point[k]! - mean[k]!) * row[k]!;
    at[axis] = sum;
  });
  return at;
}

/**
 * Return axes for a stream of which no sample has come: the coordinates that were asked for,
 * or those in which the centroids differ most and not in the same way.
 */
export function axesOf(centroids: readonly (readonly number[])[], wanted: Axes): Projected {
  const width = centroids[0]?.length ?? 0;
  const chosen = typeof wanted === 'number' ? farthest(centroids, wanted) : wanted;
  const components = chosen.map((coordinate) => {
    const row = new Float32Array(width);
    if (coordinate < width) row[coordinate] = 1;
    return row;
  });
  return { version: 0, method: 'dimensions', mean: new Float32Array(width), components };
}

/**
 * One after the other, take the coordinate in which the centroids differ most, relative to
 * their range, beside what the ones taken before explain (Gram-Schmidt).
 */
function farthest(centroids: readonly (readonly number[])[], many: number): number[] {
  const width = centroids[0]?.length ?? 0;
  const rest = Array.from({ length: width }, (_, k) => normalised(centroids.map((c) => c[k]!)));
  const taken: number[] = [];
  while (taken.length < Math.min(many, width)) {
    const norms = rest.map((column, k) => (taken.includes(k) ? -1 : dot(column, column)));
    const best = norms.indexOf(Math.max(...norms));
    taken.push(best);
    const along = rest[best]!;
    const norm = dot(along, along) || 1;
    for (const column of rest) {
      if (column === along) continue;
      const share = dot(column, along) / norm;
      for (let k = 0; k < column.length; k += 1) column[k]! -= share * along[k]!;
    }
  }
  taken.sort((a, b) => a - b);
  while (taken.length < many) taken.push(width); // an axis that the data do not have
  return taken;
}

/** Distances from the mean, in units of the range. */
function normalised(values: number[]): number[] {
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  const range = Math.max(...values) - Math.min(...values);
  return values.map((value) => (value - mean) / (range || 1));
}

const dot = (a: readonly number[], b: readonly number[]): number =>
  a.reduce((sum, value, k) => sum + value * b[k]!, 0);

/** Return what an axis is called: a coordinate, or a main axis and what it is made of. */
export function nameOf(axis: number, { method, components }: Projected): string {
  const row = components[axis];
  if (!row) return '';
  const weights = [...row].map((weight, k) => ({ k, weight }));
  if (method === 'dimensions') {
    const found = weights.find(({ weight }) => weight !== 0);
    return found ? `dimension ${found.k}` : '';
  }
  const largest = weights.sort((a, b) => Math.abs(b.weight) - Math.abs(a.weight)).slice(0, 3);
  const parts = largest
    .filter(({ weight }) => Math.abs(weight) > 0.3 * Math.abs(largest[0]!.weight))
    .map(({ k, weight }) => `${weight < 0 ? '−' : '+'}${k}`);
  return `main axis ${axis + 1} (mostly ${parts.join(' ')})`;
}
