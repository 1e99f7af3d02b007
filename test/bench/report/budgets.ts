// SPDX-License-Identifier: Apache-2.0
// What Signalbox may cost, written down as data, and what a run says of it: every budget is a row of every report, also
// of a run that did not measure it. Pure. Whoever measures puts the rows into the result.

import type { BudgetRow, LatencyKind, Path } from '../result.ts';
import { changeBudgets, memoryBudgets, restartBudgets, startBudgets } from './agent-budgets.ts';
import { type Budget, budgetRow } from './budget-row.ts';
import { latencyBudget, streamBudget } from './datapath-budgets.ts';
import { FAMILIES, type Measured } from './lookup.ts';

/** Against direct. */
const CONNECT = 1.03;
const FIRST_DATAGRAM = 1.05;
const ESTABLISHED = 1;
const NODE_PORT_CONNECTION = 1.15;
const NODE_PORT_ESTABLISHED = 1.05;

/** The budget of connect() does not depend on how many there are. */
const SIZES = [10, 1_000, 10_000, 50_000, 100_000];

const NODE_PORTS = ['nodePortLocal', 'nodePortRemote'] as const satisfies readonly Path[];

export function budgetRows(result: Measured): BudgetRow[] {
  return [...datapath(result), ...agent(result)].map((budget) => budgetRow(result, budget));
}

function datapath(result: Measured): Budget[] {
  const sizes = [...new Set([...SIZES, ...result.options.services])].sort((a, b) => a - b);
  const families = FAMILIES.filter(
    (family) =>
      family === 'ipv4' ||
      result.latencies.some((each) => each.path === 'clusterIP' && each.family === family),
  );
  const clusterIp = (kind: LatencyKind, limit: number) =>
    families.map((family) => latencyBudget(result, { kind, path: 'clusterIP', family, limit }));
  const nodePort = (kind: LatencyKind, limit: number) =>
    NODE_PORTS.flatMap((path) =>
      FAMILIES.map((family) => latencyBudget(result, { kind, path, family, limit })),
    );
  return [
    ...families.flatMap((family) =>
      sizes.map((services) =>
        latencyBudget(result, {
          kind: 'connect',
          path: 'clusterIP',
          family,
          services,
          limit: CONNECT,
        }),
      ),
    ),
    ...clusterIp('firstDatagram', FIRST_DATAGRAM),
    ...clusterIp('firstDatagramConnected', FIRST_DATAGRAM),
    ...clusterIp('roundTrip', ESTABLISHED),
    ...nodePort('connection', NODE_PORT_CONNECTION),
    ...nodePort('roundTrip', NODE_PORT_ESTABLISHED),
    ...FAMILIES.map((family) => streamBudget(result, 'nodePortRemote', family)),
  ];
}

function agent(result: Measured): Budget[] {
  return [
    ...changeBudgets(result),
    ...startBudgets(result),
    ...memoryBudgets(result),
    ...restartBudgets(result),
  ];
}
