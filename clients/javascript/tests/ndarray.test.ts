import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { NCSError, ProtocolError } from '../src/errors.js';
import { pack, unpack } from '../src/ndarray.js';
import vectors from './vectors.json' with { type: 'json' };

const bytes = (hex: string) => Uint8Array.from(Buffer.from(hex, 'hex'));
const payload = () => pack(Float32Array.of(1, 2, 3, 4, 5, 6), [2, 3]);

describe('arrays that the server packs', () => {
  const values = [1, 2, 0.5, 100, 0, 3];
  const expected: Record<string, [string, number[]]> = {
    float16: ['Float32Array', values],
    float32: ['Float32Array', values],
    float64: ['Float64Array', values],
    int16: ['Int16Array', values.map(Math.trunc)],
    int8: ['Int8Array', values.map(Math.trunc)],
    uint8: ['Uint8Array', values.map(Math.trunc)],
    scaled: ['Float32Array', [1.25, -1.75, 0.75, 63.75, 0.25, 3.25]],
  };
  test.each(Object.entries(vectors.arrays))('%s are read', (name, hex) => {
    const { data, shape } = unpack(bytes(hex));
    expect(shape).toEqual([2, 3]);
    expect([data.constructor.name, [...data]]).toEqual(expected[name]);
  });
});

test('what is packed is what the server packs', () => {
  const values = [1, 2, 0.5, 100, 0, 3];
  expect(pack(Float32Array.from(values), [2, 3])).toEqual(bytes(vectors.arrays.float32));
  expect(pack(Float64Array.from(values), [2, 3])).toEqual(bytes(vectors.arrays.float64));
});

test('32-bit integers, as cluster ids are, are read', () => {
  const head = Uint8Array.of(7, 1, 0, 0, 2, 0, 0, 0);
  const { data } = unpack(
    Uint8Array.of(...head, ...new Uint8Array(Int32Array.of(-1, 70_000).buffer)),
  );
  expect([data.constructor.name, [...data]]).toEqual(['Int32Array', [-1, 70_000]]);
});

test('halves have infinities, NaN, zeros of both signs and the smallest numbers', () => {
  const bits = Uint16Array.of(0x7c00, 0xfc00, 0x7e00, 0x8000, 0x0001, 0x7bff);
  const head = Uint8Array.of(3, 1, 0, 0, 6, 0, 0, 0);
  const { data } = unpack(Uint8Array.of(...head, ...new Uint8Array(bits.buffer)));
  expect([...data]).toEqual([Infinity, -Infinity, Number.NaN, -0, 2 ** -24, 65504]);
});

test.each([0, 4, 8, 16])('an array that lies at %i is used where it lies', (at) => {
  const frame = new Uint8Array(at + 40);
  frame.set(payload(), at);
  const { data } = unpack(frame.subarray(at, at + payload().length));
  expect(data.buffer).toBe(frame.buffer);
  expect([...data]).toEqual([1, 2, 3, 4, 5, 6]);
});

test.each([1, 2, 3, 5])('an array that lies askew, at %i, is copied', (at) => {
  const frame = new Uint8Array(at + payload().length);
  frame.set(payload(), at);
  expect([...unpack(frame.subarray(at)).data]).toEqual([1, 2, 3, 4, 5, 6]);
});

test.each<[string, (payload: Uint8Array) => Uint8Array]>([
  ['nothing', () => new Uint8Array()],
  ['half a head', (p) => p.slice(0, 3)],
  ['a cut in the shape', (p) => p.slice(0, 9)],
  ['a missing value', (p) => p.slice(0, -4)],
  ['a value too many', (p) => Uint8Array.of(...p, 0, 0, 0, 0)],
  ['an unknown dtype', (p) => p.with(0, 99)],
  ['no dimension', (p) => p.with(1, 0)],
  ['five dimensions', (p) => p.with(1, 5)],
  ['floats that are scaled', (p) => p.with(2, 1)],
  ['a reserved byte', (p) => p.with(3, 1)],
  ['a scale of zero', () => bytes(vectors.arrays.scaled).fill(0, 12, 20)],
])('%s is refused', (_, damage) => {
  expect(() => unpack(damage(payload()))).toThrow(ProtocolError);
});

test('any bytes give an array or a ProtocolError', () => {
  const damaged = fc
    .tuple(fc.nat(39), fc.nat(255))
    .map(([at, value]) => payload().with(at, value));
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 64 }), damaged), (any) => {
      try {
        const { data, shape } = unpack(any);
        expect(data.length).toBe(shape.reduce((a, b) => a * b, 1));
      } catch (error) {
        expect(error).toBeInstanceOf(NCSError);
      }
    }),
  );
});
