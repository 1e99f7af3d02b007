// SPDX-License-Identifier: Apache-2.0
// No budget goes missing, none is met by what was not measured, and each verdict turns where its limit is.

import test from 'ava';
import fc from 'fast-check';
import type { BudgetRow, Result } from '../result.ts';
import { budgetRows } from './budgets.ts';
import { emptyResult, plausibleResult, ratio, results } from './fixtures.ts';

const ROWS = 32;

test('a run that measured nothing has every row, and none of them is judged', (t) => {
  const rows = budgetRows(emptyResult());
  t.is(rows.length, ROWS);
  for (const row of rows) {
    t.is(row.isMet, undefined, row.what);
    t.regex(row.measured, /^not (measured|run: --services \d+)$/, row.what);
    t.is(row.kubeProxy, 'not measured');
  }
});

test('whatever was measured, no row is missing, and what was not is never judged', (t) => {
  fc.assert(
    fc.property(results, (result) => {
      const rows = budgetRows(result);
      t.is(rows.length, ROWS);
      for (const { measured, isMet } of rows) {
        if (measured.startsWith('not ')) t.is(isMet, undefined);
        else t.is(typeof isMet, 'boolean');
      }
    }),
    { numRuns: 50 },
  );
});

test('sizes that were run and are in no budget have rows too; those that were not say how', (t) => {
  const result = plausibleResult();
  const options = { ...result.options, services: [10, 500, 1_000, 10_000] };
  const rows = budgetRows({ ...result, options });
  t.is(rows.length, ROWS + 1);
  t.is(find(rows, /connect\(\), IPv4, 500 /).measured, 'not measured');
  t.is(find(rows, /connect\(\), IPv4, 100,000 /).measured, 'not run: --services 100000');
});

test('IPv6 through a ClusterIP has rows where it was measured', (t) => {
  const result = plausibleResult();
  const [first] = result.latencies;
  const latencies = first ? [...result.latencies, { ...first, family: 'ipv6' as const }] : [];
  t.is(find(budgetRows({ ...result, latencies }), /connect\(\), IPv6, 10 /).isMet, true);
});

test('a ratio at its limit is met; what rounds to the limit and is above it shows why it is not', (t) => {
  t.like(connectRow(1.03), { isMet: true });
  const missed = connectRow(1.0301);
  t.is(missed.isMet, false);
  t.regex(missed.measured, /^1\.0301 × /);
});

test('of 1.00 × as much more is allowed as two direct measurements were apart, and no more', (t) => {
  t.is(roundTripRow(1.0039, 0.996).isMet, true);
  t.is(roundTripRow(1.0041, 0.996).isMet, false);
  t.regex(roundTripRow(1.0041, 0.996).measured, /A\/A 0\.40 %/);
  t.is(roundTripRow(1, undefined).isMet, true);
  const alone = roundTripRow(1.0001, undefined);
  t.is(alone.isMet, false);
  t.regex(alone.measured, /no A\/A/);
});

test('CPU of a remote stream has to be below that of direct, by more than noise', (t) => {
  const row = (cpu: number, again = 1) => {
    const result = plausibleResult();
    const streams = result.streams.map((bulk) => ({
      ...bulk,
      arms: bulk.arms.map((each) =>
        each.arm === 'signalbox'
          ? { ...each, cpuRatio: ratio(cpu) }
          : each.arm === 'directAgain'
            ? { ...each, cpuRatio: ratio(again) }
            : each,
      ),
    }));
    return find(budgetRows({ ...result, streams }), /NodePort, remote, CPU .* IPv6/);
  };
  t.is(row(0.9999).isMet, true);
  t.is(row(1).isMet, false);
  t.is(row(0.997, 1.004).isMet, false);
  t.is(row(0.997, 0.996).isMet, false);
  t.is(row(0.995, 1.004).isMet, true);
});

test('a p99 of a handful of changes says how many they were', (t) => {
  const result = plausibleResult();
  const changes = result.changes.map((change) => ({
    ...change,
    landedMs: { ...change.landedMs, count: change.proxy === 'nftables' ? 4 : 100 },
  }));
  const row = find(budgetRows({ ...result, changes }), /^one change.*p99/);
  t.regex(row.kubeProxy, /nftables [^;]* \(of 4 changes\)/);
  t.notRegex(row.measured, /changes/);
});

