// SPDX-License-Identifier: Apache-2.0
// The two ways in which programs are attached to devices: links of TCX, and filters of clsact, which is what
// kernels before 6.6 have. Packets meet the same, and one takes the place of the other while traffic runs.

import test, { type ExecutionContext } from 'ava';
import { requireKernel } from '../helpers/requirements.ts';
import { patient } from '../lab/patience.ts';
import { inIpv4Words, twinOf } from './dual-stack.ts';
import { targetAt } from './kube-service.ts';
import { comesTo } from './landings.ts';
import { canMakeNodes } from './node-for-file.ts';
import { inEitherFamily, makeAttempts } from './packet-attempts.ts';
import { AGENT_FLAGS, packetNetworkForFile } from './packet-network.ts';
import { CLIENT, LOCAL_PODS, NODE_IP, REMOTE_PODS, SECOND_NODE_IP } from './packet-plan.ts';
import { comeTo, keeping, REFUSED, type Row, servedBy } from './packet-rows.ts';
import { addressesOf, packetService, waysTo } from './packet-services.ts';
import { SocketProbe } from './socket-probe.ts';

const [LOCAL = ''] = LOCAL_PODS;
const [REMOTE = ''] = REMOTE_PODS;
const BACKENDS: readonly [number: number, backend: string, seen: string][] = [
  [1, LOCAL, keeping(CLIENT)],
  [2, REMOTE, NODE_IP],
];
const EMPTY = 3;

/** The kernel takes a device down for a moment when a clsact qdisc comes or goes (qdisc_graft), with what is on its way. */
const MAY_BE_LOST = 2;

type Way = 'tcx' | 'clsact';

const network = packetNetworkForFile(test, {}, async ({ node }) => {
  node.write('services', [
    ...BACKENDS.flatMap(([number, backend]) => packetService(number, [backend])),
    ...packetService(EMPTY, []),
  ]);
  await startWith('clsact', node.agent);
});

test.serial('clsact: packets are served', async (t) => {
  if (!canMakeNodes(t)) return;
  t.deepEqual(await attached(), ['clsact']);
  await serves(t);
});

for (const to of ['tcx', 'clsact'] as const) {
  test.serial(`to ${to} under load: no connection fails`, async (t) => {
    if (!canMakeNodes(t) || (to === 'tcx' && !requireKernel(t, 'TCX'))) return;
    const probe = await SocketProbe.start(network().node, network().client);
    const targets = BACKENDS.flatMap(([number, backend]) =>
      [NODE_IP, twinOf(NODE_IP)].flatMap((address) =>
        (['tcp', 'udp'] as const).map((kind) => ({
          kind,
          address,
          port: addressesOf(number).nodePort,
          backend,
        })),
      ),
    );
    const load = probe.repeat(targets, { timeoutMs: patient(30_000), pauseUs: 200 });
    const { agent } = network().node;
    await agent.end('SIGTERM');
    await startWith(to, agent);
    probe.stop();
    const attempts = await load;
    t.true(attempts.length > 100);
    const failed = attempts.filter(
      ({ target, landed }) =>
        inIpv4Words(landed.split(' ')[0] ?? '') !== targetAt(`${targets[target]?.backend}`),
    );
    const [datagrams, streams] = [true, false].map((isUdp) =>
      failed.filter(({ target }) => (targets[target]?.kind === 'udp') === isUdp),
    );
    t.deepEqual(streams, []);
    t.true(Number(datagrams?.length) <= MAY_BE_LOST, JSON.stringify(datagrams));
    t.deepEqual(await attached(), [to]);
    await serves(t);
  });
}

test.serial('an uplink that comes later is served unasked', async (t) => {
  if (!canMakeNodes(t)) return;
  await network().addSecondUplink();
  const { node, client } = network();
  for (const [number, backend] of BACKENDS) {
    const { nodePort: port } = addressesOf(number);
    const attempts = (['tcp', 'udp'] as const).flatMap((kind) =>
      inEitherFamily({ kind, source: CLIENT, address: SECOND_NODE_IP, port }),
    );
    await comesTo(t, attempts.map(() => targetAt(backend)).join(), async () => {
      const answers = await makeAttempts(node, client, attempts, { patienceMs: 500 });
      return answers.map((answer) => answer.split(' from ')[0]).join();
    });
  }
});

async function startWith(way: Way, agent: { flags: readonly string[]; start(): Promise<void> }) {
  agent.flags = [...AGENT_FLAGS, '--tc-attach', way];
  await agent.start();
}

/** How, on all devices of the node, as `status` says. */
async function attached(): Promise<string[]> {
  const { stdout } = await network().node.signalbox('status', '-o', 'json');
  return [...new Set([...stdout.matchAll(/"(tcx|clsact)"/g)].map(([, way]) => `${way}`))];
}

async function serves(t: ExecutionContext): Promise<void> {
  const rows = [
    ...BACKENDS.flatMap(([number, backend, seen]) =>
      waysTo(number).flatMap((way): Row[] => {
        const each = { ...way, source: CLIENT, becomes: servedBy(backend, seen) };
        return [
          { ...each, kinds: ['tcp'], size: 200_000 },
          { ...each, kinds: ['udp'], size: 8_000 },
        ];
      }),
    ),
    ...waysTo(EMPTY).map((way) => ({ ...way, source: CLIENT, becomes: REFUSED })),
  ];
  await comeTo(t, network(), rows);
}
