/**
 * What arrives is checked against the shapes that are generated beside the types, and
 * replies get the names that JavaScript uses.
 *
 * A shape is `string`, `number`, `boolean`, `any`, `packed`, the name of a struct,
 * `[shape]` for a list or `{shape}` for a record; with `?` it may be absent or null.
 * Fields that are not in the table are left alone: a newer server may say more.
 */

import { ProtocolError } from './errors.js';

export type Shapes = Readonly<Record<string, Readonly<Record<string, string>>>>;

/** `cluster_id` as a type and a name: `clusterId`. */
type CamelName<S extends string> = S extends `${infer Head}_${infer Tail}`
  ? `${Head}${Capitalize<CamelName<Tail>>}`
  : S;

/** A struct of the wire with the names of JavaScript, through all its parts. */
export type Camel<T> = T extends readonly (infer Item)[]
  ? readonly Camel<Item>[]
  : T extends object
    ? string extends keyof T
      ? T
      : {
          readonly [Key in keyof T as Key extends string ? CamelName<Key> : Key]: Camel<T[Key]>;
        }
    : T;

/**
 * See that a value has a shape, replacing what is packed by `unpack` of it.
 *
 * @throws ProtocolError naming the field.
 */
export function check(
  value: unknown,
  shape: string,
  shapes: Shapes,
  unpack: (value: unknown) => unknown,
  at = '',
): void {
  const fields = shapes[shape];
  if (fields === undefined) {
    checkPart(value, shape, shapes, unpack, at);
    return;
  }
  const record = recordOf(value, at);
  for (const name in fields) {
    const expected = fields[name] as string;
    const optional = expected.endsWith('?');
    const found = record[name];
    if (optional && (found === undefined || found === null)) continue;
    const part = optional ? expected.slice(0, -1) : expected;
    if (part === 'packed') record[name] = unpack(found);
    else check(found, part, shapes, unpack, at ? `${at}.${name}` : name);
  }
}

function checkPart(
  value: unknown,
  shape: string,
  shapes: Shapes,
  unpack: (value: unknown) => unknown,
  at: string,
): void {
  if (shape === 'any') return;
  const inner = shape.slice(1, -1);
  if (shape.startsWith('[')) {
    if (!Array.isArray(value)) throw wrong(at, 'a list', value);
    for (const item of value) check(item, inner, shapes, unpack, at);
  } else if (shape.startsWith('{')) {
    for (const item of Object.values(recordOf(value, at)))
      check(item, inner, shapes, unpack, at);
  } else if (typeof value !== shape) {
    throw wrong(at, shape, value);
  }
}

/** Return a checked reply with the names of JavaScript. */
export function camel<T>(value: T, shape: string, shapes: Shapes): Camel<T> {
  return renamed(value, shape, shapes) as Camel<T>;
}

/** Return options with the names of the wire; `maxHz` is `max_hz` there. */
export function snake(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(snake);
  if (typeof value !== 'object' || value === null) return value;
  const known = Object.entries(value).filter(([, part]) => part !== undefined);
  return Object.fromEntries(
    known.map(([name, part]) => [
      name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
      snake(part),
    ]),
  );
}

function renamed(value: unknown, shape: string, shapes: Shapes): unknown {
  if (value === null || value === undefined) return value;
  if (shape.startsWith('[')) {
    const inner = shape.slice(1, -1);
    return (value as unknown[]).map((item) => renamed(item, inner, shapes));
  }
  const fields = shapes[shape];
  if (fields === undefined) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, part]) => [
      name.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase()),
      renamed(part, fields[name]?.replace('?', '') ?? 'any', shapes),
    ]),
  );
}

function recordOf(value: unknown, at: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw wrong(at, 'an object', value);
  }
  return value as Record<string, unknown>;
}

function wrong(at: string, expected: string, value: unknown): ProtocolError {
  const found = value === null ? 'null' : Array.isArray(value) ? 'a list' : typeof value;
  return new ProtocolError(`${at || 'the message'} has to be ${expected}, and is ${found}`);
}
