/**
 * Push points and keep a copy of the clusters that they make.
 *
 *     NCS_URL=http://127.0.0.1:8000 node examples/push_and_follow.js
 */

import { ClusterView, NCSClient } from 'ncs-javascript-sdk';

const client = new NCSClient({ baseUrl: process.env.NCS_URL ?? 'http://127.0.0.1:8000' });
await client.login('admin', 'admin123'); // a development server on this machine

const stream = await client.startStreaming({ stream: 'example', producer: 'example-1' });
const view = new ClusterView();
const events = stream.subscribe();
const following = (async () => {
  for await (const event of events) view.apply(event);
})();

const around = (value) => value + Math.random();
for (let n = 0; n < 20; n += 1) {
  const { accepted } = await stream.sendBatch([
    [around(0), around(0)],
    [around(50), around(20)],
  ]);
  if (n === 0) console.log(`${accepted} points are in the model`);
}

// Events follow the acks; the state of the engine comes about once a second.
const seen = () => view.status?.total_points_processed ?? 0;
while (seen() < 40) await new Promise((resolve) => setTimeout(resolve, 50));
console.log(`${seen()} points in ${view.clusters.size} clusters`);
for (const { cluster_id, size, centroid } of view.clusters.values()) {
  console.log(`cluster ${cluster_id}: ${size} points around ${centroid.map(Math.round)}`);
}
await stream.stop();
await following;
