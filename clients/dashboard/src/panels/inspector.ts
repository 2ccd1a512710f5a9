/** One cluster, closely: its figures, its centroid, and what sets it apart from the others. */

import type { ClusterInfo } from 'ncs-javascript-sdk';
import { apart, type Part } from '../model/apart';
import type { Mark } from '../model/history';
import { sign } from '../model/looks';
import type { Names } from '../model/names';
import { byId, make, say } from '../ui/dom';
import { compact, count, ratio, value } from '../ui/format';

const MOST_PARTS = 24;
const FAR = 3; // deviations that fill a bar, if none is farther

export interface InspectorShown {
  readonly id: number;
  readonly mark: Mark | undefined;
  readonly cluster: ClusterInfo | undefined;
  readonly others: readonly ClusterInfo[];
  readonly source: string | undefined;
  readonly isThen: boolean;
}

export class Inspector {
  readonly #element = byId('inspector');
  readonly #sign = make('span', { class: 'of' });
  readonly #title = make('h3', { id: 'inspector-title' });
  readonly #name = make('input', {
    maxlength: 40,
    placeholder: 'name it',
    'aria-label': 'Name',
  });
  readonly #pin = make('button', { type: 'button', 'aria-pressed': 'false' }, 'Pin');
  readonly #figures = make('dl');
  readonly #line = make('p', { class: 'hint' });
  readonly #body = make('tbody');
  #id = -1;

  constructor(
    readonly names: Names,
    readonly events: { closed(): void; renamed(): void },
  ) {
    const close = make('button', { type: 'button', class: 'icon', 'aria-label': 'Close' }, '×');
    close.addEventListener('click', () => events.closed());
    this.#name.addEventListener('change', () => {
      names.call(this.#id, this.#name.value);
      events.renamed();
    });
    this.#name.addEventListener('keydown', (event) => event.stopPropagation());
    this.#pin.addEventListener('click', () => {
      names.pin(this.#id, !names.isPinned(this.#id));
      events.renamed();
    });
    const heads = ['dimension', 'centroid', 'others', ''].map((text) =>
      make('th', { scope: 'col' }, text),
    );
    this.#element.append(
      make('header', {}, this.#sign, this.#title, close),
      make('p', { class: 'row' }, this.#name, this.#pin),
      make(
        'p',
        { class: 'hint' },
        'Name and pin are kept in this browser, for this epoch of the stream.',
      ),
      this.#figures,
      this.#line,
      make('table', {}, make('thead', {}, make('tr', {}, ...heads)), this.#body),
    );
  }

  hide(): void {
    this.#element.hidden = true;
    this.#id = -1;
  }

  show({ id, mark, cluster, others, source, isThen }: InspectorShown): void {
    this.#element.hidden = false;
    if (id !== this.#id) {
      this.#id = id;
      this.#sign.replaceChildren(sign(id));
      this.#name.value = this.names.nameOf(id);
    }
    say(this.#title, `Cluster ${this.names.label(id)}`);
    this.#pin.setAttribute('aria-pressed', String(this.names.isPinned(id)));
    this.#tell(mark, source);
    if (!cluster) {
      say(this.#line, mark ? 'It is gone by now; its centroid was not kept.' : 'It is gone.');
      this.#body.replaceChildren();
      return;
    }
    const parts = apart(cluster, others).slice(0, MOST_PARTS);
    const left = (cluster.centroid?.length ?? 0) - parts.length;
    const first = parts.filter(({ far }) => Math.abs(far) >= 1).slice(0, 3);
    const apartBy = first.map(({ dimension }) => dimension).join(', ');
    const what =
      others.length === 0
        ? 'There is no other cluster to compare it with.'
        : apartBy
          ? `Set apart most by ${first.length === 1 ? 'dimension' : 'dimensions'} ${apartBy}.`
          : 'In no dimension is it far from the others.';
    const when = isThen ? ' The centroid is that of now.' : '';
    say(
      this.#line,
      `${what}${left > 0 ? ` ${count(left)} more dimensions are not listed.` : ''}${when}`,
    );
    this.#compare(parts);
  }

  #tell(mark: Mark | undefined, source: string | undefined): void {
    const facts: [string, string][] = mark
      ? [
          ['size', count(mark.size)],
          ['quality', ratio(mark.quality)],
          ['health', ratio(mark.health)],
          ['confidence', ratio(mark.confidence)],
          ['drift', ratio(mark.drift)],
          ['radius', value(mark.radius)],
          ['age', `${compact(mark.age)} points`],
          ['source', source ?? '–'],
        ]
      : [];
    if (this.#figures.children.length !== facts.length) {
      this.#figures.replaceChildren(
        ...facts.map(([name]) => make('div', {}, make('dt', {}, name), make('dd'))),
      );
    }
    facts.forEach(([, text], k) => {
      say(this.#figures.children[k]!.lastElementChild!, text);
    });
  }

  #compare(parts: readonly Part[]): void {
    while (this.#body.rows.length > parts.length) this.#body.rows[0]!.remove();
    while (this.#body.rows.length < parts.length) {
      const row = make('tr', {}, make('th', { scope: 'row' }));
      row.append(make('td'), make('td'), make('td', { class: 'far' }, make('i')));
      this.#body.append(row);
    }
    const farthest = Math.max(FAR, ...parts.map(({ far }) => Math.abs(far)));
    parts.forEach(({ dimension, value: here, others, far }, k) => {
      const cells = this.#body.rows[k]!.cells;
      say(cells[0]!, String(dimension));
      say(cells[1]!, value(here));
      say(cells[2]!, value(others));
      const bar = cells[3]!.firstElementChild as HTMLElement;
      const length = (Math.abs(far) / farthest) * 50;
      bar.style.setProperty('--from', `${far < 0 ? 50 - length : 50}%`);
      bar.style.setProperty('--length', `${length}%`);
      cells[3]!.title = `${far.toFixed(1)} deviations of the other clusters`;
    });
  }
}
