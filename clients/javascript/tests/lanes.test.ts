import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CODECS } from '../src/codec.js';
import { NCSError, QueueFullError, RefusedError } from '../src/errors.js';
import type { AckMessage, ErrorMessage } from '../src/generated/messages.js';
import { Batch, Lanes, type QueueOptions, type Receipt } from '../src/lanes.js';

const EPOCH = 7;
const CREDIT = 1 << 20;
type Outcome = Receipt | NCSError;
type Sent = { seq: number; id: string; stream: string; points: number[][] };

/** Lanes, with what they do written down. */
class Bench {
  readonly lanes: Lanes;
  readonly outcomes = new Map<number, Outcome[]>();
  limit = Infinity;

  constructor(queue: QueueOptions = {}) {
    this.lanes = new Lanes(EPOCH, ['s'], queue);
  }

  push(value: number, stream = 's'): Batch {
    const seen: Outcome[] = [];
    const body = CODECS.json.encodeBody([[value]]);
    const batch = new Batch({ stream }, body, (outcome) => seen.push(outcome));
    this.lanes.add(batch);
    this.outcomes.set(value, seen);
    return batch;
  }

  welcome(lastSeq = 0, epoch = EPOCH, credit = CREDIT): Sent[] {
    const resume = { s: { producer_epoch: epoch, last_seq: lastSeq } };
    this.lanes.welcomed(resume, credit);
    return this.take();
  }

  take(): Sent[] {
    const frames = this.lanes.take(CODECS.json, this.limit);
    return frames.map((frame) => JSON.parse(frame as string));
  }

  seqs(): number[] {
    return this.take().map(({ seq }) => seq);
  }

  ack(seq: number, more: Partial<AckMessage> = {}): void {
    this.lanes.acknowledged({
      type: 'ack',
      stream: 's',
      seq,
      offset: seq,
      model_version: seq,
      accepted: 1,
      credit: CREDIT,
      ...more,
    });
  }

  refuse(sent: Sent, code: string, retry: string, more: Partial<ErrorMessage> = {}): boolean {
    const { id, seq, stream } = sent;
    const error = {
      type: 'error',
      code,
      blame: 'client',
      retry,
      detail: 'no',
      id,
      seq,
      stream,
      ...more,
    } as const;
    return this.lanes.refused(error, 1000);
  }

  settled(value: number): string {
    return (this.outcomes.get(value) ?? [])
      .map((o) =>
        o instanceof RefusedError ? o.code : o instanceof NCSError ? o.name : `seq ${o.seq}`,
      )
      .join();
  }
}

function opened(...values: number[]): { bench: Bench; sent: Sent[] } {
  const bench = new Bench();
  for (const value of values) bench.push(value);
  return { bench, sent: bench.welcome() };
}

test('batches are numbered from one, each stream for itself', () => {
  const bench = new Bench();
  for (const [value, stream] of [
    [1, 's'],
    [2, 't'],
    [3, 's'],
  ] as const)
    bench.push(value, stream);
  expect(bench.welcome().map((m) => [m.stream, m.seq])).toEqual([
    ['s', 1],
    ['t', 1],
    ['s', 2],
  ]);
});

test('an ack settles all up to its seq, and nothing else', () => {
  const { bench } = opened(10, 20, 30);
  bench.ack(2);
  expect([10, 20, 30].map((v) => bench.settled(v))).toEqual(['seq 1', 'seq 2', '']);
  expect(bench.lanes.unacknowledged).toBe(1);
});

test('after a reconnect only what did not arrive is sent again, under its number', () => {
  const { bench } = opened(10, 20, 30);
  expect(bench.welcome(2).map(({ seq, points }) => [seq, points[0]?.[0]])).toEqual([[3, 30]]);
  expect(bench.settled(20)).toBe('seq 2');
});

test('a server that knows another epoch of the producer knows nothing of this one', () => {
  const { bench } = opened(10);
  expect(bench.welcome(1, EPOCH - 1).map(({ seq }) => seq)).toEqual([1]);
});

