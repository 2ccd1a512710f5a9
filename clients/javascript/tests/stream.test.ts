import { describe, expect, test, vi } from 'vitest';
import {
  ConnectionEndedError,
  QueueFullError,
  type StreamEvent,
  type TokenReason,
  ValidationError,
} from '../src/index.js';
import { ack, resumed, subscribed, update } from './wire.js';
import { settled, World } from './world.js';

/** Return what became of a promise by now. */
async function fate(promise: Promise<unknown>): Promise<unknown> {
  return await Promise.race([
    promise.then(
      () => 'resolved',
      (e) => e,
    ),
    settled().then(() => 'pending'),
  ]);
}

describe('starting', () => {
  test('connects to /ws below the base URL, with the credential in the hello only', async () => {
    const world = new World();
    const client = world.client({ baseUrl: 'https://host/behind/proxy' });
    const stream = await world.stream({ connectionId: 'main', producer: 'p' }, client);
    expect([world.socket.url, world.socket.protocols]).toEqual([
      'wss://host/behind/proxy/ws',
      ['ncs.v1+json'],
    ]);
    expect(world.socket.last('hello')).toMatchObject({
      token: 'KEY',
      producer: 'p',
      connection_id: 'main',
    });
    expect(stream.state).toBe('open');
  });

  test('fails if there is no server', async () => {
    const world = new World();
    const onClose = vi.fn();
    const starting = world.client().startStreaming({ onClose });
    await settled();
    world.socket.lose(1006, '');
    await expect(starting).rejects.toThrow(ConnectionEndedError);
    expect([onClose.mock.calls.length, world.timers, world.watchers]).toEqual([1, 0, 0]);
  });

  test('lazily goes on without a server, and delivers once there is one', async () => {
    const world = new World();
    const stream = await world.client().startStreaming({ codec: 'json', lazy: true });
    const sending = stream.sendPoint([1, 2]);
    await settled();
    world.socket.lose();
    world.pass(100);
    world.socket.greet().hear(ack(1));
    expect(await sending).toMatchObject({ accepted: 1, seq: 1 });
  });

  test('needs a credential', async () => {
    const client = new World().client({ apiKey: undefined as unknown as string });
    await expect(client.startStreaming()).rejects.toThrow('no credential');
  });

  test('with a signal that has aborted does nothing', async () => {
    const world = new World();
    const signal = AbortSignal.abort(new Error('changed my mind'));
    await expect(world.client().startStreaming({ signal })).rejects.toThrow('changed my mind');
    expect(world.sockets).toEqual([]);
  });
});

