/** The points in a lasso: how many of which cluster, and to a file with them. */

import { asCsv, asJson, type Picked, shares } from '../map/lasso';
import { sign } from '../model/looks';
import { byId, download, make } from '../ui/dom';
import { count, many } from '../ui/format';
import type { Projected } from '../worker/bridge';

const MOST_SHARES = 6;

export class Selection {
  readonly #element = byId('selection');

  constructor(readonly closed: () => void) {}

  hide(): void {
    this.#element.hidden = true;
    this.#element.replaceChildren();
  }

  show(picked: Picked, axes: Projected, stream: string, label: (id: number) => string): void {
    const close = make('button', { type: 'button', class: 'icon', 'aria-label': 'Close' }, '×');
    close.addEventListener('click', () => this.closed());
    const title = make('h3', {}, many(picked.rows.length, 'point'));
    const all = shares(picked);
    const items = all
      .slice(0, MOST_SHARES)
      .map(([id, points]) =>
        make(
          'li',
          {},
          ...(id >= 0 ? [sign(id)] : []),
          id >= 0 ? `cluster ${label(id)}: ${count(points)}` : `outliers: ${count(points)}`,
        ),
      );
    if (all.length > MOST_SHARES)
      items.push(make('li', {}, `${all.length - MOST_SHARES} more`));
    const file = (name: string, type: string, text: () => string) => {
      const button = make('button', { type: 'button' }, name);
      button.disabled = picked.rows.length === 0;
      button.addEventListener('click', () => {
        download(`${stream}-points.${name.toLowerCase()}`, type, text());
      });
      return button;
    };
    this.#element.replaceChildren(
      make('header', {}, title, close),
      make('ul', {}, ...items),
      make(
        'p',
        { class: 'row' },
        'Export',
        file('CSV', 'text/csv', () => asCsv(picked, axes)),
        file('JSON', 'application/json', () => asJson(picked, axes, stream)),
      ),
      make('p', { class: 'hint' }, 'Of the sampled points, in the axes of the map.'),
    );
    this.#element.hidden = false;
  }
}
