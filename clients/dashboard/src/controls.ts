/** What one can set about the map: plane or space, which axes, the lasso. */

import { MAX_COORDINATE } from './link';
import { byId, make } from './ui/dom';
import type { Axes } from './worker/bridge';

export class Controls {
  readonly #axes = byId<HTMLSelectElement>('axes');
  readonly #coordinates = byId('coordinates');
  readonly #inputs: HTMLInputElement[];

  constructor(
    readonly events: { axes(axes: Axes): void; lasso(isOn: boolean): void; fit(): void },
  ) {
    this.#axes.append(new Option('main axes', 'main'), new Option('dimensions …', 'chosen'));
    this.#inputs = ['Across', 'Up', 'Deep'].map((name, k) =>
      make('input', {
        type: 'number',
        min: 0,
        max: MAX_COORDINATE,
        value: k,
        'aria-label': name,
        title: `${name}: number of the dimension`,
      }),
    );
    this.#coordinates.append(...this.#inputs);
    byId('plane').addEventListener('click', () => this.turn(2));
    byId('space').addEventListener('click', () => this.turn(3));
    byId('fit').addEventListener('click', () => events.fit());
    byId('lasso').addEventListener('click', () => this.lasso(!this.isLasso));
    this.#axes.addEventListener('change', () => this.#tell());
    for (const input of this.#inputs) {
      input.addEventListener('change', () => this.#tell());
      input.addEventListener('keydown', (event) => event.stopPropagation());
    }
  }

  get isLasso(): boolean {
    return byId('lasso').getAttribute('aria-pressed') === 'true';
  }

  /** Show what is set. */
  show(axes: Axes): void {
    const many = typeof axes === 'number' ? axes : axes.length;
    byId('plane').setAttribute('aria-pressed', String(many === 2));
    byId('space').setAttribute('aria-pressed', String(many === 3));
    this.#axes.value = typeof axes === 'number' ? 'main' : 'chosen';
    this.#coordinates.hidden = typeof axes === 'number';
    this.#inputs.forEach((input, k) => {
      input.hidden = k >= many;
      if (typeof axes !== 'number' && axes[k] !== undefined) input.value = String(axes[k]);
    });
  }

  /** Show a plane or space. */
  turn(many: 2 | 3): void {
    this.events.axes(this.#axes.value === 'main' ? many : this.#chosen(many));
  }

  lasso(isOn: boolean): void {
    byId('lasso').setAttribute('aria-pressed', String(isOn));
    this.events.lasso(isOn);
  }

  #tell(): void {
    this.turn(byId('space').getAttribute('aria-pressed') === 'true' ? 3 : 2);
  }

  #chosen(many: number): number[] {
    return this.#inputs.slice(0, many).map(({ value }) => {
      const number = Math.round(Number(value));
      return Math.min(MAX_COORDINATE, Math.max(0, Number.isFinite(number) ? number : 0));
    });
  }
}
