/** The page: joins what comes from the worker with the parts that show it, and with hands. */

import { Controls } from './controls';
import { Empty } from './empty';
import { Feed } from './feed';
import { Header } from './header';
import { listen } from './keyboard';
import { format, type Link, parse } from './link';
import { credential, endOf, keepCredential, LoginForm, type LoginRefusal } from './login';
import { MapView, type Shown, TRAIL_S } from './map/view';
import type { Mark } from './model/history';
import { Names } from './model/names';
import { Playback } from './model/playback';
import { Store } from './model/store';
import { ClusterTable } from './panels/clusters';
import { Inspector } from './panels/inspector';
import { Log } from './panels/log';
import { Selection } from './panels/selection';
import { Sources } from './panels/sources';
import { TABS, type Tab, Tabs } from './panels/tabs';
import { Tiles } from './panels/tiles';
import { Timeline } from './panels/timeline';
import { Tune } from './panels/tune';
import { Share } from './share';
import { showKeys } from './ui/dialogs';
import { byId, Kept, make, oncePerFrame, say } from './ui/dom';
import { clock, compact, count, ratio } from './ui/format';
import { Summary } from './ui/summary';
import { Theme } from './ui/theme';
import type { Axes, Batch, FromWorker } from './worker/bridge';

const WRITE_MS = 400;
const RECORD_MS = 1000;
/** A page that was just opened does not show minutes of nothing. */
const SHORTEST_S = 30;
const DEFAULT_STREAM = 'default';
/** Of points, as many as the way of drawing can take. */
const APPETITE = {
  gpu: { maxPoints: 10_000, maxHz: 10 },
  software: { maxPoints: 2000, maxHz: 5 },
  plain: { maxPoints: 1000, maxHz: 4 },
} as const;
const FAINT = 0.12;
const DIM = 0.45;

const keptStream = new Kept<{ stream: string }>('sessionStorage', 'ncs-stream');

