/** The page: joins what comes from the worker with the parts that show it, and with hands. */

import { Address } from './address';
import { Controls } from './controls';
import { Empty } from './empty';
import { listen } from './keyboard';
import { Tip } from './map/tip';
import { MapView, type Shown, TRAIL_S } from './map/view';
import { Names } from './model/names';
import { Store } from './model/store';
import { Details } from './panels/details';
import { Selection } from './panels/selection';
import { TABS, type Tab } from './panels/tabs';
import { Tiles } from './panels/tiles';
import { Timeline } from './panels/timeline';
import { Session } from './session';
import { Share } from './share';
import { Sight } from './sight';
import { Streams } from './streams';
import { showKeys } from './ui/dialogs';
import { byId, make, oncePerFrame, say } from './ui/dom';
import { clock } from './ui/format';
import { Summary } from './ui/summary';
import { Theme } from './ui/theme';
import type { Axes, Batch } from './worker/bridge';

const WRITE_MS = 400;
const RECORD_MS = 1000;
/** A page that was just opened does not show minutes of nothing. */
const SHORTEST_S = 30;
/** Of points, as many as the way of drawing can take. */
const APPETITE = {
  gpu: { maxPoints: 10_000, maxHz: 10 },
  software: { maxPoints: 2000, maxHz: 5 },
  plain: { maxPoints: 1000, maxHz: 4 },
} as const;