test('a server that forgot what it never promised to keep is given numbers without a gap', () => {
  const { bench } = opened(10, 20);
  bench.ack(1);
  expect(bench.welcome(0).map(({ seq, points }) => [seq, points[0]?.[0]])).toEqual([[1, 20]]);
});

test('a refused batch gives its number to the next, which is sent again', () => {
  const { bench, sent } = opened(10, 20, 30);
  bench.refuse(sent[1] as Sent, 'ragged_points', 'never', { index: 4 });
  expect(bench.settled(20)).toBe('ragged_points');
  expect(bench.take().map(({ seq, points }) => [seq, points[0]?.[0]])).toEqual([[2, 30]]);
});

test('the refusal of a transmission that another has replaced means nothing', () => {
  const { bench, sent } = opened(10, 20);
  bench.refuse(sent[0] as Sent, 'ragged_points', 'never');
  bench.take();
  expect(bench.refuse(sent[1] as Sent, 'seq_gap', 'rewind', { expected_seq: 1 })).toBe(false);
  expect(bench.seqs()).toEqual([]);
});

test('a gap is filled from the number that the server expects', () => {
  const { bench, sent } = opened(10, 20, 30);
  bench.refuse(sent[2] as Sent, 'seq_gap', 'rewind', { expected_seq: 2 });
  expect(bench.seqs()).toEqual([2, 3]);
});

test('"later" holds the stream up as long as it says, and loses nothing', () => {
  const { bench, sent } = opened(10, 20);
  bench.refuse(sent[0] as Sent, 'overloaded', 'later', { retry_after: 2 });
  expect([bench.seqs(), bench.lanes.deadline]).toEqual([[], 3000]);
  bench.lanes.tick(2999);
  expect(bench.seqs()).toEqual([]);
  bench.lanes.tick(3000);
  expect(bench.seqs()).toEqual([1, 2]);
});

test('a refusal of what goes out anew anyway means nothing', () => {
  const { bench, sent } = opened(10, 20);
  bench.refuse(sent[0] as Sent, 'overloaded', 'later');
  expect(bench.refuse(sent[1] as Sent, 'out_of_range', 'never')).toBe(false);
  expect(bench.settled(20)).toBe('');
});

describe('credit', () => {
  /** Size of a frame of these tests. */
  const size = 64;

  function waiting(...values: number[]): Bench {
    const bench = new Bench();
    for (const value of values) bench.push(value);
    return bench;
  }

  test('bounds the bytes on their way', () => {
    const bench = waiting(10, 20, 30, 40);
    const sent = bench.welcome(0, EPOCH, 2 * size);
    expect(sent.map(({ seq }) => seq)).toEqual([1, 2]);
    expect(JSON.stringify(sent[0]).length).toBe(size);
    bench.ack(1, { credit: 0 });
    expect(bench.seqs()).toEqual([]);
    bench.ack(2, { credit: size });
    expect(bench.seqs()).toEqual([3]);
  });

  test('never keeps the only frame back', () => {
    const bench = waiting(10, 20, 30);
    expect(bench.welcome(0, EPOCH, 1).map(({ seq }) => seq)).toEqual([1]);
    bench.ack(1, { credit: 0 });
    expect(bench.seqs()).toEqual([2]);
  });

  test('that an ack grants lets more go', () => {
    const bench = waiting(10, 20, 30, 40);
    bench.welcome(0, EPOCH, 1);
    bench.ack(1, { credit: 10 * size });
    expect(bench.seqs()).toEqual([2, 3, 4]);
  });

  test('that an ack tells is what is left beside that which is on its way', () => {
    const bench = waiting(10, 20, 30, 40, 50, 60);
    bench.welcome(0, EPOCH, 4 * size);
    bench.ack(1, { credit: size });
    expect(bench.seqs()).toEqual([5]);
  });

  test('is never more than the server has offered', () => {
    const bench = waiting(10, 20, 30, 40, 50);
    bench.welcome(0, EPOCH, 2 * size);
    bench.ack(1, { credit: 2 * size }); // it has not read the second one yet
    expect(bench.seqs()).toEqual([3]);
  });

  test('of an earlier connection means nothing', () => {
    const bench = waiting(10, 20, 30, 40);
    bench.welcome();
    expect(bench.welcome(1, EPOCH, size).map(({ seq }) => seq)).toEqual([2]);
    bench.ack(2, { credit: size });
    expect(bench.seqs()).toEqual([3]);
    bench.push(50);
    bench.ack(2, { credit: size });
    expect(bench.seqs()).toEqual([]);
  });

  test('is none after a slow_down, until the next ack', () => {
    const bench = waiting(10, 20);
    bench.welcome();
    bench.lanes.slowDown();
    bench.push(30);
    expect(bench.seqs()).toEqual([]);
    bench.ack(1);
    expect(bench.seqs()).toEqual([3]);
  });

  test('is shared by the streams in turn', () => {
    const bench = new Bench();
    for (const value of [1, 2, 3]) bench.push(value);
    for (const value of [7, 8]) bench.push(value, 't');
    const sent = bench.welcome(0, EPOCH, 3 * size);
    expect(sent.map(({ stream, seq }) => `${stream}${seq}`)).toEqual(['s1', 't1', 's2']);
  });

  test('that comes late lets a frame go under the number that it has by then', () => {
    const bench = waiting(10, 20, 30);
    const [first] = bench.welcome(0, EPOCH, 1);
    bench.refuse(first as Sent, 'out_of_range', 'never');
    expect(bench.take().map(({ seq, points }) => [seq, points[0]?.[0]])).toEqual([[1, 20]]);
  });
});

