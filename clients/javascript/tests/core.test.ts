/** Sessions as transcripts: what happens, and what is done about it. */

import { decode, encode } from '@msgpack/msgpack';
import { describe, expect, test } from 'vitest';
import { CODECS } from '../src/codec.js';
import { type CoreOptions, SessionCore } from '../src/core.js';
import type { Effect } from '../src/effects.js';
import { ConnectionEndedError, NCSError, RefusedError } from '../src/errors.js';
import type { ServerMessage } from '../src/generated/messages.js';
import { Batch } from '../src/lanes.js';
import { Reader } from '../src/readers.js';
import { ack, resumed, skip, subscribed, update, welcome } from './wire.js';

/** A core with a clock of its own, which tells in short words what is to be done. */
class Session {
  now = 0;
  readonly core: SessionCore;
  readonly settled: string[] = [];
  readonly seen: string[] = [];
  /** The last message sent of each type. */
  readonly sent: Record<string, Record<string, unknown>> = {};
  error: NCSError | null = null;

  readonly isBinary: boolean;

  constructor(options: Partial<CoreOptions> = {}) {
    this.isBinary = options.codec === CODECS.msgpack;
    this.core = new SessionCore({
      codec: CODECS.json,
      producer: 'p',
      producerEpoch: 7,
      streams: ['default'],
      random: () => 0.5,
      ...options,
    });
  }

  say(effects: readonly Effect[]): string[] {
    return effects.map((effect) => {
      if (effect.do === 'send') {
        const { frame } = effect;
        const message = typeof frame === 'string' ? JSON.parse(frame) : decode(frame);
        this.sent[message.type] = message;
        return `send ${message.type}`;
      }
      if (effect.do === 'authorize') return `authorize ${effect.reason}`;
      if (effect.do === 'disconnect') return `disconnect ${effect.code ?? ''}`.trim();
      if (effect.do === 'connect') return 'connect';
      const { news } = effect;
      if (news.type === 'state') return news.state;
      if (news.type === 'reconnect') return `reconnect ${news.attempt}`;
      if (news.type === 'error' || news.type === 'end') this.error = news.error;
      return `tell ${news.type}`;
    });
  }

  start = () => this.say(this.core.start(this.now));
  authorized = (token = 'TOKEN') => this.say(this.core.authorized(token, this.now));
  opened = () => this.say(this.core.opened(this.now));
  closed = (code: number | null, reason = '') =>
    this.say(this.core.closed(code, reason, this.now));
  tick = () => this.say(this.core.tick(this.now));
  hear = (message: ServerMessage) => {
    const frame = this.isBinary ? encode(message).slice().buffer : JSON.stringify(message);
    return this.say(this.core.received(frame, this.now));
  };

  /** Let time pass until something is due; return how long that was, and what was done. */
  wait(): [number, ...string[]] {
    const passed = this.core.deadline - this.now;
    this.now = this.core.deadline;
    return [passed, ...this.tick()];
  }

  connect(token = 'TOKEN'): string[] {
    return [...this.authorized(token), ...this.opened(), ...this.hear(welcome())];
  }

  open(): this {
    this.start();
    this.connect();
    return this;
  }

  push(value = 1): string[] {
    const body = CODECS.json.encodeBody([[value]]);
    const batch = new Batch({ stream: 'default' }, body, (outcome) =>
      this.settled.push(outcome instanceof NCSError ? outcome.name : `seq ${outcome.seq}`),
    );
    return this.say(this.core.push(batch, this.now));
  }

  follow(): Reader {
    const reader = new Reader(
      'default',
      {},
      (event) =>
        this.seen.push(`${event.type} ${'offset' in event ? event.offset : ''}`.trim()),
      (error) => this.seen.push(error.name),
    );
    this.say(this.core.subscribe(reader, this.now));
    return reader;
  }
}

test('a session opens step by step', () => {
  const session = new Session({ connectionId: 'main' });
  expect(session.start()).toEqual(['authorizing', 'authorize connect']);
  expect(session.authorized()).toEqual(['connecting', 'connect']);
  expect(session.opened()).toEqual(['greeting', 'send hello']);
  expect(session.sent.hello).toEqual({
    type: 'hello',
    token: 'TOKEN',
    producer: 'p',
    producer_epoch: 7,
    connection_id: 'main',
    streams: ['default'],
  });
  expect(session.hear(welcome())).toEqual(['open', 'tell welcome']);
});

