// SPDX-License-Identifier: Apache-2.0
// New connections are spread evenly over the backends.

import test from 'ava';
import { bothProtocols, kubeService, targetAt } from './kube-service.ts';
import { canMakeNodes, nodeForFile } from './node-for-file.ts';
import { type AttemptKind, SocketProbe } from './socket-probe.ts';
import { startBackends } from './start-backends.ts';

const BACKENDS = ['10.244.1.1', '10.244.1.2', '10.244.1.3'];
const CONNECTIONS = 3000;

/**
 * Pearson's statistic exceeds this by chance once in 10^9 runs: for two degrees of freedom that is
 * exp(-x / 2). A backend with 20 % more than its share exceeds it nearly always.
 */
const BOUND = 41.4;

let probe: SocketProbe;

nodeForFile(test, async (node) => {
  node.write('web', kubeService('web', ['10.96.0.1'], bothProtocols(80, BACKENDS)));
  await startBackends(node);
  await node.agent.start();
  probe = await SocketProbe.start(node);
});

const evenly = test.macro({
  async exec(t, kind: AttemptKind) {
    if (!canMakeNodes(t)) return;
    const attempts = await probe.repeat([{ kind, address: '10.96.0.1', port: 80 }], {
      count: CONNECTIONS,
      timeoutMs: 20_000,
    });
    t.is(attempts.length, CONNECTIONS);
    const counts = new Map(BACKENDS.map((address) => [targetAt(address), 0]));
    for (const { landed } of attempts) counts.set(landed, (counts.get(landed) ?? 0) + 1);
    t.is(counts.size, BACKENDS.length, [...counts.keys()].join());
    const share = CONNECTIONS / BACKENDS.length;
    const statistic = [...counts.values()].reduce(
      (sum, count) => sum + (count - share) ** 2 / share,
      0,
    );
    t.true(statistic < BOUND, JSON.stringify([...counts]));
  },
  title: (_ = '', kind: AttemptKind) => `${kind}: each of three backends gets a third`,
});

for (const kind of ['tcp', 'udp', 'sendto'] as const) test.serial(evenly, kind);
