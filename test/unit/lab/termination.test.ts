// SPDX-License-Identifier: Apache-2.0
// How a pod's process ends, with real processes and real signals.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import test, { type ExecutionContext } from 'ava';
import { Termination } from '../../lab/termination.ts';

/** A day: it is never waited for. */
const LONG = 86_400;

/** Tells each SIGTERM, and ends by it when `obeys`. */
async function start(t: ExecutionContext, { obeys = false, preStopSeconds = 0 } = {}) {
  const program = `
    process.on('SIGTERM', () => { console.log('told'); ${obeys ? 'process.exit(0);' : ''} });
    setInterval(() => {}, 1000);
    console.log('up');`;
  const child = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.teardown(() => child.kill('SIGKILL'));
  const said: string[] = [];
  const lines = createInterface({ input: child.stdout });
  lines.on('line', (line) => said.push(line));
  const ended = once(child, 'close').then(([code, signal]) => signal ?? code);
  const kill = (signal: 'SIGTERM' | 'SIGKILL') => {
    said.push(signal);
    return child.kill(signal);
  };
  await once(lines, 'line');
  return {
    child,
    lines,
    said,
    ended,
    termination: new Termination({ kill, ended }, preStopSeconds),
  };
}

test('who obeys SIGTERM is not killed', async (t) => {
  const { said, ended, termination } = await start(t, { obeys: true });
  await termination.within(LONG);
  t.is(await ended, 0);
  t.deepEqual(said, ['up', 'SIGTERM', 'told']);
});

test('who does not is killed in the end', async (t) => {
  const { said, ended, termination } = await start(t);
  await termination.within(1);
  t.is(await ended, 'SIGKILL');
  t.deepEqual(said, ['up', 'SIGTERM', 'told', 'SIGKILL']);
});

test('a grace period that has begun can be shortened', async (t) => {
  const { lines, ended, termination } = await start(t);
  const first = termination.within(LONG);
  await once(lines, 'line');
  void termination.within(LONG * 2);
  await Promise.all([termination.within(1), first]);
  t.is(await ended, 'SIGKILL');
});

test('preStop comes first, and no longer than the grace period allows', async (t) => {
  const { said, ended, termination } = await start(t, { obeys: true, preStopSeconds: LONG });
  const first = termination.within(LONG);
  await termination.within(0);
  await first;
  t.is(await ended, 0, 'there is time to end even then');
  t.deepEqual(said, ['up', 'SIGTERM', 'told']);
});

test('who ends during preStop is told nothing', async (t) => {
  const { child, said, termination } = await start(t, { preStopSeconds: LONG });
  const over = termination.within(LONG);
  child.kill('SIGKILL');
  await over;
  await termination.within(1);
  t.deepEqual(said, ['up']);
});
