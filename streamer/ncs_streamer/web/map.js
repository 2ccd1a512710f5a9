/** The map: a circle for every cluster at its centroid, in two of the features. */

import { Axis, pickFeatures } from './axis.js';
import { compact, count, ratio } from './format.js';
import { look } from './palette.js';

const MARGIN = { left: 58, right: 12, top: 8, bottom: 42 };
const INSET = 26; // from the edge to the outermost centroid, for its circle
const PULSE_MS = 1800;
const FADE_MS = 900;
const TRAIL_MS = 20_000;
const TRAIL_STEP_MS = 500;
const TRAIL_POINTS = 2400; // of all clusters together
const PICK_MS = 1000;
const NEAR = 6;
const DASHES = { solid: [], dashed: [7, 4], dotted: [2, 3] };

export class ClusterMap {
  /** features shown across and up */
  features = [0, 1];
  /** id of the cluster that the pointer is at, here or in the table */
  focus = null;
  #chosen = [null, null];
  #plot;
  #canvas;
  #tip;
  #pointer = null;
  #view = null;
  #generation = 0;
  #isBegun = false;
  #marks = new Map();
  #axes = [new Axis(), new Axis()];
  #drawnAt = 0;
  #pickedAt = -Infinity;
  #still = matchMedia('(prefers-reduced-motion: reduce)');

  /** onChange is called when it has to be drawn though no data have come. */
  constructor(plot, onChange) {
    this.#plot = plot;
    this.#canvas = plot.querySelector('canvas');
    this.#tip = plot.querySelector('#tip');
    new ResizeObserver(onChange).observe(plot);
    for (const kind of ['pointermove', 'pointerdown', 'pointerleave']) {
      plot.addEventListener(kind, (event) => {
        const box = plot.getBoundingClientRect();
        this.#pointer = kind === 'pointerleave' ? null : [event.clientX - box.left, event.clientY - box.top];
        this.focus = null;
        onChange();
      });
    }
  }

  /** Choose the features, null for automatic. */
  choose(chosen) {
    this.#chosen = chosen;
    this.#pickedAt = -Infinity;
  }

