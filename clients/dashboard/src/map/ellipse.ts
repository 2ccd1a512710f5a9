/** The outline of a cluster in the picture, from how its points lie in the data. */

import type { Mark } from '../model/history';
import type { Camera } from './camera';

export interface Ellipse {
  readonly x: number;
  readonly y: number;
  /** Half axes in pixels, and the angle of the first. */
  readonly a: number;
  readonly b: number;
  readonly angle: number;
}

/** Deviations from the middle to the outline: 86 of 100 normal points of a plane lie within. */
const DEVIATIONS = 2;
const LEAST = 5; // pixels
const MOST = 4000;

/** Return the ellipse of a cluster; of one without points in sight, a small circle. */
export function ellipseOf(mark: Mark, camera: Camera): Ellipse {
  const [x, y] = camera.project(mark.x, mark.y, mark.z);
  const round = { x, y, a: LEAST, b: LEAST, angle: 0 };
  if (!mark.spread) return round;
  let [xx, xy, yy] = [0, 0, 0];
  for (const [dx, dy, dz] of roots(mark.spread)) {
    const [px, py] = camera.project(mark.x + dx, mark.y + dy, mark.z + dz);
    xx += (px - x) ** 2;
    xy += (px - x) * (py - y);
    yy += (py - y) ** 2;
  }
  const middle = (xx + yy) / 2;
  const off = Math.hypot((xx - yy) / 2, xy);
  if (!Number.isFinite(middle)) return round;
  const half = (square: number) =>
    Math.min(MOST, Math.max(LEAST, DEVIATIONS * Math.sqrt(Math.max(0, square))));
  const angle = 0.5 * Math.atan2(2 * xy, xx - yy);
  return { x, y, a: half(middle + off), b: half(middle - off), angle };
}

/** Columns of the Cholesky factor of a covariance: their squares add up to it. */
export function roots(spread: readonly number[]): [number, number, number][] {
  const [xx, xy, xz, yy, yz, zz] = spread as [number, number, number, number, number, number];
  const a = Math.sqrt(Math.max(0, xx));
  const b = a > 0 ? xy / a : 0;
  const c = a > 0 ? xz / a : 0;
  const d = Math.sqrt(Math.max(0, yy - b * b));
  const e = d > 0 ? (yz - b * c) / d : 0;
  const f = Math.sqrt(Math.max(0, zz - c * c - e * e));
  return [
    [a, b, c],
    [0, d, e],
    [0, 0, f],
  ];
}

/** Whether a place in the picture lies in an ellipse, or within so many pixels of it. */
export function contains({ x, y, a, b, angle }: Ellipse, px: number, py: number, near: number) {
  const [dx, dy] = [px - x, py - y];
  const along = (dx * Math.cos(angle) + dy * Math.sin(angle)) / (a + near);
  const beside = (dy * Math.cos(angle) - dx * Math.sin(angle)) / (b + near);
  return along * along + beside * beside <= 1;
}
