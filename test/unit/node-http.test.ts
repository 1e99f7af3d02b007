// SPDX-License-Identifier: Apache-2.0
// What the agent's modules bring with them: what it never uses costs memory on every node, and time at every start.

import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import test from 'ava';

const run = promisify(execFile);
const AGENT = new URL('../../agent/commands/agent.ts', import.meta.url).href;

/** Of Node's own modules. */
async function loadedBy(statement: string): Promise<string> {
  const script = `${statement}; console.log(process.moduleLoadList.join('\\n'))`;
  const argv = ['--input-type=module', '-e', script];
  const { stdout } = await run(process.execPath, argv, {
    cwd: fileURLToPath(new URL('.', import.meta.url)),
  });
  return stdout;
}

test('the agent serves and asks over HTTP, and does not load undici for it', async (t) => {
  const loaded = await loadedBy(`await import('${AGENT}')`);
  t.regex(loaded, /^NativeModule http$/m);
  t.notRegex(loaded, /undici/);
});

test('an import of node:http would', async (t) => {
  t.regex(await loadedBy(`await import('node:http')`), /undici/);
});
