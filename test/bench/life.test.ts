// SPDX-License-Identifier: Apache-2.0
// What is measured of a proxy over time is what it is called, with few Services and this proxy alone: that nothing is
// said to have landed, to be served or to have been answered that was not.

import test, { type ExecutionContext } from 'ava';
import { requireProgram, requireRoot } from '../helpers/requirements.ts';
import { type LifeOptions, measureLife, measureSmallStarts } from './life.ts';
import { measureSteadyChanges } from './life-changes.ts';
import { LOAD_KINDS, parseReport, SteadyLoad } from './life-load.ts';
import { lookAtAll, sampleOf } from './life-starts.ts';
import { change, expectationOf, landingOf, type Subject } from './life-subject.ts';
import { Prober } from './prober.ts';
import { Stations } from './stations.ts';
import { Traffic } from './traffic.ts';

const SERVICES = 20;
const UDP_SERVICE = 9;
const SHORT: LifeOptions = {
  starts: 1,
  changes: 3,
  changesPerSecond: 20,
  changesSeconds: 1,
  withinMs: 5_000,
  settleMs: 200,
  idleMs: 500,
};
const SHORTLY_MS = 400;

let started: Promise<Stations> | undefined;

test.after.always(async () => {
  await (await started)?.close();
});

/** One node with everything in the kernel, and the process running. The node is the same for all. */
async function startSubject(t: ExecutionContext): Promise<{ bench: Stations; subject: Subject }> {
  started ??= startBench();
  const bench = await started;
  await bench.programAll();
  const [station] = bench.stations;
  if (!station?.proxy) throw new Error('there is no proxy');
  const { services, directory } = bench;
  const prober = new Prober(station.client, directory);
  t.teardown(() => prober.close());
  const { proxy } = station;
  return { bench, subject: { station, proxy, services, prober, counted: undefined, directory } };
}

async function startBench(): Promise<Stations> {
  const bench = await Stations.start({ arms: ['signalbox'] });
  await Traffic.start(bench);
  await bench.services.growTo(SERVICES);
  return bench;
}

test.serial('all of it is measured, and nothing is left of the proxy', async (t) => {
  if (!requireRoot(t) || !requireProgram(t, 'cc')) return;
  const { bench, subject } = await startSubject(t);

  const small = await measureSmallStarts(bench, SHORT);
  const life = await measureLife(bench, SHORT);

  t.deepEqual(
    [...small, ...life.starts].map(({ kind, services, seconds }) => [
      kind,
      services,
      seconds.count,
    ]),
    [
      ['small', SERVICES, 1],
      ['cold', SERVICES, 1],
      ['warm', SERVICES, 1],
    ],
  );
  for (const { seconds, cpuSeconds } of [...small, ...life.starts]) {
    t.true(seconds.min > 0);
    t.true(cpuSeconds.min > 0);
  }
  t.deepEqual(
    life.changes.map(({ perSecond, landedMs, pending, wentBack }) => ({
      perSecond,
      count: landedMs.count,
      pending,
      wentBack,
    })),
    [
      { perSecond: 0, count: 3, pending: 0, wentBack: 0 },
      { perSecond: 20, count: 20, pending: 0, wentBack: 0 },
    ],
  );
  for (const { landedMs, cpuMsPerChange } of life.changes) {
    t.true(landedMs.min > 0);
    t.true(cpuMsPerChange > 0);
  }
  const [restart] = life.restarts;
  t.is(restart?.failed, 0);
  t.true((restart?.exchanges ?? 0) > 100);
  t.true((restart?.pickedUpMs ?? 0) > 0);
  const [cost] = life.costs;
  t.true((cost?.rssMiB ?? 0) >= (cost?.privateMiB ?? 0));
  t.true((cost?.heapMiB ?? 0) > 0);
  t.true((cost?.mapsMiB ?? 0) > 0);
  t.deepEqual(life.notes, []);

  t.is(subject.proxy.pid, undefined);
  await t.throwsAsync(lookAtAll(subject, SHORTLY_MS), { message: /leads to .* in place of/ });
});

test.serial('what nobody takes up has not landed', async (t) => {
  if (!requireRoot(t) || !requireProgram(t, 'cc')) return;
  const { subject } = await startSubject(t);
  await lookAtAll(subject);
  const { proxy, services } = subject;
  const pid = proxy.pid ?? 0;

  process.kill(pid, 'SIGSTOP');
  // Of UDP: below, those of TCP are changed at random.
  const missed = await change(subject, UDP_SERVICE);
  t.is(await landingOf(missed, SHORTLY_MS), undefined);
  const steady = { perSecond: 10, seconds: 0.5, waitMs: SHORTLY_MS, pauseMs: 1 };
  const { change: none } = await measureSteadyChanges(subject, steady);
  t.is(none.pending, 5);
  t.is(none.landedMs.count, 5);
  t.true(none.landedMs.min >= SHORTLY_MS - 1);
  await t.throwsAsync(lookAtAll(subject, SHORTLY_MS), { message: /leads to .* in place of/ });

  process.kill(pid, 'SIGCONT');
  await proxy.programmed();
  await lookAtAll(subject);
  const seen = await change(subject, UDP_SERVICE);
  const landing = await landingOf(seen, 5_000);
  t.true(services.backends(UDP_SERVICE).includes(landing?.answeredBy ?? ''));
});

test.serial('somebody else who answers has not landed', async (t) => {
  if (!requireRoot(t) || !requireProgram(t, 'cc')) return;
  const { subject } = await startSubject(t);
  const seen = await change(subject, 4);
  const others = { ...seen, expected: subject.services.backends(5) };
  await t.throwsAsync(landingOf(others, 5_000), { message: /answered in place of/ });
});

test.serial('traffic that goes through is counted, and so is what does not', async (t) => {
  if (!requireRoot(t) || !requireProgram(t, 'cc')) return;
  const { subject } = await startSubject(t);
  const { station, proxy, services, directory } = subject;
  const targets = Array.from({ length: SERVICES }, (_, index) => expectationOf(services, index));
  const options = { perSecond: 100, open: 5, patienceSeconds: 2 };

  const served = await SteadyLoad.begin(station.client, directory, targets, options);
  const good = await served.end();
  for (const kind of LOAD_KINDS) {
    t.is(good[kind].failed, 0, kind);
    t.true(good[kind].exchanges >= options.open, kind);
  }

  await proxy.kill();
  await proxy.cleanup();
  const unserved = await SteadyLoad.begin(station.client, directory, targets, options);
  const bad = await unserved.end();
  for (const kind of LOAD_KINDS) {
    t.is(bad[kind].exchanges, 0, kind);
    t.true(bad[kind].failed >= options.open, kind);
  }
});

test('a report of the load is read by name', (t) => {
  t.deepEqual(
    parseReport('report new 7 1 open 20 0 connected 3 2 unconnected 4 0 longest 2500000'),
    {
      new: { exchanges: 7, failed: 1 },
      open: { exchanges: 20, failed: 0 },
      connected: { exchanges: 3, failed: 2 },
      unconnected: { exchanges: 4, failed: 0 },
      longestMs: 2.5,
    },
  );
});

test('a sample has the first, the last and no Service twice', (t) => {
  const sample = sampleOf(1000, 50);
  t.is(sample.length, 50);
  t.is(new Set(sample).size, 50);
  t.is(sample[0], 999);
  t.true(sample.includes(0));
  t.deepEqual(sampleOf(2, 50).sort(), [0, 1]);
  t.deepEqual(sampleOf(1), [0]);
});
