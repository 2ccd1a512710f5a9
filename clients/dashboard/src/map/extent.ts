/**
 * What part of an axis the picture is of: where the clusters are with their points.
 *
 * A cluster with little evidence that lies far from all others does not push those together:
 * it is told at the edge of the picture, until it is chosen.
 */

import type { Mark } from '../model/history';

/** Below it an outline is dashed, too. */
export const SURE = 0.5;
const MOST_STRETCHED = 2;
const DEVIATIONS = 2.2;
const VARIANCES = [0, 3, 5] as const; // where a spread has that of each axis

export type Extent = readonly [least: number, most: number];

export function extentOf(
  marks: readonly Mark[],
  axis: 0 | 1 | 2,
  chosen: number | null,
): Extent {
  const all = around(marks, axis);
  const sure = around(
    marks.filter(({ id, confidence }) => confidence >= SURE || id === chosen),
    axis,
  );
  const width = sure[1] - sure[0];
  return width > 0 && all[1] - all[0] > MOST_STRETCHED * width ? sure : all;
}

/** The least interval that holds them; of none, one that is not finite. */
function around(marks: readonly Mark[], axis: 0 | 1 | 2): Extent {
  let [least, most] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const mark of marks) {
    const at = [mark.x, mark.y, mark.z][axis]!;
    const reach = DEVIATIONS * Math.sqrt(Math.max(0, mark.spread?.[VARIANCES[axis]] ?? 0));
    least = Math.min(least, at - reach);
    most = Math.max(most, at + reach);
  }
  return [least, most];
}
