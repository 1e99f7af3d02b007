// SPDX-License-Identifier: Apache-2.0
// What kube-proxy's settings become here, and which settings of the host they ask for.

import test from 'ava';
import * as parts from '../../../agent/config/agent-parts.ts';
import { hostPlan } from '../../../agent/config/host-plan.ts';
import { DEFAULTS, type Settings } from '../../../agent/config/options.ts';

const SECOND = 1_000_000_000n;

const settings = (some: Partial<Settings>): Settings => ({ ...DEFAULTS, ...some });

test('servers', (t) => {
  t.is(parts.serverAddress(''), undefined);
  t.deepEqual(parts.serverAddress('[::]:10249') as unknown, { host: '::', port: 10_249 });
});

test('the bind address is the node’s, unless it is any', (t) => {
  for (const bindAddress of ['0.0.0.0', '::']) {
    t.deepEqual(parts.boundNodeIP(settings({ bindAddress })), []);
  }
  t.deepEqual(parts.boundNodeIP(settings({ bindAddress: '192.0.2.1' })) as string[], ['192.0.2.1']);
  t.deepEqual(parts.boundNodeIP(settings({ bindAddress: 'FD00::1' })) as string[], ['fd00::1']);
});

test('how pods are told', (t) => {
  const told = (some: Partial<Settings>) => {
    const all = settings({ clusterCIDR: '10.244.0.0/16, fd00::/64', ...some });
    return { cidrs: parts.clusterCIDRs(all) as string[], devices: parts.podDevices(all) };
  };
  const cidrs = ['10.244.0.0/16', 'fd00::/64'];
  t.deepEqual(told({}), { cidrs, devices: [] });
  t.deepEqual(told({ detectLocalMode: 'ClusterCIDR' }), { cidrs, devices: [] });
  t.deepEqual(told({ detectLocalMode: 'NodeCIDR' }), { cidrs: [], devices: [] });
  t.deepEqual(told({ detectLocalMode: 'BridgeInterface', 'detectLocal.bridgeInterface': 'cni0' }), {
    cidrs: [],
    devices: ['cni0'],
  });
  t.deepEqual(
    told({ detectLocalMode: 'InterfaceNamePrefix', 'detectLocal.interfaceNamePrefix': 'cali' }),
    { cidrs: [], devices: ['cali*'] },
  );
});

test('periods', (t) => {
  t.is(parts.syncPeriodMs(DEFAULTS), 30_000);
  t.is(parts.syncPeriodMs(settings({ mode: 'nftables', 'nftables.syncPeriod': SECOND })), 1000);
  t.is(parts.auditEveryMs(DEFAULTS), 300_000);
  t.is(parts.auditRest(DEFAULTS), 1000);
  const set = settings({ configSyncPeriod: 60n * SECOND });
  t.is(parts.auditEveryMs(set), 60_000);
  t.is(parts.auditRest(set), 0);
});

test('writes, as client-go takes the numbers', (t) => {
  const writes = (qps: number, burst: number) =>
    parts.writesOf(settings({ 'clientConnection.qps': qps, 'clientConnection.burst': burst }));
  t.deepEqual(writes(7, 9), { qps: 7, burst: 9 });
  t.deepEqual(writes(0, 0), { qps: 5, burst: 10 });
  t.deepEqual(writes(-1, 9), { qps: Number.POSITIVE_INFINITY, burst: 9 });
});

test('verbosity', (t) => {
  t.deepEqual([0, 3, 4, 5, 6, 10].map(parts.logLevelOf), [
    'info',
    'info',
    'debug',
    'debug',
    'trace',
    'trace',
  ]);
});

const plans = test.macro({
  exec(t, some: Partial<Settings>, cpus: number, ...wanted: readonly string[]) {
    const nothing = {
      'conntrack.maxPerCore': 0,
      'conntrack.tcpEstablishedTimeout': 0n,
      'conntrack.tcpCloseWaitTimeout': 0n,
    };
    t.deepEqual(
      hostPlan(settings({ ...nothing, ...some }), cpus).map(
        ({ name, value, raiseOnly }) => `${name} ${raiseOnly ? '>=' : '='} ${value}`,
      ),
      wanted,
    );
  },
  title: (title) => `host: ${title}`,
});
const MAX = 'net.netfilter.nf_conntrack_max';
const TIMEOUT = 'net.netfilter.nf_conntrack_tcp_timeout';
test('nothing is asked for', plans, { 'conntrack.min': 1000 }, 8);
test(
  'the defaults',
  plans,
  DEFAULTS,
  8,
  `${MAX} >= 262144`,
  'hashsize >= 65536',
  `${TIMEOUT}_established = 86400`,
  `${TIMEOUT}_close_wait = 3600`,
);
test(
  'the least',
  plans,
  { 'conntrack.maxPerCore': 10 },
  2,
  `${MAX} >= 131072`,
  'hashsize >= 32768',
);
test(
  'the most',
  plans,
  { 'conntrack.maxPerCore': 32_768 },
  64,
  `${MAX} >= 1048576`,
  'hashsize >= 262144',
);
test(
  'the most of what CPUs make, before the least',
  plans,
  { 'conntrack.maxPerCore': 1, 'conntrack.min': 2_000_000 },
  2,
  `${MAX} >= 2000000`,
  'hashsize >= 500000',
);
test(
  'time-outs in whole seconds, and being liberal',
  plans,
  {
    'conntrack.tcpEstablishedTimeout': 5_900_000_000n,
    'conntrack.tcpBeLiberal': true,
    'conntrack.udpTimeout': SECOND,
    'conntrack.udpStreamTimeout': 2n * SECOND,
  },
  1,
  `${TIMEOUT}_established = 5`,
  'net.netfilter.nf_conntrack_tcp_be_liberal = 1',
  'net.netfilter.nf_conntrack_udp_timeout = 1',
  'net.netfilter.nf_conntrack_udp_timeout_stream = 2',
);
