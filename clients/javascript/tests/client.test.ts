import { describe, expect, test } from 'vitest';
import {
  AuthenticationError,
  NCSClient,
  NCSError,
  ProtocolError,
  RateLimitError,
  RefusedError,
  type TokenReason,
  UnreachableError,
  ValidationError,
} from '../src/index.js';
import { STATUS } from './wire.js';
import { settled, World } from './world.js';

type Answer = { status?: number; body?: unknown; headers?: Record<string, string> } | Error;
type Asked = { url: string; method: string; headers: Record<string, string>; body: string };

/** A server that gives one answer after the other, and the last for ever. */
function serving(...answers: Answer[]) {
  const world = new World();
  const asked: Asked[] = [];
  const fetched = async (input: unknown, init: RequestInit = {}) => {
    asked.push({
      url: String(input),
      method: String(init.method),
      headers: init.headers as Record<string, string>,
      body: String(init.body ?? ''),
    });
    const answer = answers.length > 1 ? answers.shift() : answers[0];
    if (answer instanceof Error) throw answer;
    const { status = 200, body, headers = {} } = answer as Exclude<Answer, Error>;
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    return new Response(text, { status, headers });
  };
  const client = world.client({ fetch: fetched as typeof fetch });
  /** Let all waits pass until it is settled. */
  const patiently = async <T>(promise: Promise<T>): Promise<T> => {
    promise.catch(() => {});
    for (let turn = 0; turn < 20; turn += 1) {
      await settled();
      world.pass(60_000);
    }
    return await promise;
  };
  return { world, client, asked, patiently, fetched: fetched as typeof fetch };
}

const LOST = new TypeError('fetch failed', { cause: new Error('ECONNREFUSED') });
const outcome = (index: number, isOutlier = false) => ({
  index,
  input_point: [index],
  cluster_id: isOutlier ? -1 : 0,
  is_outlier: isOutlier,
  outlier_score: 0.5,
});
const CLUSTER = {
  cluster_id: 0,
  centroid: [1],
  size: 2,
  confidence: 1,
  age: 1,
  last_updated: '2026-01-01T00:00:00Z',
  quality: 1,
  health: 1,
  radius: 1,
  drift_coefficient: 0,
};
const PROCESSED = {
  request_id: 'r',
  stream: 'default',
  offset: 2,
  clusters: [],
  outliers: [],
  results: [outcome(0), outcome(1, true)],
  cluster_summaries: [CLUSTER],
  algorithm_quality: 0.5,
  processing_time_ms: 1.5,
  points_processed: 2,
  clusters_found: 1,
  timestamp: 't',
};

test('a batch becomes a result with the names of JavaScript', async () => {
  const { client, asked } = serving({ body: PROCESSED });
  const result = await client.processPoints([[0], Float32Array.of(1)], {
    stream: 's',
    metadata: { a_b: 1 },
  });
  expect(result.clusters[0]).toMatchObject({ clusterId: 0, quality: 1, driftCoefficient: 0 });
  expect([
    result.algorithmQuality,
    result.processingTimeMs,
    result.clustersFound,
    result.duplicate,
  ]).toEqual([0.5, 1.5, 1, false]);
  expect([...result].map((p) => [p.index, p.inputPoint, p.isOutlier])).toEqual([
    [0, [0], false],
    [1, [1], true],
  ]);
  expect(result.outliers.map((p) => p.index)).toEqual([1]);
  expect(asked[0]?.url).toBe('http://host:1/api/v1/process_points');
  expect(asked[0]?.headers).toMatchObject({
    Authorization: 'Bearer KEY',
    'Content-Type': 'application/json',
  });
  expect(JSON.parse(asked[0]?.body ?? '')).toEqual({
    points: [[0], [1]],
    stream: 's',
    metadata: { a_b: 1 },
  });
});

test('a batch whose answer is lost is sent again under the same key', async () => {
  const { client, asked, patiently } = serving(
    LOST,
    { status: 503, body: { detail: 'busy' } },
    { body: { ...PROCESSED, duplicate: true } },
  );
  const result = await patiently(client.processPoints([[0]]));
  const keys = asked.map((a) => a.headers['Idempotency-Key']);
  expect([keys.length, new Set(keys).size, result.duplicate]).toEqual([3, 1, true]);
});

