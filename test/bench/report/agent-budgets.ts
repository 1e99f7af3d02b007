// SPDX-License-Identifier: Apache-2.0
// Budgets of what the agent itself does: changes, starts, restarts, CPU and memory, with the limits. Pure.

import type { ArmName, ProxyName, Restart, Start } from '../result.ts';
import type { Budget } from './budget-row.ts';
import { greatestSize, type Measured, ofProxy } from './lookup.ts';
import { megabytes, number, services as servicesText, withUnit } from './units.ts';

/** The budgets are for a cluster of this size: to keep them in a smaller one says nothing. */
const BUDGETED_SERVICES = 10_000;

const SINGLE_MS = { p50: 3, p99: 10 };
const STEADY_MS = { p50: 5, p99: 20 };
const STEADY_PER_SECOND = 50;
const CPU_MS_PER_CHANGE = 1;
const COLD_SECONDS = 1;
const COLD_CPU_SECONDS = 1.2;
const RSS_MB = 120;
const KERNEL_MB = 15;
const PICKED_UP_MS = 1_000;
const SMALL_SECONDS = 0.5;
/** Of one CPU: less is not told from nothing by a clock of 100 ticks a second within ten seconds. */
const IDLE_PERCENT = 0.1;

export function changeBudgets(result: Measured): Budget[] {
  const rates = [
    { perSecond: 0, name: 'one change', limits: SINGLE_MS },
    {
      perSecond: STEADY_PER_SECOND,
      name: `under ${STEADY_PER_SECOND} changes a second`,
      limits: STEADY_MS,
    },
  ];
  const find = (arm: ArmName, perSecond: number) =>
    isProxy(arm)
      ? ofProxy(result.changes, arm, (change) => change.perSecond === perSecond)
      : undefined;
  const landed = rates.flatMap(({ perSecond, name, limits }) =>
    (['p50', 'p99'] as const).map((percentile): Budget => {
      const ours = find('signalbox', perSecond);
      return {
        what: `${name}, API server to the new endpoints live, ${percentile}${size(result, ours)}`,
        rule: 'atMost',
        limit: limits[percentile],
        unit: 'ms',
        of: (arm) => find(arm, perSecond)?.landedMs[percentile],
        detail: (arm) => {
          const { pending = 0, landedMs } = find(arm, perSecond) ?? {};
          const count = landedMs?.count ?? 0;
          const about = [
            // Of fewer than a hundred it is the greatest, or near it.
            percentile === 'p99' && count < 100 && `of ${number(count, 0)} changes`,
            pending > 0 && `${number(pending)} had not landed at the end`,
          ].filter(Boolean);
          return about.length === 0 ? undefined : about.join('; ');
        },
        tooFew: tooFew(ours),
      };
    }),
  );
  const cpu = rates.map(
    ({ perSecond, name }): Budget => ({
      what: `CPU of the agent for each change, ${name}${size(result, find('signalbox', perSecond))}`,
      rule: 'atMost',
      limit: CPU_MS_PER_CHANGE,
      unit: 'ms',
      of: (arm) => find(arm, perSecond)?.cpuMsPerChange,
      tooFew: tooFew(find('signalbox', perSecond)),
    }),
  );
  return [...landed, ...cpu];
}

export function startBudgets(result: Measured): Budget[] {
  const find = (arm: ArmName, kind: Start['kind']) =>
    isProxy(arm) ? ofProxy(result.starts, arm, (start) => start.kind === kind) : undefined;
  const cold = find('signalbox', 'cold');
  const ofCold = { rule: 'atMost', unit: 's', tooFew: tooFew(cold) } as const;
  return [
    {
      ...ofCold,
      what: `cold start to the last Service working${size(result, cold)}, ${number(result.options.endpoints)} endpoints each`,
      limit: COLD_SECONDS,
      of: (arm) => find(arm, 'cold')?.seconds.p50,
    },
    {
      ...ofCold,
      what: `CPU of the agent for that start${size(result, cold)}`,
      limit: COLD_CPU_SECONDS,
      of: (arm) => find(arm, 'cold')?.cpuSeconds.p50,
    },
    {
      what: 'start with its tables in the kernel, to ready, few Services',
      rule: 'atMost',
      limit: SMALL_SECONDS,
      unit: 's',
      of: (arm) => find(arm, 'small')?.seconds.p50,
    },
  ];
}

