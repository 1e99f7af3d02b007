// SPDX-License-Identifier: Apache-2.0
// The screen of `signalbox status`, whole: of a node that is well, of one that is not, and of one without an agent.

import test from 'ava';
import { type KernelStatus, statusText } from '../../../agent/commands/status-text.ts';
import type { Status } from '../../../agent/telemetry/status.ts';

const NOW = new Date('2026-01-01T12:00:00Z');

const KERNEL: KernelStatus = {
  frontends: 3,
  rejecting: 1,
  dropping: 0,
  backends: 2,
  programs: [
    { hook: 'connect4', programId: 7 },
    { hook: 'connect6', programId: 0 },
  ],
  slots: 4096,
  isDraining: false,
  devices: [],
  packetPath: {
    entries: 0,
    flows: [],
    masqueradePortsInUse: 0,
    capacity: 1000,
    masqueradePorts: 16384,
    packets: {},
  },
  hostWarnings: ['forwarding is off'],
};

const AGENT: Status = {
  version: '1.2.3',
  pid: 42,
  node: 'a',
  startedAt: '2026-01-01T10:30:00Z',
  healthy: true,
  problems: [],
  cgroup: '/sys/fs/cgroup',
  bpffs: '/sys/fs/bpf/signalbox',
  source: 'https://192.0.2.1:6443',
  watches: [
    { kind: 'Service', phase: 'watching', relists: 0, lastContact: '2026-01-01T11:59:56Z' },
    { kind: 'ServiceCIDR', phase: 'unavailable', relists: 0, lastError: '404' },
  ],
  objects: { services: 2, endpointSlices: 3 },
  skipped: [],
  failures: [],
  conflicts: [],
  devices: [],
  selfTest: 'passed',
  lastPass: { at: '2026-01-01T11:59:30Z', services: 1, writes: 4, durationMs: 1.234 },
  latency: { changes: 250, p50Ms: 1.5, p99Ms: 28.4 },
  tables: [
    { table: 'frontends', entries: 3, capacity: 131072 },
    { table: 'slots', entries: 4000, capacity: 4096 },
  ],
  health: { isHealthy: true, isNodeEligible: true },
  servers: [
    { what: '/healthz and /livez', address: '0.0.0.0:10256' },
    { what: 'metrics', address: '127.0.0.1:10249' },
  ],
};

const view = (more: Partial<Status> = {}, problems: readonly string[] = []) => ({
  problems,
  agent: { ...AGENT, ...more },
  kernel: KERNEL,
});

test('all is well', (t) => {
  t.is(
    statusText(view(), NOW),
    [
      'Healthy.',
      '',
      'Kernel     3 frontends, 1 of them reject, 0 drop; 2 backends',
      'Tables     frontends 3 of 131072, slots 4000 of 4096',
      'Programs   connect4',
      'Flows      none; 0 of 1000 entries',
      'Warning    forwarding is off',
      '',
      'Agent      1.2.3, pid 42, node a, for 1h30m; self-test passed',
      'Objects    2 Services, 3 EndpointSlices from https://192.0.2.1:6443',
      '           Service: watching, last heard of 4s ago',
      '           ServiceCIDR: unavailable (404)',
      'Changes    programmed within 1.50 ms (p50), 28 ms (p99) of the last 250',
      '           last: 1 Services, 4 writes in 1.23 ms, 30s ago',
      'Health     /healthz and /livez answer 200 at 0.0.0.0:10256',
      'Metrics    served at 127.0.0.1:10249',
      'Cgroup     /sys/fs/cgroup',
    ].join('\n'),
  );
});

test('what is wrong comes first; of many, some', (t) => {
  const problems = Array.from({ length: 14 }, (_, i) => `problem ${i}`);
  const lines = statusText(view({}, problems), NOW).split('\n');
  t.is(lines[0], 'Not healthy:');
  t.is(lines[1], '  - problem 0');
  t.deepEqual(lines.slice(12, 15), [
    '  - problem 11',
    '  - and 2 more (-o json)',
    'What to do, by symptom: docs/troubleshooting.md; what this node allows, with cures: signalbox doctor',
  ]);
});

test('servers that cannot listen, and servers that are switched off', (t) => {
  const [healthz] = AGENT.servers;
  const servers = [{ what: '/healthz and /livez', address: '', ...healthz, problem: 'EADDRINUSE' }];
  const text = statusText(view({ servers }), NOW);
  t.regex(text, /^Health {5}not served: EADDRINUSE$/m);
  t.regex(text, /^Metrics {4}switched off$/m);
});

test('a table that is nearly full', (t) => {
  const tables = [{ table: 'members', entries: 119_000, capacity: 131_072 }];
  t.regex(
    statusText(view({ tables }), NOW),
    /^Warning {4}a table is nearly full: members 119000 of 131072 entries: --table-size members=262144 /m,
  );
  const packetPath = { ...KERNEL.packetPath, entries: 900 };
  t.regex(
    statusText({ ...view(), kernel: { ...KERNEL, packetPath } }, NOW),
    /^Warning {4}a table is nearly full: flows 900 of 1000 entries: --table-size flows=2048 /m,
  );
});

test('what load balancers are told', (t) => {
  const healthOf = (isHealthy: boolean, isNodeEligible: boolean) =>
    statusText(view({ health: { isHealthy, isNodeEligible } }), NOW).match(/^Health +(.*)$/m)?.[1];
  t.is(
    healthOf(false, true),
    '/healthz and /livez answer 503 at 0.0.0.0:10256: changes wait to be programmed',
  );
  t.regex(
    healthOf(true, false) ?? '',
    /^\/healthz answers 503 at 0.0.0.0:10256: the node is to be removed/,
  );
});

test('no change yet', (t) => {
  const { latency: _, lastPass: __, ...before } = AGENT;
  const text = statusText({ problems: [], agent: before, kernel: KERNEL }, NOW);
  t.notRegex(text, /Changes/);
});

test('without an agent the kernel is still told of', (t) => {
  const text = statusText(
    {
      problems: ['the agent is not running'],
      agent: 'is not running',
      kernel: KERNEL,
    },
    NOW,
  );
  t.regex(text, /^Tables {5}4096 slots$/m);
  t.regex(text, /^Agent {6}is not running: the kernel goes on with what it has, changes wait$/m);
});

test('without tables', (t) => {
  const text = statusText(
    { problems: ['no tables'], agent: 'is not running', kernel: 'not there' },
    NOW,
  );
  t.notRegex(text, /^Kernel/m);
  t.regex(text, /^Agent {6}is not running: no Service is served$/m);
});