test('a block travels packed', async () => {
  const { client, asked } = serving({ body: PROCESSED });
  await client.processPoints({ data: Float32Array.of(1, 2), dimension: 1 });
  expect(JSON.parse(asked[0]?.body ?? '')).toEqual({
    array: expect.stringMatching(/^AQIAAAIAAAABAAAA/),
  });
});

test('the state of a stream is asked for by name', async () => {
  const { client, asked } = serving({ body: STATUS });
  const status = await client.getAlgorithmStatus({ stream: 'a b' });
  expect([status.isReady, status.currentDynamicThreshold]).toEqual([true, 0.7]);
  expect(asked[0]?.url).toBe('http://host:1/api/v1/algorithm_status?stream=a+b');
});

test('a reset says that it is meant', async () => {
  const { client, asked } = serving({
    body: { stream: 'default', offset: 3, clusters_removed: 2 },
  });
  expect(await client.resetAlgorithm()).toEqual({
    stream: 'default',
    offset: 3,
    clustersRemoved: 2,
  });
  expect(JSON.parse(asked[0]?.body ?? '')).toEqual({ confirm: true });
});

test('a reset whose answer is lost is not repeated', async () => {
  const { client, asked, patiently } = serving(LOST);
  await expect(patiently(client.resetAlgorithm())).rejects.toThrow(UnreachableError);
  expect(asked.length).toBe(1);
});

test('a reset that failed, maybe halfway, is not repeated; one that was not begun is', async () => {
  const failed = { status: 503, body: { detail: 'no', error_code: 'STORE_UNAVAILABLE' } };
  const first = serving(failed);
  await expect(first.patiently(first.client.resetAlgorithm())).rejects.toThrow(RefusedError);
  expect(first.asked.length).toBe(1);
  const starting = { status: 503, body: { detail: 'no', error_code: 'STARTING' } };
  const done = { body: { stream: 'default', offset: 1, clusters_removed: 0 } };
  const second = serving(starting, done);
  expect(await second.patiently(second.client.resetAlgorithm())).toMatchObject({ offset: 1 });
});

test('health needs no credential, and names of components stay what they are', async () => {
  const body = {
    status: 'healthy',
    timestamp: 1,
    uptime: 2,
    uptime_seconds: 2,
    version: '1',
    algorithm_ready: true,
    components: { a_b: { c_d: 1 } },
  };
  const { client, asked } = serving({ body });
  const health = await client.healthCheck();
  expect([health.algorithmReady, health.components]).toEqual([true, { a_b: { c_d: 1 } }]);
  expect(asked[0]?.headers).not.toHaveProperty('Authorization');
});

test('streams, clusters and parameters can be asked for', async () => {
  expect(await serving({ body: ['a'] }).client.listStreams()).toEqual(['a']);
  expect((await serving({ body: [CLUSTER] }).client.getClusters())[0]?.clusterId).toBe(0);
  const { client, asked } = serving({
    body: { stream: 's', offset: 1, params: { base_threshold: 0.8 } },
  });
  expect(await client.configure({ base_threshold: 0.8 }, { stream: 's' })).toEqual({
    base_threshold: 0.8,
  });
  expect([asked[0]?.method, asked[0]?.body]).toEqual([
    'PATCH',
    '{"params":{"base_threshold":0.8},"stream":"s"}',
  ]);
});

test('other parameters can be tried beside a stream, again if its turn has not come', async () => {
  const side = {
    name: 'live',
    params: { max_clusters: 7 },
    tried: {},
    clusters: 1,
    quality: 1,
    silhouette: 1,
    stability: 1,
    threshold: 0.7,
    outlier_rate: 0,
    drifts: 0,
    changes: 1,
    points_per_second: 1,
    agreement: 1,
    truth: null,
    cluster_summaries: [CLUSTER],
    clusters_left_out: 0,
  };
  const body = {
    stream: 's',
    start: 'model',
    first: 1,
    last: 2,
    points: 10,
    complete: true,
    cpu_seconds: 0.1,
    live: side,
    configurations: [{ ...side, name: 'max_clusters=7', tried: { max_clusters: 7 } }],
  };
  const busy = { status: 409, body: { detail: 'busy', error_code: 'TOO_MANY_SHADOWS' } };
  const { client, asked, patiently } = serving(busy, LOST, { body });
  const options = {
    stream: 's',
    params: { max_clusters: 7 },
    lastPoints: 10,
    points: [[1, 2]],
  };
  const result = await patiently(client.shadow(options));
  expect(asked.map(({ url }) => new URL(url).pathname)).toEqual(
    Array(3).fill('/api/v1/shadow'),
  );
  expect(JSON.parse(asked[0]?.body ?? '')).toEqual({
    stream: 's',
    params: { max_clusters: 7 },
    last_points: 10,
    points: [[1, 2]],
  });
  expect(result.configurations[0]?.tried).toEqual({ max_clusters: 7 });
  expect(result.live.clusterSummaries[0]?.clusterId).toBe(0);
});