describe('sending', () => {
  test('resolves with the ack', async () => {
    const world = new World();
    const stream = await world.stream();
    const sending = stream.sendBatch([[1], [2]], {
      results: 'full',
      metadata: { from: 'test' },
    });
    expect(await fate(sending)).toBe('pending');
    expect(world.socket.last('points')).toMatchObject({
      results: 'full',
      metadata: { from: 'test' },
      points: [[1], [2]],
    });
    const results = {
      outliers: 1,
      clusters: [0],
      cluster_ids: [0, -1],
      is_outlier: [false, true],
      outlier_scores: [0, 1],
    };
    world.socket.hear(ack(1, { results }));
    expect(await sending).toEqual({
      stream: 'default',
      seq: 1,
      accepted: 2,
      duplicate: false,
      offset: 2,
      modelVersion: 2,
      durability: 'local',
      results: {
        outliers: 1,
        clusters: [0],
        clusterIds: [0, -1],
        isOutlier: [false, true],
        outlierScores: [0, 1],
      },
    });
  });

  test('of several batches at once resolves each with its own count', async () => {
    const world = new World();
    const stream = await world.stream();
    const sending = [
      stream.sendBatch([[1]]),
      stream.sendBatch([[2], [3]]),
      stream.sendPoint([4]),
    ];
    world.socket.hear(ack(3, { accepted: 4 }));
    expect((await Promise.all(sending)).map((r) => [r.seq, r.accepted])).toEqual([
      [1, 1],
      [2, 2],
      [3, 1],
    ]);
  });

  test('an array that is used again at once tells how many points there were', async () => {
    const world = new World();
    const stream = await world.stream();
    const points = [[1], [2]];
    const sending = stream.sendBatch(points);
    points.length = 0;
    world.socket.hear(ack(1));
    expect((await sending).accepted).toBe(2);
  });

  test('points that are none rejects at once, and the next are sent', async () => {
    const world = new World();
    const stream = await world.stream();
    await expect(stream.sendBatch([[1], [1, 2]])).rejects.toThrow(ValidationError);
    void stream.sendPoint([1]);
    await settled();
    expect(world.socket.last('points')).toMatchObject({ seq: 1 });
  });

  test.each([
    ['a function', () => {}],
    ['itself', 'cycle'],
    ['a bigint', 1n],
  ])('metadata with %s rejects at once, and the next are sent', async (_, value) => {
    const world = new World();
    const stream = await world.stream();
    const metadata: Record<string, unknown> = { value };
    if (value === 'cycle') metadata.value = metadata;
    expect(await fate(stream.sendPoint([1], { metadata }))).toBeInstanceOf(Error);
    expect(stream.unacknowledged).toBe(0);
  });

  test('metadata copies it', async () => {
    const world = new World();
    const stream = await world.stream();
    world.socket.lose();
    const metadata = { shift: 'early' };
    void stream.sendPoint([1], { metadata });
    metadata.shift = 'late';
    world.pass(100);
    world.socket.greet();
    expect(world.socket.last('points')).toMatchObject({ metadata: { shift: 'early' } });
  });

  test('more than may wait rejects, and `ready` says when there is room', async () => {
    const world = new World();
    const stream = await world.stream({ queue: { maxBatches: 1 } });
    const first = stream.sendPoint([1]);
    await expect(stream.sendPoint([2])).rejects.toThrow(QueueFullError);
    const ready = stream.ready();
    expect(await fate(ready)).toBe('pending');
    world.socket.hear(ack(1));
    expect([await fate(ready), await fate(first)]).toEqual(['resolved', 'resolved']);
  });

  test('can be taken back before it is sent', async () => {
    const world = new World();
    const stream = await world.stream();
    world.socket.lose();
    const abort = new AbortController();
    const sending = stream.sendPoint([1], { signal: abort.signal });
    const kept = stream.sendPoint([2]);
    abort.abort();
    await expect(sending).rejects.toThrow('aborted');
    world.pass(100);
    world.socket.greet();
    expect(world.socket.sent.map((m) => [m.type, m.points])).toEqual([
      ['hello', undefined],
      ['points', [[2]]],
    ]);
    world.socket.hear(ack(1));
    await kept;
  });

  test('that was sent already is only not waited for any more', async () => {
    const world = new World();
    const stream = await world.stream();
    const abort = new AbortController();
    const sending = stream.sendPoint([1], { signal: abort.signal });
    abort.abort();
    await expect(sending).rejects.toThrow('aborted');
    expect(stream.unacknowledged).toBe(1);
    world.socket.hear(ack(1));
    expect(stream.unacknowledged).toBe(0);
  });
});

describe('the end', () => {
  test('waits for every ack, then closes', async () => {
    const world = new World();
    const onClose = vi.fn();
    const onError = vi.fn();
    const stream = await world.stream({ onClose, onError });
    const sending = stream.sendPoint([1]);
    const stopping = stream.stop();
    expect([await fate(stopping), world.socket.closed]).toEqual(['pending', null]);
    world.socket.hear(ack(1));
    await Promise.all([sending, stopping]);
    expect([world.socket.closed, stream.state]).toEqual([1000, 'ended']);
    expect([onClose.mock.calls, onError.mock.calls]).toEqual([[[null]], []]);
    expect([world.timers, world.watchers]).toEqual([0, 0]);
    await stream.stop();
    await expect(stream.sendPoint([1])).rejects.toThrow(ConnectionEndedError);
    await expect(stream.ready()).rejects.toThrow(ConnectionEndedError);
  });

  test('waits no longer than it may', async () => {
    const world = new World();
    const stream = await world.stream();
    const sending = stream.sendPoint([1]);
    const stopping = stream.stop({ timeoutMs: 500 });
    await settled();
    world.pass(500);
    await stopping;
    await expect(sending).rejects.toThrow(ConnectionEndedError);
  });

  test('comes with the signal', async () => {
    const world = new World();
    const abort = new AbortController();
    const stream = await world.stream({ signal: abort.signal });
    abort.abort();
    expect([stream.state, world.socket.closed]).toEqual(['ended', 1000]);
  });

  test('by a final code rejects what waits, and is told with its reason', async () => {
    const world = new World();
    const onError = vi.fn();
    const onClose = vi.fn();
    const stream = await world.stream({ onError, onClose });
    const sending = stream.sendPoint([1]);
    world.socket.lose(4512, 'A newer connection speaks for this producer.');
    await expect(sending).rejects.toMatchObject({ closeCode: 4512, code: 'producer_replaced' });
    expect(onError.mock.calls[0]?.[0]).toBe(onClose.mock.calls[0]?.[0]);
  });
});

