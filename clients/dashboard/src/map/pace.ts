/**
 * How many of the points are drawn, by how long a frame takes.
 *
 * Every n-th point is drawn, n a power of two: so all times and all clusters keep their
 * share. Whoever looks at the picture is told which part of the points it shows.
 */

export const STRIDES = [1, 2, 4, 8, 16] as const;
const SLOW_MS = 28;
const FAST_MS = 9;
const SETTLED = 6; // frames before another change
const WEIGHT = 0.25;
/** So few cost nothing beside the rest of a frame. */
const FEW = 2048;

export class Pace {
  /** One in so many points is drawn. */
  stride = 1;
  /** Milliseconds of a frame, lately. */
  frameMs = 0;
  #frames = 0;

  /** Return the stride for so many points: few are always drawn all. */
  strideOf(many: number): number {
    return STRIDES.findLast((n) => n <= this.stride && (n === 1 || many >= n * FEW))!;
  }

  /** Take note of how long a frame took; returns whether the stride has changed. */
  took(ms: number): boolean {
    this.frameMs = this.frameMs === 0 ? ms : this.frameMs + WEIGHT * (ms - this.frameMs);
    this.#frames += 1;
    if (this.#frames < SETTLED) return false;
    const k = STRIDES.indexOf(this.stride as (typeof STRIDES)[number]);
    const isSlow = this.frameMs > SLOW_MS && k < STRIDES.length - 1;
    const isFast = this.frameMs < FAST_MS && k > 0;
    if (!isSlow && !isFast) return false;
    this.stride = STRIDES[isSlow ? k + 1 : k - 1]!;
    this.#frames = 0;
    this.frameMs = 0;
    return true;
  }
}
