/**
 * State machines as tables: state -> event -> next state.
 *
 * What a table does not have cannot happen: firing it throws. The diagrams in the README
 * are drawn from the same tables.
 */

import { IllegalTransitionError } from './errors.js';

export type Table<S extends string, E extends string> = {
  readonly [state in S]: { readonly [event in E]?: S };
};

export class Machine<S extends string, E extends string> {
  #state: S;

  constructor(
    readonly name: string,
    readonly table: Table<S, E>,
    initial: S,
  ) {
    this.#state = initial;
  }

  get state(): S {
    return this.#state;
  }

  /** Return whether the present state has a step for the event. */
  can(event: E): boolean {
    return this.table[this.#state][event] !== undefined;
  }

  /** Take the step for the event and return the new state. */
  fire(event: E): S {
    const next = this.table[this.#state][event];
    if (next === undefined) {
      throw new IllegalTransitionError(`${this.name}: ${event} while ${this.#state}`);
    }
    this.#state = next;
    return next;
  }
}
