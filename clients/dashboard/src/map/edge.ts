/** Clusters that are out of the picture: an arrow at its edge says where they are. */

import type { Box } from './camera';

const INSET_PX = 9;
const LENGTH_PX = 7;

export interface Edge {
  readonly x: number;
  readonly y: number;
  /** Where the arrow points, clockwise from the right. */
  readonly angle: number;
}

/** Return where at the edge of a plane's picture a place is told; null if it is in there. */
export function edgeOf(x: number, y: number, box: Box): Edge | null {
  const { width, height, left, right, top, bottom } = box;
  if (x >= left && x <= width - right && y >= top && y <= height - bottom) return null;
  const within = (at: number, low: number, high: number) =>
    Math.min(high - INSET_PX, Math.max(low + INSET_PX, at));
  const at = { x: within(x, left, width - right), y: within(y, top, height - bottom) };
  return { ...at, angle: Math.atan2(y - at.y, x - at.x) };
}

/** Let the path be the arrow. */
export function traceArrow(pen: CanvasRenderingContext2D, { x, y, angle }: Edge): void {
  pen.beginPath();
  for (const turn of [0, 2.4, -2.4]) {
    pen.lineTo(x + LENGTH_PX * Math.cos(angle + turn), y + LENGTH_PX * Math.sin(angle + turn));
  }
  pen.closePath();
}
