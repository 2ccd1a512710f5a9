/** The parts of the page that are text: tiles, the table of clusters, the log. */

import { NONE, clock, compact, count, duration, milliseconds, percent, ratio, say } from './format.js';
import { look } from './palette.js';

const MOST_ROWS = 40;
const MOST_ENTRIES = 200;
const FLOWING_MS = 2500; // the server tells the performance every second while points flow

const TILES = [
  ['points', ({ status }) => count(status.total_points_processed)],
  ['points/s', ({ flow }) => count(flow.points_per_second ?? 0)],
  ['clusters', ({ view }) => count(view.clusters.size)],
  ['quality', ({ status }) => ratio(status.clustering_quality)],
  ['stability', ({ status }) => ratio(status.global_stability)],
  ['threshold', ({ status }) => ratio(status.current_dynamic_threshold)],
  ['outliers', ({ status }) => percent(status.outlier_rate)],
  ['ack latency', ({ flow }) => milliseconds(flow.ack_latency_ms)],
  ['backlog', ({ flow }) => count(flow.backlog_points ?? 0)],
];

/** The gauges; `show` takes a view. */
export class Tiles {
  #values;

  constructor(list) {
    this.#values = TILES.map(([name, text]) => {
      const tile = list.appendChild(document.createElement('div'));
      tile.appendChild(document.createElement('dt')).textContent = name;
      return [tile.appendChild(document.createElement('dd')), text];
    });
  }

  show(view) {
    const flow = performance.now() - view.performanceAt < FLOWING_MS ? view.performance : {};
    const facts = { view, status: view.status, flow };
    for (const [value, text] of this.#values) say(value, text(facts));
  }
}

const COLUMNS = [
  (c) => count(c.size),
  (c) => ratio(c.quality),
  (c) => ratio(c.health),
  (c) => ratio(c.confidence),
  (c) => ratio(c.drift_coefficient),
  (c) => compact(c.age),
  (c, now) => (c.last_updated ? duration(now - c.last_updated) : NONE),
];

/** The largest clusters; rows are made once and filled again. */
export class Table {
  #body;
  #more;
  #rows = [];

  /** onFocus is called with the id of the cluster that the pointer is at, or null. */
  constructor(section, onFocus) {
    this.#body = section.querySelector('tbody');
    this.#more = section.querySelector('#more');
    const rowOf = (event) => this.#rows.find(({ row }) => row.contains(event.target));
    this.#body.addEventListener('pointerover', (event) => onFocus(rowOf(event)?.id ?? null));
    this.#body.addEventListener('pointerleave', () => onFocus(null));
  }

  /** Show clusters as they are at server time `now`. */
  show(clusters, now, focus) {
    const sorted = [...clusters.values()].sort((a, b) => b.size - a.size || a.cluster_id - b.cluster_id);
    const shown = sorted.slice(0, MOST_ROWS);
    while (this.#rows.length < shown.length) this.#rows.push(this.#makeRow());
    while (this.#rows.length > shown.length) this.#rows.pop().row.remove();
    shown.forEach((cluster, k) => fill(this.#rows[k], cluster, now, focus));
    const hidden = sorted.length - shown.length;
    say(this.#more, hidden > 0 ? `the ${MOST_ROWS} largest; ${count(hidden)} more` : '');
  }

  #makeRow() {
    const row = this.#body.insertRow();
    const head = row.appendChild(document.createElement('th'));
    head.scope = 'row';
    const dot = head.appendChild(document.createElement('i'));
    const name = head.appendChild(document.createElement('span'));
    return { row, dot, name, cells: COLUMNS.map(() => row.insertCell()), id: null };
  }
}

function fill(line, cluster, now, focus) {
  const id = cluster.cluster_id;
  if (line.id !== id) {
    line.id = id;
    const { colour, outline, filled } = look(id);
    line.dot.style.setProperty('--colour', colour);
    line.dot.className = `${outline}${filled ? ' filled' : ''}`;
    line.name.textContent = id;
  }
  line.row.classList.toggle('focus', id === focus);
  line.cells.forEach((cell, k) => say(cell, COLUMNS[k](cluster, now)));
}

const SIGNS = { snapshot: '≡', created: '+', split: '÷', merged: '→', removed: '×', drift: '▲' };

/** What happened, newest first. Entries gather until `show`. */
export class Log {
  #list;
  #waiting = [];

  constructor(list) {
    this.#list = list;
  }

  clear() {
    this.#waiting = [];
    this.#list.replaceChildren();
  }

  /** Note that the model was taken over as a whole. */
  addSnapshot(view, now, isFirst) {
    const what = `${count(view.clusters.size)} clusters, ${count(view.status.total_points_processed)} points`;
    this.#add('snapshot', now, isFirst ? what : `${what}; what happened in between is not listed`);
  }

  /** Note a lossless event. */
  addEvent({ type, data, times }, now) {
    const when = times?.ingest ?? now;
    if (type === 'drift_detection') {
      const where = data.affected_clusters.length ? `clusters ${data.affected_clusters.join(', ')}: ` : '';
      this.#add('drift', when, `${data.severity}: ${where}${data.recommendation}`, data.severity);
      return;
    }
    const { cluster_id: id, change, size } = data;
    const texts = {
      created: `cluster ${id} with ${count(size)} points`,
      split: `cluster ${id} from ${data.split_from}, ${count(size)} points`,
      merged: `cluster ${id} into ${data.merged_into}`,
      removed: `cluster ${id}, it had ${count(size)} points`,
    };
    this.#add(change, when, texts[change]);
  }

  #add(kind, when, text, severity = '') {
    this.#waiting.push({ kind, when, text, severity });
    if (this.#waiting.length > MOST_ENTRIES) this.#waiting.shift();
  }

  show() {
    if (!this.#waiting.length) return;
    for (const { kind, when, text, severity } of this.#waiting) {
      const item = document.createElement('li');
      item.className = `${kind} ${severity}`.trim();
      item.appendChild(document.createElement('time')).textContent = clock(when);
      item.appendChild(document.createElement('b')).textContent = `${SIGNS[kind]} ${kind}`;
      item.appendChild(document.createElement('span')).textContent = text;
      this.#list.prepend(item);
    }
    this.#waiting = [];
    while (this.#list.children.length > MOST_ENTRIES) this.#list.lastChild.remove();
  }
}
