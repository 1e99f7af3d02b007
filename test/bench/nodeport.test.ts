// SPDX-License-Identifier: Apache-2.0
// `bench nodeport` from end to end, with little traffic: that it measures what it says, not how much it is.

import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import test from 'ava';
import { requireProgram, requireRoot } from '../helpers/requirements.ts';
import { budgets } from './nodeport-budgets.ts';
import type { Report } from './nodeport-report.ts';
import { type Ratio, ROUTES } from './nodeport-traffic.ts';

const run = promisify(execFile);
const MAIN = fileURLToPath(new URL('main.ts', import.meta.url));
const UNITS = 200;
const SHORT = [
  ...['--rounds', '2', '--exchanges', `${UNITS}`],
  ...['--datagrams', '640', '--megabytes', '2'],
];

/** Counted only when something went wrong. */
const FAULTS = /^(refused|dropped)_|unknown|gone|restored/;

test.serial('every way is measured, and is the way that it is called', async (t) => {
  if (!requireRoot(t) || !requireProgram(t, 'cc')) return;
  const directory = mkdtempSync(path.join(tmpdir(), 'bench-test-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const json = path.join(directory, 'made-on-the-way/nodeport.json');

  const { stdout } = await run(process.execPath, [MAIN, 'nodeport', ...SHORT, '--json', json]);

  const report = JSON.parse(readFileSync(json, 'utf8')) as Report;
  t.regex(stdout, /^connection and round trip, remote, IPv6 .* 1\.15 +(met|NOT MET)$/m);
  t.regex(stdout, /^CPU per GB, remote, IPv4 .* below 1\.00 +(met|NOT MET)$/m);
  t.is(report.budgets.length, 10);
  for (const latencies of [...report.connections, ...report.roundTrips]) {
    for (const route of ROUTES) t.is(latencies.routes[route].count, 2 * UNITS);
  }
  for (const bulk of [...report.streams, ...report.datagrams]) {
    for (const route of ROUTES) t.true(bulk.routes[route].cpuNs.min > 0);
  }
  // What the programs counted is what tells the ways apart.
  t.is(report.packetPath.length, 3 * 4 * ROUTES.length);
  for (const { kind, route, place, family, programs, outcomes } of report.packetPath) {
    const which = `${kind}, ${route}, ${place}, ${family}: ${JSON.stringify(outcomes)}`;
    const counted = (outcome: string) => outcomes[outcome] ?? 0;
    const runs = programs.reduce((sum, { runsPerUnit }) => sum + runsPerUnit * UNITS, 0);
    const others = Object.keys(outcomes).filter((outcome) => outcome !== 'passed');
    if (route === 'nodePort') {
      const becomes = place === 'local' ? 'delivered' : 'redirected';
      const notThis = place === 'local' ? 'redirected' : 'delivered';
      t.true(counted(`request_${becomes}`) >= UNITS, which);
      // Datagrams are answered by the burst.
      t.true(counted(`reply_${becomes}`) >= (kind === 'datagrams' ? UNITS / 32 : UNITS), which);
      t.is(counted(`request_${notThis}`) + counted(`reply_${notThis}`), 0, which);
      if (kind === 'connections') {
        t.true(counted('flow_created') + counted('flow_replaced') >= UNITS, which);
      }
      t.deepEqual(
        others.filter((outcome) => FAULTS.test(outcome)),
        [],
        which,
      );
      t.true(runs >= UNITS, which);
    } else {
      t.deepEqual(others, [], which);
      // A neighbour may be asked for again at any time; that is all that direct ways have to do with programs.
      if (route === 'passed') t.true(runs >= UNITS, which);
      else t.true(runs < UNITS / 10, which);
    }
  }
});

test.serial('what is no number is refused before anything is started', async (t) => {
  const attempt = run(process.execPath, [MAIN, 'nodeport', '--rounds', 'many']);
  await t.throwsAsync(attempt, { code: 2, message: /whole number/ });
});

test('a budget is met at its limit, but for CPU, which must be below direct', (t) => {
  const same = (ofMedians: number): Ratio => ({ ofMedians, min: 0, max: 0 });
  const ratios = (nodePort: number) => ({
    nodePort: same(nodePort),
    passed: same(9),
    directAgain: same(1),
  });
  const target = { family: 'ipv4', place: 'remote' } as const;
  const verdicts = (connection: number, roundTrip: number, cpu: number) => {
    const none = { ...target, routes: {} as never, timeRatios: ratios(9) };
    return budgets({
      connections: [{ ...none, ratios: ratios(connection) }],
      roundTrips: [{ ...none, ratios: ratios(roundTrip) }],
      streams: [
        { ...none, cpuRatios: ratios(cpu) },
        { ...none, place: 'local', cpuRatios: ratios(cpu) },
      ],
    }).map(({ isMet }) => isMet);
  };
  t.deepEqual(verdicts(1.15, 1.05, 0.999), [true, true, true]);
  t.deepEqual(verdicts(1.151, 1.051, 1), [false, false, false]);
});