test('memory is judged in MB of 10^6 bytes, not in MiB', (t) => {
  const row = (rssMiB: number) => {
    const result = plausibleResult();
    const costs = result.costs.map((cost) => ({ ...cost, rssMiB }));
    return find(budgetRows({ ...result, costs }), /RSS/);
  };
  t.like(row(114.4), { isMet: true, budget: '120 MB (114.4 MiB)' });
  t.is(row(115).isMet, false);
});

test('what the kernel does not count is told by the maps, and says so', (t) => {
  const result = plausibleResult();
  const costs = result.costs.map(({ kernelMiB: _, ...cost }) => cost);
  const row = find(budgetRows({ ...result, costs }), /in the kernel, by the maps’ own account/);
  t.like(row, { measured: '13.8 MB (13.2 MiB)', kubeProxy: 'not measured', isMet: true });
});

test('to keep a budget of 10,000 Services with fewer is not judged, to miss it is', (t) => {
  const row = (p50: number) => {
    const result = plausibleResult();
    const changes = result.changes.map((change) => ({
      ...change,
      services: 1_000,
      landedMs: { ...change.landedMs, p50 },
    }));
    return find(budgetRows({ ...result, changes }), /^one change.*p50/);
  };
  t.like(row(2), { isMet: undefined, measured: '2.00 ms (the budget is for 10,000 Services)' });
  t.is(row(3.5).isMet, false);
});

test('one failed exchange of many restarts misses the budget; restarts without traffic show nothing', (t) => {
  const row = (restarts: Result['restarts']) =>
    find(budgetRows({ ...plausibleResult(), restarts }), /failed/);
  const one = { proxy: 'signalbox', services: 10_000, pickedUpMs: 5 } as const;
  t.is(row([{ ...one, exchanges: 100, failed: 0 }]).isMet, true);
  t.is(
    row([
      { ...one, exchanges: 100, failed: 0 },
      { ...one, exchanges: 100, failed: 1 },
    ]).isMet,
    false,
  );
  t.is(row([{ ...one, exchanges: 0, failed: 0 }]).isMet, undefined);
});

test('kube-proxy has all its modes in the row, the best first; a stand-in is called one', (t) => {
  const of = (opponents: 'kubeProxy' | 'standIns' | 'none') =>
    find(budgetRows(plausibleResult(opponents)), /connect\(\), IPv4, 10,000 /).kubeProxy;
  t.regex(of('kubeProxy'), /^iptables-legacy 1\.21 × \(.*\); nftables 1\.25 × /);
  t.regex(
    of('standIns'),
    /^rules .*, iptables \(stand-in\) 1\.21 × .*, nftables \(stand-in\) 1\.25 × /,
  );
  t.is(of('none'), 'not measured');
});

function find(rows: readonly BudgetRow[], what: RegExp): BudgetRow {
  const found = rows.filter((row) => what.test(row.what));
  const [row] = found;
  if (row === undefined || found.length > 1) throw new Error(`${found.length} rows of ${what}`);
  return row;
}

function connectRow(ofMedians: number): BudgetRow {
  return find(
    budgetRows(withRatios('connect', { signalbox: ofMedians })),
    /connect\(\), IPv4, 10,000 /,
  );
}

function roundTripRow(ofMedians: number, again: number | undefined): BudgetRow {
  const result = withRatios('roundTrip', { signalbox: ofMedians, directAgain: again ?? 1 });
  const latencies = result.latencies.map((latency) => ({
    ...latency,
    arms: latency.arms.filter(({ arm }) => again !== undefined || arm !== 'directAgain'),
  }));
  return find(budgetRows({ ...result, latencies }), /ClusterIP, established/);
}

function withRatios(kind: string, ratios: { [arm: string]: number }): Result {
  const result = plausibleResult();
  return {
    ...result,
    latencies: result.latencies.map((latency) => ({
      ...latency,
      arms: latency.arms.map((each) => {
        const value = latency.kind === kind ? ratios[each.arm] : undefined;
        return value === undefined ? each : { ...each, ratio: ratio(value) };
      }),
    })),
  };
}
