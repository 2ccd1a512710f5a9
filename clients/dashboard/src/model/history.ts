/**
 * How the clusters were, second by second, so that one can go back to look.
 *
 * Bounded by age and by numbers kept: of a thousand clusters there is less of the past than
 * of ten. Nothing here is asked of the server; it is what this page has seen.
 */

import { HISTORY_S, lastAtOrBefore } from './series';

/** One cluster as the map and the table show it. */
export interface Mark {
  readonly id: number;
  readonly size: number;
  readonly quality: number;
  readonly health: number;
  readonly confidence: number;
  readonly drift: number;
  readonly radius: number;
  readonly age: number;
  readonly updated: number;
  readonly x: number;
  readonly y: number;
  readonly z: number;
  /** How its points lie around its place: covariance xx xy xz yy yz zz; or null. */
  readonly spread: readonly number[] | null;
}

interface Frame {
  readonly marks: Float64Array;
  /** Of the axes that the places are in. */
  readonly projection: number;
}

const WIDTH = 18;
const MAX_NUMBERS = 2_000_000; // 16 MB

export class History {
  readonly times: number[] = [];
  readonly #frames: Frame[] = [];
  #numbers = 0;

  clear(): void {
    this.times.length = 0;
    this.#frames.length = 0;
    this.#numbers = 0;
  }

  record(at: number, marks: readonly Mark[], projection: number): void {
    if (at <= (this.times.at(-1) ?? -Infinity)) return;
    const packed = new Float64Array(marks.length * WIDTH);
    marks.forEach((mark, k) => {
      packed.set(numbersOf(mark), k * WIDTH);
    });
    this.times.push(at);
    this.#frames.push({ marks: packed, projection });
    this.#numbers += packed.length;
    while (this.#numbers > MAX_NUMBERS || this.times[0]! < at - HISTORY_S) {
      this.times.shift();
      this.#numbers -= this.#frames.shift()!.marks.length;
    }
  }

  /** Return the clusters as they were at a time, by size; none before the first record. */
  at(time: number): Mark[] {
    const frame = this.#frames[lastAtOrBefore(this.times, time)];
    if (!frame) return [];
    const marks: Mark[] = [];
    for (let k = 0; k < frame.marks.length; k += WIDTH) marks.push(markOf(frame.marks, k));
    return marks;
  }

  /** Return the version of the axes that the places of a time are in. */
  projectionAt(time: number): number {
    return this.#frames[lastAtOrBefore(this.times, time)]?.projection ?? -1;
  }

  /** Return where each cluster was, oldest first, in the seconds before a time. */
  trails(time: number, seconds: number): Map<number, { at: number; place: number[] }[]> {
    const trails = new Map<number, { at: number; place: number[] }[]>();
    const last = lastAtOrBefore(this.times, time);
    const projection = this.#frames[last]?.projection;
    for (let f = lastAtOrBefore(this.times, time - seconds) + 1; f <= last; f += 1) {
      const frame = this.#frames[f]!;
      if (frame.projection !== projection) continue;
      const { marks } = frame;
      for (let k = 0; k < marks.length; k += WIDTH) {
        const step = {
          at: this.times[f]!,
          place: [marks[k + 9]!, marks[k + 10]!, marks[k + 11]!],
        };
        const trail = trails.get(marks[k]!);
        if (trail) trail.push(step);
        else trails.set(marks[k]!, [step]);
      }
    }
    return trails;
  }
}

function numbersOf(mark: Mark): number[] {
  const { id, size, quality, health, confidence, drift, radius, age, updated, x, y, z } = mark;
  const spread = mark.spread ?? [Number.NaN];
  return [
    id,
    size,
    quality,
    health,
    confidence,
    drift,
    radius,
    age,
    updated,
    x,
    y,
    z,
    ...spread,
  ];
}

function markOf(numbers: Float64Array, k: number): Mark {
  const spread = [...numbers.subarray(k + 12, k + WIDTH)];
  return {
    id: numbers[k]!,
    size: numbers[k + 1]!,
    quality: numbers[k + 2]!,
    health: numbers[k + 3]!,
    confidence: numbers[k + 4]!,
    drift: numbers[k + 5]!,
    radius: numbers[k + 6]!,
    age: numbers[k + 7]!,
    updated: numbers[k + 8]!,
    x: numbers[k + 9]!,
    y: numbers[k + 10]!,
    z: numbers[k + 11]!,
    spread: Number.isNaN(spread[0]) ? null : spread,
  };
}
