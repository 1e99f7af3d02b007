// SPDX-License-Identifier: Apache-2.0
// Which endpoints pods and the node itself are led to: by the two traffic policies, by what is ready, by
// what still serves while it terminates, and by hints, while all of that changes (semantics 1.5, 1.6, 1.7).

import test, { type ExecutionContext } from 'ava';
import type { KubeObject } from '../lab/kube-object.ts';
import { nodeObject } from '../lab/node-object.ts';
import { type Clients, startClients } from './clients.ts';
import { endpointsInBothFamilies, inBothFamilies, twinOf } from './dual-stack.ts';
import { bothProtocols, type EndpointSketch, kubeService, targetAt } from './kube-service.ts';
import { comesTo, errnos, landings } from './landings.ts';
import { canMakeNodes, nodeForFile } from './node-for-file.ts';
import { startBackends } from './start-backends.ts';

const CLUSTER_IP = '10.96.0.1';
const EXTERNAL_IP = '198.51.100.7';
const LOAD_BALANCER = '203.0.113.7';
const NODE_IP = '192.0.2.11';
const NODE_PORT = 30080;

/** Every external way to the Service: its policy is the external one. */
const EXTERNAL = [
  [EXTERNAL_IP, 80],
  [LOAD_BALANCER, 80],
  [NODE_IP, NODE_PORT],
] as const;

const HERE = { address: '10.244.1.1', nodeName: 'here' };
const HERE_TOO = { address: '10.244.1.2', nodeName: 'here' };
const THERE = { address: '10.244.2.1', nodeName: 'there' };
const THERE_TOO = { address: '10.244.2.2', nodeName: 'there' };

const READY = { ready: true };
const NOT_READY = { ready: false };
/** Still serves while it terminates; what {@link ENDING} no longer does. */
const DRAINING = { ready: false, serving: true, terminating: true };
const ENDING = { ready: false, serving: false, terminating: true };

let clients: Clients;

const node = nodeForFile(test, async (made) => {
  await made.configure(
    `addr add ${NODE_IP}/32 dev lo`,
    `addr add ${twinOf(NODE_IP)}/128 dev lo nodad`,
  );
  clients = await startClients(made, 2);
  await startBackends(made);
  made.write('web', serviceWith([]));
  made.agent.flags = ['--node-name', 'here'];
  await made.agent.start();
});

test.serial('internalTrafficPolicy Local: only endpoints of this node', async (t) => {
  if (!canMakeNodes(t)) return;
  write([HERE, HERE_TOO, THERE], { internalTrafficPolicy: 'Local' });
  await leadsTo(t, CLUSTER_IP, 80, HERE, HERE_TOO);
  write([HERE, THERE, THERE_TOO], { internalTrafficPolicy: 'Local' });
  await leadsTo(t, CLUSTER_IP, 80, HERE);
});

test.serial(
  'internalTrafficPolicy Local: none here is unreachable, none anywhere refused',
  async (t) => {
    if (!canMakeNodes(t)) return;
    write([THERE, { ...HERE, conditions: NOT_READY }], { internalTrafficPolicy: 'Local' });
    await fails(t, CLUSTER_IP, 80, 'EHOSTUNREACH');
    write([{ ...THERE, conditions: NOT_READY }], { internalTrafficPolicy: 'Local' });
    await fails(t, CLUSTER_IP, 80, 'ECONNREFUSED');
    write([], { internalTrafficPolicy: 'Local' });
    await fails(t, CLUSTER_IP, 80, 'ECONNREFUSED');
    write([HERE, THERE], { internalTrafficPolicy: 'Local' });
    await leadsTo(t, CLUSTER_IP, 80, HERE);
  },
);

test.serial('internalTrafficPolicy Local is not for external addresses', async (t) => {
  if (!canMakeNodes(t)) return;
  write([THERE], { internalTrafficPolicy: 'Local' });
  await fails(t, CLUSTER_IP, 80, 'EHOSTUNREACH');
  for (const [host, port] of EXTERNAL) await leadsTo(t, host, port, THERE);
});

test.serial('externalTrafficPolicy Local does not bind pods and the node itself', async (t) => {
  if (!canMakeNodes(t)) return;
  for (const endpoints of [
    [HERE, THERE],
    [THERE, THERE_TOO],
  ]) {
    write(endpoints, { externalTrafficPolicy: 'Local' });
    await leadsTo(t, CLUSTER_IP, 80, ...endpoints);
    for (const [host, port] of EXTERNAL) await leadsTo(t, host, port, ...endpoints);
  }
  write([], { externalTrafficPolicy: 'Local' });
  for (const [host, port] of EXTERNAL) await fails(t, host, port, 'ECONNREFUSED');
});

test.serial('both policies Local', async (t) => {
  if (!canMakeNodes(t)) return;
  const policies = { internalTrafficPolicy: 'Local', externalTrafficPolicy: 'Local' };
  write([HERE, THERE], policies);
  await leadsTo(t, CLUSTER_IP, 80, HERE);
  for (const [host, port] of EXTERNAL) await leadsTo(t, host, port, HERE, THERE);
});

