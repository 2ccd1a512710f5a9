/** The points without a graphics card and without WebGL: the newest few thousand of them. */

import { colourOf } from '../model/looks';
import type { Camera } from './camera';
import type { Drawing } from './cloud';
import type { Ring } from './ring';

const MOST = 6000;

/** Draw on a canvas; returns how many points that were. */
export function drawPlain(
  pen: CanvasRenderingContext2D,
  ring: Ring,
  camera: Camera,
  weight: ((id: number) => number) | null,
  { now, life, size, stray, pixels, stride }: Drawing,
): number {
  const { width, height } = pen.canvas;
  pen.setTransform(pixels, 0, 0, pixels, 0, 0);
  pen.clearRect(0, 0, width, height);
  const indices: number[] = [];
  for (const { from, count } of ring.spans) {
    for (let k = from; k < from + count; k += stride) indices.push(k);
  }
  const newest = indices.slice(-MOST);
  const d = ring.dimensions;
  for (const k of newest) {
    const id = ring.ids[k]!;
    const age = now - ring.born[k]!;
    if (age < 0) continue;
    const at = k * d;
    const z = d === 3 ? ring.positions[at + 2]! : 0;
    const [x, y] = camera.project(ring.positions[at]!, ring.positions[at + 1]!, z);
    pen.globalAlpha = (1 - 0.95 * Math.min(1, age / life)) * (id < 0 ? 1 : (weight?.(id) ?? 1));
    pen.fillStyle = id < 0 ? stray : colourOf(id);
    pen.fillRect(x - size / 2, y - size / 2, size, size);
  }
  pen.globalAlpha = 1;
  return newest.length;
}
