/** The map: a circle for every cluster at its centroid, in two of the features. */

import { Axis, pickFeatures } from './axis.js';
import { compact, count, ratio } from './format.js';
import { look } from './palette.js';

const MARGIN = { left: 58, right: 12, top: 12, bottom: 42 };
const PULSE_MS = 1800;
const FADE_MS = 900;
const GROW_MS = 200;
const TRAIL_MS = 20_000;
const TRAIL_STEP_MS = 500;
const TRAIL_POINTS = 2400; // of all clusters together
const PICK_MS = 1000;
const NEAR = 6;
const DASHES = { solid: [], dashed: [7, 4], dotted: [2, 3] };

export class ClusterMap {
  /** features chosen for across and up, null for automatic */
  chosen = [null, null];
  /** features shown */
  features = [0, 1];
  /** id of the cluster that the pointer is at, here or in the table */
  focus = null;
  #canvas;
  #pen;
  #tip;
  #marks = new Map();
  #axes = [new Axis(), new Axis()];
  #view = null;
  #generation = 0;
  #isBegun = false;
  #drawnAt = 0;
  #pickedAt = -Infinity;
  #size = { width: 0, height: 0 };
  #theme = {};
  #still = matchMedia('(prefers-reduced-motion: reduce)');
  #pointer = null;

  /** onChange is called when it has to be drawn though no data have come. */
  constructor(section, onChange) {
    this.#canvas = section.querySelector('canvas');
    this.#pen = this.#canvas.getContext('2d');
    this.#tip = section.querySelector('#tip');
    const plot = this.#canvas.parentElement;
    new ResizeObserver(() => {
      this.#size = { width: plot.clientWidth, height: plot.clientHeight };
      onChange();
    }).observe(plot);
    const dark = matchMedia('(prefers-color-scheme: dark)');
    dark.addEventListener('change', () => {
      this.#readTheme();
      onChange();
    });
    this.#readTheme();
    for (const kind of ['pointermove', 'pointerdown', 'pointerleave']) {
      plot.addEventListener(kind, (event) => {
        const box = plot.getBoundingClientRect();
        const away = kind === 'pointerleave';
        if (away) this.focus = null;
        this.#pointer = away ? null : { x: event.clientX - box.left, y: event.clientY - box.top };
        onChange();
      });
    }
  }

  /** Choose the features, null for automatic. */
  choose(chosen) {
    this.chosen = chosen;
    this.#pickedAt = -Infinity;
  }

