// The class of the guides: high volumes from any source, several batches in flight.

import { NCSClient } from 'ncs-javascript-sdk';

class RealTimeProcessor {
  constructor(apiKey, baseUrl) {
    this.client = new NCSClient({ baseUrl, apiKey });
    this.stream = null;
    this.clusters = new Map();
    this.seen = new Map();
    this.errors = [];
    this.closed = false;
  }

  async start() {
    this.stream = await this.client.startStreaming({
      connectionId: 'main-processor',
      reconnectAttempts: 5,
      onMessage: (message) => this.handleMessage(message),
      onError: (error) => this.handleError(error),
      onReconnect: (attempt) => console.log(`Reconnection attempt ${attempt}`),
      onClose: () => {
        this.closed = true;
      },
    });
  }

  handleMessage(message) {
    this.seen.set(message.type, (this.seen.get(message.type) ?? 0) + 1);
    switch (message.type) {
      case 'cluster_update':
        this.handleClusterUpdate(message.data);
        break;
      case 'algorithm_status':
        this.quality = message.data.clustering_quality;
        break;
      case 'drift_detection':
        this.handleDrift(message.data);
        break;
      case 'performance_metrics':
        this.performance = message.data;
        break;
    }
  }

  handleClusterUpdate(data) {
    this.clusters.set(data.cluster_id, {
      size: data.size,
      quality: data.quality,
      lastUpdate: new Date(),
    });
    if (data.drift_coefficient > 0.9) console.warn(`cluster ${data.cluster_id} drifts`);
  }

  async handleDrift(data) {
    this.drift = data;
    console.warn(`Drift: ${data.severity}, clusters ${data.affected_clusters.join(', ')}`);
    console.log(`Recommendation: ${data.recommendation}`);
    if (data.severity === 'high' && !this.reset) {
      this.reset = true;
      await this.client.resetAlgorithm();
    }
  }

  handleError(error) {
    this.errors.push(error.message);
  }

  async processDataStream(source, { batchSize = 50, maxConcurrent = 3 } = {}) {
    const running = new Set();
    let batch = [];
    const send = async () => {
      if (running.size >= maxConcurrent) await Promise.race(running);
      const promise = this.stream
        .sendBatch(batch)
        .catch((error) => this.handleError(error))
        .finally(() => running.delete(promise));
      running.add(promise);
      batch = [];
    };
    for await (const point of source) {
      batch.push(point);
      if (batch.length >= batchSize) await send();
    }
    if (batch.length > 0) await send();
    await Promise.all(running);
  }

  async stop() {
    if (this.stream) await this.stream.stop();
  }
}

async function* sensorData(count) {
  for (let i = 0; i < count; i += 1) {
    yield [(i % 3) * 30 + Math.random(), (i % 3) * 10 + Math.random(), Math.random()];
  }
}

const processor = new RealTimeProcessor('your-api-key', 'http://localhost:8000');
await processor.start();

await processor.stream.sendPoint([1.0, 2.0, 3.0], {
  metadata: { timestamp: Date.now(), source: 'sensor-1', quality: 'high' },
});
await processor.processDataStream(sensorData(10_000), { batchSize: 50, maxConcurrent: 3 });

// The status comes about once a second.
while (!processor.quality) await new Promise((resolve) => setTimeout(resolve, 100));
await processor.stop();

console.log(
  JSON.stringify({
    clusters: [...processor.clusters.values()].map(({ size }) => size),
    seen: [...processor.seen.keys()].sort(),
    quality: processor.quality,
    errors: processor.errors,
    closed: processor.closed,
  }),
);