export class App {
  // First, since parts ask to be drawn while they are made.
  readonly #draw = oncePerFrame((now) => this.#drawMap(now));
  readonly #write = oncePerFrame(() => this.#writeText());
  readonly #address = new Address();
  readonly #session = new Session({
    opened: () => this.#opened(),
    batch: (batch) => this.#take(batch),
    lost: () => this.#store.series.tear(this.#session.now, 'not connected'),
    changed: () => this.#refresh(),
    pause: () => this.#pause(),
    jump: () => this.#go(null),
  });
  readonly #streams = new Streams(this.#session.feed, {
    chosen: (stream) => this.#followStream(stream),
    refused: () => this.#session.notice.show('The key may not read.'),
  });
  readonly #store = new Store();
  readonly #names = new Names();
  readonly #sight = new Sight(this.#store, {
    label: (id) => this.#names.label(id),
    isPinned: (id) => this.#names.isPinned(id),
  });
  readonly #playback = this.#sight.playback;
  readonly #isEmbedded = new URLSearchParams(location.search).has('embed');
  readonly #map = new MapView(
    document.querySelector<HTMLElement>('.plot')!,
    {
      chosen: (id) => this.#choose(id),
      pointed: (id, x, y) => this.#point(id, x, y),
      picked: (picked) => {
        const { stream } = this.#address.link;
        const label = (id: number) => this.#names.label(id);
        this.#selection.show(picked, this.#store.axes, stream!, label);
      },
      changed: () => this.#draw(),
    },
    Date.now() / 1000,
  );
  readonly #controls = new Controls({
    axes: (axes) => this.#show(axes),
    lasso: (isOn) => {
      this.#map.isLasso = isOn;
      if (!isOn) this.#dropLasso();
    },
    fit: () => {
      this.#map.camera.fit();
      this.#map.touch();
    },
  });
  readonly #tiles = new Tiles(() => this.#write());
  readonly #timeline = new Timeline((at) => this.#go(at));
  readonly #details = new Details(this.#session.feed, this.#names, {
    chosen: (id) => this.#choose(id),
    pointed: (id) => this.#pointAt(id),
    filtered: (source) => this.#filter(source),
    went: (at, cluster) => {
      this.#go(at);
      if (cluster !== null) this.#choose(cluster);
    },
    renamed: () => this.#refresh(),
    sorted: () => this.#write(),
    turned: (tab) => this.#turn(tab),
  });
  readonly #selection = new Selection(() => this.#dropLasso());
  readonly #share = new Share();
  readonly #empty = new Empty();
  readonly #tip = new Tip();
  readonly #summary = new Summary();
  readonly #theme = new Theme(() => this.#refresh());
  #follow = 0;
  #newest = 0;
  #trails: { key: string; trails: Shown['trails'] } = { key: '', trails: new Map() };

  start(): void {
    document.documentElement.toggleAttribute('data-embed', this.#isEmbedded);
    byId('help').addEventListener('click', () => this.#help());
    byId('window').addEventListener('change', () => this.#write());
    window.addEventListener('hashchange', () => this.#arrive());
    document.addEventListener('visibilitychange', () => this.#look());
    listen({
      p: () => this.#pause(),
      ' ': () => this.#pause(),
      l: () => this.#go(null),
      ArrowLeft: () => this.#timeline.step(-5),
      ArrowRight: () => this.#timeline.step(5),
      ShiftArrowLeft: () => this.#timeline.step(-30),
      ShiftArrowRight: () => this.#timeline.step(30),
      '2': () => this.#controls.turn(2),
      '3': () => this.#controls.turn(3),
      f: () => byId('fit').click(),
      '[': () => this.#next(-1),
      ']': () => this.#next(1),
      t: () => this.#theme.next(),
      Escape: () => this.#letGo(),
      ...(!this.#isEmbedded && {
        s: () => this.#controls.lasso(!this.#controls.isLasso),
        '?': () => this.#help(),
      }),
    });
    setInterval(() => document.hidden || this.#write(), WRITE_MS);
    setInterval(() => document.hidden || this.#record(), RECORD_MS);
    this.#arrive();
  }

  // Where one is

  /** Go where the address says. */
  #arrive(): void {
    const before = this.#address.link;
    const key = this.#address.arrive();
    const { stream, axes, tab } = this.#address.link;
    this.#controls.show(axes);
    const known = TABS.find((one) => one === tab);
    if (known) this.#turn(known);
    const wasOpen = this.#session.isOpen;
    if (key || !wasOpen) this.#session.begin(key);
    if (!wasOpen) return;
    if (stream !== before.stream) this.#followStream(stream!);
    else if (String(axes) !== String(before.axes)) this.#begin(false);
    this.#refresh();
  }

  #opened(): void {
    const { stream } = this.#address.link;
    if (stream !== null) this.#followStream(stream);
    void this.#streams.list();
  }

  #followStream(stream: string): void {
    const isOther = stream !== this.#address.link.stream;
    this.#address.change({ stream, ...(isOther && { cluster: null }) });
    document.title = `${stream} – NeuroCluster Streamer`;
    this.#streams.show(stream);
    this.#filter(null);
    this.#playback.live();
    this.#session.header.reset();
    this.#begin(true);
    if (!this.#isEmbedded) void this.#details.tune.begin(stream);
  }

  /** Follow the stream of the address, in its axes. */
  #begin(isOther: boolean): void {
    const { stream, axes } = this.#address.link;
    const many = typeof axes === 'number' ? axes : axes.length;
    this.#dropLasso();
    this.#store.begin(axes, isOther);
    this.#map.clear(many === 3 ? 3 : 2);
    this.#follow += 1;
    const wanted = { axes, ...APPETITE[this.#map.means] };
    const follow = this.#follow;
    this.#session.feed.tell({ do: 'follow', stream: stream!, wanted, follow });
    this.#refresh();
  }

  #show(axes: Axes): void {
    if (String(axes) === String(this.#address.link.axes)) return;
    this.#address.change({ axes });
    this.#controls.show(axes);
    this.#playback.live();
    this.#begin(false);
  }

  #turn(tab: Tab): void {
    this.#details.tabs.show(tab);
    const { stream } = this.#address.link;
    if (tab === 'tune' && this.#session.isOpen && stream !== null)
      void this.#details.tune.begin(stream);
    this.#address.change({ tab });
    this.#write();
  }

  // What comes

  #take(batch: Batch): void {
    if (batch.follow !== this.#follow) return;
    const { now } = this.#session;
    if (batch.beginning) this.#store.series.mend(now);
    this.#store.take(batch, now);
    if (batch.beginning) this.#names.begin(this.#address.link.stream!, this.#store.epoch!);
    for (const block of batch.samples) {
      this.#newest = Math.max(this.#newest, block.at);
      this.#map.add(block);
    }
    if (this.#playback.isLive) this.#map.touch();
  }

  /** Nobody sees a page that is hidden, so nothing is drawn and, after a while, nothing asked. */
  #look(): void {
    const isVisible = !document.hidden;
    const { feed, now } = this.#session;
    feed.tell({ do: 'look', isVisible });
    if (isVisible) this.#store.series.mend(now);
    else this.#store.series.tear(now, 'hidden');
    if (isVisible) this.#refresh();
  }

  // Time

  #pause(): void {
    const { now } = this.#session;
    if (!this.#playback.isLive) {
      this.#go(null);
      return;
    }
    this.#store.keep(now); // what is held is what one saw, not what it was a second ago
    this.#go(now);
  }

  /** Show a moment; null for now. */
  #go(at: number | null): void {
    if (at === null) this.#playback.live();
    else this.#playback.show(Math.min(at, this.#session.now), this.#store.taken);
    this.#refresh();
  }

  #record(): void {
    const { header, now } = this.#session;
    if (header.link === 'live' && this.#store.generation > 0) this.#store.record(now);
    if (this.#playback.isLive) this.#map.touch(); // points fade
  }

  // What one looks at

  #choose(id: number | null): void {
    this.#address.change({ cluster: id });
    this.#refresh();
  }

  #next(step: number): void {
    const ids = this.#sight.marks.map(({ id }) => id);
    if (ids.length === 0) return;
    const { cluster } = this.#address.link;
    const here = cluster === null ? -1 : ids.indexOf(cluster);
    const from = here < 0 && step < 0 ? 0 : here;
    this.#choose(ids[(from + step + ids.length) % ids.length]!);
  }

  #filter(source: string | null): void {
    this.#sight.source = source;
    const chip = byId('source-chip');
    chip.hidden = source === null;
    const close = make('button', { type: 'button', 'aria-label': 'All sources' }, '×');
    close.addEventListener('click', () => this.#filter(null));
    chip.replaceChildren(`only ${source}`, close);
    this.#refresh();
  }

  #letGo(): void {
    this.#dropLasso();
    if (this.#controls.isLasso) this.#controls.lasso(false);
    this.#choose(null);
    if (this.#sight.source !== null) this.#filter(null);
  }

  #dropLasso(): void {
    this.#selection.hide();
    this.#map.dropLasso();
    this.#map.touch();
  }

  #help(): void {
    showKeys(
      'What is pinned or named is kept in this browser, the credential for this tab only. The address leads back to stream, cluster and axes.',
    );
  }

  #point(id: number | null, x: number, y: number): void {
    const mark = id === null ? undefined : this.#sight.marks.find((one) => one.id === id);
    if (mark && !this.#controls.isLasso) this.#tip.show(mark, this.#names.label(id!), x, y);
    else this.#tip.hide();
  }

  /** The pointer is on a cluster in the table. */
  #pointAt(id: number | null): void {
    if (id === this.#map.pointed) return;
    this.#map.pointed = id;
    this.#refresh();
  }

  // Drawing

  #refresh(): void {
    this.#map.touch();
    this.#write();
  }

  #drawMap(now: number): void {
    if (document.hidden || !this.#session.isOpen) return;
    this.#map.frame(now, () => this.#shown());
  }

  #shown(): Shown {
    const { link } = this.#address;
    const now = Math.max(this.#session.now, this.#newest);
    const seen = this.#sight.at(now, link.cluster);
    return { ...seen, trails: this.#trailsAt(seen.now), axes: this.#store.axes };
  }

  #trailsAt(time: number): Shown['trails'] {
    const { history } = this.#store;
    const key = `${this.#follow} ${history.times.at(-1)} ${Math.floor(time)}`;
    if (key !== this.#trails.key) this.#trails = { key, trails: history.trails(time, TRAIL_S) };
    return this.#trails.trails;
  }

  #writeText(): void {
    if (document.hidden || !this.#session.isOpen) return;
    const store = this.#store;
    const { now, header } = this.#session;
    const { link } = this.#address;
    const seen = this.#sight.at(now, link.cluster);
    const { at } = this.#playback;
    header.show({
      quietS: store.emitted ? now - store.emitted : null,
      delay: store.delay,
      gaps: store.gaps,
      waiting: at === null ? null : this.#playback.waiting(store.taken),
    });
    const span = Number(byId<HTMLSelectElement>('window').value);
    const first = store.happenings[0]?.at ?? now;
    const since = Math.min(store.history.times[0] ?? now, store.series.times[0] ?? now, first);
    const from = now - Math.min(span, Math.max(SHORTEST_S, now - since));
    this.#timeline.show({
      happenings: store.happenings,
      gaps: store.series.gaps,
      source: seen.source,
      from,
      to: now,
      at,
      since,
    });
    say(byId('when'), at === null ? '' : `shown: ${clock(at)}`);
    byId('then').hidden = at === null;
    say(byId('then'), at === null ? '' : `as it was at ${clock(at)}`);
    this.#share.show(this.#map);
    this.#empty.show(link.stream ?? '', seen);
    document.querySelector('canvas.over')!.setAttribute('aria-label', this.#map.describe());
    this.#summary.show(
      {
        ...store.row(now),
        stream: link.stream ?? '',
        state: header.link,
        clusters: seen.marks.length,
        happenings: store.happenings,
        total: store.taken.happenings,
      },
      performance.now(),
    );
    this.#details.show(seen, store, now, this.#map.pointed, !this.#isEmbedded);
    if (this.#isEmbedded) return;
    const drift = store.happenings.findLast((h) => h.kind === 'drift' && h.at <= seen.now);
    const last = drift ? { severity: drift.severity ?? 'low', at: drift.at } : null;
    this.#tiles.show(store.series, seen.now, from, now, last);
  }
}