describe('a queue', () => {
  test('that is full refuses what is new', () => {
    const bench = new Bench({ maxBatches: 2 });
    bench.push(1);
    expect(bench.lanes.hasRoom).toBe(true);
    bench.push(2);
    expect(bench.lanes.hasRoom).toBe(false);
    expect(() => bench.push(3)).toThrow(QueueFullError);
    expect(bench.welcome().map(({ points }) => points[0]?.[0])).toEqual([1, 2]);
  });

  test('is bounded in bytes too, but takes one batch of any size', () => {
    const bench = new Bench({ maxBytes: 5 });
    bench.push(1_000_000);
    expect(() => bench.push(2)).toThrow(QueueFullError);
  });

  test('drops the oldest if told to, and the numbers close up', () => {
    const bench = new Bench({ maxBatches: 2, overflow: 'drop-oldest' });
    for (const value of [1, 2, 3]) bench.push(value);
    expect(bench.settled(1)).toBe('QueueFullError');
    expect(bench.welcome().map(({ seq, points }) => [seq, points[0]?.[0]])).toEqual([
      [1, 2],
      [2, 3],
    ]);
  });

  test('never drops what may have been sent', () => {
    const bench = new Bench({ maxBatches: 2, overflow: 'drop-oldest' });
    bench.push(1);
    bench.welcome();
    bench.push(2);
    bench.push(3);
    expect([bench.settled(1), bench.settled(2)]).toEqual(['', 'QueueFullError']);
  });

  test('gives a batch back that was never sent, and no other', () => {
    const { bench } = opened(1);
    const [second, third] = [bench.push(2), bench.push(3)];
    expect(bench.lanes.withdraw(second)).toBe(true);
    expect(bench.lanes.withdraw(second)).toBe(false);
    expect(bench.welcome(1).map(({ seq, points }) => [seq, points[0]?.[0]])).toEqual([[2, 3]]);
    expect(bench.lanes.withdraw(third)).toBe(false);
  });
});

test('a frame above the limit is refused here: the server would end the session', () => {
  const bench = new Bench();
  bench.limit = 110;
  bench.push(1);
  bench.push(2);
  const long = new Batch({ stream: 's' }, `"points":[[${'1'.repeat(200)}]]`, (o) => {
    bench.outcomes.set(9, [o]);
  });
  bench.lanes.add(long);
  bench.push(3);
  expect(bench.welcome().map(({ seq }) => seq)).toEqual([1, 2, 3]);
  expect(bench.settled(9)).toBe('frame_too_large');
});

