// SPDX-License-Identifier: Apache-2.0
// The network that the packet path is tested on, by itself: pods dialled at their own addresses, without an
// agent. What fails here fails in every other test of packets for a reason of its own.

import test from 'ava';
import { formatHostPort } from '../lab/host-port.ts';
import { TARGET_PORT } from './kube-service.ts';
import { canMakeNodes } from './node-for-file.ts';
import {
  inEitherFamily,
  inWordsOfIpv4,
  makeAttempts,
  type PacketAttempt,
} from './packet-attempts.ts';
import { BACKENDS, PacketNetwork } from './packet-network.ts';
import {
  CLIENT,
  LOCAL_PODS,
  OTHER_CLIENT,
  type PacketNetworkOptions,
  REMOTE_PODS,
} from './packet-plan.ts';

const at = formatHostPort;

const VARIANTS: readonly [title: string, options: PacketNetworkOptions][] = [
  ['plain routes', {}],
  ['an MTU of 1,400 in the middle', { mtu: 1400 }],
  ['an overlay', { overlay: true }],
  ['a second uplink', { secondUplink: true }],
];

const PORT = 40_000;

for (const [title, options] of VARIANTS) {
  test.serial(`every backend answers the client: ${title}`, async (t) => {
    if (!canMakeNodes(t)) return;
    const network = await PacketNetwork.create(options);
    t.teardown(() => network.close());
    const kinds: readonly Pick<PacketAttempt, 'kind' | 'size'>[] = [
      { kind: 'tcp', size: 100_000 },
      { kind: options.mtu ? 'udp-again' : 'udp', size: 8_000 },
      { kind: 'ping', size: 1_000 },
    ];
    const attempts = [CLIENT, OTHER_CLIENT].flatMap((source) =>
      BACKENDS.flatMap((address) => {
        const to = { source, sourcePort: PORT, address, port: TARGET_PORT };
        return kinds.flatMap((each) => inEitherFamily({ ...to, ...each }));
      }),
    );
    t.deepEqual(
      await makeAttempts(network.node, network.client, attempts),
      attempts.map(({ kind, source = '', address }) =>
        kind === 'ping'
          ? 'pong'
          : inWordsOfIpv4(`${at(address, TARGET_PORT)} from ${at(source, PORT)}`),
      ),
    );
    const [here, there] = [`${LOCAL_PODS[0]}`, `${REMOTE_PODS[0]}`];
    const toRemote = inEitherFamily({
      kind: 'tcp',
      address: there,
      port: TARGET_PORT,
      size: 100_000,
    });
    for (const answer of await makeAttempts(network.node, network.pod(here), toRemote)) {
      t.regex(answer, new RegExp(`^${there}:${TARGET_PORT} from ${here}:\\d+$`));
    }
  });
}
