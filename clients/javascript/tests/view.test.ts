/** The copy of the model, and the subscription that feeds it, over lines that lose things. */

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { GapError } from '../src/errors.js';
import type {
  ClusterInfo,
  ClusterUpdateEvent,
  SkipMessage,
} from '../src/generated/messages.js';
import { Reader, Readers, type StreamEvent } from '../src/readers.js';
import { ClusterView } from '../src/view.js';
import { cluster, resumed, STATUS, skip, snapshot, subscribed, update } from './wire.js';

const SNAPSHOT: StreamEvent = {
  type: 'snapshot',
  stream: 'default',
  epoch: 'e',
  offsets: { lossless: 0, keyed: 0 },
  data: snapshot(cluster(1)),
};
const RESUMED: StreamEvent = {
  type: 'resumed',
  stream: 'default',
  epoch: 'e',
  offsets: { lossless: 1, keyed: 0, latest: 0 },
  data: {},
};

function viewOf(...events: StreamEvent[]): ClusterView {
  const view = new ClusterView();
  for (const event of events) view.apply(event);
  return view;
}

const sizes = (view: ClusterView) =>
  [...view.clusters.values()].map((c) => [c.cluster_id, c.size]);

function gone(offset: number, id: number): ClusterUpdateEvent {
  const data = { cluster_id: id, change: 'removed', size: 0, quality: 0 } as const;
  return update('lossless', offset, id, { data });
}

test('a copy is a snapshot and what came after', () => {
  const view = viewOf(SNAPSHOT, update('lossless', 1, 2), update('keyed', 1, 2));
  expect(sizes(view)).toEqual([
    [1, 1],
    [2, 1],
  ]);
  expect(view.clusters.get(2)).toEqual(cluster(2));
  expect([view.status, view.version]).toEqual([STATUS, 3]);
  expect(view.position).toEqual({ epoch: 'e', offsets: { lossless: 1, keyed: 1 } });
});

test('a cluster that is gone stays gone, whatever update of it was overtaken', () => {
  const view = viewOf(SNAPSHOT, gone(1, 1), update('keyed', 1, 1));
  expect(sizes(view)).toEqual([]);
});

test('a copy without centroids is kept as well', () => {
  const { centroid: _, ...bare } = cluster(1, 9);
  const event = update('keyed', 1, 1, { data: { ...bare, change: 'updated' } });
  expect(viewOf(SNAPSHOT, event).clusters.get(1)).toEqual(bare);
});

test('another snapshot replaces everything', () => {
  const other: StreamEvent = { ...SNAPSHOT, epoch: 'f', data: snapshot(cluster(7)) };
  expect(sizes(viewOf(SNAPSHOT, update('lossless', 1, 2), other))).toEqual([[7, 1]]);
});

test('a range that covers what was told is taken, one that was told whole is not', () => {
  const view = viewOf(
    SNAPSHOT,
    update('keyed', 1, 1),
    update('keyed', 3, 1, { from: 1, to: 3 }),
  );
  expect(sizes(view)).toEqual([[1, 3]]);
  view.apply(update('keyed', 2, 1));
  expect(sizes(view)).toEqual([[1, 3]]);
});

test('a server that started anew counts `latest` from zero, and the copy with it', () => {
  const metrics = (offset: number): StreamEvent => ({
    type: 'performance_metrics',
    stream: 'default',
    class: 'latest',
    epoch: 'e',
    offset,
    data: {
      points_per_second: offset,
      batches_per_second: 0,
      avg_processing_time_ms: 0,
      ack_latency_ms: 0,
      backlog_points: 0,
      subscribers: 1,
    },
  });
  const view = viewOf(
    SNAPSHOT,
    update('lossless', 1, 2),
    metrics(1),
    metrics(2),
    RESUMED,
    metrics(1),
  );
  expect(view.performance?.points_per_second).toBe(1);
});

test('what was skipped is covered by the next event, unless its class counts anew', () => {
  const seen: StreamEvent[] = [];
  const reader = new Reader(
    'default',
    {},
    (event) => seen.push(event),
    () => {},
  );
  reader.begin(subscribed('s1'));
  for (const of of ['keyed', 'latest'] as const) {
    reader.event(update(of, 1));
    reader.skip(skip(of, 2, 5));
  }
  reader.begin(resumed('s2', 0, 5));
  reader.event(update('latest', 1));
  reader.event(update('keyed', 6));
  expect(seen.slice(3)).toMatchObject([
    { type: 'resumed', offsets: { keyed: 1, latest: 0 } },
    { class: 'latest', offset: 1 },
    { class: 'keyed', offset: 6, from: 2, to: 6 },
  ]);
  expect(seen[4]).not.toHaveProperty('from');
});

test.each<[string, StreamEvent[]]>([
  ['before any snapshot', [update('lossless', 1)]],
  ['after a missing one', [SNAPSHOT, update('lossless', 2)]],
  ['of another epoch', [SNAPSHOT, update('lossless', 1, 2, { epoch: 'f' })]],
  ['after a resume elsewhere', [SNAPSHOT, RESUMED]],
])('an event %s is refused, and the copy unchanged', (_, events) => {
  const view = viewOf(...events.slice(0, -1));
  const [before, version] = [sizes(view), view.version];
  expect(() => view.apply(events.at(-1) as StreamEvent)).toThrow(GapError);
  expect([sizes(view), view.version]).toEqual([before, version]);
});

