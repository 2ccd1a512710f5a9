/**
 * How a cluster looks, by its id and for ever.
 *
 * The six colours were chosen by search: as far apart as can be also for eyes without one
 * kind of cone, and visible on white and on black. Ids go on, so the shape changes with each
 * round: 36 looks, and the id is written beside every one.
 */

export const COLOURS = [
  '#245fdb',
  '#f47636',
  '#5bb2a2',
  '#b32284',
  '#c586fa',
  '#8d7a23',
] as const;
export const SHAPES = ['circle', 'square', 'triangle', 'diamond', 'cross', 'star'] as const;
export type Shape = (typeof SHAPES)[number];

export const colourOf = (id: number): string => COLOURS[id % COLOURS.length]!;
export const shapeOf = (id: number): Shape =>
  SHAPES[Math.floor(id / COLOURS.length) % SHAPES.length]!;

/** Red, green and blue of a colour, each in [0, 1]. */
export function rgb(colour: string): [number, number, number] {
  const number = Number.parseInt(colour.slice(1), 16);
  return [(number >> 16) / 255, ((number >> 8) & 255) / 255, (number & 255) / 255];
}

/** Corners of the shapes around 0, of about the same area as a circle of radius 1. */
const CORNERS: Readonly<
  Record<Exclude<Shape, 'circle'>, readonly (readonly [number, number])[]>
> = {
  square: [
    [-0.89, -0.89],
    [0.89, -0.89],
    [0.89, 0.89],
    [-0.89, 0.89],
  ],
  triangle: [
    [0, -1.3],
    [1.2, 0.8],
    [-1.2, 0.8],
  ],
  diamond: [
    [0, -1.3],
    [1.15, 0],
    [0, 1.3],
    [-1.15, 0],
  ],
  cross: [
    [-0.42, -1.2],
    [0.42, -1.2],
    [0.42, -0.42],
    [1.2, -0.42],
    [1.2, 0.42],
    [0.42, 0.42],
    [0.42, 1.2],
    [-0.42, 1.2],
    [-0.42, 0.42],
    [-1.2, 0.42],
    [-1.2, -0.42],
    [-0.42, -0.42],
  ],
  star: Array.from({ length: 10 }, (_, k) => {
    const angle = (Math.PI * k) / 5 - Math.PI / 2;
    const far = k % 2 ? 0.62 : 1.45;
    return [far * Math.cos(angle), far * Math.sin(angle)] as const;
  }),
};

/** Trace a shape around a place; it is filled or stroked by who calls. */
export function trace(
  pen: CanvasRenderingContext2D,
  shape: Shape,
  x: number,
  y: number,
  size: number,
): void {
  pen.beginPath();
  if (shape === 'circle') {
    pen.arc(x, y, size, 0, 2 * Math.PI);
    return;
  }
  for (const [dx, dy] of CORNERS[shape]) pen.lineTo(x + dx * size, y + dy * size);
  pen.closePath();
}

const SVG = 'http://www.w3.org/2000/svg';

/** Return the sign of a cluster, for text around it. */
export function sign(id: number): SVGSVGElement {
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('viewBox', '-1.6 -1.6 3.2 3.2');
  svg.setAttribute('class', 'sign');
  svg.setAttribute('aria-hidden', 'true');
  const shape = shapeOf(id);
  const drawn = document.createElementNS(SVG, shape === 'circle' ? 'circle' : 'polygon');
  if (shape === 'circle') drawn.setAttribute('r', '1.05');
  else drawn.setAttribute('points', CORNERS[shape].map((corner) => corner.join()).join(' '));
  drawn.setAttribute('fill', colourOf(id));
  svg.append(drawn);
  return svg;
}