  /** Draw a view; return whether something on the map is still moving. */
  draw(view, now) {
    const elapsed = this.#still.matches ? Infinity : Math.min(100, now - this.#drawnAt);
    this.#drawnAt = now;
    if (view !== this.#view || view.generation !== this.#generation) this.#begin(view);
    if (now - this.#pickedAt > PICK_MS) this.#pick(now);
    this.#follow(now);
    const marks = [...this.#marks.values()].sort((a, b) => b.size - a.size);
    const here = marks.filter((mark) => !mark.goneAt);
    const isMoving = this.#axes.map((axis, k) => axis.follow(here.map((mark) => mark.at[k]), elapsed));
    this.#paint(marks, now);
    this.#tell(here);
    return isMoving.includes(true) || marks.some((mark) => mark.goneAt || now - mark.bornAt < PULSE_MS);
  }

  /** What the map shows, in a sentence. */
  describe() {
    const [across, up] = this.#axes.map(
      ({ low, high }, k) => `feature ${this.features[k]} from ${compact(low)} to ${compact(high)}`,
    );
    return `Map of ${this.#view.clusters.size} clusters; across: ${across}; up: ${up}`;
  }

  #begin(view) {
    if (view !== this.#view) this.#axes.forEach((axis) => axis.reset());
    this.#view = view;
    this.#generation = view.generation;
    this.#marks.clear();
    this.#isBegun = false;
    this.#pickedAt = -Infinity;
  }

  #pick(now) {
    const centroids = [...this.#view.clusters.values()].map((c) => c.centroid).filter(Boolean);
    if (!centroids.length) return;
    this.#pickedAt = now;
    const features = pickFeatures(centroids, this.#chosen, this.features);
    if (`${features}` === `${this.features}`) return;
    this.features = features;
    this.#axes.forEach((axis) => axis.reset());
    for (const mark of this.#marks.values()) mark.trail = [];
  }

  /** Let the marks be what the view has. */
  #follow(now) {
    const { clusters } = this.#view;
    const isNews = this.#isBegun && !this.#still.matches;
    this.#isBegun = true;
    for (const [id, { centroid, size }] of clusters) {
      if (!centroid) continue;
      if (!this.#marks.has(id)) {
        this.#marks.set(id, { id, look: look(id), bornAt: isNews ? now : -Infinity, goneAt: 0, trail: [] });
      }
      const mark = this.#marks.get(id);
      mark.size = size;
      mark.at = this.features.map((feature) => centroid[feature] ?? 0);
      if (now - (mark.trail.at(-1)?.when ?? -Infinity) > TRAIL_STEP_MS) mark.trail.push({ at: mark.at, when: now });
    }
    const longest = Math.min(TRAIL_MS / TRAIL_STEP_MS, TRAIL_POINTS / (1 + this.#marks.size));
    for (const [id, mark] of this.#marks) {
      if (mark.trail.length > longest) mark.trail.shift();
      if (!clusters.has(id)) mark.goneAt ||= now;
      if (mark.goneAt && (this.#still.matches || now - mark.goneAt > FADE_MS)) this.#marks.delete(id);
    }
  }

  /** Tell about the smallest cluster that the pointer is at. */
  #tell(marks) {
    const [x, y] = this.#pointer ?? [-Infinity, 0];
    const mark = marks.findLast((m) => Math.hypot(m.x - x, m.y - y) <= m.radius + NEAR);
    this.#tip.hidden = !mark;
    if (!mark) return;
    this.focus = mark.id;
    const { size, quality, health, age } = this.#view.clusters.get(mark.id);
    const facts = [`size ${count(size)}`, `quality ${ratio(quality)}`, `health ${ratio(health)}`, `age ${compact(age)} points`];
    this.#tip.textContent = [`cluster ${mark.id}`, ...facts].join('\n');
    const left = Math.min(mark.x + mark.radius + 8, this.#plot.clientWidth - this.#tip.offsetWidth - 4);
    const top = Math.min(Math.max(4, mark.y - 30), this.#plot.clientHeight - this.#tip.offsetHeight - 4);
    this.#tip.style.transform = `translate(${left}px, ${top}px)`;
  }

  #paint(marks, now) {
    const { clientWidth: width, clientHeight: height } = this.#plot;
    const dense = window.devicePixelRatio;
    const pixels = { width: Math.round(width * dense), height: Math.round(height * dense) };
    if (this.#canvas.width !== pixels.width || this.#canvas.height !== pixels.height) Object.assign(this.#canvas, pixels);
    const style = getComputedStyle(this.#plot);
    const colours = Object.fromEntries(['text', 'quiet', 'line', 'panel'].map((name) => [name, style.getPropertyValue(`--${name}`)]));
    const box = {
      left: MARGIN.left, right: width - MARGIN.right, top: MARGIN.top, bottom: height - MARGIN.bottom,
    };
    const place = ([across, up]) => [
      box.left + INSET + (box.right - box.left - 2 * INSET) * this.#axes[0].share(across),
      box.bottom - INSET - (box.bottom - box.top - 2 * INSET) * this.#axes[1].share(up),
    ];
    const pen = this.#canvas.getContext('2d');
    pen.setTransform(dense, 0, 0, dense, 0, 0);
    pen.clearRect(0, 0, width, height);
    pen.font = `12px ${style.fontFamily}`;
    pen.fillStyle = colours.quiet;
    pen.textBaseline = 'middle';
    pen.textAlign = 'center';
    if (!marks.length) {
      pen.fillText('No clusters yet: waiting for points', width / 2, height / 2);
      return;
    }
    this.#paintAxes(pen, box, place, colours);
    pen.save();
    pen.beginPath();
    pen.rect(box.left, box.top, box.right - box.left, box.bottom - box.top);
    pen.clip();
    const scale = Math.min(1.2, Math.max(0.7, Math.min(width, height) / 420));
    this.#paintPoints(pen, place, colours);
    for (const mark of marks) {
      [mark.x, mark.y] = place(mark.at);
      mark.radius = scale * (4 + 4.5 * Math.log10(1 + mark.size));
      paintTrail(pen, mark, place, now);
    }
    for (const mark of marks) paintCircle(pen, mark, now, mark.id === this.focus);
    pen.font = `600 13px ${style.fontFamily}`;
    paintLabels(pen, marks, colours);
    pen.restore();
  }

  /** Paint the points of late, the older the paler. */
  #paintPoints(pen, place, colours) {
    const { samples } = this.#view;
    samples.forEach(({ features, points, ids }, k) => {
      if (`${features}` !== `${this.features}`) return;
      pen.globalAlpha = (0.6 * (k + 1)) / samples.length;
      ids.forEach((id, n) => {
        const [x, y] = place([points[2 * n], points[2 * n + 1]]);
        pen.fillStyle = id < 0 ? colours.quiet : look(id).colour;
        pen.fillRect(x - 1, y - 1, 2, 2);
      });
    });
    pen.globalAlpha = 1;
  }

  #paintAxes(pen, box, place, colours) {
    const [across, up] = this.#axes;
    pen.strokeStyle = colours.line;
    pen.lineWidth = 1;
    pen.beginPath();
    for (const [value, text] of across.ticks(Math.max(2, (box.right - box.left) / 55))) {
      const x = Math.round(place([value, 0])[0]) + 0.5;
      pen.moveTo(x, box.top);
      pen.lineTo(x, box.bottom);
      pen.fillText(text, x, box.bottom + 12);
    }
    pen.fillText(`feature ${this.features[0]} →`, (box.left + box.right) / 2, box.bottom + 31);
    pen.textAlign = 'right';
    for (const [value, text] of up.ticks(Math.max(2, (box.bottom - box.top) / 50))) {
      const y = Math.round(place([0, value])[1]) + 0.5;
      pen.moveTo(box.left, y);
      pen.lineTo(box.right, y);
      pen.fillText(text, box.left - 6, y);
    }
    pen.stroke();
    pen.save();
    pen.translate(9, (box.top + box.bottom) / 2);
    pen.rotate(-Math.PI / 2);
    pen.textAlign = 'center';
    pen.fillText(`feature ${this.features[1]} →`, 0, 0);
    pen.restore();
  }
}

function paintTrail(pen, { trail, look: { colour }, at, goneAt }, place, now) {
  if (goneAt) return;
  pen.strokeStyle = colour;
  pen.lineWidth = 2;
  trail.forEach((point, k) => {
    pen.globalAlpha = Math.max(0, 0.8 * (1 - (now - point.when) / TRAIL_MS));
    pen.beginPath();
    pen.moveTo(...place(point.at));
    pen.lineTo(...place(trail[k + 1]?.at ?? at));
    pen.stroke();
  });
}

function paintCircle(pen, { x, y, radius, look: { colour, outline, filled }, bornAt, goneAt }, now, isFocus) {
  const circle = (r) => {
    pen.beginPath();
    pen.arc(x, y, r, 0, 2 * Math.PI);
  };
  pen.strokeStyle = pen.fillStyle = colour;
  const age = (now - bornAt) / PULSE_MS;
  if (age < 1) {
    pen.globalAlpha = 1 - age;
    pen.lineWidth = 3;
    circle(radius + 26 * ((2 * age) % 1));
    pen.stroke();
  }
  const left = goneAt ? Math.max(0, 1 - (now - goneAt) / FADE_MS) : 1;
  pen.globalAlpha = left * (filled ? 0.28 : 0.06);
  circle(radius);
  pen.fill();
  pen.globalAlpha = left;
  pen.lineWidth = isFocus ? 4 : 2;
  pen.setLineDash(DASHES[outline]);
  pen.stroke();
  pen.setLineDash([]);
  pen.globalAlpha = 1;
}

/** Write the ids, those of large clusters first, and none over another. */
function paintLabels(pen, marks, colours) {
  pen.textAlign = 'center';
  pen.lineJoin = 'round';
  pen.lineWidth = 3;
  pen.strokeStyle = colours.panel;
  pen.fillStyle = colours.text;
  const taken = [];
  for (const { id, x, y, radius, goneAt } of marks) {
    const half = 4 + 4 * String(id).length;
    const at = radius > half ? x : x + radius + half;
    const isFree = taken.every((t) => Math.abs(t.at - at) >= t.half + half || Math.abs(t.y - y) >= 15);
    if (goneAt || !isFree) continue;
    taken.push({ at, y, half });
    pen.strokeText(id, at, y);
    pen.fillText(id, at, y);
  }
}
