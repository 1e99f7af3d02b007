// SPDX-License-Identifier: Apache-2.0
// How a kube-proxy of the lab is configured, and how its answers are read, without one.

import test from 'ava';
import { parse } from 'yaml';
import { KUBE_PROXY_MODES, kubeProxyConfig, xtablesProgram } from '../../lab/kube-proxy-config.ts';
import { parseSyncs } from '../../lab/kube-proxy-process.ts';

const kubeconfig = '/tmp/kubeconfig';

for (const mode of KUBE_PROXY_MODES) {
  test(`${mode}: nothing of the machine is changed`, (t) => {
    const config = parse(kubeProxyConfig({ mode, kubeconfig }));
    t.like(config, {
      kind: 'KubeProxyConfiguration',
      mode: mode === 'nftables' ? 'nftables' : 'iptables',
      clientConnection: { kubeconfig },
      conntrack: { maxPerCore: 0, min: 0 },
      oomScoreAdj: 0,
    });
  });
}

test('legacy rules are written by the legacy program', (t) => {
  t.is(xtablesProgram('iptables-legacy'), 'xtables-legacy-multi');
  t.is(xtablesProgram('iptables-nft'), 'xtables-nft-multi');
});

test('ports and overrides are taken over', (t) => {
  const config = parse(
    kubeProxyConfig({
      mode: 'nftables',
      kubeconfig,
      ports: { health: 20256, metrics: 20249 },
      overrides: { nftables: { minSyncPeriod: '0s' } },
    }),
  );
  t.like(config, {
    healthzBindAddress: '0.0.0.0:20256',
    metricsBindAddress: '127.0.0.1:20249',
    nftables: { minSyncPeriod: '0s' },
  });
});

test('a family has synced once its last sync has a time', (t) => {
  const metric = 'kubeproxy_sync_proxy_rules_last_timestamp_seconds';
  const text = (ipv4: string, ipv6: string) =>
    `# TYPE ${metric} gauge\n${metric}{ip_family="IPv4"} ${ipv4}\n${metric}{ip_family="IPv6"} ${ipv6}\n`;
  t.deepEqual(parseSyncs(text('1.7952793573e+09', '0')), [1795279357300]);
  t.is(parseSyncs(text('1.5e+09', '1.6e+09')).length, 2);
  t.deepEqual(parseSyncs('kubeproxy_other 1\n'), []);
});
