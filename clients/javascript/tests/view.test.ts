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

/** A stream on a server: what happened, by class, and the model that it made. */
class Source {
  readonly clusters = new Map<number, ClusterInfo>();
  readonly log: (ClusterUpdateEvent | SkipMessage)[] = [];
  #next = { lossless: 1, keyed: 1 };
  #id = 0;

  happen(what: number): void {
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

const line = fc.array(fc.record({ what: fc.nat(99), luck: fc.integer({ min: 0, max: 9 }) }), {
  maxLength: 60,
});

test('over a line that loses, repeats and breaks, the copy equals the model, and each lossless event is told once', () => {
  fc.assert(
    fc.property(line, fc.boolean(), (steps, historyIsShort) => {
      const source = new Source();
      const readers = new Readers();
      const view = new ClusterView();
      const told: number[] = [];
      let snapshots = 0;
      let now = 0;
      const reader = new Reader(
        'default',
        {},
        (event) => {
          view.apply(event);
          if (event.type === 'snapshot') snapshots += 1;
          else if (event.type === 'cluster_update' && event.class === 'lossless')
            told.push(event.offset ?? 0);
        },
        (error) => {
          throw error;
        },
      );
      readers.add(reader);
      const hear = (event: ClusterUpdateEvent | SkipMessage) =>
        event.type === 'skip' ? readers.skip(event, now) : readers.event(event, now);
      const serve = () => {
        now += 1000;
        for (const request of readers.requests(now)) {
          if (request.type !== 'subscribe') continue;
          const { id, since } = request;
          if (since && !historyIsShort) {
            readers.subscribed(
              resumed(id, since.offsets.lossless ?? 0, since.offsets.keyed ?? 0),
            );
            for (const event of source.after(since.offsets)) hear(event);
          } else {
            const data = snapshot(...source.clusters.values());
            readers.subscribed(subscribed(id, { offsets: source.offsets, snapshot: data }));
          }
        }
      };
      serve();
      for (const { what, luck } of steps) {
        source.happen(what);
        const event = source.log.at(-1) as ClusterUpdateEvent | SkipMessage;
        if (luck === 0) continue; // lost on the way
        if (luck === 1) readers.disconnected();
        else if (luck === 2) readers.pause(reader, 'user');
        else hear(event);
        if (luck === 3) hear(event);
        if (luck > 4) readers.resume(reader, 'user');
        if (luck > 2) serve();
      }
      readers.resume(reader, 'user');
      readers.disconnected(); // what was lost last is noticed when something follows
      serve();
      const byId = (clusters: Iterable<ClusterInfo>) =>
        [...clusters].sort((a, b) => a.cluster_id - b.cluster_id);
      expect(byId(view.clusters.values())).toEqual(byId(source.clusters.values()));
      expect(new Set(told).size).toBe(told.length);
      if (!historyIsShort) {
        const all = source.log.filter((e) => e.class === 'lossless' && e.type !== 'skip');
        expect(told).toEqual(all.map((e) => (e as ClusterUpdateEvent).offset));
        expect(snapshots).toBe(1);
      }
    }),
    { numRuns: 300 },
  );
});