describe('a first connection that fails', () => {
  test('is the end, as a mistyped address would be', () => {
    const session = new Session();
    session.start();
    session.authorized();
    expect(session.closed(1006)).toEqual(['disconnect', 'ended', 'tell end']);
    expect(session.error).toBeInstanceOf(ConnectionEndedError);
  });

  test('is tried again by a lazy session', () => {
    const session = new Session({ lazy: true });
    session.start();
    session.authorized();
    expect(session.closed(1006)).toEqual(['disconnect', 'waiting']);
    expect(session.wait()).toEqual([100, 'authorizing', 'reconnect 1', 'authorize connect']);
  });
});

describe('a connection that is lost', () => {
  test('is made again after a random part of a time that doubles', () => {
    const session = new Session().open();
    session.closed(1006);
    const waits = [];
    for (let attempt = 1; attempt <= 9; attempt += 1) {
      const [wait, ...done] = session.wait();
      waits.push(wait);
      expect(done).toEqual(['authorizing', `reconnect ${attempt}`, 'authorize connect']);
      session.authorized();
      session.closed(1006);
    }
    expect(waits).toEqual([100, 200, 400, 800, 1600, 3200, 6400, 12_800, 15_000]);
  });

  test('is given up after as many attempts as were allowed', () => {
    const session = new Session({ reconnectAttempts: 2 }).open();
    session.push();
    session.closed(1006);
    session.wait();
    session.authorized();
    expect(session.closed(1006)).toEqual(['disconnect', 'waiting']);
    session.wait();
    session.authorized();
    expect(session.closed(1006, 'refused')).toEqual(['disconnect', 'ended', 'tell end']);
    expect(session.settled).toEqual(['ConnectionEndedError']);
    expect(session.core.deadline).toBe(Infinity);
  });

  test('counts attempts anew once a connection has held for a while', () => {
    const session = new Session({ reconnectAttempts: 1 }).open();
    for (const round of [1, 2, 3]) {
      session.now += 5001;
      expect(session.closed(1006)).toEqual(['disconnect', 'waiting']);
      expect(session.wait().slice(0, 3)).toEqual([100, 'authorizing', 'reconnect 1']);
      session.connect(`TOKEN ${round}`);
    }
  });

  test('loses no batch and no subscription', () => {
    const session = new Session().open();
    session.follow();
    session.hear(subscribed('s1'));
    session.hear(update('lossless', 1));
    session.push();
    session.closed(1006);
    expect(session.push()).toEqual([]);
    session.wait();
    expect(session.connect()).toEqual([
      'connecting',
      'connect',
      'greeting',
      'send hello',
      'open',
      'tell welcome',
      'send points',
      'send points',
      'send subscribe',
    ]);
    expect(session.sent.subscribe).toMatchObject({
      id: 's2',
      since: { epoch: 'e', offsets: { lossless: 1, keyed: 0, latest: 0 } },
    });
    session.hear(ack(2));
    session.hear(resumed('s2', 1, 0));
    session.hear(update('lossless', 2));
    expect(session.settled).toEqual(['seq 1', 'seq 2']);
    expect(session.seen).toEqual([
      'snapshot',
      'cluster_update 1',
      'resumed',
      'cluster_update 2',
    ]);
  });
});

describe('close codes', () => {
  test.each([4500, 4511, 4512, 4999, 1009])('%i ends the session', (code) => {
    const session = new Session().open();
    expect(session.closed(code, 'why')).toEqual(['disconnect', 'ended', 'tell end']);
    expect(session.error).toMatchObject({ closeCode: code, reason: 'why' });
  });

  test.each([1000, 1001, 1006, 1011, 4000, 4003, 4499])('%i is worth coming back', (code) => {
    expect(new Session().open().closed(code)).toEqual(['disconnect', 'waiting']);
  });

  test('the sentence of the error before the close is kept whole', () => {
    const session = new Session().open();
    const detail = 'The token is not one that this server issued.';
    session.hear({
      type: 'error',
      code: 'token_invalid',
      blame: 'client',
      retry: 'never',
      detail,
    });
    session.closed(4501, detail.slice(0, 20));
    expect(session.error?.message).toBe(`token_invalid: ${detail}`);
  });
});

