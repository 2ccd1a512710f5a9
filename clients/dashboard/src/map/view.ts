/**
 * The map: points by the graphics card, clusters over them, and hands on both.
 *
 * It draws when something has changed and the last picture is finished, at most once a
 * frame, and never while nobody can see it.
 */

import { nameOf } from '../model/projection';
import type { Seen } from '../sight';
import type { Projected, SampleBlock } from '../worker/bridge';
import type { Box } from './camera';
import { Camera } from './camera';
import { Cloud } from './cloud';
import { contains } from './ellipse';
import { extentOf } from './extent';
import { listen } from './gestures';
import { type Picked, pick } from './lasso';
import { type Colours, type Drawn, drawOverlay, type Scene } from './overlay';
import { Pace } from './pace';
import { drawPlain } from './plain';
import { Ring } from './ring';

export interface Shown extends Seen {
  readonly trails: ReadonlyMap<number, readonly { at: number; place: readonly number[] }[]>;
  readonly axes: Projected;
}

export interface MapEvents {
  /** A cluster was picked, or nothing. */
  chosen(id: number | null): void;
  pointed(id: number | null, x: number, y: number): void;
  picked(picked: Picked): void;
  /** It has to be drawn: call `frame` soon. */
  changed(): void;
}

const MARGIN = { left: 58, right: 14, top: 14, bottom: 40 };
/** There the line that says how many points are shown lies on top. */
const NARROW = { left: 44, right: 8, top: 24, bottom: 36 };
const SIGN_PX = 18; // a sign with its label
const NEAR_PX = 8;
export const TRAIL_S = 30;
const LIFE_S = 60;
const POINT_PX = 2.6;

