/** The page is static files with hashed names, which the server's wheel contains. */

import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const at = (path: string) => fileURLToPath(new URL(path, import.meta.url));

export default defineConfig({
  base: './', // it may be served below a proxy's path
  resolve: {
    // The SDK is compiled along from its sources, by its public names, so that it need not
    // be built first.
    alias: { 'ncs-javascript-sdk': at('../javascript/src/index.ts') },
    dedupe: ['@msgpack/msgpack'],
  },
  build: {
    target: 'es2022',
    sourcemap: false,
    assetsInlineLimit: 0, // the policy allows no data: URL
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    rolldownOptions: { checks: { pluginTimings: false } }, // a slow machine is no defect
  },
  worker: { format: 'es' },
  test: { include: ['tests/**/*.test.ts'], sequence: { shuffle: true } },
});