export function memoryBudgets(result: Measured): Budget[] {
  const find = (arm: ArmName) => (isProxy(arm) ? ofProxy(result.costs, arm) : undefined);
  const inKernel = (arm: ArmName) => {
    const cost = find(arm);
    return cost?.kernelMiB ?? cost?.mapsMiB;
  };
  const ours = find('signalbox');
  const isOwnAccount = ours?.kernelMiB === undefined && ours?.mapsMiB !== undefined;
  const ofMemory = (what: string, limit: number, mib: (arm: ArmName) => number | undefined) => ({
    what: `${what}${size(result, ours)}`,
    rule: 'atMost' as const,
    limit,
    unit: 'MB' as const,
    of: (arm: ArmName) => {
      const value = mib(arm);
      return value === undefined ? undefined : megabytes(value);
    },
    limitText: `${withUnit(limit, 'MB', 0)} (${number((limit * 1e6) / 2 ** 20, 1)} MiB)`,
    detail: (arm: ArmName) => {
      const value = mib(arm);
      return value === undefined ? undefined : `${number(value, 1)} MiB`;
    },
    tooFew: tooFew(ours),
  });
  return [
    ofMemory('memory of the agent, RSS', RSS_MB, (arm) => find(arm)?.rssMiB),
    ofMemory(
      `memory in the kernel${isOwnAccount ? ', by the maps’ own account' : ''}`,
      KERNEL_MB,
      inKernel,
    ),
    {
      what: `CPU while nothing changes${size(result, ours)}`,
      rule: 'below',
      limit: IDLE_PERCENT,
      unit: 'percent',
      limitText: `${withUnit(IDLE_PERCENT, 'percent', 1)}: none measurable`,
      of: (arm) => find(arm)?.idlePercent,
      tooFew: tooFew(ours),
    },
  ];
}

export function restartBudgets(result: Measured): Budget[] {
  const find = (arm: ArmName) =>
    isProxy(arm) ? result.restarts.filter(({ proxy }) => proxy === arm) : [];
  const most = (arm: ArmName, of: (restart: Restart) => number) =>
    find(arm).length === 0 ? undefined : Math.max(...find(arm).map(of));
  const sum = (arm: ArmName, of: (restart: Restart) => number) =>
    find(arm).reduce((total, restart) => total + of(restart), 0);
  return [
    {
      what: 'kill -9 and restart under load, exchanges that failed',
      rule: 'atMost',
      limit: 0,
      unit: 'count',
      // Where nothing was exchanged nothing was shown.
      of: (arm) =>
        sum(arm, ({ exchanges }) => exchanges) === 0 ? undefined : sum(arm, ({ failed }) => failed),
      detail: (arm) =>
        `of ${number(
          sum(arm, ({ exchanges }) => exchanges),
          0,
        )}`,
    },
    {
      what: 'kill -9 and restart, from the restart until what had changed has landed',
      rule: 'atMost',
      limit: PICKED_UP_MS,
      unit: 'ms',
      of: (arm) => most(arm, ({ pickedUpMs }) => pickedUpMs),
    },
  ];
}

function isProxy(arm: ArmName): arm is ProxyName {
  return arm !== 'direct' && arm !== 'directAgain';
}

function size(result: Measured, ours: { readonly services: number } | undefined): string {
  return `, ${servicesText(ours?.services ?? greatestSize(result))}`;
}

function tooFew(ours: { readonly services: number } | undefined): string | undefined {
  return ours !== undefined && ours.services < BUDGETED_SERVICES
    ? `the budget is for ${servicesText(BUDGETED_SERVICES)}`
    : undefined;
}
