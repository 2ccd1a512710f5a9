/** Says which part of the points the picture shows, and why not all. */

import type { MapView } from './map/view';
import { byId, say } from './ui/dom';
import { compact, count } from './ui/format';

export class Share {
  readonly #line = byId('share');

  show(map: MapView): void {
    const { drawnPoints, keptPoints, pace, means } = map;
    const isPart = drawnPoints < keptPoints;
    this.#line.classList.toggle('part', isPart);
    say(this.#line, isPart ? part(drawnPoints, keptPoints, means) : whole(keptPoints));
    const frame = pace.frameMs ? ` A frame takes ${pace.frameMs.toFixed(0)} ms.` : '';
    this.#line.title = `Points are drawn by ${map.renderer}.${frame}`;
  }
}

const whole = (size: number): string => (size ? `${count(size)} points` : '');

function part(drawn: number, size: number, means: MapView['means']): string {
  const why = { gpu: '', software: ', drawn in software', plain: ', drawn without WebGL' }[
    means
  ];
  return `shows ${compact(drawn)} of ${compact(size)} points${why}`;
}
