// SPDX-License-Identifier: Apache-2.0
// `bench clusterip` from end to end, with few Services: that it measures, not what.

import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import test from 'ava';
import { requireProgram, requireRoot } from '../helpers/requirements.ts';
import type { Report } from './clusterip-report.ts';

const run = promisify(execFile);
const MAIN = fileURLToPath(new URL('main.ts', import.meta.url));
const SMALL = ['--services', '20', '--starts', '1', '--settle', '1', '--changes', '3'];
const SHORT = ['--rounds', '1', '--exchanges', '100'];

/** Of the agent itself, during a measurement. */
const OWN_CONNECTIONS = 5;

test.serial('it measures everything and says so in JSON', async (t) => {
  if (!requireRoot(t) || !requireProgram(t, 'cc')) return;
  const directory = mkdtempSync(path.join(tmpdir(), 'bench-test-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const json = path.join(directory, 'made-on-the-way/clusterip.json');

  const { stdout } = await run(process.execPath, [
    MAIN,
    'clusterip',
    ...SMALL,
    ...SHORT,
    '--json',
    json,
  ]);

  const report = JSON.parse(readFileSync(json, 'utf8')) as Report;
  t.regex(stdout, /^connect\(\) through the Service .* 1\.03$/m);
  for (const { starts } of [report.smallStarts, report.coldStarts, report.warmStarts])
    t.is(starts.length, 1);
  t.regex(stdout, /^warm start to ready .* 1000 ms .*$/m);
  t.is(report.change.publishedMs.count, 3);
  t.true(report.fill.passes >= 1);
  t.true(report.coldStarts.memory.tablesMiB > 0);
  t.is(report.proxies[0]?.name, 'signalbox');
  t.true((report.proxies[0]?.kernelMiB ?? 1) > 0);
  t.regex(stdout, /^kube-proxy, nftables /m);
  for (const exchanges of [report.tcp, report.udp]) {
    t.deepEqual(
      Object.values(exchanges.arms).map((arm) => arm.count),
      [100, 100, 100, 100],
    );
    t.true(exchanges.service.ofMedians > 0);
  }
  // Each program that the client's exchanges pass through was counted, and no other's runs with it.
  t.deepEqual(
    report.programs
      .map(({ program, protocol, case: met }) => `${protocol} ${met} ${program}`)
      .sort(),
    [
      'TCP missed connect4',
      'TCP missed getpeername4',
      'TCP service connect4',
      'TCP service getpeername4',
      'UDP missed recvmsg4',
      'UDP missed sendmsg4',
      'UDP service recvmsg4',
      'UDP service sendmsg4',
    ],
  );
  const runs = report.programs.map((program) => program.runs);
  // The agent is in the same cgroup, and may have had something to tell the API server.
  t.true(Math.max(...runs) - Math.min(...runs) <= OWN_CONNECTIONS, runs.join());
});

test.serial('a kube-proxy that cannot be run is said before anything is started', async (t) => {
  const attempt = run(process.execPath, [MAIN, 'clusterip', '--kube-proxy', '/dev/null']);
  await t.throwsAsync(attempt, { message: /\/dev\/null is no program that can be run/ });
});

test.serial('what is no number is refused before anything is started', async (t) => {
  const attempt = run(process.execPath, [MAIN, 'clusterip', '--services', 'many']);
  await t.throwsAsync(attempt, { code: 2, message: /whole number/ });
});
