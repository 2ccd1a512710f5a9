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

/** What is wrong with a value, and where in it. */
interface Fault {
  at: string;
  readonly why: string;
}

/** Returns what is wrong with a value; nothing is built as long as nothing is. */
type Check = (value: unknown) => Fault | null;

/**
 * Checks values against shapes, each of which is made into a function once.
 *
 * What is packed is replaced by `unpack` of it.
 */
export class Checker {
  readonly #checks = new Map<string, Check>();

  constructor(
    readonly shapes: Shapes,
    readonly unpack: (value: unknown) => unknown,
  ) {}

  /** @throws ProtocolError naming the field that does not fit. */
  check(value: unknown, shape: string): void {
    const fault = this.#of(shape)(value);
    if (fault) throw new ProtocolError(`${fault.at || 'the message'} ${fault.why}`);
  }

  #of(shape: string): Check {
    const known = this.#checks.get(shape);
    if (known) return known;
    const made = this.#make(shape);
    this.#checks.set(shape, made);
    return made;
  }

  #make(shape: string): Check {
    const fields = this.shapes[shape];
    const inner = shape.slice(1, -1);
    if (fields) return this.#struct(fields);
    if (shape.startsWith('[')) return list(this.#of(inner));
    if (shape.startsWith('{')) return record(this.#of(inner));
    if (shape === 'any') return () => null;
    return (value) => (typeof value === shape ? null : fault(shape, value));
  }

  #struct(fields: Readonly<Record<string, string>>): Check {
    const parts = Object.entries(fields).map(([name, said]) => {
      const optional = said.endsWith('?');
      const shape = optional ? said.slice(0, -1) : said;
      const check = shape === 'packed' ? null : this.#of(shape);
      return { name, optional, check };
    });
    return (value) => {
      if (!isRecord(value)) return fault('an object', value);
      for (const { name, optional, check } of parts) {
        const found = value[name];
        if (optional && (found === undefined || found === null)) continue;
        if (check === null) value[name] = this.unpack(found);
        else {
          const wrong = check(found);
          if (wrong) return within(name, wrong);
        }
      }
      return null;
    };
  }
}

function list(check: Check): Check {
  return (value) => {
    if (!Array.isArray(value)) return fault('a list', value);
    for (let index = 0; index < value.length; index += 1) {
      const wrong = check(value[index]);
      if (wrong) return within(`${index}`, wrong);
    }
    return null;
  };
}

function record(check: Check): Check {
  return (value) => {
    if (!isRecord(value)) return fault('an object', value);
    for (const name in value) {
      const wrong = check(value[name]);
      if (wrong) return within(name, wrong);
    }
    return null;
  };
}

function within(name: string, inner: Fault): Fault {
  inner.at = inner.at ? `${name}.${inner.at}` : name;
  return inner;
}

function fault(expected: string, value: unknown): Fault {
  const found = value === null ? 'null' : Array.isArray(value) ? 'a list' : typeof value;
  return { at: '', why: `has to be ${expected}, and is ${found}` };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
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
