/**
 * Build what is published: ES modules with types, and one file for pages without a build.
 */

import { execFileSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';

const here = fileURLToPath(new URL('..', import.meta.url));
const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc');

rmSync(`${here}/dist`, { recursive: true, force: true });
execFileSync(process.execPath, [tsc, '-p', 'tsconfig.build.json'], {
  cwd: here,
  stdio: 'inherit',
});

const bundle = await rolldown({ input: `${here}/dist/index.js`, platform: 'browser' });
await bundle.write({ file: `${here}/dist/ncs-client.js`, format: 'esm', minify: true });
await bundle.close();
