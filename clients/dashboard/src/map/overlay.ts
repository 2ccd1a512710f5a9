/** What is drawn over the points: axes, outlines, trails, labels, what was born or is gone. */

import type { Mark } from '../model/history';
import { colourOf, shapeOf, trace } from '../model/looks';
import type { Seen } from '../sight';
import type { Box, Camera } from './camera';
import { type Edge, edgeOf, traceArrow } from './edge';
import { type Ellipse, ellipseOf } from './ellipse';
import { SURE } from './extent';
import { ticks } from './range';

export interface Colours {
  readonly text: string;
  readonly quiet: string;
  readonly line: string;
  readonly panel: string;
  readonly accent: string;
  readonly font: string;
}

export interface Scene extends Seen {
  readonly trails: ReadonlyMap<number, readonly { at: number; place: readonly number[] }[]>;
  readonly names: readonly [string, string, string];
  readonly trailS: number;
  readonly pointed: number | null;
  readonly lasso: readonly (readonly [number, number])[];
  readonly isStill: boolean;
}

export interface Drawn {
  readonly mark: Mark;
  readonly ellipse: Ellipse;
  /** Where it is told that the cluster is out of the picture; null if it is not. */
  readonly edge: Edge | null;
}

const PULSE_S = 1.8;
const GHOST_S = 1.2;
const LABELS = 60;
const LABEL_PX = 14; // from the sign

/** Draw; returns where each cluster is, the last one on top. */
export function drawOverlay(
  pen: CanvasRenderingContext2D,
  box: Box,
  camera: Camera,
  scene: Scene,
  colours: Colours,
): Drawn[] {
  pen.clearRect(0, 0, box.width, box.height);
  pen.font = `11px ${colours.font}`;
  pen.textBaseline = 'middle';
  if (scene.marks.length === 0) return [];
  if (camera.dimensions === 2) drawAxes(pen, box, camera, scene.names, colours);
  else drawSpace(pen, box, camera, scene.names, colours);
  pen.save();
  if (camera.dimensions === 2) {
    pen.beginPath();
    pen.rect(
      box.left,
      box.top,
      box.width - box.left - box.right,
      box.height - box.top - box.bottom,
    );
    pen.clip();
  }
  const drawn = scene.marks
    .map((mark) => ({ mark, ellipse: ellipseOf(mark, camera) }))
    .filter(({ ellipse }) => Number.isFinite(ellipse.x) && Number.isFinite(ellipse.y))
    .map((one) => ({
      ...one,
      edge: camera.dimensions === 2 ? edgeOf(one.ellipse.x, one.ellipse.y, box) : null,
    }));
  for (const { mark } of drawn) drawTrail(pen, camera, mark, scene);
  for (const one of drawn) drawOutline(pen, one, scene);
  if (!scene.isStill) drawNews(pen, drawn, scene, colours);
  for (const one of drawn.toReversed()) drawSign(pen, one, scene, colours);
  drawLabels(pen, box, drawn, scene, colours);
  pen.restore();
  drawLasso(pen, scene.lasso, colours);
  return drawn;
}

function drawAxes(
  pen: CanvasRenderingContext2D,
  box: Box,
  camera: Camera,
  names: Scene['names'],
  colours: Colours,
): void {
  const { width, height, left, right, top, bottom } = box;
  pen.lineWidth = 1;
  pen.strokeStyle = colours.line;
  pen.fillStyle = colours.quiet;
  pen.beginPath();
  pen.textAlign = 'center';
  const across = width - left - right;
  const [low, high] = camera.shown(0);
  for (const [value, text] of ticks(low, high, Math.max(2, across / 64))) {
    const x = Math.round(left + ((value - low) / (high - low)) * across) + 0.5;
    pen.moveTo(x, top);
    pen.lineTo(x, height - bottom);
    pen.fillText(text, x, height - bottom + 10);
  }
  const up = height - top - bottom;
  const [lowest, highest] = camera.shown(1);
  pen.textAlign = 'right';
  for (const [value, text] of ticks(lowest, highest, Math.max(2, up / 60))) {
    const y = Math.round(height - bottom - ((value - lowest) / (highest - lowest)) * up) + 0.5;
    pen.moveTo(left, y);
    pen.lineTo(width - right, y);
    pen.fillText(text, left - 6, y);
  }
  pen.stroke();
  // At the left, since how many points are shown is said at the right.
  pen.textAlign = 'left';
  pen.fillText(`${names[0]} →`, left, height - 8);
  pen.textAlign = 'center';
  pen.save();
  pen.translate(9, top + up / 2);
  pen.rotate(-Math.PI / 2);
  pen.fillText(`${names[1]} →`, 0, 0);
  pen.restore();
}

