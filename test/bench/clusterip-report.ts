// SPDX-License-Identifier: Apache-2.0
// What `bench clusterip` found, for people: one line a figure, next to what it may be at most.

import { printTable } from '../../agent/commands/table.ts';
import type { Changes } from './changes.ts';
import type { Options } from './clusterip.ts';
import type { Exchanges, Ratio } from './exchanges.ts';
import type { Machine } from './machine.ts';
import type { ProgramCost } from './program-costs.ts';
import type { Fill } from './programming.ts';
import { printProxies } from './proxies-report.ts';
import type { ProxyMemory } from './proxy-memory.ts';
import type { Starts } from './starts.ts';
import type { Distribution } from './statistics.ts';

/** Between rounds of what is the same, on a machine that does nothing else. */
const QUIET = 0.05;

export interface Report {
  readonly date: string;
  readonly machine: Machine;
  readonly options: Options;
  /** Warm ones, before there were Services worth speaking of. */
  readonly smallStarts: Starts;
  readonly fill: Fill;
  readonly coldStarts: Starts;
  readonly warmStarts: Starts;
  readonly proxies: readonly ProxyMemory[];
  readonly change: Changes;
  readonly tcp: Exchanges;
  readonly udp: Exchanges;
  readonly programs: readonly ProgramCost[];
}

export function printReport(report: Report): void {
  const { machine, date, options } = report;
  console.log(
    [
      '',
      `Linux ${machine.kernel}, ${machine.cpus} x ${machine.cpu}, Node ${machine.node}, ${date}`,
      `${options.services} Services of ${options.endpoints} endpoints; load before: ${machine.load.toFixed(1)}`,
      '',
    ].join('\n'),
  );
  const { smallStarts, coldStarts, warmStarts } = report;
  printTable(
    ['START', 'MEASURED', 'BUDGET', 'REMARK'],
    [
      ...startRows('cold start', coldStarts, { ready: '', cpu: '1.2 s', rss: '120 MiB' }),
      ...startRows('warm start', warmStarts, { ready: '1000 ms', cpu: '', rss: '120 MiB' }),
      ...startRows('warm start, few Services,', smallStarts, { ready: '500 ms', cpu: '', rss: '' }),
    ],
  );
  console.log();
  printTable(['PROGRAMMING', 'MEASURED', 'BUDGET', 'REMARK'], programmingRows(report));
  console.log();
  printProxies(report.proxies, options.kubeProxyModes);
  console.log();
  printTable(
    ['CLIENT', 'MEDIAN US', 'P99 US', 'RATIO', 'ROUNDS', 'BUDGET'],
    [
      ...exchangeRows('connect()', report.tcp, '1.03'),
      ...exchangeRows('first datagram', report.udp, '1.05'),
    ],
  );
  const worst = Math.max(...[report.tcp.noise, report.udp.noise].map(spreadOf));
  if (worst > QUIET) {
    const percent = (worst * 100).toFixed(0);
    console.log(
      `\nThe same came out up to ${percent} % apart: others used this machine. Run it again.`,
    );
  }
  console.log();
  printTable(
    ['PROGRAM', 'MEETS', 'RUNS', 'NS A RUN'],
    report.programs.map(({ program, protocol, case: met, runs, nsPerRun }) => [
      program,
      `${protocol}, ${met === 'service' ? 'a Service' : 'no Service'}`,
      `${runs}`,
      nsPerRun.toFixed(0),
    ]),
  );
}

function programmingRows({ fill, coldStarts, change }: Report): string[][] {
  const { publishedMs, uncertaintyMs, passMs, agentCpuMsPerChange } = change;
  const { lastWriteMs, memory } = coldStarts;
  return [
    ...(lastWriteMs
      ? [['cold start to last table write', ms(lastWriteMs.p50), '1000 ms', spread(lastWriteMs)]]
      : []),
    ['tables in the kernel', mib(memory.tablesMiB), '15 MiB', ''],
    [
      'running agent: last object to last write',
      ms(fill.lastWriteMs),
      '',
      `objects stored in ${ms(fill.storingMs)}; ${fill.agentCpuSeconds.toFixed(2)} s of CPU, RSS ${mib(fill.memory.rssMiB)}`,
    ],
    [
      'one change to live, p50',
      ms(publishedMs.p50, 2),
      '3 ms',
      `of it the agent's pass ${ms(passMs, 2)}`,
    ],
    [
      'one change to live, p99',
      ms(publishedMs.p99, 2),
      '10 ms',
      `${publishedMs.count} changes, each to within ${ms(uncertaintyMs.p50, 2)}`,
    ],
    ['agent CPU per change', ms(agentCpuMsPerChange, 2), '1 ms', ''],
  ];
}

interface StartBudgets {
  readonly ready: string;
  readonly cpu: string;
  readonly rss: string;
}

/** Time on a machine that others use too says less than CPU, and neither says as much as memory. */
function startRows(
  what: string,
  { readyMs, cpuSeconds, memory }: Starts,
  budgets: StartBudgets,
): string[][] {
  return [
    [`${what} to ready`, ms(readyMs.p50), budgets.ready, spread(readyMs)],
    ['  agent CPU for it', `${cpuSeconds.p50.toFixed(2)} s`, budgets.cpu, spread(cpuSeconds, 2)],
    ['  agent RSS after it', mib(memory.rssMiB), budgets.rss, `peak ${mib(memory.peakRssMiB)}`],
  ];
}

function spread({ min, max, count }: Distribution, digits = 0): string {
  return `${min.toFixed(digits)} to ${max.toFixed(digits)} in ${count} starts`;
}

function exchangeRows(what: string, exchanges: Exchanges, budget: string): string[][] {
  const { arms, service, missed, noise } = exchanges;
  const row = (name: string, arm: keyof Exchanges['arms'], ratio?: Ratio, limit = '') => [
    `${what} ${name}`,
    arms[arm].p50.toFixed(2),
    arms[arm].p99.toFixed(1),
    ratio ? ratio.ofMedians.toFixed(3) : '1',
    ratio ? `${ratio.min.toFixed(3)} to ${ratio.max.toFixed(3)}` : '',
    limit,
  ];
  return [
    row('direct, no programs', 'direct'),
    row('the same again (noise)', 'directAgain', noise),
    row('direct, programs attached', 'missed', missed),
    row('through the Service', 'service', service, budget),
  ];
}

function spreadOf({ min, max }: Ratio): number {
  return Math.max(max - 1, 1 - min);
}

function ms(value: number, digits = 0): string {
  return `${value.toFixed(digits)} ms`;
}

function mib(value: number): string {
  return `${value.toFixed(0)} MiB`;
}