export class MapView {
  readonly camera = new Camera();
  readonly ring: Ring;
  readonly pace = new Pace();
  /** Points that the last picture shows, and points that were kept then. */
  drawnPoints = 0;
  keptPoints = 0;
  pointed: number | null = null;
  isLasso = false;
  readonly #points: HTMLCanvasElement;
  readonly #over: HTMLCanvasElement;
  #cloud: Cloud | null = null;
  readonly #still = matchMedia('(prefers-reduced-motion: reduce)');
  #box: Box = { width: 1, height: 1, ...MARGIN };
  #drawn: Drawn[] = [];
  #lasso: readonly (readonly [number, number])[] = [];
  #drawnAt = 0;
  #isStale = true;
  #projection = -1;
  #emphasised = '';
  #shown: Shown | null = null;
  #named: { axes: Projected | null; names: Scene['names'] } = {
    axes: null,
    names: ['', '', ''],
  };

  constructor(
    readonly element: HTMLElement,
    readonly events: MapEvents,
    zero: number,
  ) {
    const [points, over] = element.querySelectorAll('canvas');
    this.#points = points!;
    this.#over = over!;
    this.ring = new Ring(zero);
    this.#start();
    new ResizeObserver(() => this.touch()).observe(element);
    listen(this.#over, this.#hands());
  }

  /** What draws the points: `gpu`, `software`, or `plain` without WebGL. */
  get means(): 'gpu' | 'software' | 'plain' {
    if (!this.#cloud) return 'plain';
    return this.#cloud.isSoftware ? 'software' : 'gpu';
  }

  get renderer(): string {
    return this.#cloud?.renderer ?? 'none';
  }

  /** Forget the points; those to come have other axes. */
  clear(dimensions: 2 | 3): void {
    this.camera.dimensions = dimensions;
    for (const range of this.camera.ranges) range.reset();
    this.camera.fit();
    this.ring.clear(dimensions);
    this.#cloud?.reset();
    this.#projection = -1;
    this.#lasso = [];
  }

  add(block: SampleBlock): void {
    if (block.projection !== this.#projection) {
      this.ring.clear(block.dimensions);
      this.#projection = block.projection;
      for (const range of this.camera.ranges) range.reset();
    }
    for (const span of this.ring.write(block)) this.#cloud?.upload(span);
  }

  /** Something has changed that the picture has to show. */
  touch(): void {
    this.#isStale = true;
    if (!this.#cloud?.isBusy) this.events.changed();
  }

  /** Draw, if it has to be and the last picture is finished. */
  frame(now: number, look: () => Shown): void {
    if (!this.#isStale || this.#cloud?.isBusy) return;
    this.#isStale = false;
    if (this.#draw(look(), now)) this.touch();
  }

  /** Returns whether something in the picture moves by itself. */
  #draw(shown: Shown, now: number): boolean {
    const elapsed = this.#still.matches ? Infinity : Math.min(400, now - this.#drawnAt);
    this.#drawnAt = now;
    this.#shown = shown;
    const pixels = this.#fit();
    const isMoving = this.#follow(shown, elapsed);
    this.camera.look(this.#box);
    const style = getComputedStyle(this.element);
    const colours = coloursOf(style);
    this.#emphasise(shown);
    const drawing = {
      now: shown.now - this.ring.zero,
      life: LIFE_S,
      size: this.#box.width < 500 ? POINT_PX * 0.85 : POINT_PX,
      stray: colours.text,
      pixels,
      stride: this.pace.strideOf(this.ring.size),
    };
    if (this.#cloud) {
      this.drawnPoints = this.#cloud.draw(this.camera, drawing);
    } else {
      const pen = this.#points.getContext('2d')!;
      this.drawnPoints = drawPlain(pen, this.ring, this.camera, shown.weight, drawing);
    }
    this.keptPoints = this.ring.size;
    const pen = this.#over.getContext('2d')!;
    pen.setTransform(pixels, 0, 0, pixels, 0, 0);
    this.#drawn = drawOverlay(
      pen,
      this.#box,
      this.camera,
      {
        ...shown,
        names: this.#name(shown.axes),
        trailS: TRAIL_S,
        pointed: this.pointed,
        lasso: this.#lasso,
        isStill: this.#still.matches,
      },
      colours,
    );
    const last = shown.happenings.at(-1);
    const isNews = last !== undefined && Math.abs(shown.now - last.at) < 2;
    return isMoving || (isNews && !this.#still.matches);
  }

  /** What the map shows, in a sentence. */
  describe(): string {
    const shown = this.#shown;
    if (!shown) return 'Map of the clusters';
    const names = this.#name(shown.axes).slice(0, this.camera.dimensions).join(', ');
    return `Map of ${shown.marks.length} clusters and ${this.drawnPoints} points; axes: ${names}`;
  }

  /** The names of axes, found out once for each. */
  #name(axes: Projected): Scene['names'] {
    if (axes !== this.#named.axes) {
      const names = [0, 1, 2].map((axis) => nameOf(axis, axes));
      this.#named = { axes, names: names as [string, string, string] };
    }
    return this.#named.names;
  }

  dropLasso(): void {
    this.#lasso = [];
  }

  /** Pick the points inside a line of the picture. */
  pickInside(line: readonly (readonly [number, number])[]): Picked {
    const shown = this.#shown!;
    const isSeen = (id: number) => (shown.weight?.(id) ?? 1) > 0;
    return pick(this.ring, this.camera, line, shown.now - this.ring.zero, isSeen);
  }

  #start(): void {
    try {
      this.#cloud = new Cloud(this.#points, this.ring, (ms) => {
        this.pace.took(ms);
        if (this.#isStale) this.events.changed();
      });
    } catch {
      this.#cloud = null;
      return;
    }
    this.#points.addEventListener('webglcontextlost', (event) => event.preventDefault());
    this.#points.addEventListener('webglcontextrestored', () => {
      this.#cloud?.restore();
      this.touch();
    });
  }

  /** Let the canvases be as large as their place. */
  #fit(): number {
    const { clientWidth: width, clientHeight: height } = this.element;
    const pixels = Math.min(2, window.devicePixelRatio || 1);
    for (const canvas of [this.#points, this.#over]) {
      const [w, h] = [Math.round(width * pixels), Math.round(height * pixels)];
      if (canvas.width !== w) canvas.width = w;
      if (canvas.height !== h) canvas.height = h;
    }
    this.#box = { width, height, ...(width < 500 ? NARROW : MARGIN) };
    return pixels;
  }

  /** Let the ranges hold the clusters with their points. */
  #follow({ marks, chosen }: Shown, elapsedMs: number): boolean {
    const { width, height, left, right, top, bottom } = this.#box;
    const pixels = [width - left - right, height - top - bottom, width] as const;
    const isMoving = ([0, 1, 2] as const).map((axis) => {
      const [least, most] = extentOf(marks, axis, chosen);
      const room = Math.max(0.06, SIGN_PX / pixels[axis]);
      return this.camera.ranges[axis].follow(least, most, elapsedMs, room);
    });
    return isMoving.includes(true);
  }

  #emphasise({ weight, marks }: Shown): void {
    if (!this.#cloud) return;
    const key = weight ? `of ${marks.map(({ id }) => `${id}:${weight(id)}`).join()}` : '';
    if (key === this.#emphasised) return;
    this.#emphasised = key;
    this.#cloud.emphasise(
      weight,
      marks.map(({ id }) => id),
    );
  }

  #hands() {
    const map = this;
    return {
      camera: this.camera,
      get isLasso() {
        return map.isLasso;
      },
      moved: () => this.touch(),
      pointed: (x: number, y: number) => this.#point(x, y),
      left: () => this.#point(Number.NaN, Number.NaN),
      picked: (x: number, y: number) => this.events.chosen(this.#at(x, y)),
      drawing: (line: readonly (readonly [number, number])[]) => {
        this.#lasso = line;
        this.touch();
      },
      drawn: (line: readonly (readonly [number, number])[]) => {
        this.#lasso = line;
        this.events.picked(this.pickInside(line));
      },
    };
  }

  #point(x: number, y: number): void {
    const id = Number.isNaN(x) ? null : this.#at(x, y);
    const isOther = id !== this.pointed;
    this.pointed = id;
    this.events.pointed(id, x, y);
    if (isOther) this.touch();
  }

  /** The cluster at a place: the one whose sign is nearest, or the smallest around it. */
  #at(x: number, y: number): number | null {
    const near = this.#drawn
      .map((one) => ({ ...one, at: one.edge ?? one.ellipse }))
      .map((one) => ({ ...one, far: Math.hypot(one.at.x - x, one.at.y - y) }))
      .filter(({ far, ellipse }) => far <= NEAR_PX + 4 || contains(ellipse, x, y, NEAR_PX / 2));
    const close = near.filter(({ far }) => far <= NEAR_PX + 4).sort((a, b) => a.far - b.far);
    const around = near.sort((a, b) => a.ellipse.a * a.ellipse.b - b.ellipse.a * b.ellipse.b);
    return (close[0] ?? around[0])?.mark.id ?? null;
  }
}

function coloursOf(style: CSSStyleDeclaration): Colours {
  const of = (name: string) => style.getPropertyValue(`--${name}`).trim();
  return {
    text: of('text'),
    quiet: of('quiet'),
    line: of('grid'),
    panel: of('panel'),
    accent: of('accent'),
    font: style.fontFamily,
  };
}
