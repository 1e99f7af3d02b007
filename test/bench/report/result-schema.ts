// SPDX-License-Identifier: Apache-2.0
// The form of a result's file as a JSON Type Definition (RFC 8927), in the order of result.ts. Fields that it does not
// name are let through: a later version may have written them.

const string = { type: 'string' } as const;
const number = { type: 'float64' } as const;
const truth = { type: 'boolean' } as const;
const family = { enum: ['ipv4', 'ipv6'] };
const path = { enum: ['clusterIP', 'nodePortLocal', 'nodePortRemote'] };
const arm = { enum: ['direct', 'directAgain', 'signalbox', 'nftables', 'iptables'] };
const proxy = { enum: ['signalbox', 'nftables', 'iptables'] };

const distribution = object({
  count: number,
  min: number,
  p50: number,
  p90: number,
  p99: number,
  max: number,
});
const ratio = object({ ofMedians: number, min: number, max: number });

const latency = object({
  kind: {
    enum: [
      'connect',
      'connection',
      'roundTrip',
      'firstDatagram',
      'firstDatagramConnected',
      'nextDatagram',
      'nextDatagramConnected',
    ],
  },
  path,
  family,
  services: number,
  arms: list(
    object(
      { arm, us: distribution, percentilesUs: list(number), ratio },
      { past: object({ us: distribution, ratio }) },
    ),
  ),
});

const bulk = object({
  kind: { enum: ['stream', 'datagrams'] },
  path,
  family,
  arms: list(
    object({
      arm,
      cpuSeconds: distribution,
      seconds: distribution,
      cpuRatio: ratio,
      timeRatio: ratio,
    }),
  ),
});

const start = object({
  proxy,
  kind: { enum: ['cold', 'warm', 'small'] },
  services: number,
  seconds: distribution,
  cpuSeconds: distribution,
});

const change = object({
  proxy,
  services: number,
  perSecond: number,
  landedMs: distribution,
  triedEveryMs: number,
  wentBack: number,
  cpuMsPerChange: number,
  pending: number,
});

const restart = object({
  proxy,
  services: number,
  exchanges: number,
  failed: number,
  pickedUpMs: number,
});

const cost = object(
  {
    proxy,
    services: number,
    rssMiB: number,
    peakRssMiB: number,
    privateMiB: number,
    idlePercent: number,
  },
  { heapMiB: number, kernelMiB: number, mapsMiB: number },
);

const program = object({
  name: string,
  traffic: string,
  instructions: number,
  runsPerUnit: number,
  nsPerRun: number,
});

const budgetRow = object(
  { what: string, direct: string, kubeProxy: string, budget: string, measured: string },
  { isMet: truth },
);

export const RESULT_SCHEMA = object(
  {
    version: number,
    date: string,
    machine: object(
      { kernel: string, cpu: string, cpus: number, memoryMiB: number, node: string, load: number },
      { governor: string },
    ),
    tookSeconds: number,
    options: object({
      services: list(number),
      endpoints: number,
      rounds: number,
      exchanges: number,
    }),
    arms: list(object({ name: arm, label: string, isStandIn: truth })),
    latencies: list(latency),
    streams: list(bulk),
    starts: list(start),
    changes: list(change),
    restarts: list(restart),
    costs: list(cost),
    programs: list(program),
    budgets: list(budgetRow),
    notes: list(string),
  },
  { commit: string },
);

function object(properties: object, optionalProperties: object = {}) {
  return { properties, optionalProperties, additionalProperties: true };
}

function list(elements: object) {
  return { elements };
}
