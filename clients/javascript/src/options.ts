/**
 * Options as callers give them, held against those that there are.
 *
 * One that nobody knows is a slip of the pen: taken for nothing, it would put points into
 * another stream than was meant.
 */

/** The names of all options of a kind; the compiler sees to it that none is left out. */
export type Names<T> = Readonly<Record<keyof Required<T>, true>>;

/** @throws TypeError if there is an option of another name, or no object at all. */
export function checkOptions<T extends object>(what: string, options: T, names: Names<T>): T {
  if (typeof options !== 'object' || options === null) {
    throw new TypeError(`the options of ${what} have to be an object`);
  }
  for (const name of Object.keys(options)) {
    if (!Object.hasOwn(names, name)) {
      const known = Object.keys(names).join(', ');
      throw new TypeError(`${what} has no option '${name}'; there are: ${known}`);
    }
  }
  return options;
}