describe('a server that drains', () => {
  test('gets nothing new, is waited for, and is come back to when it said', () => {
    const session = new Session().open();
    session.push();
    expect(session.hear({ type: 'draining', reconnect_after_ms: 3000 })).toEqual([
      'draining',
      'tell draining',
    ]);
    expect(session.push()).toEqual([]);
    session.hear(ack(1));
    session.now += 1000;
    expect(session.closed(4000)).toEqual(['disconnect', 'waiting']);
    expect(session.wait()[0]).toBe(2000);
    expect(session.connect().at(-1)).toBe('send points');
    session.closed(1006);
    expect(session.wait()[0]).toBe(200); // what it said was for that once
  });
});

test('a server that says that it drains and does not close is left', () => {
  const session = new Session().open();
  session.hear({ type: 'draining', reconnect_after_ms: 1000 });
  expect(session.wait()).toEqual([20_000, 'send ping']);
  session.hear({ type: 'pong', server_time: 0 });
  expect(session.wait()).toEqual([11_000, 'disconnect', 'waiting']);
});

describe('credentials', () => {
  test('are renewed when the server says that they expire', () => {
    const session = new Session().open();
    expect(session.hear({ type: 'token_expiring', expires_at: 9 })).toEqual([
      'authorize expiring',
    ]);
    expect(session.authorized('FRESH')).toEqual(['send auth']);
    expect(session.sent.auth).toMatchObject({ token: 'FRESH' });
  });

  test('that did not change are not sent again', () => {
    const session = new Session().open();
    session.hear({ type: 'token_expiring', expires_at: 9 });
    expect(session.authorized('TOKEN')).toEqual([]);
  });

  test('that have expired are asked for anew', () => {
    const session = new Session().open();
    session.closed(4401);
    expect(session.wait().at(-1)).toBe('authorize expired');
    expect(session.connect('FRESH').at(-1)).toBe('tell welcome');
    session.closed(1006);
    expect(session.wait().at(-1)).toBe('authorize connect');
  });

  test('that have expired and do not change are the end', () => {
    const session = new Session().open();
    session.closed(4401);
    session.wait();
    expect(session.authorized('TOKEN')).toEqual(['ended', 'tell end']);
    expect(session.error).toMatchObject({ code: 'token_expired' });
  });

  test('that cannot be had just now are tried again later', () => {
    const session = new Session().open();
    session.closed(1006);
    session.wait();
    const effects = session.core.unauthorized(new NCSError('the issuer is down'), session.now);
    expect(session.say(effects)).toEqual(['tell error', 'disconnect', 'waiting']);
  });

  test('that never come are not waited for without end', () => {
    const session = new Session().open();
    session.closed(1006);
    session.wait();
    expect(session.wait()).toEqual([20_000, 'disconnect', 'waiting']);
  });
});

describe('a peer that is gone', () => {
  test('is asked after a heartbeat of silence, and given up without an answer', () => {
    const session = new Session().open();
    expect(session.wait()).toEqual([20_000, 'send ping']);
    expect(session.wait()).toEqual([10_000, 'disconnect', 'waiting']);
  });

  test('was not: any answer will do', () => {
    const session = new Session().open();
    session.wait();
    session.hear(ack(1));
    expect(session.wait()).toEqual([20_000, 'send ping']);
  });

  test.each(['connecting', 'greeting'])('while %s is not waited for without end', (state) => {
    const session = new Session({ lazy: true });
    session.start();
    session.authorized();
    if (state === 'greeting') session.opened();
    expect(session.core.state).toBe(state);
    expect(session.wait()).toEqual([20_000, 'disconnect', 'waiting']);
  });

  test('that says "reconnect" and leaves the socket open is left', () => {
    const session = new Session().open();
    session.hear({
      type: 'error',
      code: 'internal_error',
      blame: 'server',
      retry: 'reconnect',
      detail: '',
    });
    expect(session.wait()).toEqual([5000, 'disconnect', 'waiting']);
  });
});

