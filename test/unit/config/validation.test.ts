// SPDX-License-Identifier: Apache-2.0
// kube-proxy's rules about values (semantics 1.17): what is refused, by which name, and that all of it is said at once.

import test from 'ava';
import { DEFAULTS, type Settings } from '../../../agent/config/options.ts';
import { validate } from '../../../agent/config/validation.ts';

const SECOND = 1_000_000_000n;

function problems(settings: Partial<Settings>): string[] {
  return validate({ ...DEFAULTS, ...settings }).map(
    ({ key, value, right }) => `${key}: ${value}: ${right}`,
  );
}

const takes = test.macro({
  exec: (t, settings: Partial<Settings>) => t.deepEqual(problems(settings), []),
  title: (_, settings: Partial<Settings>) => `takes ${shown(settings)}`,
});
const refuses = test.macro({
  exec: (t, settings: Partial<Settings>, ...said: readonly string[]) =>
    t.deepEqual(problems(settings), said),
  title: (_, settings: Partial<Settings>, ..._said: readonly string[]) =>
    `refuses ${shown(settings)}`,
});

function shown(settings: Partial<Settings>): string {
  return JSON.stringify(settings, (_, value) => (typeof value === 'bigint' ? `${value}ns` : value));
}

test(takes, {});
for (const mode of ['iptables', 'ipvs', 'nftables']) test(takes, { mode });
test(refuses, { mode: 'userspace' }, 'mode: userspace: must be iptables, ipvs, nftables or empty');
test(
  refuses,
  { mode: 'kernelspace' },
  'mode: kernelspace: must be iptables, ipvs, nftables or empty',
);

test(takes, { 'iptables.masqueradeBit': 31 });
test(
  refuses,
  { 'iptables.masqueradeBit': 32 },
  'iptables.masqueradeBit: 32: must be within the range [0, 31]',
);
test(takes, { 'nftables.masqueradeBit': 32 });
test(
  refuses,
  { mode: 'nftables', 'nftables.masqueradeBit': -1 },
  'nftables.masqueradeBit: -1: must be within the range [0, 31]',
);

test(takes, { 'iptables.minSyncPeriod': 0n, 'iptables.syncPeriod': 1n });
test(takes, { 'iptables.minSyncPeriod': SECOND, 'iptables.syncPeriod': SECOND });
test(
  refuses,
  { 'iptables.minSyncPeriod': 31n * SECOND },
  'iptables.syncPeriod: 30s: must be greater than or equal to iptables.minSyncPeriod',
);
test(refuses, { 'iptables.syncPeriod': 0n }, 'iptables.syncPeriod: 0s: must be greater than 0');
test(
  refuses,
  { 'iptables.minSyncPeriod': -SECOND },
  'iptables.minSyncPeriod: -1s: must be greater than or equal to 0',
);
test(takes, { mode: 'nftables', 'iptables.syncPeriod': 0n });
test(
  refuses,
  { mode: 'ipvs', 'ipvs.syncPeriod': 0n },
  'ipvs.syncPeriod: 0s: must be greater than 0',
);
test(refuses, { configSyncPeriod: 0n }, 'configSyncPeriod: 0s: must be greater than 0');

test(takes, { 'ipvs.tcpTimeout': -1n, 'ipvs.excludeCIDRs': ['x'] });
test(
  refuses,
  {
    mode: 'ipvs',
    'ipvs.tcpTimeout': -1n,
    'ipvs.tcpFinTimeout': -1n,
    'ipvs.udpTimeout': -1n,
    'ipvs.excludeCIDRs': ['10.0.0.0/8', 'x'],
  },
  'ipvs.tcpTimeout: -1ns: must be greater than or equal to 0',
  'ipvs.tcpFinTimeout: -1ns: must be greater than or equal to 0',
  'ipvs.udpTimeout: -1ns: must be greater than or equal to 0',
  'ipvs.excludeCIDRs[1]: x: must be a CIDR, as 10.244.0.0/16 or fd00::/64',
);

test(takes, {
  'conntrack.maxPerCore': 0,
  'conntrack.min': 0,
  'conntrack.udpTimeout': 0n,
  'clientConnection.burst': 0,
});
for (const key of ['conntrack.maxPerCore', 'conntrack.min', 'clientConnection.burst'] as const) {
  test(refuses, { [key]: -1 }, `${key}: -1: must be greater than or equal to 0`);
}
for (const key of [
  'conntrack.tcpEstablishedTimeout',
  'conntrack.tcpCloseWaitTimeout',
  'conntrack.udpTimeout',
  'conntrack.udpStreamTimeout',
] as const) {
  test(refuses, { [key]: -SECOND }, `${key}: -1s: must be greater than or equal to 0`);
}
test(takes, { oomScoreAdj: -1000 });
test(takes, { oomScoreAdj: 1000 });
test(refuses, { oomScoreAdj: -1001 }, 'oomScoreAdj: -1001: must be within the range [-1000, 1000]');

