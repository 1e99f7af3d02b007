// SPDX-License-Identifier: Apache-2.0
// Tables of what proxies do besides passing traffic: starts, changes, restarts, costs; and our programs. Pure.

import type { ProxyName, Result } from '../result.ts';
import { labelOf } from './lookup.ts';
import type { Table } from './page.ts';
import { megabytes, number, withUnit } from './units.ts';

/** Where a process or a kernel does not tell. */
const UNTOLD = 'not told';

export function startTable(result: Result): Table[] {
  return table('Median, and least to greatest', {
    heads: ['start', 'who', 'Services', 'time s', 'of', 'CPU s', 'of', 'starts'],
    words: 2,
    rows: result.starts.map(({ kind, proxy, services, seconds, cpuSeconds }) => [
      kind,
      who(result, proxy),
      number(services, 0),
      number(seconds.p50, 2),
      `${number(seconds.min, 2)}–${number(seconds.max, 2)}`,
      number(cpuSeconds.p50, 2),
      `${number(cpuSeconds.min, 2)}–${number(cpuSeconds.max, 2)}`,
      number(seconds.count, 0),
    ]),
  });
}

export function changeTable(result: Result): Table[] {
  const heads = [
    'changes',
    'who',
    'Services',
    'p50 ms',
    'p90 ms',
    'p99 ms',
    'greatest ms',
    'tried every ms',
    'CPU ms each',
    'counted',
    'went back',
    'not landed',
  ];
  return table('From storing new endpoints to the first new connection that lands on them', {
    heads,
    words: 2,
    rows: result.changes.map((change) => [
      change.perSecond === 0 ? 'one at a time' : `${number(change.perSecond)} a second`,
      who(result, change.proxy),
      number(change.services, 0),
      ...[change.landedMs.p50, change.landedMs.p90, change.landedMs.p99, change.landedMs.max].map(
        (ms) => number(ms, ms < 100 ? 2 : 0),
      ),
      number(change.triedEveryMs, 2),
      number(change.cpuMsPerChange, 2),
      number(change.landedMs.count, 0),
      number(change.wentBack, 0),
      number(change.pending, 0),
    ]),
  });
}

export function restartTable(result: Result): Table[] {
  return table('kill -9 under load, a change meanwhile, and a start', {
    heads: ['who', 'Services', 'exchanges', 'failed', 'change picked up ms'],
    words: 1,
    rows: result.restarts.map(({ proxy, services, exchanges, failed, pickedUpMs }) => [
      who(result, proxy),
      number(services, 0),
      number(exchanges, 0),
      number(failed, 0),
      number(pickedUpMs, 0),
    ]),
  });
}

export function costTable(result: Result): Table[] {
  const heads = [
    'who',
    'Services',
    'RSS',
    'at its peak',
    'not shared',
    'heap in use',
    'in the kernel',
    'its maps',
    'idle CPU',
  ];
  const mb = (mib: number | undefined) =>
    mib === undefined ? UNTOLD : withUnit(megabytes(mib), 'MB', 1);
  return table('Once it has settled; MB are 10^6 bytes', {
    heads,
    words: 1,
    rows: result.costs.map((cost) => [
      who(result, cost.proxy),
      number(cost.services, 0),
      ...[cost.rssMiB, cost.peakRssMiB, cost.privateMiB, cost.heapMiB, cost.kernelMiB].map(mb),
      cost.mapsMiB === undefined ? '–' : mb(cost.mapsMiB),
      withUnit(cost.idlePercent, 'percent'),
    ]),
  });
}

export function programTable(result: Result): Table[] {
  return table('Signalbox’s programs; units are exchanges, segments or datagrams of the traffic', {
    heads: ['program', 'traffic', 'instructions', 'runs per unit', 'ns per run'],
    words: 2,
    rows: result.programs.map(({ name, traffic, instructions, runsPerUnit, nsPerRun }) => [
      name,
      traffic,
      number(instructions, 0),
      number(runsPerUnit, 2),
      number(nsPerRun, 0),
    ]),
  });
}

function table(caption: string, rest: Omit<Table, 'caption'>): Table[] {
  return [{ caption, ...rest }];
}

function who(result: Result, proxy: ProxyName): string {
  return labelOf(result, proxy);
}