describe('the network', () => {
  test('that is gone is not tried, only now and then', () => {
    const session = new Session().open();
    session.say(session.core.online(false, 0));
    expect(session.closed(1006)).toEqual(['disconnect', 'waiting', 'offline']);
    expect(session.wait()).toEqual([30_000, 'authorizing', 'reconnect 1', 'authorize connect']);
  });

  test('that comes back is used at once', () => {
    const session = new Session().open();
    session.closed(1006);
    expect(session.say(session.core.online(false, 0))).toEqual(['offline']);
    session.now = 9000;
    expect(session.say(session.core.online(true, session.now))).toEqual(['waiting']);
    expect(session.wait()).toEqual([100, 'authorizing', 'reconnect 1', 'authorize connect']);
  });

  test('that changes under an open connection makes it doubtful', () => {
    const session = new Session().open();
    expect(session.say(session.core.online(false, 0))).toEqual(['send ping']);
  });
});

describe('a page', () => {
  const hidden = () => {
    const session = new Session({ pauseWhenHidden: true }).open();
    session.follow();
    session.hear(subscribed('s1'));
    session.core.visible(false, session.now);
    return session;
  };

  test('that is hidden for a while lets its subscriptions rest', () => {
    const session = hidden();
    expect(session.wait()).toEqual([5000, 'send unsubscribe']);
    session.hear(update('lossless', 1));
    expect(session.seen).toEqual(['snapshot']);
  });

  test('that is seen again goes on where it was', () => {
    const session = hidden();
    session.wait();
    expect(session.say(session.core.visible(true, session.now))).toEqual([
      'send ping',
      'send subscribe',
    ]);
    expect(session.sent.subscribe).toMatchObject({ since: { epoch: 'e' } });
  });

  test('that is hidden for a moment misses nothing', () => {
    const session = hidden();
    session.now = 4000;
    expect(session.say(session.core.visible(true, session.now))).toEqual(['send ping']);
  });

  test('that comes into sight does not wait long for its connection', () => {
    const session = new Session({ backoff: { firstMs: 20_000 } }).open();
    session.closed(1006);
    session.wait();
    session.connect();
    session.closed(1006);
    session.core.visible(true, session.now);
    expect(session.wait()[0]).toBe(10_000);
  });
});

describe('what the server says', () => {
  test('of points it refuses settles that batch only', () => {
    const session = new Session().open();
    session.push(1);
    const { id } = session.sent.points as { id: string };
    session.push(2);
    const refusal = {
      type: 'error',
      code: 'out_of_range',
      blame: 'client',
      retry: 'never',
      detail: 'no',
    } as const;
    expect(session.hear({ ...refusal, id, seq: 1, stream: 'default' })).toEqual([
      'send points',
    ]);
    expect(session.settled).toEqual(['ValidationError']);
    expect(session.sent.points).toMatchObject({ seq: 1, points: [[2]] });
  });

  test('of points that have to wait is waited for', () => {
    const session = new Session().open();
    session.push();
    const { id } = session.sent.points as { id: string };
    const error = { type: 'error', id, seq: 1, stream: 'default', detail: '' } as const;
    session.hear({
      ...error,
      code: 'overloaded',
      blame: 'server',
      retry: 'later',
      retry_after: 2,
    });
    expect(session.wait()).toEqual([2000, 'send points']);
  });

  test.each([-1, Number.NaN, 1e300])(
    'of a wait that is none, %d, is an hour at most',
    (wait) => {
      const session = new Session({ codec: CODECS.msgpack }).open();
      session.follow();
      const error = {
        type: 'error',
        id: 's1',
        blame: 'server',
        retry: 'later',
        detail: '',
      } as const;
      session.hear({ ...error, code: 'overloaded', retry_after: wait });
      expect(session.core.readers.deadline).toBe(3_600_000);
    },
  );

  test.each([0, -1, Number.NaN])(
    'of a heartbeat that is none, %d, is a second',
    (heartbeat) => {
      const session = new Session({ codec: CODECS.msgpack });
      session.start();
      session.authorized();
      session.opened();
      session.hear(welcome({ heartbeat_s: heartbeat }));
      expect(session.wait()).toEqual([1000, 'send ping']);
    },
  );

  test('of a subscription it refuses ends that subscription only', () => {
    const session = new Session().open();
    const reader = session.follow();
    session.hear({
      type: 'error',
      id: 's1',
      code: 'permission_denied',
      blame: 'client',
      retry: 'never',
      detail: '',
    });
    expect([session.seen, reader.machine.state, session.core.state]).toEqual([
      ['RefusedError'],
      'ended',
      'open',
    ]);
  });

  test('of a subscription that has to wait is waited for', () => {
    const session = new Session().open();
    session.follow();
    session.hear({
      type: 'error',
      id: 's1',
      code: 'overloaded',
      blame: 'server',
      retry: 'later',
      retry_after: 3,
      detail: '',
    });
    expect(session.wait()).toEqual([3000, 'send subscribe']);
  });

  test('of nobody in particular is told', () => {
    const session = new Session().open();
    const said = session.hear({
      type: 'error',
      code: 'rate_limited',
      blame: 'client',
      retry: 'later',
      detail: '',
    });
    expect(said).toEqual(['tell error']);
    expect(session.error).toBeInstanceOf(RefusedError);
  });

  test('of its credit is told, and heeded', () => {
    const session = new Session().open();
    expect(
      session.hear({ type: 'slow_down', reason: 'tenant_backlog', retry_after_ms: 9 }),
    ).toEqual(['tell slowdown']);
    expect([session.push(), session.push()]).toEqual([['send points'], []]);
    expect(session.hear(ack(1))).toEqual(['send points']);
  });

  test('of a reader that is behind is told', () => {
    const session = new Session().open();
    const lagging = {
      type: 'lagging',
      level: 'skipping',
      skipped: 3,
      behind_ms: 5000,
    } as const;
    expect(session.hear(lagging)).toEqual(['tell lagging']);
    expect(session.hear({ type: 'caught_up', skipped: 3 })).toEqual(['tell caughtup']);
  });

  test('out of turn means nothing', () => {
    const session = new Session().open();
    expect(session.hear(welcome({ credit: 1 }))).toEqual([]);
    expect(session.hear(subscribed('s99'))).toEqual([]);
    expect(session.hear(skip('keyed', 1, 2))).toEqual([]);
    expect(session.hear(ack(99))).toEqual([]);
  });

  test('that is not of the protocol ends the session', () => {
    const session = new Session().open();
    expect(session.say(session.core.received('nonsense', 0))).toEqual([
      'disconnect',
      'ended',
      'tell end',
    ]);
  });
});