describe('a connection that is lost', () => {
  test('is told of at each attempt, by callback and by event', async () => {
    const world = new World();
    const onReconnect = vi.fn();
    const stream = await world.stream({ onReconnect });
    const states: string[] = [];
    const reasons: string[] = [];
    stream.addEventListener('state', ({ detail }) => {
      states.push(detail.state);
      if (detail.state === 'waiting') reasons.push(detail.reason);
    });
    world.socket.lose();
    world.pass(100);
    world.socket.lose();
    world.pass(200);
    world.socket.greet();
    expect(onReconnect.mock.calls).toEqual([[1], [2]]);
    expect(reasons).toEqual(['the connection was lost', 'cannot connect']);
    expect(states.join(' ')).toBe(
      'waiting authorizing connecting waiting authorizing connecting greeting open',
    );
  });

  test('and says nothing more is cut off, not waited for', async () => {
    const world = new World();
    await world.stream();
    const { socket } = world;
    world.pass(30_000);
    expect([socket.last('ping'), socket.closed]).toEqual([{ type: 'ping' }, 'terminated']);
    socket.hear(ack(1));
    socket.lose(4999);
    world.pass(100);
    expect(world.sockets.length).toBe(2);
  });

  test('asks the token callback for each connection, and says why', async () => {
    const world = new World();
    const reasons: TokenReason[] = [];
    const token = async (reason: TokenReason) => `token ${reasons.push(reason)}`;
    const stream = await world.stream({}, world.client({ token }));
    world.socket.hear({ type: 'token_expiring', expires_at: 1 });
    await settled();
    expect(world.socket.last('auth')).toMatchObject({ token: 'token 2' });
    world.socket.lose(4401);
    world.pass(100);
    await settled();
    world.socket.open();
    expect(world.socket.last('hello')).toMatchObject({ token: 'token 3' });
    expect([reasons, stream.state]).toEqual([['connect', 'expiring', 'expired'], 'greeting']);
  });

  test('whose token callback fails is tried again', async () => {
    const world = new World();
    let isDown = false;
    const onError = vi.fn();
    const token = () => {
      if (isDown) throw new Error('the issuer is down');
      return 'token';
    };
    await world.stream({ onError }, world.client({ token }));
    isDown = true;
    world.socket.lose();
    world.pass(100);
    await settled();
    expect(String(onError.mock.calls[0]?.[0])).toContain('the issuer is down');
    isDown = false;
    world.pass(200);
    await settled();
    expect(world.sockets.length).toBe(2);
  });

  test('may wait longer than a timer can run', async () => {
    const world = new World();
    const longest = 2 ** 33;
    const backoff = { firstMs: longest, longestMs: longest };
    await world.stream({ backoff });
    world.socket.lose();
    world.pass(longest / 2 - 1);
    expect(world.sockets.length).toBe(1);
    world.pass(1);
    expect(world.sockets.length).toBe(2);
  });

  test('waits for the network', async () => {
    const world = new World();
    const stream = await world.stream();
    world.change({ isOnline: false });
    world.socket.lose();
    expect(stream.state).toBe('offline');
    world.pass(5000);
    expect(world.sockets.length).toBe(1);
    world.change({ isOnline: true });
    world.pass(100);
    expect(world.sockets.length).toBe(2);
  });
});

