// Requests as the guides show them.

import { NCSClient } from 'ncs-javascript-sdk';

const client = new NCSClient({
  baseUrl: 'http://localhost:8000',
  apiKey: 'your-api-key',
});

const health = await client.healthCheck();
const points = [
  [1.0, 2.0, 3.0],
  [1.1, 2.1, 3.1],
  [10.0, 20.0, 30.0],
];
const result = await client.processPoints(points);
console.log(`Found ${result.clusters.length} clusters`);
result.clusters.forEach((cluster) => console.log(`quality ${cluster.quality}`));
for (const { inputPoint, clusterId } of result) console.log(inputPoint, clusterId);

const before = await client.getAlgorithmStatus();
await client.resetAlgorithm();
const after = await client.getAlgorithmStatus();

const stream = await client.startStreaming({
  connectionId: 'main-processor',
  onMessage: ({ type, data }) => console.log(type, typeof data),
  onError: (error) => console.error(error),
});
let refused = null;
await stream.sendBatch([[1, 2], [1]]).catch((error) => {
  refused = error.code;
});
await stream.sendBatch(points);
await stream.stop();

console.log(
  JSON.stringify({
    status: health.status,
    ready: health.algorithmReady,
    uptime: health.uptimeSeconds > 0,
    outliers: result.outliers.length,
    quality: result.algorithmQuality >= 0 && result.processingTimeMs >= 0,
    threshold: before.currentDynamicThreshold > 0,
    processed: [before.totalPointsProcessed, after.totalPointsProcessed],
    refused,
  }),
);
