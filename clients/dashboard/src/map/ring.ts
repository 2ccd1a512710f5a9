/**
 * The points that are kept: a ring of fixed size, of which the oldest are overwritten.
 *
 * It is the copy in memory of what the graphics card has, for who picks points by hand, and
 * says which part of it a write has changed.
 */

import type { SampleBlock } from '../worker/bridge';

export const CAPACITY = 262_144;

/** A stretch of the ring, which does not wrap around. */
export interface Span {
  readonly from: number;
  readonly count: number;
}

export class Ring {
  readonly ids: Int32Array;
  /** Seconds since `zero`, as exact as float32 is. */
  readonly born: Float32Array;
  positions: Float32Array;
  dimensions = 2;
  #head = 0;
  #size = 0;

  constructor(
    readonly zero: number,
    readonly capacity = CAPACITY,
  ) {
    this.ids = new Int32Array(capacity);
    this.born = new Float32Array(capacity);
    this.positions = new Float32Array(2 * capacity);
  }

  get size(): number {
    return this.#size;
  }

  /** Forget all points; those to come have so many coordinates. */
  clear(dimensions = this.dimensions): void {
    this.#head = this.#size = 0;
    if (dimensions === this.dimensions) return;
    this.dimensions = dimensions;
    this.positions = new Float32Array(dimensions * this.capacity);
  }

  /** Take points; return the stretches that have changed. */
  write({ points, ids, dimensions, at }: SampleBlock): Span[] {
    if (dimensions !== this.dimensions) this.clear(dimensions);
    const count = Math.min(ids.length, this.capacity);
    const skipped = ids.length - count;
    const spans: Span[] = [];
    for (let done = 0; done < count; ) {
      const from = this.#head;
      const many = Math.min(count - done, this.capacity - from);
      const first = skipped + done;
      this.ids.set(ids.subarray(first, first + many), from);
      this.born.fill(at - this.zero, from, from + many);
      const part = points.subarray(first * dimensions, (first + many) * dimensions);
      this.positions.set(part, from * dimensions);
      spans.push({ from, count: many });
      this.#head = (from + many) % this.capacity;
      done += many;
    }
    this.#size = Math.min(this.capacity, this.#size + count);
    return spans;
  }

  /** All points, the oldest first, in at most two stretches. */
  get spans(): Span[] {
    if (this.#size < this.capacity) return this.#size ? [{ from: 0, count: this.#size }] : [];
    const spans = [{ from: this.#head, count: this.capacity - this.#head }];
    if (this.#head) spans.push({ from: 0, count: this.#head });
    return spans;
  }

  /** Call back with the index of each point, the oldest first. */
  each(take: (index: number) => void): void {
    for (const { from, count } of this.spans) {
      for (let k = from; k < from + count; k += 1) take(k);
    }
  }
}
