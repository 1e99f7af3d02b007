// SPDX-License-Identifier: Apache-2.0
// Which of flags and file counts, what is said about the rest, and when the command line is kube-proxy's.

import test from 'ava';
import { effectiveSettings, isInKubeProxysPlace } from '../../../agent/config/effective.ts';
import { noticesOf } from '../../../agent/config/notices.ts';
import { DEFAULTS, type Settings } from '../../../agent/config/options.ts';
import { API_VERSION, KIND, readConfiguration } from '../../../agent/config/read-configuration.ts';
import { type RawFlags, readFlags } from '../../../agent/config/read-flags.ts';

type Texts = Readonly<Record<string, string>>;

const raw = (flags: Texts): RawFlags =>
  Object.fromEntries(Object.entries(flags).map(([flag, text]) => [flag, [text]]));

const file = (object: object) =>
  readConfiguration(JSON.stringify({ apiVersion: API_VERSION, kind: KIND, ...object }));

const comesTo = test.macro({
  exec(
    t,
    flags: Texts,
    object: object | undefined,
    wanted: Partial<Settings>,
    ...told: readonly string[]
  ) {
    const read = readFlags(raw(flags));
    const reading = object && file(object);
    const settings = effectiveSettings(read, reading);
    t.deepEqual(settings, { ...DEFAULTS, ...wanted });
    t.deepEqual(
      noticesOf(settings, read, reading).map(({ option, value }) =>
        value === undefined ? option : `${option}=${value}`,
      ),
      told,
    );
  },
  title: (title) => title ?? '',
});

test('nothing said', comesTo, {}, undefined, {});
test(
  'flags alone',
  comesTo,
  { 'oom-score-adj': '-5', 'bind-address-hard-fail': 'true' },
  undefined,
  {
    oomScoreAdj: -5,
    bindAddressHardFail: true,
  },
);
test(
  'kubeadm’s command line: the name is the flag’s, all else the file’s',
  comesTo,
  { config: '/var/lib/kube-proxy/config.conf', 'hostname-override': ' Node-1 ' },
  { hostnameOverride: 'other', clusterCIDR: '10.244.0.0/16' },
  { hostnameOverride: 'node-1', clusterCIDR: '10.244.0.0/16' },
);
test(
  'an empty flag leaves the name to the file',
  comesTo,
  { config: 'f', 'hostname-override': '' },
  { hostnameOverride: 'Other' },
  { hostnameOverride: 'Other' },
);
test(
  'beside a file, other flags do not count, and one notice says so',
  comesTo,
  {
    config: 'f',
    'cluster-cidr': '10.0.0.0/8',
    'proxy-mode': 'ipvs',
    'metrics-port': '0',
    master: 'https://192.0.2.1',
  },
  {},
  {},
  '--cluster-cidr --proxy-mode --metrics-port',
);
test(
  'logs go by flags first; patterns of both count',
  comesTo,
  { config: 'f', v: '5', vmodule: 'a=1' },
  { logging: { verbosity: 2, vmodule: [{ filePattern: 'b', verbosity: 2 }] } },
  {
    'logging.verbosity': 5,
    'logging.vmodule': [
      { filePattern: 'a', verbosity: 1 },
      { filePattern: 'b', verbosity: 2 },
    ],
  },
  '--vmodule=[{"filePattern":"a","verbosity":1},{"filePattern":"b","verbosity":2}]',
);
test(
  'what has no effect is told by its name, where it is not the default',
  comesTo,
  { config: 'f' },
  {
    mode: 'ipvs',
    enableProfiling: true,
    ipvs: { scheduler: 'rr', strictARP: false },
    iptables: { minSyncPeriod: '1s' },
  },
  { mode: 'ipvs', enableProfiling: true, 'ipvs.scheduler': 'rr' },
  'enableProfiling=true',
  'mode=ipvs',
  'ipvs.scheduler=rr',
);
test('logs are JSON: no notice for json', comesTo, { 'logging-format': 'json' }, undefined, {
  'logging.format': 'json',
});
test(
  'one for text, which is kube-proxy’s default',
  comesTo,
  { 'logging-format': 'text' },
  undefined,
  {},
  '--logging-format=text',
);
test('flags of the past', comesTo, { logtostderr: 'true' }, undefined, {}, '--logtostderr');
test(
  'the flags of iptables are those of nftables, too',
  comesTo,
  {
    'proxy-mode': 'nftables',
    'iptables-sync-period': '10s',
    'iptables-min-sync-period': '2s',
    'masquerade-all': 'true',
  },
  undefined,
  {
    mode: 'nftables',
    'nftables.syncPeriod': 10_000_000_000n,
    'nftables.minSyncPeriod': 2_000_000_000n,
    'nftables.masqueradeAll': true,
    nodePortAddresses: ['primary'],
  },
  '--proxy-mode=nftables',
  'nftables.masqueradeAll=true',
  'nftables.minSyncPeriod=2s',
);
test(
  'what mode nftables does by default is not done to addresses that are named',
  comesTo,
  { 'proxy-mode': 'nftables', 'nodeport-addresses': '10.0.0.0/8' },
  undefined,
  { mode: 'nftables', nodePortAddresses: ['10.0.0.0/8'] },
  '--proxy-mode=nftables',
);
test(
  'ports behind addresses that have none',
  comesTo,
  { 'healthz-bind-address': '10.0.0.1', 'healthz-port': '99', 'metrics-bind-address': '::' },
  undefined,
  {
    healthzBindAddress: '10.0.0.1:99',
    metricsBindAddress: '[::]:10249',
  },
);
test(
  'port 0 is off, and so is an empty address',
  comesTo,
  { 'healthz-port': '0', 'metrics-bind-address': '' },
  undefined,
  {
    healthzBindAddress: '',
    metricsBindAddress: '',
  },
);
test(
  'a port that an address has counts',
  comesTo,
  { 'metrics-port': '99' },
  undefined,
  {},
  '--metrics-port',
);

const isIts = test.macro({
  exec: (t, flags: readonly string[], wanted: boolean) =>
    t.is(
      isInKubeProxysPlace(readFlags(Object.fromEntries(flags.map((flag) => [flag, ['1']])))),
      wanted,
    ),
  title: (_, flags: readonly string[], wanted: boolean) =>
    `${wanted ? 'kube-proxy’s' : 'not kube-proxy’s'} command line: ${flags.join(' ') || 'nothing'}`,
});
test(isIts, [], false);
test(
  isIts,
  [
    'kubeconfig',
    'cluster-cidr',
    'nodeport-addresses',
    'hostname-override',
    'metrics-bind-address',
    'v',
  ],
  false,
);
test(
  isIts,
  ['cleanup', 'bind-address', 'healthz-bind-address', 'write-config-to', 'version'],
  false,
);
test(isIts, ['config'], true);
test(isIts, ['kubeconfig', 'proxy-mode'], true);
test(isIts, ['conntrack-min'], true);
test(isIts, ['init-only'], true);