describe('messages', () => {
  test('come parsed to the callback, one after the other', async () => {
    const world = new World();
    const seen: string[] = [];
    await world.stream({
      onMessage: async (event) => {
        seen.push(`begin ${event.type}`);
        await settled();
        seen.push('end');
      },
    });
    world.socket.hear(subscribed('s1'));
    world.socket.hear(update('lossless', 1));
    for (let turn = 0; turn < 6; turn += 1) await settled();
    expect(seen).toEqual(['begin snapshot', 'end', 'begin cluster_update', 'end']);
  });

  test('get nothing more once the session was stopped, also by one of them', async () => {
    const world = new World();
    const seen: string[] = [];
    const stream = await world.stream({
      onMessage: async (event) => {
        seen.push(event.type);
        await stream.stop();
      },
      onClose: () => seen.push('closed'),
    });
    world.socket.hear(subscribed('s1'));
    world.socket.hear(update('lossless', 1));
    for (let turn = 0; turn < 6; turn += 1) await settled();
    expect(seen).toEqual(['snapshot', 'closed']);
  });

  test('get everything that had come before they hear that the session is over', async () => {
    const world = new World();
    const seen: string[] = [];
    await world.stream({
      onMessage: async (event) => {
        await settled();
        seen.push(event.type);
      },
      onClose: (error) => seen.push(`${(error as ConnectionEndedError).closeCode}`),
    });
    world.socket.hear(subscribed('s1'));
    world.socket.hear(update('lossless', 1));
    world.socket.lose(4512, 'another');
    for (let turn = 0; turn < 8; turn += 1) await settled();
    expect(seen).toEqual(['snapshot', 'cluster_update', '4512']);
  });

  test('that make the callback throw are told to onError, and do not end anything', async () => {
    const world = new World();
    const onError = vi.fn();
    const seen: StreamEvent[] = [];
    await world.stream({
      onError,
      onMessage: (event) => {
        seen.push(event);
        throw new Error('a mistake of the page');
      },
    });
    world.socket.hear(subscribed('s1'));
    world.socket.hear(update('lossless', 1));
    await settled();
    expect([seen.length, onError.mock.calls.length]).toEqual([2, 2]);
  });

  test('and errors for which every callback throws are logged, and do not end anything', async () => {
    const world = new World();
    const logged = vi.spyOn(console, 'error').mockImplementation(() => {});
    const fails = () => {
      throw new Error('a mistake of the page');
    };
    const options = { onMessage: fails, onError: fails, onReconnect: fails, onClose: fails };
    const stream = await world.stream(options);
    world.socket.hear(subscribed('s1'));
    await settled();
    world.socket.lose();
    world.pass(100);
    world.socket.greet();
    expect(stream.state).toBe('open');
    await stream.stop();
    await settled();
    expect(logged).toHaveBeenCalledTimes(3);
    logged.mockRestore();
  });

  test('are not subscribed to without a callback', async () => {
    const world = new World();
    await world.stream();
    expect(world.socket.last('subscribe')).toBeUndefined();
  });

  test('of a refused subscription are told to onError', async () => {
    const world = new World();
    const onError = vi.fn();
    await world.stream({ onError, onMessage: () => {} });
    world.socket.hear({
      type: 'error',
      id: 's1',
      code: 'permission_denied',
      blame: 'client',
      retry: 'never',
      detail: 'no',
    });
    await settled();
    expect(onError.mock.calls[0]?.[0]).toMatchObject({ code: 'permission_denied' });
  });
});

