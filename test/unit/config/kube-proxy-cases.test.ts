// SPDX-License-Identifier: Apache-2.0
// What kube-proxy takes `signalbox agent` takes, and what it refuses is refused here, by the name of the flag or key:
// the rows of test/helpers/kube-proxy-cases.ts, which test/netns holds against a real one.

import test from 'ava';
import { readyConfiguration } from '../../../agent/commands/agent-configuration.ts';
import { agentCommand, rawFlags } from '../../../agent/commands/agent-options.ts';
import type { Settings } from '../../../agent/config/options.ts';
import { readFlags } from '../../../agent/config/read-flags.ts';
import {
  HEAD,
  KUBE_PROXY_CASES,
  KUBEADM,
  type KubeProxyCase,
  titleOf,
} from '../../helpers/kube-proxy-cases.ts';

function configurationOf({ args, file }: Pick<KubeProxyCase, 'args' | 'file'>) {
  const agent = agentCommand()
    .exitOverride()
    .configureOutput({ writeErr: () => {} });
  agent.parse(args, { from: 'user' });
  return readyConfiguration(
    agent.opts(),
    readFlags(rawFlags(agent.opts())),
    file === undefined ? undefined : { name: 'f', text: file },
  );
}

for (const [at, row] of KUBE_PROXY_CASES.entries()) {
  const { taken, differs } = row;
  const isTaken = differs === undefined ? taken : !taken;
  test(`${at}: ${isTaken ? 'takes' : 'refuses'} ${titleOf(row)}`, (t) => {
    if (isTaken) t.notThrows(() => configurationOf(row));
    else {
      const { message = '' } = t.throws(() => configurationOf(row)) ?? {};
      const [flag = ''] = (row.args[0] ?? '').replace(/^-v\b/, '--v').split('=', 1);
      const [, key = 'f'] = row.file?.match(/(?:^|\n)(\w+): .*\n$/) ?? [];
      const named =
        row.args.length === 0 ? [key, 'apiVersion', 'not YAML'] : [flag, 'too many arguments'];
      t.true(
        named.some((name) => message.includes(name)),
        message,
      );
    }
  });
}

const comesTo = test.macro({
  exec(t, row: Pick<KubeProxyCase, 'args' | 'file'>, wanted: Partial<Settings>) {
    const { settings } = configurationOf(row);
    for (const [key, value] of Object.entries(wanted)) t.deepEqual(settings[key as never], value);
  },
  title: (title) => title ?? '',
});
const args = (...words: readonly string[]) => ({ args: words });
test('octal', comesTo, args('--kube-api-burst', '010'), { 'clientConnection.burst': 8 });
test(
  'the last --cluster-cidr counts',
  comesTo,
  args('--cluster-cidr=a', '--cluster-cidr=fd00::/48'),
  {
    clusterCIDR: 'fd00::/48',
  },
);
test('quotes in a list', comesTo, args('--nodeport-addresses="10.0.0.0/8",fd00::/64'), {
  nodePortAddresses: ['10.0.0.0/8', 'fd00::/64'],
});
test('an empty --bind-address', comesTo, args('--bind-address='), { bindAddress: '0.0.0.0' });
test('empty modes', comesTo, args('--proxy-mode=', '--detect-local-mode='), {
  mode: 'iptables',
  detectLocalMode: 'ClusterCIDR',
});
test(
  'servers of a mapped address',
  comesTo,
  { args: [], file: `${HEAD}bindAddress: ::ffff:10.0.0.1` },
  {
    healthzBindAddress: '0.0.0.0:10256',
  },
);
test(
  'the first document',
  comesTo,
  { args: [], file: `${HEAD}mode: ipvs\n---\nmode: nftables` },
  {
    mode: 'ipvs',
  },
);
test(
  'the file’s name as it stands',
  comesTo,
  { args: [], file: `${HEAD}hostnameOverride: Node-A` },
  {
    hostnameOverride: 'Node-A',
  },
);

test('nothing is said about kubeadm’s file', (t) => {
  const { notices, warnings } = configurationOf({ args: ['--hostname-override=n'], file: KUBEADM });
  t.deepEqual([...notices, ...warnings], []);
});
