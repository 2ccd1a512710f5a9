/** The marks of the timeline: one for each thing that happened, or for several at a time. */

import { colourOf } from '../model/looks';
import type { Happening } from '../worker/bridge';

/** Marks of one kind that are nearer than this are joined, and with them all of a cell. */
const MARK_PX = 12;
const CELL_PX = 34; // a mark and its count
const CELLS_S = [1, 2, 3, 4, 5, 6, 10, 15, 20, 30, 60] as const;

const COUNT_PX = 8; // from the mark

export interface MarkPlace {
  readonly x: number;
  readonly y: number;
  /** Pixels to the next mark. */
  readonly room: number;
  /** Of all lanes. */
  readonly height: number;
}

export interface Gathered {
  /** The first of them. */
  readonly happening: Happening;
  readonly times: number;
}

/**
 * Join happenings of one kind, in the order of time, that would be drawn over each other.
 *
 * Cells of time are joined, which do not depend on what is in sight: so a mark stays as it is
 * while it travels along.
 */
export function gathered(
  happenings: readonly Happening[],
  pixelsOf: (seconds: number) => number,
): Gathered[] {
  const cell = CELLS_S.find((seconds) => pixelsOf(seconds) >= CELL_PX) ?? CELLS_S.at(-1)!;
  const cells: Happening[][] = [];
  let last = Number.NaN;
  for (const happening of happenings) {
    const here = Math.floor(happening.at / cell);
    if (here === last) cells.at(-1)!.push(happening);
    else cells.push([happening]);
    last = here;
  }
  return cells.flatMap((there) => {
    const isNear = there.some((h, k) => k > 0 && pixelsOf(h.at - there[k - 1]!.at) < MARK_PX);
    if (!isNear) return there.map((happening) => ({ happening, times: 1 }));
    return [{ happening: there[0]!, times: there.length }];
  });
}

/** Draw a mark, with its count if it stands for several and there is room for that. */
export function drawMark(
  pen: CanvasRenderingContext2D,
  { happening, times }: Gathered,
  { x, y, room, height }: MarkPlace,
  colour: (name: string) => string,
): void {
  if (happening.severity === 'low') {
    // They are many and mean little: several are a larger dot.
    pen.beginPath();
    pen.fillStyle = colour('quiet');
    pen.arc(x, y, Math.min(4.5, 1.3 + 0.7 * Math.sqrt(times)), 0, 2 * Math.PI);
    pen.fill();
    return;
  }
  glyph(pen, happening, x, y, height, colour);
  const text = `×${times}`;
  if (times === 1 || COUNT_PX + pen.measureText(text).width > room) return;
  pen.textAlign = 'left';
  pen.lineWidth = 4;
  pen.strokeStyle = colour('panel');
  pen.strokeText(text, x + COUNT_PX, y);
  pen.fillStyle = colour('text');
  pen.fillText(text, x + COUNT_PX, y);
}

/** Each kind has a shape of its own; the colour is the cluster's, or how bad it is. */
function glyph(
  pen: CanvasRenderingContext2D,
  { kind, cluster, severity }: Happening,
  x: number,
  y: number,
  height: number,
  colour: (name: string) => string,
): void {
  pen.beginPath();
  pen.lineWidth = 2;
  pen.strokeStyle = pen.fillStyle =
    kind === 'drift' ? colour(severity === 'high' ? 'bad' : 'warn') : colourOf(cluster);
  switch (kind) {
    case 'created':
      pen.arc(x, y, 4, 0, 2 * Math.PI);
      pen.fill();
      break;
    case 'split':
      pen.moveTo(x, y - 5);
      pen.lineTo(x + 5, y);
      pen.lineTo(x, y + 5);
      pen.lineTo(x - 5, y);
      pen.closePath();
      pen.fill();
      break;
    case 'merged':
      pen.moveTo(x - 4, y - 4);
      pen.lineTo(x + 2, y);
      pen.lineTo(x - 4, y + 4);
      pen.moveTo(x + 2, y);
      pen.lineTo(x + 6, y);
      pen.stroke();
      break;
    case 'removed':
      pen.moveTo(x - 4, y - 4);
      pen.lineTo(x + 4, y + 4);
      pen.moveTo(x + 4, y - 4);
      pen.lineTo(x - 4, y + 4);
      pen.stroke();
      break;
    default:
      pen.globalAlpha = 0.3;
      pen.fillRect(x - 0.5, 0, 1, height);
      pen.globalAlpha = 1;
      pen.moveTo(x, y - 5);
      pen.lineTo(x + 5.5, y + 4.5);
      pen.lineTo(x - 5.5, y + 4.5);
      pen.fill();
  }
}
