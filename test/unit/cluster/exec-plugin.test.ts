// SPDX-License-Identifier: Apache-2.0
// A plugin that hangs: it is ended, with what it started, and the next request runs it again.

import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { createExecPlugin } from '../../../agent/cluster/exec-plugin.ts';
import { faultTest } from '../../faults/fault-test.ts';
import { eventually } from './eventually.ts';
import { temporaryFolder } from './temporary-folder.ts';

/** Sleeps the first time: in a child, which holds its output open. */
const PLUGIN = `#!/bin/sh
echo run >> "$RUNS"
if [ ! -e "$RUNS.pid" ]; then sleep 1000 & echo $! > "$RUNS.pid"; wait; fi
echo '{"kind": "ExecCredential", "status": {"token": "abc"}}'
`;

faultTest(test, 'api-plugin-hangs', async (t, report) => {
  const folder = temporaryFolder(t);
  const runs = join(folder, 'runs');
  const file = join(folder, 'plugin');
  writeFileSync(file, PLUGIN);
  chmodSync(file, 0o755);
  const entry = { command: './plugin', env: [{ name: 'RUNS', value: runs }] };
  const plugin = createExecPlugin(join(folder, 'config'), 'u', entry, 500);
  const begunMs = performance.now();
  const both = await Promise.allSettled([plugin.credentials(), plugin.credentials()]);
  const endedMs = performance.now() - begunMs;
  for (const { status, reason } of both as PromiseRejectedResult[]) {
    t.is(status, 'rejected');
    t.regex(String(reason), /exec plugin \/.*\/plugin: no answer within 0\.5 s, it was ended/);
  }
  const pid = readFileSync(`${runs}.pid`, 'utf8').trim();
  await eventually(t, 'what it had started has ended', () => !isRunning(pid));
  t.is((await plugin.credentials()).headers.Authorization, 'Bearer abc');
  t.is(readFileSync(runs, 'utf8'), 'run\nrun\n');
  const note = `ended after ${Math.round(endedMs)} ms of 500, the next request has credentials`;
  report({ injections: 1, note });
});

/** One that nobody has waited for yet has ended, too. */
function isRunning(pid: string): boolean {
  if (!existsSync(`/proc/${pid}`)) return false;
  return !/^State:\s*Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
}