  /** Draw a view; return whether something on the map is still moving. */
  draw(view, now) {
    const elapsed = Math.min(100, now - this.#drawnAt);
    this.#drawnAt = now;
    if (view !== this.#view || view.generation !== this.#generation) this.#begin(view);
    this.#pick(now);
    this.#follow(now);
    const placed = [...this.#marks.values()].filter((mark) => !mark.goneAt);
    let moving = this.#marks.size > placed.length;
    this.#axes.forEach((axis, k) => {
      axis.aim(placed.map((mark) => mark.at[k]));
      moving = axis.move(this.#still.matches ? Infinity : elapsed) || moving;
    });
    for (const mark of this.#marks.values()) moving = this.#place(mark, elapsed, now) || moving;
    this.#point();
    this.#paint(now);
    return moving;
  }

  /** What the map shows, in a sentence. */
  describe() {
    const [across, up] = this.features.map((feature, k) => {
      const { low, high } = this.#axes[k];
      return `feature ${feature} from ${compact(low)} to ${compact(high)}`;
    });
    return `Map of ${this.#view.clusters.size} clusters; across: ${across}; up: ${up}`;
  }

  #begin(view) {
    if (view !== this.#view) this.#pickedAt = -Infinity;
    if (view !== this.#view) this.#axes.forEach((axis) => axis.reset());
    this.#marks = new Map();
    this.#view = view;
    this.#generation = view.generation;
    this.#isBegun = false;
  }

  #pick(now) {
    if (now - this.#pickedAt < PICK_MS) return;
    const centroids = [];
    for (const { centroid } of this.#view.clusters.values()) if (centroid) centroids.push(centroid);
    if (!centroids.length) return;
    this.#pickedAt = now;
    const features = pickFeatures(centroids, this.chosen, this.features);
    features.forEach((feature, k) => {
      if (feature !== this.features[k]) this.#axes[k].reset();
    });
    if (`${features}` !== `${this.features}`) this.#marks.forEach((mark) => (mark.trail = []));
    this.features = features;
  }

  /** Let the marks be what the view has. */
  #follow(now) {
    const { clusters } = this.#view;
    for (const [id, cluster] of clusters) {
      if (!cluster.centroid) continue;
      let mark = this.#marks.get(id);
      if (!mark) {
        const bornAt = this.#isBegun && !this.#still.matches ? now : -Infinity;
        mark = { id, bornAt, goneAt: 0, trail: [], radius: 0, look: look(id) };
        this.#marks.set(id, mark);
      }
      mark.size = cluster.size;
      mark.at = this.features.map((feature) => cluster.centroid[feature] ?? 0);
      const last = mark.trail.at(-1);
      if (!last || now - last.when >= TRAIL_STEP_MS) mark.trail.push({ at: mark.at, when: now });
    }
    this.#isBegun = true;
    const longest = Math.min(TRAIL_MS / TRAIL_STEP_MS, TRAIL_POINTS / (1 + this.#marks.size));
    for (const [id, mark] of this.#marks) {
      if (!clusters.has(id)) mark.goneAt ||= now;
      if (mark.goneAt && (now - mark.goneAt >= FADE_MS || this.#still.matches)) {
        this.#marks.delete(id);
      }
      const { trail } = mark;
      while (trail.length > longest || trail[0]?.when < now - TRAIL_MS) trail.shift();
    }
  }

  #place(mark, elapsed, now) {
    const { width, height } = this.#size;
    const scale = Math.min(1.2, Math.max(0.7, Math.min(width, height) / 420));
    const radius = scale * (4 + 4.5 * Math.log10(1 + mark.size));
    const share = this.#still.matches || !mark.radius ? 1 : 1 - Math.exp(-elapsed / GROW_MS);
    mark.radius += (radius - mark.radius) * share;
    [mark.x, mark.y] = this.#position(mark.at);
    return Math.abs(radius - mark.radius) > 0.1 || now - mark.bornAt < PULSE_MS;
  }

  #position([across, up]) {
    const { x, y, width, height } = this.#frame();
    const [horizontal, vertical] = this.#axes;
    return [x + width * horizontal.share(across), y + height * (1 - vertical.share(up))];
  }

  #frame() {
    const { left, right, top, bottom } = MARGIN;
    const width = Math.max(1, this.#size.width - left - right);
    return { x: left, y: top, width, height: Math.max(1, this.#size.height - top - bottom) };
  }

  /** Find what the pointer is at and tell about it. */
  #point() {
    const pointer = this.#pointer;
    if (!pointer) {
      this.#tip.hidden = true;
      return;
    }
    const near = [...this.#marks.values()]
      .filter((mark) => !mark.goneAt)
      .filter((mark) => Math.hypot(mark.x - pointer.x, mark.y - pointer.y) <= mark.radius + NEAR)
      .sort((a, b) => a.radius - b.radius)[0];
    this.focus = near ? near.id : null;
    this.#tip.hidden = !near;
    if (!near) return;
    const cluster = this.#view.clusters.get(near.id);
    this.#tip.textContent = [
      `cluster ${near.id}`,
      `size ${count(cluster.size)}`,
      `quality ${ratio(cluster.quality)}`,
      `health ${ratio(cluster.health)}`,
      `age ${compact(cluster.age)} points`,
    ].join('\n');
    const { width, height } = this.#size;
    const x = Math.min(near.x + near.radius + 8, width - this.#tip.offsetWidth - 4);
    const y = Math.min(Math.max(4, near.y - 30), height - this.#tip.offsetHeight - 4);
    this.#tip.style.transform = `translate(${Math.round(x)}px, ${Math.round(y)}px)`;
  }

  #readTheme() {
    const style = getComputedStyle(document.documentElement);
    for (const name of ['text', 'quiet', 'line', 'panel']) {
      this.#theme[name] = style.getPropertyValue(`--${name}`).trim();
    }
    this.#theme.font = style.fontFamily;
  }

  #paint(now) {
    const pen = this.#pen;
    const { width, height } = this.#size;
    const dense = window.devicePixelRatio;
    const [across, down] = [Math.round(width * dense), Math.round(height * dense)];
    if (this.#canvas.width !== across || this.#canvas.height !== down) {
      this.#canvas.width = across;
      this.#canvas.height = down;
    }
    pen.setTransform(dense, 0, 0, dense, 0, 0);
    pen.clearRect(0, 0, width, height);
    pen.font = `12px ${this.#theme.font}`;
    if (!this.#marks.size) {
      pen.fillStyle = this.#theme.quiet;
      pen.textAlign = 'center';
      pen.fillText('No clusters yet: waiting for points', width / 2, height / 2);
      return;
    }
    this.#paintAxes(pen);
    const marks = [...this.#marks.values()].sort((a, b) => b.radius - a.radius);
    pen.save();
    const frame = this.#frame();
    pen.beginPath();
    pen.rect(frame.x, frame.y, frame.width, frame.height);
    pen.clip();
    for (const mark of marks) this.#paintTrail(pen, mark, now);
    for (const mark of marks) this.#paintMark(pen, mark, now);
    this.#paintLabels(pen, marks);
    pen.restore();
  }

  #paintAxes(pen) {
    const { x, y, width, height } = this.#frame();
    const [horizontal, vertical] = this.#axes;
    pen.strokeStyle = this.#theme.line;
    pen.fillStyle = this.#theme.quiet;
    pen.lineWidth = 1;
    pen.beginPath();
    pen.textAlign = 'center';
    pen.textBaseline = 'top';
    for (const { value, text } of horizontal.ticks(Math.max(2, width / 90))) {
      const at = Math.round(x + width * horizontal.share(value)) + 0.5;
      pen.moveTo(at, y);
      pen.lineTo(at, y + height);
      pen.fillText(text, at, y + height + 6);
    }
    pen.fillText(`feature ${this.features[0]} →`, x + width / 2, y + height + 24);
    pen.textAlign = 'right';
    pen.textBaseline = 'middle';
    for (const { value, text } of vertical.ticks(Math.max(2, height / 60))) {
      const at = Math.round(y + height * (1 - vertical.share(value))) + 0.5;
      pen.moveTo(x, at);
      pen.lineTo(x + width, at);
      pen.fillText(text, x - 6, at);
    }
    pen.stroke();
    pen.save();
    pen.translate(9, y + height / 2);
    pen.rotate(-Math.PI / 2);
    pen.textAlign = 'center';
    pen.fillText(`feature ${this.features[1]} →`, 0, 0);
    pen.restore();
  }

  #paintTrail(pen, { trail, look: { colour }, at, goneAt }, now) {
    if (goneAt) return;
    pen.strokeStyle = colour;
    pen.lineWidth = 2;
    trail.forEach((point, k) => {
      pen.globalAlpha = 0.8 * (1 - (now - point.when) / TRAIL_MS);
      pen.beginPath();
      pen.moveTo(...this.#position(point.at));
      pen.lineTo(...this.#position(trail[k + 1]?.at ?? at));
      pen.stroke();
    });
    pen.globalAlpha = 1;
  }

  #paintMark(pen, mark, now) {
    const { x, y, radius } = mark;
    const { colour, outline, filled } = mark.look;
    const left = mark.goneAt ? Math.max(0, 1 - (now - mark.goneAt) / FADE_MS) : 1;
    const circle = (r) => {
      pen.beginPath();
      pen.arc(x, y, r, 0, 2 * Math.PI);
    };
    pen.strokeStyle = pen.fillStyle = colour;
    const age = (now - mark.bornAt) / PULSE_MS;
    if (age < 1) {
      pen.globalAlpha = 1 - age;
      pen.lineWidth = 3;
      circle(radius + 26 * ((2 * age) % 1));
      pen.stroke();
    }
    circle(radius);
    pen.globalAlpha = left * (filled ? 0.28 : 0.06);
    pen.fill();
    pen.globalAlpha = left;
    pen.lineWidth = mark.id === this.focus ? 4 : 2;
    pen.setLineDash(DASHES[outline]);
    pen.stroke();
    pen.setLineDash([]);
    pen.globalAlpha = 1;
  }

  /** Write the ids, those of large clusters first, and none over another. */
  #paintLabels(pen, marks) {
    pen.textAlign = 'center';
    pen.textBaseline = 'middle';
    pen.font = `600 13px ${this.#theme.font}`;
    pen.strokeStyle = this.#theme.panel;
    pen.fillStyle = this.#theme.text;
    pen.lineWidth = 3;
    pen.lineJoin = 'round';
    const taken = [];
    for (const { id, x, y, radius, goneAt } of marks) {
      const half = 4 + 4 * String(id).length;
      const at = radius > half ? x : x + radius + half;
      if (goneAt) continue;
      if (taken.some((t) => Math.abs(t.at - at) < t.half + half && Math.abs(t.y - y) < 15)) continue;
      taken.push({ at, y, half });
      pen.strokeText(id, at, y);
      pen.fillText(id, at, y);
    }
  }
}
