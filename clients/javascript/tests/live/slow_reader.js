/**
 * Follows a stream of a real server, and reads nothing until it is told to.
 *
 * It writes what happens as lines of JSON, and reads what it is told: `"read"`, `"view"`.
 */

import { createInterface } from 'node:readline';
import { WebSocket } from 'ws';
import { ClusterView, NCSClient } from '../../dist/index.js';

const { NCS_URL, NCS_TOKEN } = process.env;
const tell = (what) => console.log(JSON.stringify(what));

const client = new NCSClient({ baseUrl: NCS_URL, token: NCS_TOKEN, WebSocket });
const stream = await client.startStreaming({ stream: 's', eventCredit: 4000 });
stream.addEventListener('lagging', ({ detail }) => tell({ lagging: detail.level }));
stream.addEventListener('caughtup', ({ detail }) => tell({ caughtup: detail.skipped }));
stream.addEventListener('state', ({ detail }) => tell({ state: detail.state }));

const view = new ClusterView();
const events = stream.subscribe({ events: ['cluster_update', 'drift_detection'] });
let mayRead = () => {};
const reading = new Promise((resolve) => {
  mayRead = resolve;
});

const lines = createInterface({ input: process.stdin });
lines.on('line', (line) => {
  if (JSON.parse(line) === 'read') mayRead();
  else tell({ clusters: [...view.clusters.values()], gaps: events.gaps });
});
lines.once('close', () => void stream.stop());

const few = await client.startStreaming({ stream: 's' });
for await (const { type, data } of few.subscribe({ centroids: false, maxHz: 5 })) {
  const update = type === 'snapshot' ? data.clusters[0] : data;
  if (update?.radius === undefined) continue;
  tell({ bare: !('centroid' in update) });
  break;
}
await few.stop();

await reading;
for await (const event of events) {
  view.apply(event);
  const { type, epoch, offset } = event;
  if (type === 'snapshot') tell({ snapshot: event.offsets.lossless, epoch });
  else if (event.class === 'lossless') tell({ lossless: offset, epoch });
}
