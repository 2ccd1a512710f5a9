/** How the stream is doing: a figure each, how it was, and how near it is to its bounds. */

import uPlot from 'uplot';
import type { Line, Series } from '../model/series';
import { byId, make, say } from '../ui/dom';
import { compact, count, duration, milliseconds, NONE, percent, ratio } from '../ui/format';

interface Kind {
  readonly name: string;
  readonly hint: string;
  readonly lines: readonly Line[];
  readonly text: (value: number | null) => string;
  readonly short: (value: number) => string;
  /** Whether it lies between 0 and 1, so that a meter shows it. */
  readonly isShare?: boolean;
}

const plain = (value: number) => compact(value);
const bound = (value: number) => String(value); // 0 or 1

const KINDS: readonly Kind[] = [
  {
    name: 'Throughput',
    hint: 'points learned a second',
    lines: ['rate'],
    text: (v) => (v === null ? NONE : `${count(v)} /s`),
    short: plain,
  },
  {
    name: 'Latency',
    hint: 'from a frame’s arrival to its ack, mean',
    lines: ['ack'],
    text: milliseconds,
    short: plain,
  },
  {
    name: 'Backlog',
    hint: 'points that have arrived and are not applied yet',
    lines: ['backlog'],
    text: count,
    short: plain,
  },
  {
    name: 'Quality',
    hint: 'how compact and apart the clusters are; the thin line is stability',
    lines: ['quality', 'stability'],
    text: ratio,
    short: bound,
    isShare: true,
  },
  {
    name: 'Threshold',
    hint: 'similarity above which a point joins a cluster, as it is now',
    lines: ['threshold'],
    text: ratio,
    short: bound,
    isShare: true,
  },
  {
    name: 'Drift',
    hint: 'the cluster whose recent points are farthest from its long memory',
    lines: ['drift'],
    text: ratio,
    short: bound,
    isShare: true,
  },
  {
    name: 'Outliers',
    hint: 'share of the points that fell into no cluster',
    lines: ['outliers'],
    text: percent,
    short: (v) => `${plain(100 * v)} %`,
  },
];

interface Note {
  readonly text: string;
  readonly severity: string;
}

const NO_NOTE: Note = { text: '', severity: '' };
const PLOT_HEIGHT = 46;
const AXIS_WIDTH = 34;

class Tile {
  readonly element: HTMLElement;
  readonly #value = make('b');
  readonly #note = make('span', { class: 'note' });
  readonly #meter: HTMLMeterElement | null;
  readonly #place = make('div', { class: 'chart', 'aria-hidden': 'true' });
  readonly #plot: uPlot;
  #pointed: number | null = null;

  constructor(
    readonly kind: Kind,
    pointed: (index: number | null) => void,
  ) {
    this.#meter = kind.isShare ? make('meter', { min: 0, max: 1, value: 0 }) : null;
    const head = make('div', { class: 'head' }, make('span', {}, kind.name), this.#value);
    this.element = make('div', { class: 'tile', title: kind.hint }, head);
    if (this.#meter) {
      this.#meter.setAttribute('aria-label', kind.name);
      this.element.append(this.#meter);
    }
    this.element.append(this.#place, this.#note);
    this.#plot = new uPlot(this.#options(pointed), this.#noData(), this.#place);
    new ResizeObserver(() => {
      const width = this.#place.clientWidth;
      if (width > 0) this.#plot.setSize({ width, height: PLOT_HEIGHT });
    }).observe(this.#place);
  }

  show(series: Series, from: number, to: number, now: number | null, note: Note): void {
    const { lines } = this.kind;
    const data = [series.times, ...lines.map((line) => series.lines[line])];
    this.#plot.setData(data as uPlot.AlignedData, false);
    this.#plot.setScale('x', { min: from, max: to });
    const value = this.#pointed === null ? now : series.lines[lines[0]!][this.#pointed]!;
    say(this.#value, this.kind.text(value));
    say(this.#note, note.text);
    this.#note.dataset.severity = note.severity;
    if (this.#meter) this.#meter.value = value ?? 0;
  }

  point(index: number | null): void {
    this.#pointed = index;
  }

  #noData(): uPlot.AlignedData {
    return [[], ...this.kind.lines.map(() => [])] as unknown as uPlot.AlignedData;
  }

  #options(pointed: (index: number | null) => void): uPlot.Options {
    const colour = (name: string) => () =>
      getComputedStyle(this.element).getPropertyValue(`--${name}`).trim();
    const { kind } = this;
    return {
      width: 200,
      height: PLOT_HEIGHT,
      legend: { show: false },
      padding: [6, 4, 4, 0],
      cursor: { y: false, drag: { x: false, y: false }, sync: { key: 'tiles' } },
      scales: {
        x: { time: false, auto: false },
        y: { range: (_, _low, high) => [0, kind.isShare ? 1 : nice(high)] },
      },
      axes: [
        { show: false },
        {
          size: AXIS_WIDTH,
          gap: 3,
          font: '10px system-ui, sans-serif',
          stroke: colour('quiet'),
          grid: { stroke: colour('grid'), width: 1 },
          ticks: { show: false },
          splits: (_, __, low, high) => [low, high],
          values: ({ data }, splits) =>
            splits.map((split) => (data[0].length ? kind.short(split) : '')),
        },
      ],
      series: [
        {},
        ...kind.lines.map((_, k) => ({
          stroke: colour(k ? 'quiet' : 'accent'),
          width: k ? 1 : 1.75,
          ...(k === 0 && { fill: colour('wash') }),
          points: { show: false },
          spanGaps: false,
        })),
      ],
      hooks: { setCursor: [(plot) => pointed(plot.cursor.idx ?? null)] },
    };
  }
}

/** Return a round number that is not below the largest value. */
export function nice(high: number | null): number {
  if (!high || high <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(high));
  return [1, 2, 5, 10].map((m) => m * power).find((bound) => bound >= high)!;
}

/** All of them; the pointer on one shows the same moment on each. */
export class Tiles {
  readonly #tiles: readonly Tile[];

  constructor(redraw: () => void) {
    this.#tiles = KINDS.map(
      (kind) =>
        new Tile(kind, (index) => {
          for (const tile of this.#tiles ?? []) tile.point(index);
          redraw();
        }),
    );
    byId('tiles').append(...this.#tiles.map(({ element }) => element));
  }

  /** `at` is the moment whose figures are told, within a window that ends at `to`. */
  show(
    series: Series,
    at: number,
    from: number,
    to: number,
    lastDrift: LastDrift | null,
  ): void {
    const row = series.at(at);
    for (const tile of this.#tiles) {
      const note =
        tile.kind.name === 'Drift' && lastDrift
          ? {
              text: `${lastDrift.severity}, ${duration(at - lastDrift.at)} ago`,
              severity: lastDrift.severity,
            }
          : NO_NOTE;
      tile.show(series, from, to, row[tile.kind.lines[0]!], note);
    }
  }
}

export interface LastDrift {
  readonly severity: string;
  readonly at: number;
}
