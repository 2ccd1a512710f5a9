/** The table of clusters: sorted by any column, walked through with the keys. */

import type { Mark } from '../model/history';
import { sign } from '../model/looks';
import { byId, make, say } from '../ui/dom';
import { compact, count, duration, many, NONE, ratio, value } from '../ui/format';

const MOST_ROWS = 100;

interface Column {
  readonly name: string;
  readonly hint: string;
  readonly by: (mark: Mark) => number;
  readonly text: (mark: Mark, now: number) => string;
  /** Of [0, 1]: drawn as a bar under the figure. */
  readonly isShare?: boolean;
}

const COLUMNS: readonly Column[] = [
  {
    name: 'size',
    hint: 'points since it was created',
    by: (m) => m.size,
    text: (m) => count(m.size),
  },
  {
    name: 'quality',
    hint: 'how compact and apart it is',
    by: (m) => m.quality,
    text: (m) => ratio(m.quality),
    isShare: true,
  },
  {
    name: 'health',
    hint: 'whether it is well',
    by: (m) => m.health,
    text: (m) => ratio(m.health),
    isShare: true,
  },
  {
    name: 'conf.',
    hint: 'confidence: grows with the evidence for it',
    by: (m) => m.confidence,
    text: (m) => ratio(m.confidence),
    isShare: true,
  },
  {
    name: 'drift',
    hint: 'how far its recent points are from its long memory',
    by: (m) => m.drift,
    text: (m) => ratio(m.drift),
    isShare: true,
  },
  {
    name: 'radius',
    hint: 'root mean square distance to the centroid, in units of the input',
    by: (m) => m.radius,
    text: (m) => value(m.radius),
  },
  {
    name: 'age, pts',
    hint: 'age: points of the stream from when it was created to its last change',
    by: (m) => m.age,
    text: (m) => compact(m.age),
  },
  {
    name: 'updated',
    hint: 'when it changed last',
    by: (m) => m.updated,
    text: (m, now) => (m.updated ? duration(Math.max(0, now - m.updated)) : NONE),
  },
];

interface Line {
  readonly row: HTMLTableRowElement;
  readonly button: HTMLButtonElement;
  readonly sign: HTMLElement;
  readonly name: HTMLElement;
  readonly cells: readonly HTMLTableCellElement[];
  id: number;
}

export interface ClustersShown {
  readonly marks: readonly Mark[];
  readonly now: number;
  readonly chosen: number | null;
  readonly pointed: number | null;
  readonly weight: ((id: number) => number) | null;
  readonly label: (id: number) => string;
  readonly isPinned: (id: number) => boolean;
}

export class ClusterTable {
  readonly #table = make('table');
  readonly #none = make('p', { class: 'line' }, 'No cluster has been born yet.');
  readonly #body = make('tbody');
  readonly #heads: HTMLTableCellElement[];
  readonly #lines: Line[] = [];
  #column = 0;
  #isRising = false;

  constructor(
    readonly events: {
      chosen(id: number): void;
      pointed(id: number | null): void;
      sorted(): void;
    },
  ) {
    this.#heads = COLUMNS.map((column, k) => {
      const button = make('button', { type: 'button', title: column.hint }, column.name);
      button.addEventListener('click', () => this.#sortBy(k));
      return make('th', { scope: 'col' }, button);
    });
    const head = make('tr', {}, make('th', { scope: 'col' }, 'cluster'), ...this.#heads);
    this.#table.append(make('thead', {}, head), this.#body);
    byId('clusters').append(this.#table, this.#none);
    const lineOf = (event: Event) =>
      this.#lines.find(({ row }) => row.contains(event.target as Node));
    this.#body.addEventListener('pointerover', (event) =>
      events.pointed(lineOf(event)?.id ?? null),
    );
    this.#body.addEventListener('pointerleave', () => events.pointed(null));
    this.#body.addEventListener('click', (event) => {
      const line = lineOf(event);
      if (line) events.chosen(line.id);
    });
    this.#body.addEventListener('keydown', (event) => this.#walk(event));
    this.#tellOrder();
  }

  /** Show clusters; those that are pinned come first. */
  show({ marks, now, chosen, pointed, weight, label, isPinned }: ClustersShown): void {
    const { by } = COLUMNS[this.#column]!;
    const sorted = [...marks].sort((a, b) => {
      const pins = Number(isPinned(b.id)) - Number(isPinned(a.id));
      const difference = (by(a) - by(b)) * (this.#isRising ? 1 : -1);
      return pins || difference || a.id - b.id;
    });
    const shown = sorted.slice(0, MOST_ROWS);
    while (this.#lines.length < shown.length) this.#lines.push(this.#makeLine());
    while (this.#lines.length > shown.length) this.#lines.pop()!.row.remove();
    shown.forEach((mark, k) => {
      const line = this.#lines[k]!;
      if (line.id !== mark.id) {
        line.id = mark.id;
        line.sign.replaceChildren(sign(mark.id));
      }
      say(line.name, label(mark.id));
      line.row.className = [
        mark.id === pointed && 'pointed',
        isPinned(mark.id) && 'pinned',
        weight && weight(mark.id) < 0.2 && 'faint',
      ]
        .filter(Boolean)
        .join(' ');
      line.button.setAttribute('aria-pressed', String(mark.id === chosen));
      line.cells.forEach((cell, c) => {
        const column = COLUMNS[c]!;
        say(cell, column.text(mark, now));
        if (column.isShare) cell.style.setProperty('--share', column.by(mark).toFixed(3));
      });
    });
    this.#table.hidden = sorted.length === 0;
    this.#none.hidden = sorted.length > 0;
    const more = sorted.length - shown.length;
    const first = `${many(sorted.length, 'cluster')}`;
    say(byId('more'), more > 0 ? `${first}; ${MOST_ROWS} shown` : first);
  }

  #sortBy(column: number): void {
    this.#isRising = column === this.#column ? !this.#isRising : false;
    this.#column = column;
    this.#tellOrder();
    this.events.sorted();
  }

  #tellOrder(): void {
    this.#heads.forEach((head, k) => {
      const order = this.#isRising ? 'ascending' : 'descending';
      head.setAttribute('aria-sort', k === this.#column ? order : 'none');
    });
  }

  #makeLine(): Line {
    const row = this.#body.insertRow();
    const mark = make('span', { class: 'of' });
    const name = make('span', { class: 'name' });
    const button = make('button', { type: 'button', 'aria-pressed': 'false' }, mark, name);
    row.append(make('th', { scope: 'row' }, button));
    const cells = COLUMNS.map((column) => {
      const cell = row.insertCell();
      if (column.isShare) cell.className = 'share';
      return cell;
    });
    return { row, button, sign: mark, name, cells, id: -1 };
  }

  /** Up and down go from row to row. */
  #walk(event: KeyboardEvent): void {
    const step = { ArrowDown: 1, ArrowUp: -1, Home: -Infinity, End: Infinity }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    const here = this.#lines.findIndex(({ row }) => row.contains(event.target as Node));
    const to = Math.min(this.#lines.length - 1, Math.max(0, here + step));
    this.#lines[to]?.button.focus();
  }
}