test('a subscription that begins with nothing to stand on is not of the protocol', () => {
  const session = new Session().open();
  session.follow();
  const { snapshot: _, ...bare } = subscribed('s1');
  expect(session.hear(bare)).toContain('ended');
});

test('an event that does not follow is not passed on, and a snapshot is asked for', () => {
  const session = new Session().open();
  const reader = session.follow();
  session.hear(subscribed('s1'));
  session.hear(update('lossless', 1));
  expect(session.hear(update('lossless', 3))).toEqual(['send unsubscribe']);
  expect(session.hear(update('lossless', 4))).toEqual([]);
  expect(session.wait()).toEqual([250, 'send subscribe']);
  expect(session.sent.subscribe).toEqual({ type: 'subscribe', id: 's2', stream: 'default' });
  session.hear(subscribed('s2', { offsets: { lossless: 4 } }));
  session.hear(update('lossless', 5));
  expect(session.seen).toEqual([
    'snapshot',
    'cluster_update 1',
    'snapshot',
    'cluster_update 5',
  ]);
  expect(reader.gaps).toBe(1);
});

test('an event of another epoch is not passed on', () => {
  const session = new Session().open();
  session.follow();
  session.hear(subscribed('s1'));
  expect(session.hear(update('lossless', 1, 1, { epoch: 'f' }))).toEqual(['send unsubscribe']);
  expect(session.seen).toEqual(['snapshot']);
});

test('a reader that was too far behind goes on from a snapshot in mid-stream', () => {
  const session = new Session().open();
  const reader = session.follow();
  session.hear(subscribed('s1'));
  session.hear(update('lossless', 1));
  const offsets = { lossless: 1, keyed: 9 };
  session.hear(subscribed('s1', { offsets }));
  session.hear(update('keyed', 10));
  expect(session.seen).toEqual([
    'snapshot',
    'cluster_update 1',
    'snapshot',
    'cluster_update 10',
  ]);
  expect(reader.gaps).toBe(0);
});

