// SPDX-License-Identifier: Apache-2.0
// The health server while processes of this machine hold and renew a thousand connections to it: probes from another
// address are answered, each of them.

import { fork } from 'node:child_process';
import { once } from 'node:events';
import http from 'node:http';
import path from 'node:path';
import test from 'ava';
import { ProxyHealthServer } from '../../../agent/telemetry/proxy-health-server.ts';
import { faultTest } from '../../faults/fault-test.ts';
import { until } from '../../lab/until.ts';
import { recordLog } from '../cluster/recorded-log.ts';

const FLOOD = path.join(import.meta.dirname, 'flood-client.ts');
const FLOODS = 2;
const CONNECTIONS = 500;
const PROBES = 40;
/** More than kubelet gives a probe: this machine is busy with the flood. */
const PATIENCE_MS = 20_000;

/** @returns the status of the answer; the reason why there is none. */
function probe(port: number): Promise<number | string> {
  return new Promise((resolve) => {
    const request = http.get({
      host: '127.0.0.1',
      port,
      path: '/livez',
      localAddress: '127.0.0.2',
      timeout: PATIENCE_MS,
      agent: false,
    });
    request.on('timeout', () => request.destroy(new Error('no answer in time')));
    request.on('error', (error) => resolve(error.message));
    request.on('response', (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
  });
}

faultTest(test, 'health-flood', async (t, report) => {
  const server = new ProxyHealthServer({
    bind: { host: '127.0.0.1', port: 0 },
    health: () => ({ isHealthy: true, updatedAt: new Date() }),
    isNodeEligible: () => true,
    notReady: () => undefined,
    families: ['IPv4'],
    log: recordLog().log,
  });
  server.start();
  t.teardown(() => server.close());
  await until('the server listens', () => server.address);
  const port = server.address?.port ?? 0;

  const opened: number[] = [];
  for (let i = 0; i < FLOODS; i++) {
    const child = fork(FLOOD, [String(port), String(CONNECTIONS)]);
    t.teardown(async () => {
      const ended = once(child, 'exit');
      child.disconnect();
      await ended;
    });
    child.on('message', (count) => {
      opened[i] = Number(count);
    });
  }
  const all = () => opened.reduce((sum, count) => sum + count, 0);
  await until('the flood has come', () => all() > FLOODS * CONNECTIONS);
  let worstMs = 0;
  const failed: (number | string)[] = [];
  for (let i = 0; i < PROBES; i++) {
    const begun = performance.now();
    const answer = await probe(port);
    worstMs = Math.max(worstMs, performance.now() - begun);
    if (answer !== 200) failed.push(answer);
  }
  t.deepEqual(failed, []);
  const note = `${all()} connections of the flood; the slowest probe took ${worstMs.toFixed(0)} ms`;
  report({ injections: all(), attempts: PROBES, failed: failed.length, note });
});