/** The box around the data, and the names of its three axes. */
function drawSpace(
  pen: CanvasRenderingContext2D,
  { width }: Box,
  camera: Camera,
  names: Scene['names'],
  colours: Colours,
): void {
  const [x, y, z] = camera.ranges;
  const corner = (k: number) =>
    camera.project(k & 1 ? x.high : x.low, k & 2 ? y.high : y.low, k & 4 ? z.high : z.low);
  pen.lineWidth = 1;
  pen.strokeStyle = colours.line;
  pen.beginPath();
  for (let k = 0; k < 8; k += 1) {
    for (const bit of [1, 2, 4]) {
      if (k & bit) continue;
      pen.moveTo(...(corner(k).slice(0, 2) as [number, number]));
      pen.lineTo(...(corner(k | bit).slice(0, 2) as [number, number]));
    }
  }
  pen.stroke();
  pen.fillStyle = colours.quiet;
  pen.textAlign = 'center';
  [1, 2, 4].forEach((bit, axis) => {
    const [ax, ay] = corner(0);
    const [bx, by] = corner(bit);
    const length = Math.hypot(bx - ax, by - ay) || 1;
    const [px, py] = [bx + ((bx - ax) / length) * 16, by + ((by - ay) / length) * 16];
    const half = pen.measureText(names[axis]!).width / 2 + 6;
    pen.fillText(names[axis]!, Math.max(half, Math.min(width - half, px)), py);
  });
}

function drawTrail(
  pen: CanvasRenderingContext2D,
  camera: Camera,
  mark: Mark,
  scene: Scene,
): void {
  const trail = scene.trails.get(mark.id);
  if (!trail || trail.length < 2) return;
  const weight = scene.weight?.(mark.id) ?? 1;
  pen.strokeStyle = colourOf(mark.id);
  pen.lineWidth = 2;
  pen.lineCap = 'round';
  const places = trail.map(({ place }) => camera.project(place[0]!, place[1]!, place[2]!));
  places.push(camera.project(mark.x, mark.y, mark.z));
  for (let k = 1; k < places.length; k += 1) {
    const age = scene.now - trail[k - 1]!.at;
    pen.globalAlpha = weight * Math.max(0, 0.9 * (1 - age / scene.trailS));
    pen.beginPath();
    pen.moveTo(places[k - 1]![0], places[k - 1]![1]);
    pen.lineTo(places[k]![0], places[k]![1]);
    pen.stroke();
  }
  pen.globalAlpha = 1;
}

function drawOutline(
  pen: CanvasRenderingContext2D,
  { mark, ellipse }: Drawn,
  scene: Scene,
): void {
  const { x, y, a, b, angle } = ellipse;
  const weight = scene.weight?.(mark.id) ?? 1;
  const isNear = mark.id === scene.chosen || mark.id === scene.pointed;
  pen.strokeStyle = pen.fillStyle = colourOf(mark.id);
  pen.beginPath();
  pen.ellipse(x, y, a, b, angle, 0, 2 * Math.PI);
  pen.globalAlpha = weight * (isNear ? 0.16 : 0.07);
  pen.fill();
  pen.globalAlpha = weight * (isNear ? 1 : 0.75);
  pen.lineWidth = isNear ? 2.5 : 1.25;
  // Less evidence, less of a line.
  pen.setLineDash(mark.confidence < SURE ? [4, 4] : []);
  pen.stroke();
  pen.setLineDash([]);
  pen.globalAlpha = 1;
}