export class App {
  // First, since parts ask to be drawn while they are made.
  readonly #draw = oncePerFrame((now) => this.#drawMap(now));
  readonly #write = oncePerFrame(() => this.#writeText());
  readonly #feed = new Feed((message) => this.#told(message));
  readonly #store = new Store();
  readonly #playback = new Playback();
  readonly #names = new Names();
  readonly #zero = Date.now() / 1000;
  readonly #isEmbedded = new URLSearchParams(location.search).has('embed');
  readonly #login = new LoginForm(
    (username, password) => this.#feed.ask('login', { username, password }),
    (key) => this.#enter(key),
  );
  readonly #header = new Header({
    retry: () => this.#feed.tell({ do: 'retry' }),
    logout: () => this.#leave('You are logged out.'),
    pause: () => this.#pause(),
    jump: () => this.#go(null),
  });
  readonly #map = new MapView(
    document.querySelector<HTMLElement>('.plot')!,
    {
      chosen: (id) => this.#choose(id),
      pointed: (id, x, y) => this.#point(id, x, y),
      picked: (picked) =>
        this.#selection.show(picked, this.#store.axes, this.#link.stream!, this.#label),
      changed: () => this.#draw(),
    },
    this.#zero,
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
  readonly #table = new ClusterTable({
    chosen: (id) => this.#choose(id === this.#link.cluster ? null : id),
    pointed: (id) => {
      if (id === this.#map.pointed) return;
      this.#map.pointed = id;
      this.#map.touch();
      this.#write();
    },
    sorted: () => this.#write(),
  });
  readonly #sources = new Sources((source) => this.#filter(source));
  readonly #log = new Log((at, cluster) => {
    this.#go(at);
    if (cluster !== null) this.#choose(cluster);
  });
  readonly #inspector = new Inspector(this.#names, {
    closed: () => this.#choose(null),
    renamed: () => this.#refresh(),
  });
  readonly #selection = new Selection(() => this.#dropLasso());
  readonly #tabs = new Tabs((tab) => this.#turn(tab));
  readonly #tune = new Tune(this.#feed);
  readonly #share = new Share();
  readonly #empty = new Empty();
  readonly #summary = new Summary();
  readonly #theme = new Theme(() => this.#refresh());
  readonly #label = (id: number) => this.#names.label(id);
  readonly #isPinned = (id: number) => this.#names.isPinned(id);

  #link: Link = { stream: null, cluster: null, axes: 2, tab: null };
  #source: string | null = null;
  #follow = 0;
  /** Seconds by which the server's clock is ahead. */
  #ahead = 0;
  #newest = 0;
  #trails: { key: string; trails: Shown['trails'] } = { key: '', trails: new Map() };

  start(): void {
    document.documentElement.toggleAttribute('data-embed', this.#isEmbedded);
    byId('help').addEventListener('click', () => this.#help());
    byId('window').addEventListener('change', () => this.#write());
    const streams = byId<HTMLSelectElement>('stream');
    streams.addEventListener('change', () => this.#followStream(streams.value));
    for (const kind of ['focus', 'pointerdown']) {
      streams.addEventListener(kind, () => void this.#listStreams());
    }
    byId('notice')
      .querySelector('button')!
      .addEventListener('click', () => this.#askAgain());
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
      s: () => this.#controls.lasso(!this.#controls.isLasso),
      '[': () => this.#next(-1),
      ']': () => this.#next(1),
      t: () => this.#theme.next(),
      '?': () => this.#help(),
      Escape: () => this.#letGo(),
    });
    setInterval(() => document.hidden || this.#write(), WRITE_MS);
    setInterval(() => document.hidden || this.#record(), RECORD_MS);
    this.#arrive();
  }

  // Where one is

  /** Take what the address says. */
  #arrive(): void {
    const { key, ...link } = parse(location.hash);
    const stream = link.stream ?? this.#link.stream ?? keptStream.read().stream ?? null;
    const isOther =
      stream !== this.#link.stream || String(link.axes) !== String(this.#link.axes);
    this.#link = { ...link, stream };
    this.#controls.show(link.axes);
    const tab = TABS.find((one) => one === link.tab);
    if (tab) this.#turn(tab);
    if (key) keepCredential(key);
    this.#tellAddress();
    const held = credential();
    if (!held) {
      this.#askForLogin('');
    } else if (key || byId('live').hidden) {
      this.#enter(held);
    } else if (isOther && stream !== null) {
      this.#followStream(stream);
    }
    this.#refresh();
  }

  #tellAddress(): void {
    const { pathname, search } = location;
    history.replaceState(null, '', `${pathname}${search}${format(this.#link)}`);
  }

  #enter(key: string): void {
    const isRenewal = !byId('live').hidden && this.#header.link !== 'ended';
    keepCredential(key);
    this.#login.hide();
    byId('live').hidden = false;
    if (isRenewal) {
      this.#feed.tell({ do: 'renew', token: key });
    } else {
      this.#feed.tell({ do: 'open', token: key });
      if (this.#link.stream !== null) this.#followStream(this.#link.stream);
    }
    this.#warn('');
    void this.#listStreams();
    this.#refresh();
  }

  #leave(reason: string): void {
    this.#feed.tell({ do: 'close' });
    keepCredential(undefined);
    this.#store.series.tear(this.#now, 'not connected');
    this.#askForLogin(reason);
  }

  #askForLogin(reason: string): void {
    byId('live').hidden = true;
    this.#login.show(reason);
  }

  /** The session ends soon: a new login keeps it. */
  #askAgain(): void {
    this.#login.show('Log in again to go on without a break.');
  }

  async #listStreams(): Promise<void> {
    let names: readonly string[] = [];
    try {
      names = await this.#feed.ask('streams', {});
    } catch (error) {
      if ((error as LoginRefusal).status === 403) this.#warn('The key may not read.');
    }
    const select = byId<HTMLSelectElement>('stream');
    const here = this.#link.stream ?? names[0] ?? DEFAULT_STREAM;
    const all = [...new Set([...names, here])];
    if (String(all) !== String([...select.options].map(({ value }) => value))) {
      select.replaceChildren(...all.map((name) => new Option(name)));
    }
    select.value = here;
    if (this.#link.stream === null) this.#followStream(here);
  }

  #followStream(stream: string): void {
    const isOther = stream !== this.#link.stream;
    this.#link = { ...this.#link, stream, ...(isOther && { cluster: null }) };
    keptStream.write({ stream });
    this.#tellAddress();
    document.title = `${stream} – NeuroCluster Streamer`;
    const select = byId<HTMLSelectElement>('stream');
    if (![...select.options].some(({ value }) => value === stream))
      select.add(new Option(stream));
    select.value = stream;
    this.#source = null;
    this.#playback.live();
    this.#header.reset();
    this.#begin(true);
    if (!this.#isEmbedded) void this.#tune.begin(stream);
  }

  /** Follow the stream of the address, in its axes. */
  #begin(isOther: boolean): void {
    const { stream, axes } = this.#link;
    const many = typeof axes === 'number' ? axes : axes.length;
    this.#dropLasso();
    this.#store.begin(axes, isOther);
    this.#map.clear(many === 3 ? 3 : 2);
    this.#follow += 1;
    const wanted = { axes, ...APPETITE[this.#map.means] };
    this.#feed.tell({ do: 'follow', stream: stream!, wanted, follow: this.#follow });
    this.#refresh();
  }

  #show(axes: Axes): void {
    if (String(axes) === String(this.#link.axes)) return;
    this.#link = { ...this.#link, axes };
    this.#tellAddress();
    this.#controls.show(axes);
    this.#playback.live();
    this.#begin(false);
  }

  #turn(tab: Tab): void {
    this.#tabs.show(tab);
    this.#link = { ...this.#link, tab };
    this.#tellAddress();
    this.#write();
  }

  // What the worker says

  #told(message: FromWorker): void {
    switch (message.type) {
      case 'batch':
        this.#take(message);
        this.#feed.tell({ do: 'taken' });
        break;
      case 'connection':
        this.#header.connection(message.state, message.reason, message.retryInMs);
        if (this.#header.link !== 'live') this.#store.series.tear(this.#now, 'not connected');
        this.#write();
        break;
      case 'welcome':
        this.#ahead = message.ahead;
        this.#warn('');
        break;
      case 'behind':
        this.#header.behind(message.ms, message.skipped);
        break;
      case 'caughtup':
        this.#header.caughtUp(message.skipped);
        break;
      case 'expiring': {
        const end = endOf(credential() ?? '');
        this.#warn(`Your session ends${end ? ` at ${clock(end)}` : ' soon'}.`, 'Log in again');
        break;
      }
      case 'ended':
        if (!message.isCredential) {
          this.#header.connection('ended', message.reason, null);
          break;
        }
        keepCredential(undefined);
        this.#askForLogin(
          message.reason.startsWith('token_expired')
            ? 'Your session has ended. Log in again to go on.'
            : `The server refused the credential: ${message.reason}`,
        );
        break;
      case 'trouble':
        this.#warn(message.detail);
        break;
      case 'answer':
      case 'refusal':
    }
  }

  #take(batch: Batch): void {
    if (batch.follow !== this.#follow) return;
    const now = this.#now;
    if (batch.beginning) this.#store.series.mend(now);
    this.#store.take(batch, now);
    if (batch.beginning) this.#names.begin(this.#link.stream!, this.#store.epoch!);
    for (const block of batch.samples) {
      this.#newest = Math.max(this.#newest, block.at);
      this.#map.add(block);
    }
    if (this.#playback.isLive) this.#map.touch();
  }

  /** Nobody sees a page that is hidden, so nothing is drawn and, after a while, nothing asked. */
  #look(): void {
    const isVisible = !document.hidden;
    this.#feed.tell({ do: 'look', isVisible });
    if (isVisible) this.#store.series.mend(this.#now);
    else this.#store.series.tear(this.#now, 'hidden');
    if (isVisible) this.#refresh();
  }

  // Time

  /** Epoch seconds of the server. */
  get #now(): number {
    return Date.now() / 1000 + this.#ahead;
  }

  get #marks(): readonly Mark[] {
    const { at } = this.#playback;
    return at === null ? this.#store.marks : this.#store.history.at(at);
  }

  #pause(): void {
    if (this.#playback.isLive) this.#go(this.#now);
    else this.#go(null);
  }

  /** Show a moment; null for now. */
  #go(at: number | null): void {
    if (at === null) this.#playback.live();
    else this.#playback.show(Math.min(at, this.#now), this.#store.taken);
    this.#refresh();
  }

  #record(): void {
    if (this.#header.link === 'live' && this.#store.generation > 0)
      this.#store.record(this.#now);
    if (this.#playback.isLive) this.#map.touch(); // points fade
  }

  // What one looks at

  #choose(id: number | null): void {
    this.#link = { ...this.#link, cluster: id };
    this.#tellAddress();
    this.#refresh();
  }

  #next(step: number): void {
    const ids = this.#marks.map(({ id }) => id);
    if (ids.length === 0) return;
    const here = this.#link.cluster === null ? -1 : ids.indexOf(this.#link.cluster);
    const from = here < 0 && step < 0 ? 0 : here;
    this.#choose(ids[(from + step + ids.length) % ids.length]!);
  }

  #filter(source: string | null): void {
    this.#source = source;
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
    if (this.#source !== null) this.#filter(null);
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

  #warn(text: string, action = ''): void {
    const notice = byId('notice');
    say(notice.querySelector('span')!, text);
    const button = notice.querySelector('button')!;
    say(button, action);
    button.hidden = !action;
    notice.hidden = !text;
  }

  #point(id: number | null, x: number, y: number): void {
    const tip = byId('tip');
    const mark = id === null ? undefined : this.#marks.find((one) => one.id === id);
    tip.hidden = !mark || this.#controls.isLasso;
    if (!mark) return;
    const { size, quality, health, drift, age } = mark;
    say(
      tip,
      `cluster ${this.#label(mark.id)}\n${count(size)} points\nquality ${ratio(quality)}   health ${ratio(health)}\ndrift ${ratio(drift)}   age ${compact(age)} points`,
    );
    const { clientWidth, clientHeight } = this.#map.element;
    const left = x + 16 + tip.offsetWidth > clientWidth ? x - 12 - tip.offsetWidth : x + 16;
    const top = Math.min(y + 12, clientHeight - tip.offsetHeight - 4);
    tip.style.transform = `translate(${Math.max(0, left)}px, ${Math.max(0, top)}px)`;
  }

  /** How much of a cluster is seen: all, or less if another or its source is looked at. */
  get #weight(): ((id: number) => number) | null {
    const { cluster } = this.#link;
    const source = this.#source;
    if (cluster === null && source === null) return null;
    const { touched } = this.#store;
    return (id) => {
      if (source !== null && touched.get(id) !== source) return FAINT;
      return cluster === null || id === cluster || id < 0 ? 1 : DIM;
    };
  }

  // Drawing

  #refresh(): void {
    this.#map.touch();
    this.#write();
  }

  #drawMap(now: number): void {
    if (document.hidden || byId('live').hidden) return;
    this.#map.frame(now, () => this.#shown());
  }

  #shown(): Shown {
    const { at } = this.#playback;
    const now = at ?? Math.max(this.#now, this.#newest);
    return {
      marks: this.#marks,
      trails: this.#trailsAt(now),
      happenings: this.#store.happenings,
      axes: this.#store.axes,
      now,
      weight: this.#weight,
      chosen: this.#link.cluster,
      label: this.#label,
      isPinned: this.#isPinned,
    };
  }

  #trailsAt(time: number): Shown['trails'] {
    const { history } = this.#store;
    const key = `${this.#follow} ${history.times.at(-1)} ${Math.floor(time)}`;
    if (key !== this.#trails.key) this.#trails = { key, trails: history.trails(time, TRAIL_S) };
    return this.#trails.trails;
  }

  #writeText(): void {
    if (document.hidden || byId('live').hidden) return;
    const store = this.#store;
    const now = this.#now;
    const { at } = this.#playback;
    const time = at ?? now;
    const marks = this.#marks;
    this.#header.show({
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
      source: this.#source,
      from,
      to: now,
      at,
      since,
    });
    say(byId('when'), at === null ? '' : `shown: ${clock(at)}`);
    byId('then').hidden = at === null;
    say(byId('then'), at === null ? '' : `as it was at ${clock(at)}`);
    this.#share.show(this.#map, time - this.#zero);
    const isEmpty = marks.length === 0;
    byId('empty').hidden = !isEmpty;
    if (isEmpty) this.#empty.show(this.#link.stream ?? '', at !== null);
    document.querySelector('canvas.over')!.setAttribute('aria-label', this.#map.describe());
    this.#summary.show(
      {
        stream: this.#link.stream ?? '',
        state: this.#header.link,
        clusters: marks.length,
        ...{ rate: store.row(now).rate, quality: store.row(now).quality },
        happenings: store.happenings,
        total: store.taken.happenings,
      },
      performance.now(),
    );
    this.#inspect(marks, at !== null);
    if (this.#isEmbedded) return;
    const drift = store.happenings.findLast((h) => h.kind === 'drift' && h.at <= time);
    const last = drift ? { severity: drift.severity ?? 'low', at: drift.at } : null;
    this.#tiles.show(store.series, time, from, now, last);
    this.#writePanel(marks, time);
  }

  #writePanel(marks: readonly Mark[], time: number): void {
    const store = this.#store;
    const common = { label: this.#label, isPinned: this.#isPinned };
    say(byId('more'), '');
    switch (this.#tabs.seen) {
      case 'clusters':
        this.#table.show({
          ...common,
          marks,
          now: time,
          chosen: this.#link.cluster,
          pointed: this.#map.pointed,
          weight: this.#weight,
        });
        break;
      case 'sources':
        this.#sources.show(store.presence, this.#now, this.#source);
        break;
      case 'log':
        this.#log.show({
          ...common,
          happenings: store.happenings,
          total: store.taken.happenings,
          source: this.#source,
        });
        break;
      case 'tune':
    }
  }

  #inspect(marks: readonly Mark[], isThen: boolean): void {
    const { cluster: id } = this.#link;
    if (id === null) {
      this.#inspector.hide();
      return;
    }
    const { clusters, touched } = this.#store;
    this.#inspector.show({
      id,
      mark: marks.find((mark) => mark.id === id),
      cluster: clusters.get(id),
      others: [...clusters.values()].filter(({ cluster_id }) => cluster_id !== id),
      source: touched.get(id),
      isThen,
    });
  }
}