type Told = ClusterUpdateEvent | SkipMessage;

/** A stream on a server: what happened, by class, and the model that it made. */
class Source {
  readonly clusters = new Map<number, ClusterInfo>();
  readonly log: Told[] = [];
  #next = { lossless: 1, keyed: 1 };
  #id = 0;

  /** Let something happen, and return the event of it. */
  happen(what: number): Told {
    const ids = [...this.clusters.keys()];
    const id = ids[what % (ids.length || 1)];
    if (what % 5 === 0)
      this.log.push(skip('lossless', this.#next.lossless, this.#next.lossless++));
    else if (what % 5 === 1 || id === undefined) {
      const born = update('lossless', this.#next.lossless++, this.#id++);
      this.clusters.set(born.data.cluster_id, cluster(born.data.cluster_id, born.data.size));
      this.log.push(born);
    } else if (what % 5 === 2) {
      this.clusters.delete(id);
      this.log.push(gone(this.#next.lossless++, id));
    } else {
      const offset = this.#next.keyed++;
      this.clusters.set(id, cluster(id, offset));
      this.log.push(update('keyed', offset, id));
    }
    return this.log.at(-1) as Told;
  }

  get offsets() {
    return { lossless: this.#next.lossless - 1, keyed: this.#next.keyed - 1, latest: 0 };
  }

  /** What follows a position, as `since` asks for. */
  after(offsets: Partial<Record<string, number>>) {
    return this.log.filter(
      (e) =>
        ('to' in e && e.to ? e.to : ((e as ClusterUpdateEvent).offset ?? 0)) >
        (offsets[e.class] ?? 0),
    );
  }
}

/** A subscription to a source, and the copy that is made from it. */
class Line {
  readonly view = new ClusterView();
  /** Offsets of the lossless events that were told. */
  readonly told: number[] = [];
  snapshots = 0;
  readonly readers = new Readers();
  readonly reader: Reader;
  #now = 0;

  constructor(
    readonly source: Source,
    readonly historyIsShort: boolean,
  ) {
    this.reader = new Reader(
      'default',
      {},
      (event) => this.#take(event),
      (error) => {
        throw error;
      },
    );
    this.readers.add(this.reader);
    this.serve();
  }

  #take(event: StreamEvent): void {
    this.view.apply(event);
    if (event.type === 'snapshot') this.snapshots += 1;
    else if ('class' in event && event.class === 'lossless') this.told.push(event.offset ?? 0);
  }

  hear(event: Told): void {
    if (event.type === 'skip') this.readers.skip(event, this.#now);
    else this.readers.event(event, this.#now);
  }

  /** Let the server answer what is asked for by now. */
  serve(): void {
    this.#now += 1000;
    for (const request of this.readers.requests(this.#now)) {
      if (request.type !== 'subscribe') continue;
      const { id, since } = request;
      if (since && !this.historyIsShort) {
        const { lossless = 0, keyed = 0 } = since.offsets;
        this.readers.subscribed(resumed(id, lossless, keyed));
        for (const event of this.source.after(since.offsets)) this.hear(event);
      } else {
        const { offsets, clusters } = this.source;
        const model = snapshot(...clusters.values());
        this.readers.subscribed(subscribed(id, { offsets, snapshot: model }));
      }
    }
  }

  expectExact(): void {
    const byId = (clusters: Iterable<ClusterInfo>) =>
      [...clusters].sort((a, b) => a.cluster_id - b.cluster_id);
    expect(byId(this.view.clusters.values())).toEqual(byId(this.source.clusters.values()));
    expect(new Set(this.told).size).toBe(this.told.length);
  }
}

const steps = fc.array(fc.record({ what: fc.nat(99), luck: fc.integer({ min: 0, max: 9 }) }), {
  maxLength: 60,
});

test('over a line that breaks, rests and repeats, the copy equals the model, and each lossless event is told once', () => {
  fc.assert(
    fc.property(steps, fc.boolean(), (taken, historyIsShort) => {
      const source = new Source();
      const line = new Line(source, historyIsShort);
      for (const { what, luck } of taken) {
        const event = source.happen(what);
        if (luck === 1) line.readers.disconnected();
        else if (luck === 2) line.readers.pause(line.reader, 'user');
        else line.hear(event);
        if (luck === 3) line.hear(event);
        if (luck > 4) line.readers.resume(line.reader, 'user');
        if (luck > 2) line.serve();
      }
      line.readers.resume(line.reader, 'user');
      line.serve();
      line.expectExact();
      if (historyIsShort) return;
      const all = source.log.filter((e) => e.class === 'lossless' && e.type !== 'skip');
      expect(line.told).toEqual(all.map((event) => ('offset' in event ? event.offset : 0)));
      expect(line.snapshots).toBe(1);
    }),
    { numRuns: 300 },
  );
});

test('a server that leaves events out is noticed with the next one of the class, and the copy is exact again', () => {
  fc.assert(
    fc.property(steps, (taken) => {
      const source = new Source();
      const line = new Line(source, false);
      for (const { what, luck } of taken) {
        const event = source.happen(what);
        if (luck > 2) line.hear(event);
        if (luck > 7) line.serve();
      }
      line.serve();
      for (const what of [1, 3]) line.hear(source.happen(what)); // one of each class
      line.serve();
      line.expectExact();
    }),
    { numRuns: 300 },
  );
});
