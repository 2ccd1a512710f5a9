/**
 * Messages to frames and back, in JSON and in MessagePack. Stateless.
 *
 * Points are encoded when they are handed over, everything around them when they are
 * sent: a batch that is sent again under another number is not encoded again.
 */

import { decode, ExtData, ExtensionCodec, encode } from '@msgpack/msgpack';
import { NCSError, ProtocolError } from './errors.js';
import {
  type ClientMessage,
  type PointsMessage,
  SERVER_MESSAGES,
  type ServerMessage,
  SHAPES,
} from './generated/messages.js';
import { EXT_NDARRAY, pack, unpack } from './ndarray.js';
import { flatten, isBlock, type Points } from './points.js';
import { Checker } from './shapes.js';

export type Frame = string | Uint8Array<ArrayBuffer>;

/** Points, encoded. */
export type Body = string | Uint8Array;

/** A `points` message without its points. */
export type PointsHead = Omit<PointsMessage, 'points' | 'array'>;

export type CodecName = 'json' | 'msgpack';

export interface Codec {
  readonly subprotocol: string;
  /** @throws ValidationError if they are not points. */
  encodeBody(points: Points): Body;
  encodePoints(head: PointsHead, body: Body): Frame;
  encode(message: ClientMessage): Frame;
  /**
   * Return the message, or null for one of a type that only a newer client knows.
   *
   * @throws ProtocolError if it is none.
   */
  decode(frame: unknown): ServerMessage | null;
}

const ofJson = new Checker(SHAPES, (value) =>
  typeof value === 'string' ? unpack(fromBase64(value)) : unpackable(),
);

const json: Codec = {
  subprotocol: 'ncs.v1+json',
  encodeBody(points) {
    const { data, shape } = flatten(points);
    if (isBlock(points)) return `"array":"${toBase64(pack(data, shape))}"`;
    return `"points":${JSON.stringify(points.map((point) => Array.from(point)))}`;
  },
  encodePoints: (head, body) => `${JSON.stringify(head).slice(0, -1)},${body}}`,
  encode: (message) => JSON.stringify(message),
  decode(frame) {
    if (typeof frame !== 'string') throw new ProtocolError('a binary frame in JSON');
    return checked(
      parsed(() => JSON.parse(frame)),
      ofJson,
    );
  },
};

/** The payload of an ext 0x10, not unpacked before it is known where it stands. */
class Packed {
  constructor(readonly payload: Uint8Array) {}
}

const extensionCodec = new ExtensionCodec();
extensionCodec.register({
  type: EXT_NDARRAY,
  encode: () => null, // an ExtData is told to be one
  decode: (payload) => new Packed(payload),
});
const options = { extensionCodec, ignoreUndefined: true };

const ofMsgpack = new Checker(SHAPES, (value) =>
  value instanceof Packed ? unpack(value.payload) : unpackable(),
);

const msgpack: Codec = {
  subprotocol: 'ncs.v1+msgpack',
  encodeBody(points) {
    const { data, shape } = flatten(points);
    return pack(data, shape);
  },
  encodePoints: (head, body) =>
    encode({ ...head, array: new ExtData(EXT_NDARRAY, body as Uint8Array) }, options),
  encode: (message) => encode(message, options),
  decode(frame) {
    if (!(frame instanceof ArrayBuffer)) throw new ProtocolError('a text frame in MessagePack');
    return checked(
      parsed(() => decode(new Uint8Array(frame), options)),
      ofMsgpack,
    );
  },
};

export const CODECS: Readonly<Record<CodecName, Codec>> = { json, msgpack };

/** Return how many bytes a frame, or the points in one, take on the wire. */
export function bytesOf(part: string | Uint8Array | ArrayBuffer): number {
  if (typeof part !== 'string') return part.byteLength;
  return /^[\0-\x7f]*$/.test(part) ? part.length : new TextEncoder().encode(part).length;
}

/** Return an array as it travels in JSON. */
export function arrayInJson(points: Points): string {
  const { data, shape } = flatten(points);
  return toBase64(pack(data, shape));
}

function parsed(parse: () => unknown): unknown {
  try {
    return parse();
  } catch (error) {
    throw new ProtocolError(`not a frame of the protocol: ${(error as Error).message}`);
  }
}

function checked(value: unknown, checker: Checker): ServerMessage | null {
  const type = (value as { type?: unknown } | null)?.type;
  if (typeof type !== 'string') throw new ProtocolError('a frame without a type');
  if (!Object.hasOwn(SERVER_MESSAGES, type)) return null;
  const shape = SERVER_MESSAGES[type as keyof typeof SERVER_MESSAGES];
  try {
    checker.check(value, shape);
  } catch (error) {
    throw error instanceof NCSError ? new ProtocolError(`${type}: ${error.message}`) : error;
  }
  return value as ServerMessage;
}

function unpackable(): never {
  throw new ProtocolError('a packed array has another form here');
}

function toBase64(bytes: Uint8Array): string {
  const CHUNK = 8192; // arguments that a call surely takes
  let text = '';
  for (let at = 0; at < bytes.length; at += CHUNK) {
    text += String.fromCharCode(...bytes.subarray(at, at + CHUNK));
  }
  return btoa(text);
}

function fromBase64(text: string): Uint8Array {
  try {
    return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  } catch {
    throw new ProtocolError('packed array: not base64');
  }
}