for (const bindAddress of ['::', '192.0.2.1', '010.0.0.1', 'fd00::1']) test(takes, { bindAddress });
test(refuses, { bindAddress: 'localhost' }, 'bindAddress: localhost: must be an IP address');
test(refuses, { bindAddress: '192.0.2.1:80' }, 'bindAddress: 192.0.2.1:80: must be an IP address');

const SERVER = 'must be an IP address and a port, as 127.0.0.1:10249 or [::1]:10249';
for (const address of ['', '0.0.0.0:1', '[::1]:65535', '[::ffff:127.0.0.1]:80']) {
  test(takes, { healthzBindAddress: address, metricsBindAddress: address });
}
for (const address of [
  '10249',
  ':10249',
  '127.0.0.1',
  '127.0.0.1:',
  '127.0.0.1:0',
  '127.0.0.1:65536',
  '127.0.0.1:-1',
  '127.0.0.1:http',
  'localhost:80',
  '::1:80',
  '[::1]',
  '[]:80',
  ' 127.0.0.1:80',
]) {
  test(
    refuses,
    { healthzBindAddress: address, metricsBindAddress: address },
    `healthzBindAddress: ${address}: ${SERVER}`,
    `metricsBindAddress: ${address}: ${SERVER}`,
  );
}

test(takes, { nodePortAddresses: ['primary'] });
test(takes, { nodePortAddresses: ['10.0.0.0/8', 'fd00::/64'] });
test(
  refuses,
  { nodePortAddresses: ['10.0.0.0/8', 'primary'] },
  'nodePortAddresses[1]: primary: primary must stand alone, without CIDRs',
);
test(
  refuses,
  { nodePortAddresses: ['10.0.0.1', 'x'] },
  'nodePortAddresses[0]: 10.0.0.1: must be a CIDR, as 10.244.0.0/16 or fd00::/64, or primary',
  'nodePortAddresses[1]: x: must be a CIDR, as 10.244.0.0/16 or fd00::/64, or primary',
);

const CLUSTER = 'must be one CIDR, or one of each family, as 10.244.0.0/16,fd00:10:244::/56';
for (const clusterCIDR of [
  '',
  '10.244.0.0/16',
  'fd00::/64',
  '10.244.0.0/16,fd00::/64',
  'fd00::/64,10.244.0.0/16',
]) {
  test(takes, { clusterCIDR });
}
for (const clusterCIDR of [
  '10.244.0.1',
  '10.244.0.0/16,10.245.0.0/16',
  '10.244.0.0/16,x',
  '10.0.0.0/8,fd00::/64,fd01::/64',
]) {
  test(refuses, { clusterCIDR }, `clusterCIDR: ${clusterCIDR}: ${CLUSTER}`);
}
test(takes, { detectLocalMode: 'NodeCIDR', clusterCIDR: 'x' });
test(takes, { detectLocalMode: 'BridgeInterface', 'detectLocal.bridgeInterface': 'cni0' });
test(
  refuses,
  { detectLocalMode: 'BridgeInterface' },
  'detectLocal.bridgeInterface: "": must be the name of a device',
);
test(
  refuses,
  { detectLocalMode: 'InterfaceNamePrefix' },
  'detectLocal.interfaceNamePrefix: "": must be how names of devices begin',
);
test(
  refuses,
  { detectLocalMode: 'x' },
  'detectLocalMode: x: must be ClusterCIDR, NodeCIDR, BridgeInterface, InterfaceNamePrefix or empty',
);

test(takes, { portRange: 'of the past' });
test(refuses, { hostnameOverride: ' ' }, 'hostnameOverride:  : must be a name');
test(takes, { showHiddenMetricsForVersion: '1.35' });
test(
  refuses,
  { showHiddenMetricsForVersion: '1' },
  'showHiddenMetricsForVersion: 1: must be a version, as 1.35',
);

test(takes, { 'logging.format': 'json' });
test(refuses, { 'logging.format': 'xml' }, 'logging.format: xml: must be text or json');
test(
  refuses,
  { 'logging.flushFrequency': 0n },
  'logging.flushFrequency: 0s: must be greater than 0',
);
const vmodule = [{ filePattern: 'a', verbosity: 1 }];
test(takes, { 'logging.vmodule': vmodule });
test(
  refuses,
  { 'logging.vmodule': vmodule, 'logging.format': 'json' },
  'logging.vmodule: [{"filePattern":"a","verbosity":1}]: is for the format text alone',
);
test(
  refuses,
  { 'logging.vmodule': [{ filePattern: 'a,b', verbosity: 1 }] },
  'logging.vmodule: [{"filePattern":"a,b","verbosity":1}]: must have patterns without = and commas',
);
const alpha = {
  'logging.options.text.splitStream': true,
  'logging.options.json.infoBufferSize': '64Ki',
};
test(takes, { ...alpha, featureGates: { LoggingAlphaOptions: true } });
test(
  refuses,
  alpha,
  'logging.options.json.infoBufferSize: 64Ki: takes the feature gate LoggingAlphaOptions',
);

test('all at once', (t) => {
  t.is(problems({ mode: 'x', oomScoreAdj: 5000, bindAddress: '', 'conntrack.min': -1 }).length, 4);
});
