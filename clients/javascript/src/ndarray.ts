/**
 * Packed arrays: the body of MessagePack ext type 0x10, and the same bytes in JSON.
 *
 * A payload is a 4-byte head (dtype, number of dimensions, flags, zero), the shape as
 * uint32, for scaled integers two float64 (scale, offset), zeros up to a multiple of 8,
 * then the values in C order; all little-endian.
 */

import { ProtocolError } from './errors.js';

export const EXT_NDARRAY = 0x10;

export interface PackedArray {
  /** In C order. Where its bytes happen to be aligned, a view of the frame; else a copy. */
  readonly data: Float32Array | Float64Array | Int32Array | Int16Array | Int8Array | Uint8Array;
  readonly shape: readonly number[];
}

type Kind = {
  readonly bytes: number;
  readonly of: (buffer: ArrayBufferLike, at: number, length: number) => PackedArray['data'];
};

const FLOAT16 = 3;
const KINDS: Readonly<Record<number, Kind>> = {
  1: { bytes: 4, of: (b, at, n) => new Float32Array(b, at, n) },
  2: { bytes: 8, of: (b, at, n) => new Float64Array(b, at, n) },
  [FLOAT16]: { bytes: 2, of: (b, at, n) => halves(new Uint16Array(b, at, n)) },
  4: { bytes: 2, of: (b, at, n) => new Int16Array(b, at, n) },
  5: { bytes: 1, of: (b, at, n) => new Int8Array(b, at, n) },
  6: { bytes: 1, of: (b, at, n) => new Uint8Array(b, at, n) },
  7: { bytes: 4, of: (b, at, n) => new Int32Array(b, at, n) },
};
const SCALABLE = [4, 5, 6];
const SCALED = 1;
const MAX_DIMENSIONS = 4;
const ALIGNMENT = 8;

/** Return the payload for an array of float32 or float64. */
export function pack(data: Float32Array | Float64Array, shape: readonly number[]): Uint8Array {
  needLittleEndian();
  const dataAt = aligned(4 + 4 * shape.length);
  const payload = new Uint8Array(dataAt + data.byteLength);
  const view = new DataView(payload.buffer);
  payload[0] = data instanceof Float32Array ? 1 : 2;
  payload[1] = shape.length;
  shape.forEach((length, axis) => {
    view.setUint32(4 + 4 * axis, length, true);
  });
  payload.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), dataAt);
  return payload;
}

/**
 * Return the array in a payload. float16 and scaled integers become a new Float32Array of
 * the values that they stand for.
 *
 * @throws ProtocolError saying what does not fit.
 */
export function unpack(payload: Uint8Array): PackedArray {
  needLittleEndian();
  if (payload.length < 4) throw bad(`${payload.length} bytes are too short for a head`);
  const [dtype, dimensions, flags, reserved] = payload as unknown as [
    number,
    number,
    number,
    number,
  ];
  const kind = KINDS[dtype];
  if (!kind) throw bad(`unknown dtype ${dtype}`);
  if (dimensions < 1 || dimensions > MAX_DIMENSIONS) throw bad(`${dimensions} dimensions`);
  if (reserved || flags & ~SCALED || (flags && !SCALABLE.includes(dtype))) {
    throw bad(`unknown flags ${flags}`);
  }
  const scaleAt = 4 + 4 * dimensions;
  const dataAt = aligned(scaleAt + (flags ? 16 : 0));
  if (payload.length < dataAt) throw bad('cut off within the head');
  const view = new DataView(payload.buffer, payload.byteOffset, payload.length);
  const shape = Array.from({ length: dimensions }, (_, axis) =>
    view.getUint32(4 + 4 * axis, true),
  );
  const length = shape.reduce((product, one) => product * one, 1);
  if (payload.length - dataAt !== length * kind.bytes) {
    throw bad(`${payload.length - dataAt} bytes of data do not make a shape of [${shape}]`);
  }
  const data = valuesOf(kind, payload, dataAt, length);
  if (!flags) return { data, shape };
  const scale = view.getFloat64(scaleAt, true);
  const offset = view.getFloat64(scaleAt + 8, true);
  if (!Number.isFinite(scale) || !Number.isFinite(offset) || scale === 0) {
    throw bad(`scale ${scale} and offset ${offset} are not usable`);
  }
  return { data: Float32Array.from(data, (value) => offset + scale * value), shape };
}

function valuesOf(kind: Kind, payload: Uint8Array, dataAt: number, length: number) {
  const at = payload.byteOffset + dataAt;
  if (at % kind.bytes === 0) return kind.of(payload.buffer, at, length);
  const copy = payload.slice(dataAt);
  return kind.of(copy.buffer, copy.byteOffset, length);
}

/** Return float16 bits as the numbers that they stand for (IEEE 754 binary16). */
function halves(bits: Uint16Array): Float32Array {
  return Float32Array.from(bits, (half) => {
    const sign = half & 0x8000 ? -1 : 1;
    const exponent = (half >> 10) & 0x1f;
    const fraction = half & 0x3ff;
    if (exponent === 0) return sign * fraction * 2 ** -24;
    if (exponent === 0x1f) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
    return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
  });
}

function aligned(at: number): number {
  return Math.ceil(at / ALIGNMENT) * ALIGNMENT;
}

function bad(why: string): ProtocolError {
  return new ProtocolError(`packed array: ${why}`);
}

const LITTLE_ENDIAN = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

function needLittleEndian(): void {
  if (!LITTLE_ENDIAN) throw new ProtocolError('packed arrays need a little-endian machine');
}