/** Rings around what was just born or split, crosses where something has just gone. */
function drawNews(
  pen: CanvasRenderingContext2D,
  drawn: readonly Drawn[],
  scene: Scene,
  colours: Colours,
): void {
  const byId = new Map(drawn.map((one) => [one.mark.id, one.ellipse]));
  for (let k = scene.happenings.length - 1; k >= 0; k -= 1) {
    const { kind, at, cluster, other } = scene.happenings[k]!;
    const age = scene.now - at;
    if (age > 3 * PULSE_S) break;
    if (age < 0) continue;
    const place = byId.get(kind === 'merged' ? other : cluster);
    if (!place) continue;
    if ((kind === 'created' || kind === 'split') && age < PULSE_S) {
      pen.globalAlpha = 1 - age / PULSE_S;
      pen.strokeStyle = colourOf(cluster);
      pen.lineWidth = 3;
      pen.beginPath();
      pen.arc(place.x, place.y, place.a + 30 * (age / PULSE_S), 0, 2 * Math.PI);
      pen.stroke();
    } else if (kind === 'merged' && age < GHOST_S) {
      pen.globalAlpha = 1 - age / GHOST_S;
      pen.strokeStyle = colours.text;
      pen.lineWidth = 2;
      pen.beginPath();
      pen.arc(place.x, place.y, place.a * (1 + 0.6 * (1 - age / GHOST_S)), 0, 2 * Math.PI);
      pen.stroke();
    }
  }
  pen.globalAlpha = 1;
}

function drawSign(
  pen: CanvasRenderingContext2D,
  { mark, ellipse, edge }: Drawn,
  scene: Scene,
  colours: Colours,
): void {
  const isNear = mark.id === scene.chosen || mark.id === scene.pointed;
  pen.globalAlpha = scene.weight?.(mark.id) ?? 1;
  if (edge) traceArrow(pen, edge);
  else trace(pen, shapeOf(mark.id), ellipse.x, ellipse.y, isNear ? 8 : 6);
  pen.lineWidth = 4;
  pen.lineJoin = 'round';
  pen.strokeStyle = colours.panel;
  pen.stroke();
  pen.fillStyle = colourOf(mark.id);
  pen.fill();
  pen.globalAlpha = 1;
}

/** Write the labels, those of large clusters first, and none over another. */
function drawLabels(
  pen: CanvasRenderingContext2D,
  { width: end, right }: Box,
  drawn: readonly Drawn[],
  scene: Scene,
  colours: Colours,
): void {
  pen.textAlign = 'left';
  pen.lineJoin = 'round';
  const taken: { x: number; y: number; width: number }[] = [];
  const first = (one: Drawn) =>
    one.mark.id === scene.chosen ||
    one.mark.id === scene.pointed ||
    scene.isPinned(one.mark.id);
  const order = [...drawn.filter(first), ...drawn.filter((one) => !first(one))];
  for (const { mark, ellipse, edge } of order.slice(0, LABELS)) {
    const text = scene.label(mark.id) + (scene.isPinned(mark.id) ? ' ●' : '');
    pen.font = `600 12px ${colours.font}`;
    const width = pen.measureText(text).width;
    const { x: from, y } = edge ?? ellipse;
    const isCut = from + LABEL_PX + width > end - right;
    const x = isCut ? from - LABEL_PX - width : from + LABEL_PX;
    const isFree = taken.every(
      (t) => Math.abs(t.y - y) >= 15 || x > t.x + t.width + 4 || t.x > x + width + 4,
    );
    if (!isFree) continue;
    taken.push({ x, y, width });
    pen.globalAlpha = Math.max(0.25, scene.weight?.(mark.id) ?? 1);
    pen.lineWidth = 4;
    pen.strokeStyle = colours.panel;
    pen.strokeText(text, x, y);
    pen.fillStyle = colours.text;
    pen.fillText(text, x, y);
  }
  pen.globalAlpha = 1;
}

function drawLasso(
  pen: CanvasRenderingContext2D,
  line: Scene['lasso'],
  colours: Colours,
): void {
  if (line.length < 2) return;
  pen.beginPath();
  for (const [x, y] of line) pen.lineTo(x, y);
  pen.closePath();
  pen.globalAlpha = 0.12;
  pen.fillStyle = colours.accent;
  pen.fill();
  pen.globalAlpha = 1;
  pen.setLineDash([5, 4]);
  pen.lineWidth = 1.5;
  pen.strokeStyle = colours.accent;
  pen.stroke();
  pen.setLineDash([]);
}
