import { encode } from '@msgpack/msgpack';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { bytesOf, CODECS, type Codec } from '../src/codec.js';
import { ProtocolError, RefusedError } from '../src/errors.js';
import type { Points } from '../src/points.js';
import vectors from './vectors.json' with { type: 'json' };

const { json, msgpack } = CODECS;
const HEAD = { type: 'points', seq: 1, stream: 's' } as const;

/** Return bytes as a socket hands them over. */
const buffer = (bytes: Uint8Array) => bytes.slice().buffer;
const bytes = (hex: string) => buffer(Uint8Array.from(Buffer.from(hex, 'hex')));

describe('frames of the server', () => {
  test.each(Object.entries(vectors.frames))('%s is read, the same from both', (_, frames) => {
    const fromJson = json.decode(frames.json);
    expect(fromJson).not.toBeNull();
    expect(msgpack.decode(bytes(frames.msgpack))).toEqual(fromJson);
  });

  test('what they do not say of themselves is left alone', () => {
    expect(json.decode('{"type":"pong","server_time":1,"moon":"full"}')).toMatchObject({
      moon: 'full',
    });
  });

  test('a type that only a newer client knows is nothing', () => {
    expect(json.decode('{"type":"poem"}')).toBeNull();
    expect(json.decode('{"type":"constructor"}')).toBeNull();
  });

  test.each([
    ['{"type":"pong"}', 'pong: server_time has to be number, and is undefined'],
    ['{"type":"ack","stream":7}', 'ack: stream has to be string, and is number'],
    ['{"type":"unsubscribed","id":["x"]}', 'unsubscribed: id has to be string, and is a list'],
    [
      '{"type":"subscribed","id":"x","stream":"s","epoch":"e","offsets":{"keyed":"1"},"recovered":true}',
      'subscribed: offsets.keyed has to be number, and is string',
    ],
    ['[]', 'a frame without a type'],
    ['7', 'a frame without a type'],
    ['{"type":"po', 'not a frame of the protocol'],
  ])('%s is refused, saying what is wrong', (frame, why) => {
    expect(() => json.decode(frame)).toThrow(why);
  });

  test('what is wrong deep inside is named', () => {
    const frame = JSON.parse(vectors.frames['subscribed in full'].json);
    frame.snapshot.clusters[0].centroid[0] = null;
    expect(() => json.decode(JSON.stringify(frame))).toThrow(
      'subscribed: snapshot.clusters.0.centroid.0 has to be number, and is null',
    );
  });

  test('a frame of the other kind is refused', () => {
    expect(() => json.decode(new ArrayBuffer(1))).toThrow(ProtocolError);
    expect(() => msgpack.decode('{}')).toThrow(ProtocolError);
  });

  const frame = fc.oneof(
    fc.uint8Array({ maxLength: 80 }),
    fc
      .tuple(fc.constantFrom(...Object.values(vectors.frames)), fc.nat(), fc.nat(255))
      .map(([{ msgpack: hex }, at, value]) => {
        const whole = new Uint8Array(bytes(hex));
        return whole.with(at % whole.length, value);
      }),
    fc.json().map((text) => encode(JSON.parse(text))),
  );
  test('any bytes give a message, nothing, or a ProtocolError', () => {
    fc.assert(
      fc.property(frame, (any) => {
        const text = new TextDecoder().decode(any);
        for (const [codec, given] of [
          [msgpack, buffer(any)],
          [json, text],
        ] as [Codec, unknown][]) {
          try {
            const message = codec.decode(given);
            if (message) expect(typeof message.type).toBe('string');
          } catch (error) {
            expect(error).toBeInstanceOf(ProtocolError);
          }
        }
      }),
      { numRuns: 400 },
    );
  });
});

describe('points', () => {
  const sent = (points: Points) =>
    JSON.parse(json.encodePoints(HEAD, json.encodeBody(points)) as string);

  test('travel as lists in JSON', () => {
    const rows = [[1, 2.5], Float32Array.of(3, 4)];
    expect(sent(rows)).toEqual({
      ...HEAD,
      points: [
        [1, 2.5],
        [3, 4],
      ],
    });
  });

  test('of a block travel packed, in JSON as base64', () => {
    const { array } = sent({ data: Float32Array.of(1, 2, 0.5, 100, 0, 3), dimension: 3 });
    expect(Buffer.from(array, 'base64').toString('hex')).toBe(vectors.arrays.float32);
  });

  test('travel packed in MessagePack, and nothing is lost of a number', () => {
    const frame = msgpack.encodePoints(
      HEAD,
      msgpack.encodeBody([
        [0.1, 2],
        [1e-9, 4],
      ]),
    );
    const numbers = Buffer.from(Float64Array.of(0.1, 2, 1e-9, 4).buffer);
    expect(Buffer.from(frame as Uint8Array).includes(numbers)).toBe(true);
  });

  test('are copied when they are handed over', () => {
    const rows = [[1, 2]];
    const bodies = [json.encodeBody(rows), msgpack.encodeBody(rows)];
    (rows[0] as number[])[0] = 99;
    expect(bodies).toEqual([json.encodeBody([[1, 2]]), msgpack.encodeBody([[1, 2]])]);
  });

  test.each<[string, Points, string, number | undefined]>([
    ['no point', [], 'no_points', undefined],
    ['an empty point', [[1], []], 'empty_point', 1],
    ['points that differ', [[1, 2], [1]], 'ragged_points', 1],
    ['NaN', [[1], [Number.NaN]], 'not_finite', 1],
    ['infinity', [[Infinity]], 'not_finite', 0],
    ['a text', 'abc' as unknown as Points, 'invalid_message', undefined],
    ['numbers that are no points', [1, 2] as unknown as Points, 'invalid_message', 0],
    [
      'a block of a list',
      { data: [1, 2] as unknown as Float32Array, dimension: 1 },
      'bad_array',
      undefined,
    ],
    ['a string', [['1' as unknown as number]], 'invalid_message', 0],
    ['a boolean', [[1], [true as unknown as number]], 'invalid_message', 1],
    [
      'a block that does not come out even',
      { data: Float32Array.of(1, 2, 3), dimension: 2 },
      'bad_array',
      undefined,
    ],
    [
      'a block without dimensions',
      { data: Float32Array.of(1), dimension: 0 },
      'bad_array',
      undefined,
    ],
    ['an empty block', { data: Float32Array.of(), dimension: 2 }, 'no_points', undefined],
    [
      'a block with NaN',
      { data: Float32Array.of(1, 2, Number.NaN), dimension: 1 },
      'not_finite',
      2,
    ],
  ])('with %s are refused at once, as the server would', (_, points, code, index) => {
    for (const codec of [json, msgpack]) {
      const refusal = catching(() => codec.encodeBody(points));
      expect([refusal.code, refusal.index]).toEqual([code, index]);
    }
  });
});

test('sizes are those on the wire', () => {
  expect(['abc', 'ä€', Uint8Array.of(1, 2)].map(bytesOf)).toEqual([3, 5, 2]);
});

function catching(act: () => unknown): RefusedError {
  try {
    act();
  } catch (error) {
    if (error instanceof RefusedError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}
