// As the guides show it: told of a severe drift, the application resets the algorithm.

import { NCSClient } from 'ncs-javascript-sdk';

const client = new NCSClient({ baseUrl: 'http://localhost:8000', apiKey: 'your-api-key' });

let severe = null;
let isReset = () => {};
const reset = new Promise((resolve) => {
  isReset = resolve;
});
const stream = await client.startStreaming({
  connectionId: 'drift-watch',
  onMessage: async (message) => {
    if (message.type !== 'drift_detection' || severe) return;
    if (message.data.severity === 'high') {
      severe = message.data;
      isReset(await client.resetAlgorithm());
    }
  },
});

// Everything is replaced at once by something else.
const around = (centre) => centre.map((value) => value + Math.random());
for (let n = 0; n < 40; n += 1) {
  await stream.sendBatch(Array.from({ length: 50 }, () => around([0, 0, 0])));
}
while (!severe) {
  await stream.sendBatch(Array.from({ length: 50 }, () => around([500, -300, 80])));
}
await reset;
await stream.stop();
const { severity, affected_clusters, recommendation } = severe;
console.log(
  JSON.stringify({ severity, affected: affected_clusters.length > 0, recommendation }),
);