describe('subscribing', () => {
  test('asks for what was wanted, in the names of the wire', async () => {
    const world = new World();
    const stream = await world.stream();
    stream.subscribe({
      stream: 'other',
      events: ['drift_detection'],
      maxHz: 2,
      epsilon: { size: 0.1 },
      filter: { clusters: [1, 2], minSeverity: 'high' },
      centroids: false,
    });
    expect(world.socket.last('subscribe')).toEqual({
      max_hz: 2,
      epsilon: { size: 0.1 },
      filter: { clusters: [1, 2], min_severity: 'high' },
      centroids: false,
      type: 'subscribe',
      id: 's1',
      stream: 'other',
      events: ['drift_detection'],
    });
  });

  test('gives credit for what is read', async () => {
    const world = new World();
    const stream = await world.stream({ eventCredit: 200 });
    const subscription = stream.subscribe();
    world.socket.hear(subscribed('s1'));
    world.socket.hear(update('keyed', 1));
    const granted = () => world.socket.sent.filter(({ type }) => type === 'credit').length;
    expect(granted()).toBe(1);
    await subscription.next();
    expect(granted()).toBe(2);
    const size = JSON.stringify(subscribed('s1')).length;
    expect(world.socket.last('credit')).toEqual({ type: 'credit', bytes: size });
  });

  test('goes on over a reconnect', async () => {
    const world = new World();
    const stream = await world.stream();
    const seen: string[] = [];
    const reading = (async () => {
      for await (const event of stream.subscribe()) seen.push(event.type);
    })();
    world.socket.hear(subscribed('s1'));
    world.socket.hear(update('keyed', 1));
    world.socket.lose();
    world.pass(100);
    world.socket.greet().hear(resumed('s2', 0, 1));
    world.socket.hear(update('keyed', 2));
    await settled();
    await stream.stop();
    await reading;
    expect(seen).toEqual(['snapshot', 'cluster_update', 'resumed', 'cluster_update']);
  });

  test('ends with its signal', async () => {
    const world = new World();
    const stream = await world.stream();
    const abort = new AbortController();
    const subscription = stream.subscribe({ signal: abort.signal });
    const waiting = subscription.next();
    abort.abort(new Error('enough'));
    await expect(waiting).rejects.toThrow('enough');
    expect(world.socket.last('unsubscribe')).toEqual({ type: 'unsubscribe', id: 's1' });
  });

  test('that is full rests on the server, and goes on from where it was', async () => {
    const world = new World();
    const stream = await world.stream();
    const subscription = stream.subscribe({ maxQueue: 2 });
    world.socket.hear(subscribed('s1'));
    world.socket.hear(update('keyed', 1));
    expect([subscription.state, world.socket.last('unsubscribe')]).toEqual([
      'paused',
      { type: 'unsubscribe', id: 's1' },
    ]);
    world.socket.hear(update('keyed', 2));
    await subscription.next();
    expect(world.socket.last('subscribe')).toMatchObject({
      id: 's2',
      since: { offsets: { keyed: 1 } },
    });
  });

  test('rests and goes on when told to', async () => {
    const world = new World();
    const stream = await world.stream();
    const subscription = stream.subscribe();
    world.socket.hear(subscribed('s1'));
    subscription.pause();
    expect(subscription.state).toBe('paused');
    subscription.resume();
    expect(subscription.state).toBe('joining');
    subscription.close();
    expect([subscription.state, subscription.gaps]).toEqual(['ended', 0]);
  });

  test('rests while nobody sees the page, if that was wanted', async () => {
    const world = new World();
    const stream = await world.stream({ pauseWhenHidden: true });
    const subscription = stream.subscribe();
    world.socket.hear(subscribed('s1'));
    world.change({ isVisible: false });
    world.pass(5000);
    expect(subscription.state).toBe('paused');
    world.change({ isVisible: true });
    expect(subscription.state).toBe('joining');
  });
});

describe('an attempt that lies ahead', () => {
  test('is told of, and made at once when somebody does not want to wait', async () => {
    const world = new World();
    const stream = await world.stream({ backoff: { firstMs: 8000, longestMs: 8000 } });
    expect(stream.retryInMs).toBe(null);
    stream.retryNow();
    expect(world.sockets.length).toBe(1);
    world.socket.lose();
    expect([stream.state, stream.retryInMs]).toEqual(['waiting', 4000]);
    world.pass(1000);
    expect(stream.retryInMs).toBe(3000);
    stream.retryNow();
    await settled();
    expect([stream.state, world.sockets.length, stream.retryInMs]).toEqual([
      'connecting',
      2,
      null,
    ]);
    await stream.stop();
  });
});

test('a copy goes on where another subscription left it', async () => {
  const world = new World();
  const stream = await world.stream();
  const since = { epoch: 'e', offsets: { lossless: 4, keyed: 7 } };
  const subscription = stream.subscribe({ since, maxHz: 2 });
  expect(world.socket.last('subscribe')).toMatchObject({ since, max_hz: 2 });
  const { id } = world.socket.last('subscribe') as { id: string };
  world.socket.hear(resumed(id, 4, 7));
  expect((await subscription.next()).value).toMatchObject({ type: 'resumed', ...since });
});
