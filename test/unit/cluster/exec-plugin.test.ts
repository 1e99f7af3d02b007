// SPDX-License-Identifier: Apache-2.0
// A plugin that hangs, or prints what it should not: it is ended, with what it started, and the next request runs it again.

import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { createExecPlugin } from '../../../agent/cluster/exec-plugin.ts';
import { EnvironmentError } from '../../../agent/errors.ts';
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

/** Another program each time, in turn; the last one for ever. */
function pluginInTurn(t: ExecutionContext, programs: readonly string[]) {
  const folder = temporaryFolder(t);
  for (const [i, program] of programs.entries()) {
    writeFileSync(join(folder, `${i}`), `#!/bin/sh\n${program}\n`);
    chmodSync(join(folder, `${i}`), 0o755);
  }
  const next = join(folder, 'next');
  writeFileSync(next, '0');
  const file = join(folder, 'plugin');
  const last = programs.length - 1;
  const choose = `n=$(cat "$NEXT"); [ "$n" = ${last} ] || echo $((n + 1)) > "$NEXT"; exec ./$n`;
  writeFileSync(file, `#!/bin/sh\ncd "\${NEXT%/*}"\n${choose}\n`);
  chmodSync(file, 0o755);
  return createExecPlugin(join(folder, 'config'), '__proto__', {
    command: './plugin',
    env: [{ name: 'NEXT', value: next }],
  });
}

const GOOD = `echo '{"kind": "ExecCredential", "status": {"token": "abc"}}'`;

for (const [what, program, complaint] of [
  ['JSON that has nothing to do with it', "echo '{}'", /not an ExecCredential with a status/],
  ['null', 'echo null', /neither a token nor a certificate/],
  ['an empty status', `echo '{"status": {}}'`, /neither a token nor a certificate/],
  ['no JSON', 'echo token', /not an ExecCredential with a status/],
  ['a status that is no object', `echo '{"status": null}'`, /not an ExecCredential/],
  ['a complaint', 'echo no such user >&2; exit 1', /no such user/],
  ['without an end', 'yes', /it printed more than 1048576 bytes, and was ended/],
  ['errors without an end', 'yes >&2', /it printed more than 1048576 bytes, and was ended/],
] as const) {
  test(`a plugin that once prints ${what} is asked again`, async (t) => {
    const plugin = pluginInTurn(t, [program, GOOD]);
    await t.throwsAsync(plugin.credentials(), { message: complaint });
    t.is((await plugin.credentials()).headers.Authorization, 'Bearer abc');
  });
}

for (const [what, entry] of [
  ['args that are no list', { args: 'a' }],
  ['args that are no texts', { args: [1] }],
  ['env that is no list', { env: { A: 'b' } }],
  ['env of no objects', { env: [null] }],
  ['env without names', { env: [{ value: 'x' }] }],
] as const) {
  test(`an exec entry is refused: ${what}`, (t) => {
    t.throws(() => createExecPlugin('config', 'u', { command: 'x', ...entry }), {
      instanceOf: EnvironmentError,
      message: /^kubeconfig config: user "u": exec has args or env that make no sense$/,
    });
  });
}

/** One that nobody has waited for yet has ended, too. */
function isRunning(pid: string): boolean {
  if (!existsSync(`/proc/${pid}`)) return false;
  return !/^State:\s*Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
}