test('the parameters in force can be read', async () => {
  const { client, asked } = serving({
    body: { stream: 's', offset: 3, params: { base_threshold: 0.7 } },
  });
  expect(await client.getParameters({ stream: 's' })).toEqual({ base_threshold: 0.7 });
  expect([asked[0]?.method, asked[0]?.url]).toEqual([
    'GET',
    'http://host:1/api/v1/algorithm/config?stream=s',
  ]);
});

test('a password becomes a token, which is used from then on', async () => {
  const { client, asked } = serving(
    { body: { access_token: 'JWT', token_type: 'bearer', expires_in: 9 } },
    { body: ['a'] },
  );
  expect(await client.login('me', 'p&ss')).toBe('JWT');
  await client.listStreams();
  expect([asked[0]?.body, asked[0]?.headers.Authorization]).toEqual([
    'username=me&password=p%26ss',
    undefined,
  ]);
  expect(asked[1]?.headers.Authorization).toBe('Bearer JWT');
});

describe('a refusal', () => {
  test.each<[number, unknown, new (...args: never[]) => RefusedError, Record<string, unknown>]>(
    [
      [
        401,
        {
          detail: 'Authentication failed',
          error_code: 'AUTHENTICATION_ERROR',
          reason: 'key_invalid',
        },
        AuthenticationError,
        { code: 'key_invalid' },
      ],
      [
        422,
        {
          detail: [{ loc: ['body', 'points', 3], msg: 'no', type: 'x' }],
          reason: 'empty_point',
        },
        ValidationError,
        { index: 3, detail: 'no', code: 'empty_point' },
      ],
      [
        422,
        { detail: 'no', error_code: 'RAGGED_POINTS' },
        ValidationError,
        { code: 'ragged_points' },
      ],
      [
        403,
        { detail: 'no', error_code: 'PERMISSION_DENIED' },
        RefusedError,
        { statusCode: 403 },
      ],
      [
        502,
        '<html>bad gateway</html>',
        RefusedError,
        { code: 'http_502', detail: '<html>bad gateway</html>' },
      ],
    ],
  )('with %i is an error that says what and where', async (status, body, kind, fields) => {
    const { client } = serving({ status, body });
    const error = await client.resetAlgorithm().catch((e: unknown) => e);
    expect(error).toBeInstanceOf(kind);
    expect(error).toBeInstanceOf(NCSError);
    expect(error).toMatchObject(fields);
  });

  test('for the rate is waited out as long as it says, and told at last', async () => {
    const { client, asked, world } = serving({
      status: 429,
      body: { detail: 'slow', error_code: 'RATE_LIMITED', retry_after: 7 },
    });
    const asking = client.resetAlgorithm();
    asking.catch(() => {});
    await settled();
    world.pass(6999);
    await settled();
    expect(asked.length).toBe(1);
    for (let turn = 0; turn < 5; turn += 1) {
      world.pass(7000);
      await settled();
    }
    const error = await asking.catch((e: unknown) => e);
    expect(error).toBeInstanceOf(RateLimitError);
    expect([asked.length, (error as RateLimitError).retryAfter]).toEqual([4, 7]);
  });

  test('for a token that has expired is answered with a fresh one, once', async () => {
    const expired = { status: 401, body: { detail: 'no', reason: 'token_expired' } };
    const { world, asked, fetched } = serving(expired);
    const reasons: TokenReason[] = [];
    const token = (reason: TokenReason) => `token ${reasons.push(reason)}`;
    const client = world.client({ token, fetch: fetched });
    await expect(client.listStreams()).rejects.toThrow(AuthenticationError);
    expect([reasons, asked.map((a) => a.headers.Authorization)]).toEqual([
      ['connect', 'expired'],
      ['Bearer token 1', 'Bearer token 2'],
    ]);
  });
});

