/**
 * Pushes a few points, and follows samples of points and presence until it has seen all.
 *
 * It writes each event as a line of JSON, with the types of its arrays.
 */

import { WebSocket } from 'ws';
import { NCSClient } from '../../dist/index.js';

const { NCS_URL, NCS_TOKEN, NCS_CODEC } = process.env;
const tell = (what) => console.log(JSON.stringify(what));
const array = ({ data, shape }) => ({ type: data.constructor.name, data: [...data], shape });

const client = new NCSClient({ baseUrl: NCS_URL, token: NCS_TOKEN, WebSocket });
const stream = await client.startStreaming({
  stream: 's',
  codec: NCS_CODEC,
  producer: 'plant-7',
});
const events = stream.subscribe({
  events: ['points_sample', 'presence'],
  sample: { maxPoints: 50, dimensions: [0, 2] },
});
await events.next(); // the snapshot: from here on every point is told of

const sending = (async () => {
  for (let n = 0; n < 6; n += 1) await stream.sendBatch([[n, 7, -n]]);
})();
let learned = 0;
let lastSeq = 0;
for await (const { type, data } of events) {
  if (type === 'points_sample') {
    const { points, cluster_ids, is_outlier, projection, ...rest } = data;
    const arrays = { points, cluster_ids, is_outlier };
    if (projection)
      Object.assign(arrays, { mean: projection.mean, components: projection.components });
    const described = Object.entries(arrays).map(([name, value]) => [name, array(value)]);
    tell({ sample: { ...rest, ...Object.fromEntries(described) } });
    learned += data.learned;
  } else {
    tell({ presence: data });
    lastSeq = data.gateways[0]?.last_seq ?? 0;
  }
  if (learned === 6 && lastSeq === 6) break;
}
await sending;
await stream.stop();
