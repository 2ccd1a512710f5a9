/**
 * Send a source of many points in batches, several at a time, and hear what they change.
 *
 *     NCS_URL=http://127.0.0.1:8000 node examples/high_volume.js
 */

import { NCSClient } from 'ncs-javascript-sdk';

const POINTS = 10_000;
const BATCH = 50;
const AT_ONCE = 5;

async function* readings() {
  for (let n = 0; n < POINTS; n += 1) {
    const line = n % 3;
    yield [100 * line + Math.random(), 20 * line + Math.random(), Math.random()];
  }
}

const client = new NCSClient({ baseUrl: process.env.NCS_URL ?? 'http://127.0.0.1:8000' });
await client.login('admin', 'admin123'); // a development server on this machine

const heard = new Map();
const stream = await client.startStreaming({
  stream: 'volume',
  connectionId: 'high-volume',
  reconnectAttempts: 10,
  onMessage: ({ type }) => heard.set(type, (heard.get(type) ?? 0) + 1),
  onError: (error) => console.error(error.message),
  onReconnect: (attempt) => console.log(`reconnecting, attempt ${attempt}`),
  onClose: () => console.log('closed'),
});

const sending = new Set();
let sent = 0;

async function send(batch) {
  const task = stream.sendBatch(batch).then(({ accepted }) => {
    sent += accepted;
    sending.delete(task);
  });
  sending.add(task);
  if (sending.size >= AT_ONCE) await Promise.race(sending);
}

let batch = [];
for await (const point of readings()) {
  batch.push(point);
  if (batch.length < BATCH) continue;
  await send(batch);
  batch = [];
}
if (batch.length > 0) await send(batch);
await Promise.all(sending);
console.log(`${sent} points are in the model`);
await stream.stop();
console.log(`heard of it: ${[...heard.keys()].sort().join(', ')}`);