test('an answer that is not what was asked for is told', async () => {
  await expect(serving({ body: { stream: 7 } }).client.resetAlgorithm()).rejects.toThrow(
    'stream has to be string',
  );
  await expect(serving({ body: 'hello' }).client.listStreams()).rejects.toThrow(ProtocolError);
});

test('reads are repeated, and at last the reason is told', async () => {
  const { client, asked, patiently } = serving(LOST);
  await expect(patiently(client.listStreams())).rejects.toThrow(
    'no answer from http://host:1/: ECONNREFUSED',
  );
  expect(asked.length).toBe(4);
});

test('a signal ends a request, and the wait between two', async () => {
  const { client, world } = serving(LOST);
  const abort = new AbortController();
  const asking = client.listStreams({ signal: abort.signal });
  asking.catch(() => {});
  await settled();
  abort.abort(new Error('enough'));
  await expect(asking).rejects.toThrow('enough');
  expect(world.timers).toBe(0);
});

test('a request without an answer ends after its time', async () => {
  const never = (_: unknown, { signal }: RequestInit = {}) =>
    new Promise<Response>((_resolve, reject) => {
      signal?.addEventListener('abort', () => reject(signal.reason));
    });
  const client = new World().client({ fetch: never as typeof fetch, maxRetries: 0 });
  await expect(client.listStreams({ timeout: 5 })).rejects.toThrow('time-out');
});

test.each(['ftp://host', 'host:8000', ''])('%j is no base URL', (baseUrl) => {
  expect(() => new World().client({ baseUrl })).toThrow('http://host:port');
});

describe('an option that there is not', () => {
  /** As JavaScript has it, where no compiler looks. */
  const wrong = (name: string) => ({ [name]: 'x' }) as object;

  test.each<[string, (client: NCSClient) => Promise<unknown>]>([
    ['processPoints', (client) => client.processPoints([[1]], wrong('strem'))],
    ['getAlgorithmStatus', (client) => client.getAlgorithmStatus(wrong('strem'))],
    ['getClusters', (client) => client.getClusters(wrong('strem'))],
    ['listStreams', (client) => client.listStreams(wrong('strem'))],
    ['getParameters', (client) => client.getParameters(wrong('strem'))],
    ['healthCheck', (client) => client.healthCheck(wrong('strem'))],
    ['resetAlgorithm', (client) => client.resetAlgorithm(wrong('strem'))],
    ['configure', (client) => client.configure({}, wrong('strem'))],
    ['shadow', (client) => client.shadow(wrong('strem'))],
    ['startStreaming', (client) => client.startStreaming(wrong('strem'))],
    ['queue', (client) => client.startStreaming({ queue: wrong('strem') })],
    ['backoff', (client) => client.startStreaming({ backoff: wrong('strem') })],
  ])('is told, and nothing is asked of the server: %s', async (method, call) => {
    const { client, asked } = serving({ body: {} });
    await expect(call(client)).rejects.toThrow(`${method} has no option 'strem'; there are: `);
    expect(asked).toEqual([]);
  });

  test('is told at once where nothing is awaited', async () => {
    const stream = await new World().client().startStreaming({ lazy: true });
    expect(() => stream.subscribe(wrong('maxHertz'))).toThrow("no option 'maxHertz'");
    await expect(stream.sendBatch([[1]], wrong('strem'))).rejects.toThrow("no option 'strem'");
    await expect(stream.stop(wrong('ms'))).rejects.toThrow("no option 'ms'");
    await stream.stop();
    expect(() => new NCSClient({ baseURL: 'x' } as never)).toThrow("no option 'baseURL'");
  });
});

test('points that are none are refused as they are in a session', async () => {
  const { client, asked } = serving({ body: {} });
  const all = [1, 2] as unknown as number[][];
  await expect(client.processPoints(all)).rejects.toMatchObject({
    code: 'invalid_message',
    index: 0,
  });
  await expect(client.processPoints([[1, Number.NaN]])).rejects.toMatchObject({
    code: 'not_finite',
    index: 0,
  });
  expect(asked).toEqual([]);
});
