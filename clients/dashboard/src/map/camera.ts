/**
 * From data to the picture: on a plane with pan and zoom, or in space with an orbit.
 *
 * First the ranges make [-1, 1] of the data on each axis; then the plane is laid into the
 * box that the axes leave, or space is turned and seen in perspective. Both are one matrix,
 * the same for the graphics card and for what is drawn over its picture.
 */

import { Range } from './range';

export interface Box {
  readonly width: number;
  readonly height: number;
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

const DISTANCE = 4.2;
const FOCAL = 2.15; // cotangent of half the angle of view
const STEEPEST = Math.PI / 2 - 0.05;
const ZOOMS = [0.2, 400] as const;

export class Camera {
  readonly ranges = [new Range(), new Range(), new Range()] as const;
  dimensions: 2 | 3 = 2;
  zoom = 1;
  panX = 0;
  panY = 0;
  yaw = -0.6;
  pitch = 0.35;
  /** Column-major, from data to clip space. */
  readonly matrix = new Float32Array(16);
  #box: Box = { width: 1, height: 1, left: 0, right: 0, top: 0, bottom: 0 };

  /** Show everything again. */
  fit(): void {
    this.zoom = 1;
    this.panX = this.panY = 0;
  }

  /** Move the picture by pixels. */
  pan(dx: number, dy: number): void {
    const { width, height, left, right, top, bottom } = this.#box;
    const isFlat = this.dimensions === 2;
    const depth = (height * FOCAL) / DISTANCE;
    this.panX += (2 * dx) / (isFlat ? width - left - right : depth) / this.zoom;
    this.panY -= (2 * dy) / (isFlat ? height - top - bottom : depth) / this.zoom;
  }

  /** Turn space by pixels that the hand has moved. */
  turn(dx: number, dy: number): void {
    this.yaw -= dx / 160;
    this.pitch = Math.min(STEEPEST, Math.max(-STEEPEST, this.pitch + dy / 160));
  }

  /** Zoom around a place in the picture. */
  zoomAt(factor: number, x: number, y: number): void {
    const before = this.zoom;
    this.zoom = Math.min(ZOOMS[1], Math.max(ZOOMS[0], this.zoom * factor));
    if (this.dimensions === 3) return;
    const { width, height, left, right, top, bottom } = this.#box;
    const nx = (2 * (x - left)) / (width - left - right) - 1;
    const ny = 1 - (2 * (y - top)) / (height - top - bottom);
    const change = 1 / this.zoom - 1 / before;
    this.panX += nx * change;
    this.panY += ny * change;
  }

  /** Make the matrix for a picture of this size. */
  look(box: Box): void {
    this.#box = box;
    if (this.dimensions === 2) this.#lookAtPlane(box);
    else this.#lookIntoSpace(box);
  }

  /** Return where a place is in the picture, in pixels, and how large things are there. */
  project(x: number, y: number, z: number): [x: number, y: number, scale: number] {
    const m = this.matrix;
    const w = m[3]! * x + m[7]! * y + m[11]! * z + m[15]!;
    const cx = (m[0]! * x + m[4]! * y + m[8]! * z + m[12]!) / w;
    const cy = (m[1]! * x + m[5]! * y + m[9]! * z + m[13]!) / w;
    const { width, height } = this.#box;
    return [((cx + 1) / 2) * width, ((1 - cy) / 2) * height, w > 0 ? DISTANCE / w : Number.NaN];
  }

  /** Return what part of the data a plane's picture shows of an axis. */
  shown(axis: 0 | 1): [low: number, high: number] {
    const { low, high } = this.ranges[axis];
    const pan = axis === 0 ? this.panX : this.panY;
    const at = (n: number) => low + ((n / this.zoom - pan + 1) / 2) * (high - low);
    return [at(-1), at(1)];
  }

  #lookAtPlane({ width, height, left, right, top, bottom }: Box): void {
    const m = this.matrix.fill(0);
    const [sx, tx] = this.#toUnit(0);
    const [sy, ty] = this.#toUnit(1);
    const halfX = (width - left - right) / width;
    const halfY = (height - top - bottom) / height;
    m[0] = halfX * this.zoom * sx;
    m[12] = (left - right) / width + halfX * this.zoom * (tx + this.panX);
    m[5] = halfY * this.zoom * sy;
    m[13] = (bottom - top) / height + halfY * this.zoom * (ty + this.panY);
    m[15] = DISTANCE;
    // Everything is at the same distance: divided by it again, so that sizes are those of space.
    m[0] *= DISTANCE;
    m[12] *= DISTANCE;
    m[5] *= DISTANCE;
    m[13] *= DISTANCE;
  }

  #lookIntoSpace({ width, height }: Box): void {
    const units = [this.#toUnit(0), this.#toUnit(2), this.#toUnit(1)] as const;
    const [cosY, sinY] = [Math.cos(this.yaw), Math.sin(this.yaw)];
    const [cosP, sinP] = [Math.cos(this.pitch), Math.sin(this.pitch)];
    // Rows of the turn: across, up, towards who looks. Data axes: x across, z deep, y up.
    const rows = [
      [cosY, sinY, 0],
      [sinP * sinY, -sinP * cosY, cosP],
      [-cosP * sinY, cosP * cosY, sinP],
    ] as const;
    const m = this.matrix.fill(0);
    const focal = FOCAL * this.zoom;
    const across = focal * (height > width ? 1 : height / width);
    const up = focal * (height > width ? width / height : 1);
    const columns = [0, 2, 1] as const; // of the matrix, by unit
    units.forEach(([scale], k) => {
      const column = 4 * columns[k]!;
      m[column] = across * rows[0][k]! * scale;
      m[column + 1] = up * rows[1][k]! * scale;
      m[column + 3] = -rows[2][k]! * scale;
    });
    const offset = (row: readonly [number, number, number]) =>
      row[0] * units[0][1] + row[1] * units[1][1] + row[2] * units[2][1];
    m[12] = across * (offset(rows[0]) + this.panX);
    m[13] = up * (offset(rows[1]) + this.panY);
    m[15] = DISTANCE - offset(rows[2]);
  }

  /** Return scale and offset that make [-1, 1] of an axis. */
  #toUnit(axis: 0 | 1 | 2): readonly [scale: number, offset: number] {
    const { low, high } = this.ranges[axis];
    const scale = 2 / (high - low || 1);
    return [scale, -1 - low * scale];
  }
}