test.serial('what terminates serves on while nothing is ready', async (t) => {
  if (!canMakeNodes(t)) return;
  write([HERE, THERE]);
  await leadsTo(t, CLUSTER_IP, 80, HERE, THERE);
  write([{ ...HERE, conditions: DRAINING }, THERE]);
  await leadsTo(t, CLUSTER_IP, 80, THERE);
  write([
    { ...HERE, conditions: DRAINING },
    { ...THERE, conditions: DRAINING },
  ]);
  await leadsTo(t, CLUSTER_IP, 80, HERE, THERE);
  write([
    { ...HERE, conditions: ENDING },
    { ...THERE, conditions: DRAINING },
  ]);
  await leadsTo(t, CLUSTER_IP, 80, THERE);
  write([
    { ...HERE, conditions: ENDING },
    { ...THERE, conditions: ENDING },
  ]);
  await fails(t, CLUSTER_IP, 80, 'ECONNREFUSED');
  write([
    { ...HERE, conditions: DRAINING },
    { ...THERE, conditions: NOT_READY },
  ]);
  await leadsTo(t, CLUSTER_IP, 80, HERE);
  write([
    { ...HERE, conditions: DRAINING },
    { ...THERE, conditions: READY },
  ]);
  await leadsTo(t, CLUSTER_IP, 80, THERE);
});

test.serial('each list falls back to what terminates by itself', async (t) => {
  if (!canMakeNodes(t)) return;
  write([{ ...HERE, conditions: DRAINING }, THERE], { internalTrafficPolicy: 'Local' });
  await leadsTo(t, CLUSTER_IP, 80, HERE);
  for (const [host, port] of EXTERNAL) await leadsTo(t, host, port, THERE);
  write([{ ...HERE, conditions: DRAINING }, HERE_TOO, THERE], { internalTrafficPolicy: 'Local' });
  await leadsTo(t, CLUSTER_IP, 80, HERE_TOO);
  for (const [host, port] of EXTERNAL) await leadsTo(t, host, port, HERE_TOO, THERE);
});

test.serial('hints for zones follow the zone of the Node object', async (t) => {
  if (!canMakeNodes(t)) return;
  writeNode('east');
  const inEast = { ...HERE, ...hintedTo('east') };
  const inWest = { ...THERE, ...hintedTo('west') };
  const inBoth = { ...THERE_TOO, ...hintedTo('east', 'west') };
  write([inEast, inWest, inBoth]);
  await leadsTo(t, CLUSTER_IP, 80, inEast, inBoth);
  for (const [host, port] of EXTERNAL) await leadsTo(t, host, port, inEast, inBoth);
  writeNode('west');
  await leadsTo(t, CLUSTER_IP, 80, inWest, inBoth);
  writeNode('north');
  await leadsTo(t, CLUSTER_IP, 80, inEast, inWest, inBoth);
  writeNode('east');
  await leadsTo(t, CLUSTER_IP, 80, inEast, inBoth);
  writeNode(undefined);
  await leadsTo(t, CLUSTER_IP, 80, inEast, inWest, inBoth);
  writeNode('west');
  await leadsTo(t, CLUSTER_IP, 80, inWest, inBoth);
  // One without a hint is enough to make hints count for nothing.
  write([inEast, inWest, THERE_TOO]);
  await leadsTo(t, CLUSTER_IP, 80, inEast, inWest, THERE_TOO);
  node().remove('node');
});

test.serial('hints for nodes come first', async (t) => {
  if (!canMakeNodes(t)) return;
  writeNode('east');
  const forNodes = (...names: string[]) => names.map((name) => ({ name }));
  const here = { ...HERE, hints: { forNodes: forNodes('here'), forZones: forNodes('east') } };
  const there = { ...THERE, hints: { forNodes: forNodes('there'), forZones: forNodes('east') } };
  write([here, there]);
  await leadsTo(t, CLUSTER_IP, 80, here);
  write([{ ...here, conditions: NOT_READY }, there, { ...THERE_TOO, ...hintedTo('west') }]);
  await leadsTo(t, CLUSTER_IP, 80, there);
  node().remove('node');
});

function write(...service: Parameters<typeof serviceWith>): void {
  node().write('web', serviceWith(...service));
}

/** The Service; TCP and UDP have the same endpoints. */
function serviceWith(
  endpoints: readonly EndpointSketch[],
  policies: Readonly<Record<string, string>> = {},
): KubeObject[] {
  const backends = endpointsInBothFamilies(...endpoints);
  const spec = { type: 'LoadBalancer', externalIPs: inBothFamilies(EXTERNAL_IP), ...policies };
  const ingress = inBothFamilies(LOAD_BALANCER);
  const ports = bothProtocols(80, backends, { nodePort: NODE_PORT });
  return kubeService('web', inBothFamilies(CLUSTER_IP), ports, { spec, ingress });
}

function writeNode(zone: string | undefined): void {
  const addresses = { ipv4: NODE_IP, ipv6: twinOf(NODE_IP) };
  node().write('node', [nodeObject({ name: 'here', index: 9, addresses, zone })]);
}

function hintedTo(...zones: readonly string[]): Pick<EndpointSketch, 'hints'> {
  return { hints: { forZones: zones.map((name) => ({ name })) } };
}

/** Waits until everybody is led to just these. */
async function leadsTo(
  t: ExecutionContext,
  host: string,
  port: number,
  ...endpoints: readonly EndpointSketch[]
): Promise<void> {
  const targets = endpoints
    .map(({ address }) => targetAt(address))
    .sort()
    .join(' ');
  for (const { probe } of clients.all) await comesTo(t, targets, () => landings(probe, host, port));
}

async function fails(
  t: ExecutionContext,
  host: string,
  port: number,
  errno: string,
): Promise<void> {
  for (const { probe } of clients.all) await comesTo(t, errno, () => errnos(probe, host, port));
}
