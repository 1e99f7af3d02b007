// SPDX-License-Identifier: Apache-2.0
// Translated connections outlive the rules that translated them while there is the table that keeps them, and only then.

import { fileURLToPath } from 'node:url';
import test from 'ava';
import { requireProgram } from '../helpers/requirements.ts';
import { KubeProxyRules, type RuleKind } from '../lab/kube-proxy-rules/kube-proxy-rules.ts';
import { inBothFamilies } from './dual-stack.ts';
import { canMakeNodes } from './node-for-file.ts';
import { packetNetworkForFile } from './packet-network.ts';
import { LOCAL_PODS, NODE_IP, REMOTE_PODS } from './packet-plan.ts';
import { addressesOf, packetService, SERVICE_PORT } from './packet-services.ts';
import { SteadyTraffic } from './steady-traffic.ts';

const [POD = '', LOCAL = ''] = LOCAL_PODS;
const OBJECTS = [...packetService(1, [LOCAL]), ...packetService(2, REMOTE_PODS)];
const KEEPER = fileURLToPath(new URL('../../agent/reconcile/nat-keeper.ts', import.meta.url));

const network = packetNetworkForFile(test, {}, async () => {});

const CASES: readonly [kind: RuleKind, isKept: boolean][] = [
  ['nftables', true],
  ['nftables', false],
  ['iptables-nft', true],
  ['iptables-legacy', true],
  ['iptables-legacy', false],
];

for (const [kind, isKept] of CASES) {
  const title = isKept ? 'goes on without its rules' : 'ends with its rules when nobody keeps it';
  test.serial(`${kind}: what is translated ${title}`, async (t) => {
    if (!canMakeNodes(t) || !requireProgram(t, 'nft')) return;
    if (!requireProgram(t, 'iptables-legacy-restore')) return;
    const { node, client } = network();
    const rules = new KubeProxyRules(node, kind);
    const traffic = new SteadyTraffic();
    t.teardown(() => traffic.end());
    t.teardown(() => keeper('stopKeepingNat()'));
    await rules.write(OBJECTS);
    const hosts = inBothFamilies(addressesOf(1).clusterIP);
    const order = { kind: 'long', count: 1 } as const;
    for (const host of hosts) {
      await traffic.begin(network().pod(POD), 'pod', { ...order, host, port: SERVICE_PORT });
    }
    for (const host of inBothFamilies(NODE_IP)) {
      const { nodePort } = addressesOf(2);
      await traffic.begin(client, 'outside', { ...order, host, port: nodePort });
    }
    await traffic.goesOn();
    if (isKept) await keeper("keepNat(['ip', 'ip6'])");
    await rules.clear();
    await traffic.goesOn();
    t.is((await traffic.failures()).length, isKept ? 0 : 2 * hosts.length);
  });
}

/** On the node: it is about the network namespace that it runs in. */
async function keeper(call: string): Promise<void> {
  const program = `const { keepNat, stopKeepingNat } = await import('${KEEPER}'); await ${call}; void keepNat, stopKeepingNat;`;
  const argv = [process.execPath, '--input-type=module', '--eval', program];
  const { code, stderr } = await network().node.run(argv);
  if (code !== 0) throw new Error(stderr);
}
