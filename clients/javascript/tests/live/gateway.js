/**
 * Pushes and follows a stream of a real server until it is told to stop.
 *
 * The test that runs it breaks things around it. It writes what happens as lines of JSON,
 * and reads what it is told: `{"token": "..."}`, `"view"`, `"hold"`, `"go on"`, `"stop"`.
 */

import { createInterface } from 'node:readline';
import { WebSocket } from 'ws';
import { ClusterView, NCSClient } from '../../dist/index.js';

const { NCS_URL, NCS_TOKEN, NCS_CODEC = 'msgpack', NCS_FAULT, NCS_PRODUCER } = process.env;
const SENDERS = 8;
const CENTRES = [0, 40, 90];

const tell = (what) => console.log(JSON.stringify(what));

/**
 * Loses or doubles frames on the way, until it is to stop, as NCS_FAULT says; for JSON.
 *
 * An ack is lost only if another one follows: nobody asks for one again while the
 * connection lives.
 */
class Faulty extends WebSocket {
  #count = 0;
  #lastSeq = 0;

  send(frame) {
    const isPoints = NCS_FAULT && !stopping && frame.includes('"type":"points"');
    if (isPoints) this.#lastSeq = JSON.parse(frame).seq;
    if (isPoints && NCS_FAULT === 'lose points' && ++this.#count % 5 === 0) return;
    super.send(frame);
    if (isPoints && NCS_FAULT === 'double points') super.send(frame);
  }

  set onmessage(take) {
    super.onmessage =
      take &&
      ((event) => {
        const mayLose = NCS_FAULT === 'lose acks' && !stopping;
        const isAck = mayLose && event.data.includes('"type":"ack"');
        const isLast = isAck && JSON.parse(event.data).seq >= this.#lastSeq;
        if (!isAck || isLast || ++this.#count % 5) take(event);
      });
  }
}

let stopping = false;
let held = Promise.resolve();
let goOn = () => {};
const asked = [];
let wanted = null;
const lines = createInterface({ input: process.stdin });
lines.on('line', (line) => {
  const command = JSON.parse(line);
  if (command === 'view')
    tell({
      clusters: [...view.clusters.values()],
      gaps: events.gaps,
      waiting: stream.unacknowledged,
    });
  else if (command === 'stop') stopping = true;
  else if (command === 'hold')
    held = new Promise((resolve) => {
      goOn = resolve;
    });
  else if (command === 'go on') goOn();
  else wanted?.(command.token);
});

const client = new NCSClient({
  baseUrl: NCS_URL,
  WebSocket: Faulty,
  token: (reason) => {
    asked.push(reason);
    if (NCS_TOKEN) return NCS_TOKEN;
    tell({ wants: reason });
    return new Promise((resolve) => {
      wanted = resolve;
    });
  },
});

let acked = 0;
let duplicates = 0;
const stream = await client.startStreaming({
  codec: NCS_CODEC,
  stream: 's',
  ...(NCS_PRODUCER ? { producer: NCS_PRODUCER } : {}),
  backoff: { longestMs: 200 },
  onReconnect: (attempt) => tell({ reconnect: attempt }),
  onError: (error) => tell({ error: `${error}` }),
  onClose: (error) => tell({ closed: `${error}` }),
});
stream.addEventListener('state', ({ detail }) =>
  tell({ state: detail.state, why: detail.reason }),
);

const view = new ClusterView();
const events = stream.subscribe();
const following = (async () => {
  for await (const event of events) {
    view.apply(event);
    const { type, epoch, offset } = event;
    if (type === 'snapshot') tell({ snapshot: event.offsets.lossless, epoch });
    else if (event.class === 'lossless') tell({ lossless: offset, epoch });
  }
})();

async function send(sender) {
  // One goes out after the line has become whole: what was lost last is noticed by it.
  for (let n = 0, last = false; !last; n += 1) {
    last = stopping;
    await held;
    const centre = CENTRES[(n + sender) % CENTRES.length];
    const points = Array.from({ length: 1 + (n % 4) }, (_, i) => [
      centre + ((n * 7 + i) % 10) / 10,
      sender / SENDERS - centre,
    ]);
    const { accepted, duplicate } = await stream.sendBatch(points, { metadata: { sender, n } });
    acked += accepted;
    duplicates += duplicate;
    tell({ acked });
  }
}
const sending = Array.from({ length: SENDERS }, (_, sender) => send(sender));
await Promise.all(sending).catch(({ code }) => tell({ failed: code }));
await Promise.allSettled(sending);
tell({ pushed: acked, duplicates, asked });

await new Promise((resolve) => lines.once('close', resolve));
await stream.stop();
await following;
tell({ state: stream.state });
