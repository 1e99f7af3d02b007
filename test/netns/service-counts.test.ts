// SPDX-License-Identifier: Apache-2.0
// What is counted of each service port on the socket path: what programs really called, in both families.

import test from 'ava';
import { openTables } from '../../agent/sys/datapath.ts';
import { Pins } from '../../agent/sys/pins.ts';
import { readServiceCounts } from '../helpers/service-counts.ts';
import { bothProtocols, kubeService } from './kube-service.ts';
import { canMakeNodes, nodeForFile } from './node-for-file.ts';
import { SocketProbe } from './socket-probe.ts';
import { startBackends } from './start-backends.ts';

let probe: SocketProbe;
let counts: () => ReturnType<typeof readServiceCounts>;

nodeForFile(test, async (node) => {
  node.write('services', [
    ...kubeService(
      'web',
      ['10.96.0.1', 'fd00:10:96::1'],
      bothProtocols(80, ['10.244.1.1', 'fd00:10:244:1::1']),
    ),
    ...kubeService('empty', ['10.96.0.2', 'fd00:10:96::2'], bothProtocols(80, [])),
  ]);
  await startBackends(node);
  await node.agent.start();
  probe = await SocketProbe.start(node);
  counts = () => {
    const tables = openTables(new Pins(node.bpffs));
    try {
      return readServiceCounts(tables);
    } finally {
      tables.close();
    }
  };
});

test.serial(
  'each connect() counts, and the first datagram from a socket; what is refused, each time',
  async (t) => {
    if (!canMakeNodes(t)) return;
    // What the agent's self-test did.
    t.deepEqual(counts(), {});
    for (const [family, web, empty] of [
      [4, '10.96.0.1', '10.96.0.2'],
      [6, 'fd00:10:96::1', 'fd00:10:96::2'],
    ] as const) {
      const [tcp, connected, udp, refused] = [
        await probe.open('tcp', family),
        await probe.open('udp', family),
        await probe.open('udp', family),
        await probe.open('tcp', family),
      ];
      t.is(await tcp.connect(web, 80), '');
      t.is(await connected.connect(web, 80), '');
      await connected.send('?');
      for (let i = 0; i < 3; i++) t.is(await udp.sendTo([web, 80]), '');
      for (let i = 0; i < 2; i++) t.is(await udp.sendTo([empty, 80]), 'ECONNREFUSED');
      t.is(await refused.connect(empty, 80), 'ECONNREFUSED');
      for (const socket of [tcp, connected, udp, refused]) await socket.close();
    }
    t.deepEqual(counts(), {
      'default/web:tcp-80/TCP': { socketConnections: 2 },
      'default/web:udp-80/UDP': { socketConnections: 4 },
      'default/empty:tcp-80/TCP': { socketRefusals: 2 },
      'default/empty:udp-80/UDP': { socketRefusals: 4 },
    });
  },
);
