// SPDX-License-Identifier: Apache-2.0
// `npm run bench` from end to end, with few Services: that it measures and reports, not what.

import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import test from 'ava';
import { requireProgram, requireRoot } from '../helpers/requirements.ts';
import { readResult } from './report/read-result.ts';
import { LATENCY_KINDS } from './result.ts';

const run = promisify(execFile);
const MAIN = fileURLToPath(new URL('main.ts', import.meta.url));
const SMALL = ['--services', '10,20', '--parts', 'inside', '--proxies', 'signalbox'];
const SHORT = ['--rounds', '1', '--exchanges', '40'];

test.serial('it measures at each size and writes its report', async (t) => {
  if (!requireRoot(t) || !requireProgram(t, 'cc')) return;
  const directory = mkdtempSync(path.join(tmpdir(), 'bench-test-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const report = path.join(directory, 'made-on-the-way');

  const argv = [MAIN, ...SMALL, ...SHORT, '--report', report];
  const { stdout } = await run(process.execPath, argv);

  const files = readdirSync(report).sort();
  t.deepEqual(
    files.map((file) => path.extname(file)),
    ['.html', '.json', '.md'],
  );
  const result = readResult(path.join(report, files[1] ?? ''));
  t.deepEqual(
    result.latencies.map(({ services, kind }) => `${kind} ${services}`),
    [10, 20].flatMap((services) => LATENCY_KINDS.map((kind) => `${kind} ${services}`)),
  );
  for (const { kind, arms } of result.latencies) {
    t.deepEqual(
      arms.map(({ arm, us }) => [arm, us.count]),
      ['direct', 'directAgain', 'signalbox'].map((arm) => [arm, 40]),
      kind,
    );
  }
  t.regex(stdout, /^ClusterIP, connect\(\), IPv4, 20 Services .*1\.03/m);
  t.regex(stdout, /^one change, .* not measured .* not judged/m);
});

test.serial('what cannot be is refused before anything is started', async (t) => {
  const attempt = (...args: string[]) => run(process.execPath, [MAIN, ...args]);
  const words = { code: 2, message: /whole number/ };
  await t.throwsAsync(attempt('--endpoints', 'many'), words);
  await t.throwsAsync(attempt('--services', '20,10'), { code: 2, message: /ascend/ });
  await t.throwsAsync(attempt('--parts', 'everything'), { code: 2, message: /inside, outside/ });
  if (!requireRoot(t)) return;
  await t.throwsAsync(attempt('--kube-proxy', '/dev/null'), {
    code: 1,
    message: /\/dev\/null is no program that can be run/,
  });
});
