/**
 * What happened, when: a lane for births, splits, merges, deaths and drift, with the times of
 * which nothing is known. It is also the handle with which one goes back in time.
 */

import type { Gap } from '../model/series';
import { byId } from '../ui/dom';
import { clock } from '../ui/format';
import type { Happening } from '../worker/bridge';
import { drawMark, gathered } from './marks';

export interface TimelineShown {
  readonly happenings: readonly Happening[];
  readonly gaps: readonly Gap[];
  readonly source: string | null;
  readonly from: number;
  readonly to: number;
  /** The moment that is shown; null for now. */
  readonly at: number | null;
  /** Since when there is something to go back to. */
  readonly since: number;
}

const LANES = ['created', 'split', 'merged', 'removed', 'drift'] as const;
/** What is severe is drawn over what is not. */
const SEVERITIES = ['low', 'medium', 'high'] as const;
const NAMES = ['born', 'split', 'merged', 'gone', 'drift'] as const;
const LEFT = 86;
const RIGHT = 10;
const BOTTOM = 18;
const MARK_HALF_PX = 7;
const STEP_S = 5;
const LATEST_S = 1; // as near to now is now

export class Timeline {
  readonly #element = byId('scrub');
  readonly #canvas = this.#element.querySelector('canvas')!;
  #shown: TimelineShown | null = null;

  /** `went` is called with a moment, or null for now. */
  constructor(readonly went: (at: number | null) => void) {
    const element = this.#element;
    const go = (event: PointerEvent) => {
      const shown = this.#shown;
      if (!shown) return;
      const box = element.getBoundingClientRect();
      const share = (event.clientX - box.left - LEFT) / (box.width - LEFT - RIGHT);
      this.#go(shown.from + share * (shown.to - shown.from));
    };
    element.addEventListener('pointerdown', (event) => {
      element.setPointerCapture(event.pointerId);
      go(event);
    });
    element.addEventListener('pointermove', (event) => {
      if (event.buttons) go(event);
    });
    element.addEventListener('keydown', (event) => this.#key(event));
  }

  show(shown: TimelineShown): void {
    this.#shown = shown;
    const { from, to, at, since } = shown;
    const element = this.#element;
    element.setAttribute('aria-valuemin', String(Math.round(Math.max(from, since))));
    element.setAttribute('aria-valuemax', String(Math.round(to)));
    element.setAttribute('aria-valuenow', String(Math.round(at ?? to)));
    element.setAttribute('aria-valuetext', at === null ? 'now' : clock(at));
    this.#draw(shown);
  }

  /** Go so many seconds from the moment that is shown. */
  step(seconds: number): void {
    const shown = this.#shown;
    if (shown) this.#go((shown.at ?? shown.to) + seconds);
  }

  #go(time: number): void {
    const { to, since } = this.#shown!;
    this.went(time > to - LATEST_S ? null : Math.max(since, time));
  }

  #key(event: KeyboardEvent): void {
    const far = event.shiftKey ? 6 : 1;
    const steps: Readonly<Record<string, number>> = {
      ArrowLeft: -STEP_S * far,
      ArrowRight: STEP_S * far,
      PageUp: 60,
      PageDown: -60,
      Home: -Infinity,
    };
    const step = steps[event.key];
    if (event.key === 'End') this.went(null);
    else if (step !== undefined) this.step(step);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  #draw({ happenings, gaps, source, from, to, at, since }: TimelineShown): void {
    const canvas = this.#canvas;
    const { clientWidth: width, clientHeight: height } = this.#element;
    if (width === 0) return;
    const pixels = Math.min(2, window.devicePixelRatio || 1);
    const [w, h] = [Math.round(width * pixels), Math.round(height * pixels)];
    if (canvas.width !== w) canvas.width = w;
    if (canvas.height !== h) canvas.height = h;
    const pen = canvas.getContext('2d')!;
    const style = getComputedStyle(this.#element);
    const colour = (name: string) => style.getPropertyValue(`--${name}`).trim();
    pen.setTransform(pixels, 0, 0, pixels, 0, 0);
    pen.clearRect(0, 0, width, height);
    pen.font = `11px ${style.fontFamily}`;
    pen.textBaseline = 'middle';
    const right = width - RIGHT;
    const lane = (height - BOTTOM) / LANES.length;
    const xOf = (time: number) => LEFT + ((time - from) / (to - from)) * (right - LEFT);
    const clip = (x: number) => Math.min(right, Math.max(LEFT, x));

    // Times of which nothing is known
    pen.fillStyle = colour('void');
    const unknown = [...gaps, { from, to: since, why: '' }]
      .map((gap) => ({ a: clip(xOf(gap.from)), b: clip(xOf(gap.to)), why: gap.why }))
      .filter(({ a, b }) => b - a >= 1);
    for (const { a, b } of unknown) pen.fillRect(a, 0, b - a, height - BOTTOM);

    // Lanes with their names and how often each happened
    const seen = happenings.filter(
      (h) => h.at >= from && h.at <= to && (source === null || h.source === source),
    );
    pen.strokeStyle = colour('grid');
    pen.lineWidth = 1;
    LANES.forEach((kind, k) => {
      const y = Math.round((k + 0.5) * lane) + 0.5;
      pen.beginPath();
      pen.moveTo(LEFT, y);
      pen.lineTo(right, y);
      pen.stroke();
      const many = seen.filter((h) => h.kind === kind).length;
      pen.textAlign = 'left';
      pen.fillStyle = colour('quiet');
      pen.fillText(NAMES[k]!, 12, y);
      pen.textAlign = 'right';
      pen.fillStyle = many ? colour('text') : colour('quiet');
      pen.fillText(String(many), LEFT - 10, y);
    });
    pen.fillStyle = colour('quiet');
    pen.textAlign = 'center';
    for (const { a, b, why } of unknown) {
      // Between two lanes, so that no line goes through it.
      if (why && b - a > pen.measureText(why).width + 8) {
        pen.fillText(why, (a + b) / 2, 2 * lane);
      }
    }
    const step =
      [15, 30, 60, 120, 300].find((s) => (to - from) / s < (right - LEFT) / 70) ?? 300;
    for (let time = Math.ceil(from / step) * step; time < to; time += step) {
      const x = xOf(time);
      if (x > LEFT + 20 && x < right - 20) pen.fillText(clock(time), x, height - 8);
    }

    const pixelsOf = (seconds: number) => (seconds * (right - LEFT)) / (to - from);
    LANES.forEach((kind, k) => {
      const y = (k + 0.5) * lane;
      for (const severity of kind === 'drift' ? SEVERITIES : [undefined]) {
        const alike = seen.filter((h) => h.kind === kind && h.severity === severity);
        const marks = gathered(alike, pixelsOf);
        marks.forEach((mark, n) => {
          const { at: here } = mark.happening;
          const next = marks[n + 1]?.happening.at ?? Number.POSITIVE_INFINITY;
          const room = pixelsOf(next - here) - MARK_HALF_PX;
          const place = { x: clip(xOf(here)), y, room, height: height - BOTTOM };
          drawMark(pen, mark, place, colour);
        });
      }
    });

    // The moment that is shown
    const x = clip(at === null ? right : xOf(at));
    pen.strokeStyle = pen.fillStyle = colour(at === null ? 'good' : 'accent');
    pen.lineWidth = 2;
    pen.beginPath();
    pen.moveTo(x, 0);
    pen.lineTo(x, height - BOTTOM);
    pen.stroke();
    pen.beginPath();
    pen.moveTo(x - 5, 0);
    pen.lineTo(x + 5, 0);
    pen.lineTo(x, 7);
    pen.fill();
  }
}
