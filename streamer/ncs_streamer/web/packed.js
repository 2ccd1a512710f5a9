/** Packed arrays as JSON carries them: base64 of a head, a shape, and values as they lie. */

const KINDS = { 1: Float32Array, 2: Float64Array, 4: Int16Array, 5: Int8Array, 6: Uint8Array, 7: Int32Array };
const ALIGNED = 8;

/** Return {shape, values}: a typed array over the very bytes, in C order. */
export function unpack(text) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const [kind, dimensions] = bytes;
  const head = new DataView(bytes.buffer);
  const shape = Array.from({ length: dimensions }, (_, k) => head.getUint32(4 + 4 * k, true));
  const at = Math.ceil((4 + 4 * dimensions) / ALIGNED) * ALIGNED;
  const count = shape.reduce((a, b) => a * b, 1);
  return { shape, values: new KINDS[kind](bytes.buffer, at, count) };
}
