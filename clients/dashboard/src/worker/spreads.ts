/**
 * How the points of each cluster lie in the picture: mean and covariance of the last few
 * hundred that were sampled, so that an ellipse can be drawn around them.
 *
 * The sums are updated by Welford's formula until a cluster has `MEMORY` points; from then
 * on each new point weighs 1/MEMORY, so that what is drawn follows a cluster that moves.
 */

/** id, weight, mean (3), covariance xx xy xz yy yz zz. */
export const SPREAD = 11;
const VARIANCES = [5, 8, 10] as const; // of a row
const AROUND = 3; // deviations
const MEMORY = 400;
const ROOM = 2048; // clusters; the one that had no points for longest gives way

export class Spreads {
  /** By id, the one that had points last at the end. */
  readonly #rows = new Map<number, Float64Array>();

  clear(): void {
    this.#rows.clear();
  }

  /** Take points of 2 or 3 coordinates each; those of no cluster count for none. */
  add(points: Float32Array, ids: Int32Array, dimensions: number): void {
    for (let k = 0; k < ids.length; k += 1) {
      const id = ids[k]!;
      if (id < 0) continue;
      const at = k * dimensions;
      const z = dimensions === 3 ? points[at + 2]! : 0;
      this.#take(this.#row(id), points[at]!, points[at + 1]!, z);
    }
  }

  forget(id: number): void {
    this.#rows.delete(id);
  }

  /**
   * A cluster was born or split off at a place: what lay around it until now was counted
   * for others, and they begin anew.
   */
  born(id: number, place: readonly [number, number, number]): void {
    for (const [other, row] of this.#rows) {
      const isAround = place.every((at, axis) => {
        const deviation = Math.sqrt(Math.max(0, row[VARIANCES[axis]!]!));
        return Math.abs(at - row[2 + axis]!) <= AROUND * deviation;
      });
      if (isAround && other !== id) this.#rows.delete(other);
    }
  }

  /** Return all rows, one after the other. */
  packed(): Float32Array {
    const all = new Float32Array(this.#rows.size * SPREAD);
    let at = 0;
    for (const row of this.#rows.values()) {
      all.set(row, at);
      at += SPREAD;
    }
    return all;
  }

  #row(id: number): Float64Array {
    let row = this.#rows.get(id);
    if (row) return row;
    row = new Float64Array(SPREAD);
    row[0] = id;
    this.#rows.set(id, row);
    if (this.#rows.size > ROOM) this.#rows.delete(this.#rows.keys().next().value!);
    return row;
  }

  #take(row: Float64Array, x: number, y: number, z: number): void {
    const weight = Math.min(MEMORY, row[1]! + 1);
    const share = 1 / weight;
    const keep = 1 - share;
    const dx = x - row[2]!;
    const dy = y - row[3]!;
    const dz = z - row[4]!;
    row[1] = weight;
    row[2]! += dx * share;
    row[3]! += dy * share;
    row[4]! += dz * share;
    row[5] = keep * (row[5]! + dx * dx * share);
    row[6] = keep * (row[6]! + dx * dy * share);
    row[7] = keep * (row[7]! + dx * dz * share);
    row[8] = keep * (row[8]! + dy * dy * share);
    row[9] = keep * (row[9]! + dy * dz * share);
    row[10] = keep * (row[10]! + dz * dz * share);
  }
}