test('the end settles everything', () => {
  const { bench } = opened(1, 2);
  bench.lanes.fail(new NCSError('over'));
  expect([bench.settled(1), bench.settled(2), bench.lanes.unacknowledged]).toEqual([
    'NCSError',
    'NCSError',
    0,
  ]);
});

/** What the server does with the batches of one producer on one stream. */
class Model {
  readonly applied: number[] = [];
  seq = 0;

  take(sent: Sent): { ack: number } | { code: string; retry: string; expected_seq?: number } {
    const value = sent.points[0]?.[0] as number;
    if (sent.seq <= this.seq) return { ack: sent.seq };
    if (sent.seq > this.seq + 1)
      return { code: 'seq_gap', retry: 'rewind', expected_seq: this.seq + 1 };
    if (value < 0) return { code: 'out_of_range', retry: 'never' };
    this.seq = sent.seq;
    this.applied.push(value);
    return { ack: sent.seq };
  }
}

const step = fc.oneof(
  { weight: 5, arbitrary: fc.constant('push' as const) },
  { weight: 2, arbitrary: fc.constant('push bad' as const) },
  { weight: 4, arbitrary: fc.constant('arrives' as const) },
  { weight: 4, arbitrary: fc.constant('answer' as const) },
  { weight: 1, arbitrary: fc.constant('busy' as const) },
  { weight: 1, arbitrary: fc.constant('break' as const) },
  { weight: 1, arbitrary: fc.constant('withdraw' as const) },
);

test('whatever breaks, and whatever is refused, each batch is in the model exactly once', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), fc.nat(300), (steps, credit) => {
      const bench = new Bench({ maxBatches: 20, overflow: 'drop-oldest' });
      const model = new Model();
      const batches: Batch[] = [];
      let toServer: Sent[] = [];
      let toClient: (() => void)[] = [];
      let value = 0;
      const send = () => toServer.push(...bench.take());
      const connect = () => {
        toServer = bench.welcome(model.seq, EPOCH, credit);
        toClient = [];
      };
      const arrive = (isBusy: boolean) => {
        const sent = toServer.shift();
        if (!sent) return;
        const answer = isBusy ? { code: 'overloaded', retry: 'later' } : model.take(sent);
        toClient.push(() =>
          'ack' in answer
            ? bench.ack(answer.ack, { credit })
            : bench.refuse(sent, answer.code, answer.retry, answer),
        );
      };
      const act = (what: (typeof steps)[number]) => {
        if (what === 'push' || what === 'push bad') {
          value += 1;
          batches.push(bench.push(what === 'push' ? value : -value));
        } else if (what === 'withdraw') {
          const last = batches.at(-1);
          if (last && bench.lanes.withdraw(last)) last.settle(new NCSError('withdrawn'));
        } else if (what === 'arrives' || what === 'busy') arrive(what === 'busy');
        else if (what === 'answer') toClient.shift()?.();
        else connect();
        send();
      };
      connect();
      for (const what of steps) act(what);
      bench.lanes.tick(Infinity);
      send();
      for (let round = 0; bench.lanes.unacknowledged > 0; round += 1) {
        expect(round).toBeLessThan(1000); // else it is stuck
        bench.lanes.tick(Infinity);
        send();
        arrive(false);
        toClient.shift()?.();
        send();
      }
      for (const [pushed, outcomes] of bench.outcomes) {
        expect(outcomes.length).toBe(1);
        const inModel = model.applied.filter((v) => v === pushed).length;
        expect(inModel).toBe(outcomes[0] instanceof NCSError ? 0 : 1);
      }
      expect(model.applied).toEqual([...model.applied].sort((a, b) => a - b)); // in order
    }),
    { numRuns: 300 },
  );
});
