/** Points that are picked by a line drawn around them, and how they are written to a file. */

import { nameOf } from '../model/projection';
import type { Projected } from '../worker/bridge';
import type { Camera } from './camera';
import type { Ring } from './ring';

export interface Picked {
  /** Indices in the ring; valid until points overwrite them. */
  readonly indices: readonly number[];
  readonly rows: readonly PickedPoint[];
}

export interface PickedPoint {
  readonly cluster: number;
  /** Epoch seconds of the server. */
  readonly at: number;
  readonly place: readonly number[];
}

type Corner = readonly [x: number, y: number];

/** Whether a place is inside a closed line (even-odd rule). */
export function isInside(line: readonly Corner[], x: number, y: number): boolean {
  let inside = false;
  for (let k = 0, before = line.length - 1; k < line.length; before = k, k += 1) {
    const [ax, ay] = line[k]!;
    const [bx, by] = line[before]!;
    if (ay > y !== by > y && x < ((bx - ax) * (y - ay)) / (by - ay) + ax) inside = !inside;
  }
  return inside;
}

/** Return the points of a ring that lie inside a line of the picture and were there at `now`. */
export function pick(
  ring: Ring,
  camera: Camera,
  line: readonly Corner[],
  now: number,
  isSeen: (id: number) => boolean,
): Picked {
  const xs = line.map(([x]) => x);
  const ys = line.map(([, y]) => y);
  const [left, right] = [Math.min(...xs), Math.max(...xs)];
  const [top, bottom] = [Math.min(...ys), Math.max(...ys)];
  const indices: number[] = [];
  const rows: PickedPoint[] = [];
  const d = ring.dimensions;
  ring.each((k) => {
    if (ring.born[k]! > now || !isSeen(ring.ids[k]!)) return;
    const place = [...ring.positions.subarray(k * d, (k + 1) * d)];
    const [x, y] = camera.project(place[0]!, place[1]!, place[2] ?? 0);
    if (!(x >= left && x <= right && y >= top && y <= bottom) || !isInside(line, x, y)) return;
    indices.push(k);
    rows.push({ cluster: ring.ids[k]!, at: ring.zero + ring.born[k]!, place });
  });
  return { indices, rows };
}

/** Return how many of the picked points are in each cluster, the most first. */
export function shares({ rows }: Picked): [cluster: number, points: number][] {
  const counts = new Map<number, number>();
  for (const { cluster } of rows) counts.set(cluster, (counts.get(cluster) ?? 0) + 1);
  return [...counts].sort((a, b) => b[1] - a[1] || a[0] - b[0]);
}

export function asCsv({ rows }: Picked, axes: Projected): string {
  const names = axes.components.map((_, axis) => quoted(nameOf(axis, axes)));
  const lines = rows.map(({ cluster, at, place }) =>
    [new Date(1000 * at).toISOString(), cluster, ...place.map(shortest)].join(),
  );
  return `${['time', 'cluster_id', ...names].join()}\n${lines.join('\n')}\n`;
}

export function asJson({ rows }: Picked, axes: Projected, stream: string): string {
  const { version, method, mean, components } = axes;
  return JSON.stringify({
    stream,
    projection: {
      version,
      method,
      mean: [...mean].map(Number),
      components: components.map((row) => [...row].map(Number)),
    },
    points: rows.map(({ cluster, at, place }) => ({
      time: new Date(1000 * at).toISOString(),
      cluster_id: cluster,
      place: place.map((x) => Number(shortest(x))),
    })),
  });
}

/** As few digits as give the same float32 again. */
const shortest = (x: number): string => String(Number(x.toPrecision(9)));
const quoted = (text: string): string => `"${text.replaceAll('"', '""')}"`;
