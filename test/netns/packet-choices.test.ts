// SPDX-License-Identifier: Apache-2.0
// Which backend a client outside gets: any of them, or with session affinity the same one again, at whatever
// address of the Service it dials (semantics 1.6, 1.10).

import test, { type ExecutionContext } from 'ava';
import { inBothFamilies, inIpv4Words, twinOf } from './dual-stack.ts';
import { programmed } from './kernel-backends.ts';
import { targetAt } from './kube-service.ts';
import { canMakeNodes } from './node-for-file.ts';
import { makeAttempts, type PacketAttempt } from './packet-attempts.ts';
import { packetNetworkForFile } from './packet-network.ts';
import { CLIENT, LOCAL_PODS, OTHER_CLIENT, REMOTE_PODS } from './packet-plan.ts';
import { addressesOf, packetService, SERVICE_PORT, waysTo } from './packet-services.ts';

const ANY = 1;
const STICKY = 2;
const PODS = [...LOCAL_PODS, ...REMOTE_PODS];
const ROUNDS = 10;
const AFFINITY = { spec: { sessionAffinity: 'ClientIP' } };

const network = packetNetworkForFile(test, {}, async ({ node }) => {
  node.write('services', [...packetService(ANY, PODS), ...packetService(STICKY, PODS, AFFINITY)]);
  await node.agent.start();
});

/** Those who have a backend of their own each: a client of either family, to the port of either protocol. */
const CLIENTS = inBothFamilies(CLIENT, OTHER_CLIENT).flatMap((source) =>
  (['tcp', 'udp'] as const).map((kind) => ({ source, kind })),
);

type StickyClient = (typeof CLIENTS)[number];

test.serial('without affinity each connection goes to any backend', async (t) => {
  if (!canMakeNodes(t)) return;
  for (const client of CLIENTS) {
    const backends = await backendsOf(attemptsOf(client, ANY));
    // One of four is missed by chance once in 10^5 runs.
    t.deepEqual([...backends].sort(), PODS.map(targetAt).sort());
  }
});

test.serial('with affinity a client keeps its backend, until it is gone', async (t) => {
  if (!canMakeNodes(t)) return;
  const first = await stuck(t, PODS);
  // All the same by chance once in 16,000 runs.
  t.true(new Set(first.values()).size > 1);
  t.deepEqual(await stuck(t, PODS), first);
  const [gone = ''] = first.values();
  const left = PODS.filter((pod) => targetAt(pod) !== gone);
  network().node.write('services', packetService(STICKY, left, AFFINITY));
  for (const protocol of ['TCP', 'UDP']) {
    const key = `${addressesOf(STICKY).clusterIP}:${SERVICE_PORT}/${protocol}`;
    await programmed(network().node, key, left.map(targetAt));
    const twin = `[${twinOf(addressesOf(STICKY).clusterIP)}]:${SERVICE_PORT}/${protocol}`;
    await programmed(
      network().node,
      twin,
      left.map((pod) => `[${twinOf(pod)}]:8080`),
    );
  }
  const second = await stuck(t, left);
  for (const [client, backend] of first) {
    if (backend !== gone) t.is(second.get(client), backend, client);
  }
});

/** @returns the one backend of each client. */
async function stuck(
  t: ExecutionContext,
  pods: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const backends = new Map<string, string>();
  for (const client of CLIENTS) {
    const attempts = attemptsOf(client, STICKY);
    // The first alone: two that come at the same time may both find nothing remembered.
    const [first] = await backendsOf(attempts.slice(0, 1));
    const all = await backendsOf(attempts);
    t.deepEqual([...all], [`${first}`]);
    t.true(pods.map(targetAt).includes(`${first}`), first);
    backends.set(`${client.kind} ${client.source}`, `${first}`);
  }
  return backends;
}

/** At every address of the Service, again and again. */
function attemptsOf({ source, kind }: StickyClient, number: number): PacketAttempt[] {
  const isIpv6 = source.includes(':');
  return Array.from({ length: ROUNDS }, () => waysTo(number))
    .flat()
    .map(({ address, port }) => ({
      kind,
      source,
      address: isIpv6 ? twinOf(address) : address,
      port,
    }));
}

async function backendsOf(attempts: readonly PacketAttempt[]): Promise<Set<string>> {
  const answers = await makeAttempts(network().node, network().client, attempts);
  return new Set(answers.map((answer) => inIpv4Words(answer.split(' from ')[0] ?? '')));
}
