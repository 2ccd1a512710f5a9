/** The driver of the JavaScript SDK; what it is told and says is in ../README.md. */

import { createInterface } from 'node:readline';
import {
  ClusterView,
  ConnectionEndedError,
  NCSClient,
  ProtocolError,
  RefusedError,
} from '../../javascript/dist/index.js';

const tell = (what, fields = {}) => console.log(JSON.stringify({ tell: what, ...fields }));
const isEnd = (error) =>
  error instanceof ConnectionEndedError || error instanceof ProtocolError;
const tellEnd = ({ closeCode = null, code = null }) => tell('ended', { close_code: closeCode, code });

let current = '';
let stream;
let mayRead = Promise.resolve();
let readOn = () => {};
const view = new ClusterView();

const commands = {
  async connect({ url, token, stream: name, codec, ...options }) {
    const { first_ms: firstMs = 20, longest_ms: longestMs = 200, draw } = options;
    current = token;
    const client = new NCSClient({
      baseUrl: url,
      token: (reason) => {
        tell('wants', { reason });
        return current;
      },
      ...(draw === undefined ? {} : { random: () => draw }),
    });
    stream = await client
      .startStreaming({
        stream: name,
        codec,
        producer: options.producer,
        reconnectAttempts: options.reconnect_attempts,
        eventCredit: options.event_credit,
        backoff: { firstMs, longestMs },
        onReconnect: (attempt) => tell('reconnect', { attempt }),
        onError: (error) => tell('error', { error: String(error) }),
        onClose: (error) => error && tellEnd(error),
      })
      .catch((error) => {
        if (!(error instanceof ConnectionEndedError)) throw error;
      });
    if (!stream) return;
    stream.addEventListener('lagging', ({ detail }) => tell('lagging', { level: detail.level }));
    stream.addEventListener('caughtup', () => tell('caught_up'));
    tell('open');
  },

  async send({ tag, points, results }) {
    try {
      const done = await stream.sendBatch(points, { results });
      const { accepted, duplicate } = done;
      tell('acked', { tag, accepted, duplicate, results: done.results });
    } catch (error) {
      if (error instanceof RefusedError)
        tell('refused', { tag, code: error.code, index: error.index ?? null });
      else if (isEnd(error)) tell('lost', { tag });
      else throw error;
    }
  },

  async subscribe({ max_queue: maxQueue, ...options }) {
    try {
      const events = stream.subscribe({ maxQueue, ...options });
      for (;;) {
        await mayRead;
        const { value: event, done } = await events.next();
        if (done) break;
        view.apply(event);
        told(event);
      }
    } catch (error) {
      if (error instanceof RefusedError) tell('unsubscribed', { code: error.code });
      else if (!isEnd(error)) throw error;
    }
  },

  read({ paused }) {
    readOn();
    if (paused)
      mayRead = new Promise((resolve) => {
        readOn = resolve;
      });
  },

  view: () => tell('view', { clusters: [...view.clusters.values()] }),
  token: ({ token }) => {
    current = token;
  },
  mark: (fields) => tell('mark', fields),
  async stop() {
    await stream.stop();
    tell('stopped');
  },
};

function told(event) {
  const { type, epoch, offsets, offset } = event;
  if (offsets) tell('event', { type, epoch, offsets });
  else {
    const { class: delivery, from = offset, to = offset, data } = event;
    tell('event', { type, epoch, class: delivery, from, to, change: data.change ?? null });
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const { do: what, ...fields } = JSON.parse(line);
  Promise.resolve(commands[what](fields)).catch((error) => {
    console.error(error);
    process.exit(1);
  });
}