describe('credit for events', () => {
  const frame = JSON.stringify(update('keyed', 1)).length;

  test('is given once the session is open, before anything is subscribed to', () => {
    const session = new Session({ eventCredit: 1000 });
    session.start();
    session.follow();
    expect(session.connect().slice(-3)).toEqual([
      'tell welcome',
      'send credit',
      'send subscribe',
    ]);
    expect(session.sent.credit).toEqual({ type: 'credit', bytes: 1000 });
  });

  test('is given again for what was read, but not for every little bit', () => {
    const session = new Session({ eventCredit: 4 * frame }).open();
    const claim = { bytes: frame, connection: 1 };
    const read = [1, 2, 3].map(() => session.say(session.core.read(claim, 0)));
    expect(read).toEqual([[], ['send credit'], []]);
    expect(session.sent.credit).toEqual({ type: 'credit', bytes: 2 * frame });
  });

  test('is given at once for what nobody keeps', () => {
    const session = new Session({ eventCredit: frame }).open();
    expect(session.hear(update('keyed', 1))).toEqual(['send credit']);
    expect(session.hear(ack(1))).toEqual([]);
  });

  test('of another connection means nothing', () => {
    const session = new Session({ eventCredit: 10 }).open();
    session.closed(1006);
    session.wait();
    session.connect();
    expect(session.say(session.core.read({ bytes: 99, connection: 1 }, 0))).toEqual([]);
  });

  test('is not spoken of unless it is wanted', () => {
    const session = new Session().open();
    expect(session.hear(update('keyed', 1))).toEqual([]);
    expect(session.sent).not.toHaveProperty('credit');
  });
});

test('a session follows a stream once', () => {
  const session = new Session().open();
  session.follow();
  expect(() => session.follow()).toThrow('duplicate_subscription');
});

test('a session that was stopped takes nothing any more', () => {
  const session = new Session().open();
  session.push();
  session.follow();
  expect(session.say(session.core.stop(0))).toEqual(['disconnect 1000', 'ended', 'tell end']);
  expect([session.settled, session.seen, session.error]).toEqual([
    ['ConnectionEndedError'],
    ['ConnectionEndedError'],
    null,
  ]);
  expect(() => session.push()).toThrow(ConnectionEndedError);
  expect([session.closed(1006), session.tick(), session.say(session.core.stop(0))]).toEqual([
    [],
    [],
    [],
  ]);
  expect(session.say(session.core.visible(true, 0))).toEqual([]);
});

describe('a clock that was set back', () => {
  const mark = { producer_epoch: 9, last_seq: 5 };
  const stale = {
    type: 'error',
    code: 'stale_producer_epoch',
    blame: 'client',
    retry: 'never',
    detail: 'no',
    stream: 'default',
  } as const;

  /** Connect again at once; return the epoch of the new hello. */
  function again(session: Session): unknown {
    expect(session.wait()[0]).toBe(0);
    session.authorized();
    session.opened();
    return session.sent.hello?.producer_epoch;
  }

  test("begins after the server's epoch, with nothing lost", () => {
    const session = new Session();
    session.start();
    session.push();
    session.authorized();
    session.opened();
    session.hear(welcome({ resume: { default: mark } }));
    expect(session.core.state).toBe('waiting');
    expect(again(session)).toBe(10);
    session.hear(welcome({ resume: { default: mark } }));
    expect(session.sent.points?.seq).toBe(1);
    session.hear(ack(1));
    expect(session.settled).toEqual(['seq 1']);
  });

  test('is found out by a refusal where hello did not name the stream', () => {
    const session = new Session({ streams: [] }).open();
    session.push();
    session.hear({ ...stale, id: (session.sent.points as { id: string }).id, seq: 1 });
    expect(again(session)).toBe(7);
    session.hear(welcome({ resume: { default: mark } }));
    expect(again(session)).toBe(10);
    session.hear(welcome({ resume: { default: mark } }));
    session.hear(ack(1));
    expect(session.settled).toEqual(['seq 1']);
  });

  test('changes no epoch under which something may be in a model', () => {
    const session = new Session().open();
    session.push();
    session.closed(1006);
    session.wait();
    session.connect();
    session.hear({ ...stale, id: (session.sent.points as { id: string }).id, seq: 1 });
    expect(session.settled).toEqual(['RefusedError']);
    expect(session.core.state).toBe('open');
  });

  test('is not made up for where a number cannot say it', () => {
    const session = new Session();
    session.start();
    session.authorized();
    session.opened();
    session.hear(welcome({ resume: { default: { producer_epoch: 2 ** 60, last_seq: 5 } } }));
    expect(session.core.state).toBe('open');
  });
});
