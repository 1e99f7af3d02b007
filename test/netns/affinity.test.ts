// SPDX-License-Identifier: Apache-2.0
// Session affinity ClientIP: a client stays with its backend for each service port, by whatever address it
// dials, for as long as that backend is in the list that counts and the time-out has not passed
// (semantics 1.10). A client is a network namespace.

import { setTimeout as pause } from 'node:timers/promises';
import test from 'ava';
import type { KubeObject } from '../lab/kube-object.ts';
import { until } from '../lab/until.ts';
import { type Client, type Clients, startClients } from './clients.ts';
import { endpointsInBothFamilies, inBothFamilies, inIpv4Words, twinOf } from './dual-stack.ts';
import { programmed } from './kernel-backends.ts';
import { bothProtocols, type EndpointSketch, kubeService, targetAt } from './kube-service.ts';
import { landings, waysTo } from './landings.ts';
import { canMakeNodes, nodeForFile } from './node-for-file.ts';
import type { Attempt, Target } from './socket-probe.ts';
import { startBackends } from './start-backends.ts';

/** Has affinity, over both protocols and families. */
const WEB = '10.96.0.1';
/** Has affinity on each of {@link PORTS}, and can be dialled in all ways. */
const MANY = '10.96.0.2';
const LOAD_BALANCER = '203.0.113.7';
const EXTERNAL_IP = '198.51.100.7';
const NODE_IP = '192.0.2.11';
/** internalTrafficPolicy Local; otherwise as {@link MANY}. */
const LOCAL = '10.96.0.3';
const LOCAL_EXTERNAL_IP = '198.51.100.8';
/** Its affinity ends after {@link SHORT_SECONDS}. */
const SHORT = '10.96.0.4';
const SHORT_SECONDS = 1;

/** By chance two clients have the same of 8 backends on all ports once in 10^18 runs. */
const PORTS = Array.from({ length: 20 }, (_, i) => 8001 + i);
const NODE_PORTS = 22_000;

const BACKENDS = endpoints(8);
const TIMEOUT_MS = 30_000;

let clients: Clients;

const node = nodeForFile(test, async (made) => {
  await made.configure(`addr add ${NODE_IP}/32 dev lo`);
  clients = await startClients(made, 2, 3);
  made.write('web', web(BACKENDS));
  made.write('many', [
    ...kubeService('many', [MANY], manyPorts(BACKENDS, NODE_PORTS), {
      spec: { type: 'LoadBalancer', externalIPs: [EXTERNAL_IP], ...affinity() },
      ingress: [LOAD_BALANCER],
    }),
    ...kubeService('local', [LOCAL], manyPorts(BACKENDS.map(onlyFirstHere)), {
      spec: {
        internalTrafficPolicy: 'Local',
        externalIPs: [LOCAL_EXTERNAL_IP],
        ...affinity(),
      },
    }),
  ]);
  const many = endpointsInBothFamilies(...endpoints(30));
  made.write(
    'short',
    kubeService('short', inBothFamilies(SHORT), bothProtocols(80, many), {
      spec: affinity(SHORT_SECONDS),
    }),
  );
  await startBackends(made);
  made.agent.flags = ['--node-name', 'here'];
  await made.agent.start();
});

test.serial('a client stays with its backend, by every kind of socket', async (t) => {
  if (!canMakeNodes(t)) return;
  for (const client of clients.all) {
    const ways = waysTo(WEB, 80);
    const chosen = await choices(client, ways, 30);
    // Two protocols of two families: IPv4-mapped is IPv4, and unconnected UDP is UDP.
    const [tcp4, tcp6, udp4, udp6] = [chosen[0], chosen[2], chosen[3], chosen[5]];
    t.deepEqual(chosen, [tcp4, tcp4, tcp6, udp4, udp4, udp6, udp4, udp4, udp6], client.name);
    for (const one of [tcp4, udp4]) t.regex(one ?? '', /^10\.244\.1\.\d:8080$/, client.name);
    for (const one of [tcp6, udp6]) t.regex(one ?? '', /^\[fd00:10:244:1::\d\]:8080$/, client.name);
  }
});

test.serial('clients choose for themselves, and so do ports', async (t) => {
  if (!canMakeNodes(t)) return;
  const vectors = new Set<string>();
  for (const client of clients.all) {
    const chosen = await choices(client, portsOf(MANY), 3);
    for (const one of chosen) t.regex(one, /^10\.244\.1\.\d:8080$/, client.name);
    t.true(new Set(chosen).size > 1, `${client.name}: ${chosen}`);
    vectors.add(chosen.join());
  }
  t.is(vectors.size, clients.all.length);
});

test.serial('all addresses of a service port lead to the same backend', async (t) => {
  if (!canMakeNodes(t)) return;
  for (const client of clients.all) {
    const chosen = await choices(client, portsOf(MANY));
    for (const host of [LOAD_BALANCER, EXTERNAL_IP]) {
      t.deepEqual(await choices(client, portsOf(host)), chosen, `${client.name}, ${host}`);
    }
    const byNodePort = portsOf(NODE_IP, NODE_PORTS);
    t.deepEqual(await choices(client, byNodePort), chosen, `${client.name}, nodePorts`);
  }
  const byLoopback = portsOf('127.0.0.1', NODE_PORTS);
  t.deepEqual(await choices(clients.host, byLoopback), await choices(clients.host, portsOf(MANY)));
});

test.serial('a backend of the cluster is not used where only those of this node are', async (t) => {
  if (!canMakeNodes(t)) return;
  const here = targetAt(BACKENDS[0]?.address ?? '');
  for (const client of clients.all) {
    const external = await choices(client, portsOf(LOCAL_EXTERNAL_IP));
    t.true(
      external.some((one) => one !== here),
      `${client.name}: ${external}`,
    );
    const internal = await choices(client, portsOf(LOCAL));
    t.deepEqual(new Set(internal), new Set([here]), client.name);
    // What was picked then is what is remembered: it is in both lists.
    t.deepEqual(await choices(client, portsOf(LOCAL_EXTERNAL_IP)), internal, client.name);
  }
});

test.serial('a backend that leaves the list is left at once, and not gone back to', async (t) => {
  if (!canMakeNodes(t)) return;
  for (const conditions of [{ ready: false, serving: true, terminating: true }, { ready: false }]) {
    for (const client of clients.all) {
      const ways = waysTo(WEB, 80);
      const before = new Set((await choices(client, ways)).map(inIpv4Words));
      const isLeft = (each: EndpointSketch) => before.has(targetOf(each));
      await setWeb(BACKENDS.map((each) => (isLeft(each) ? { ...each, conditions } : each)));
      const after = await choices(client, ways);
      const others = new Set(BACKENDS.filter((each) => !isLeft(each)).map(targetOf));
      t.true(new Set(after.map(inIpv4Words)).isSubsetOf(others), `${client.name}: ${after}`);
      await setWeb(BACKENDS);
      t.deepEqual(await choices(client, ways), after, client.name);
    }
  }
});

test.serial('what others lose moves nobody', async (t) => {
  if (!canMakeNodes(t)) return;
  const { host, pod } = clients;
  const ways = waysTo(WEB, 80);
  const before = await choices(pod, ways);
  const kept = new Set(before.map(inIpv4Words));
  await setWeb(BACKENDS.filter((each) => kept.has(targetOf(each))));
  t.deepEqual(await choices(pod, ways), before);
  t.true(new Set((await choices(host, ways)).map(inIpv4Words)).isSubsetOf(kept));
  await setWeb(BACKENDS);
  t.deepEqual(await choices(pod, ways), before);
});

test.serial('it is remembered while no agent is there, and after', async (t) => {
  if (!canMakeNodes(t)) return;
  const chosen = await Promise.all(clients.all.map((client) => choices(client, portsOf(MANY))));
  const remembered = () => Promise.all(clients.all.map((client) => choices(client, portsOf(MANY))));
  await node().agent.end('SIGKILL');
  t.deepEqual(await remembered(), chosen);
  await node().agent.start();
  t.deepEqual(await remembered(), chosen);
});

test.serial('switched off, each connection chooses; switched on, it stays', async (t) => {
  if (!canMakeNodes(t)) return;
  const all = BACKENDS.slice(0, 2);
  node().write('web', web(all, { sessionAffinity: 'None' }));
  for (const { probe } of clients.all) {
    await until(
      'it is spread',
      async () => (await landings(probe, WEB, 80)) === all.map(targetOf).join(' '),
    );
  }
  node().write('web', web(BACKENDS));
  for (const client of clients.all) {
    await until('it stays', async () =>
      (await choices(client, waysTo(WEB, 80), 30)).every((one) => !one.includes(' ')),
    );
  }
  t.pass();
});

/** Each is a choice of its own: a protocol and a family. */
const SHORT_WAYS: readonly Target[] = [
  { kind: 'tcp', address: SHORT, port: 80 },
  { kind: 'tcp', address: twinOf(SHORT), port: 80 },
  { kind: 'udp', address: SHORT, port: 80 },
  { kind: 'sendto', address: twinOf(SHORT), port: 80 },
];

test.serial('each new connection renews it', async (t) => {
  if (!canMakeNodes(t)) return;
  // On a machine that stands still for a while the time-out may rightly pass: then it is tried again.
  await until(
    'connections that follow each other closely',
    async () => {
      const attempts = await clients.pod.probe.repeat(SHORT_WAYS, {
        count: 5 * SHORT_WAYS.length,
        timeoutMs: TIMEOUT_MS,
        pauseUs: (SHORT_SECONDS * 4e5) / SHORT_WAYS.length,
      });
      const ofWays = SHORT_WAYS.map((_, i) => attempts.filter(({ target }) => target === i));
      if (!ofWays.every(isClose)) return false;
      for (const ofWay of ofWays) t.is(new Set(ofWay.map(({ landed }) => landed)).size, 1);
      return true;
    },
    TIMEOUT_MS,
  );
});

test.serial('it ends after the time-out', async (t) => {
  if (!canMakeNodes(t)) return;
  const { pod } = clients;
  const first = await choices(pod, SHORT_WAYS);
  const hasChanged = SHORT_WAYS.map(() => false);
  await until(
    'another backend for each',
    async () => {
      await pause(SHORT_SECONDS * 1100);
      const now = await choices(pod, SHORT_WAYS, 1);
      now.forEach((one, i) => {
        hasChanged[i] ||= one !== first[i];
      });
      return hasChanged.every(Boolean);
    },
    TIMEOUT_MS,
  );
  t.pass();
});

function affinity(timeoutSeconds = 3600): Readonly<Record<string, unknown>> {
  return { sessionAffinity: 'ClientIP', sessionAffinityConfig: { clientIP: { timeoutSeconds } } };
}

function endpoints(count: number): EndpointSketch[] {
  return Array.from({ length: count }, (_, i) => ({ address: `10.244.1.${i + 1}` }));
}

function onlyFirstHere(endpoint: EndpointSketch, index: number): EndpointSketch {
  return { ...endpoint, nodeName: index === 0 ? 'here' : 'there' };
}

function targetOf({ address }: EndpointSketch): string {
  return targetAt(address);
}

function web(backends: readonly EndpointSketch[], spec = affinity()): KubeObject[] {
  const ports = bothProtocols(80, endpointsInBothFamilies(...backends));
  return kubeService('web', inBothFamilies(WEB), ports, { spec });
}

/** Gives `web` its backends. @returns once the kernel has them, and knows which may not be gone back to. */
async function setWeb(backends: readonly EndpointSketch[]): Promise<void> {
  node().write('web', web(backends));
  const serving = backends.filter(({ conditions: { ready = true } = {} }) => ready);
  for (const protocol of ['TCP', 'UDP']) {
    const twins = serving.map(({ address }) => `[${twinOf(address)}]:8080`);
    await programmed(node(), `${WEB}:80/${protocol}`, serving.map(targetOf));
    await programmed(node(), `[${twinOf(WEB)}]:80/${protocol}`, twins);
  }
}

function manyPorts(backends: readonly EndpointSketch[], nodePorts?: number) {
  return PORTS.map((port) => ({
    protocol: 'TCP' as const,
    port,
    backends,
    ...(nodePorts && { nodePort: nodePorts + port }),
  }));
}

/** All {@link PORTS} of `address`. @param offset of the numbers that are dialled. */
function portsOf(address: string, offset = 0): Target[] {
  return PORTS.map((port) => ({ kind: 'tcp', address, port: port + offset }));
}

/** Where each of `targets` leads; to several, separated by spaces, when it is not always the same. */
async function choices(
  { probe }: Client,
  targets: readonly Target[],
  rounds = 2,
): Promise<string[]> {
  const attempts = await probe.repeat(targets, {
    count: rounds * targets.length,
    timeoutMs: TIMEOUT_MS,
  });
  return targets.map((_, i) => {
    const landed = attempts.filter(({ target }) => target === i).map((attempt) => attempt.landed);
    return [...new Set(landed)].join(' ');
  });
}

/** Whether no two in a row are so far apart that the affinity ended, while all together last longer. */
function isClose(attempts: readonly Attempt[]): boolean {
  const timeoutNs = SHORT_SECONDS * 1e9;
  const [first, last] = [attempts[0], attempts.at(-1)] as [Attempt, Attempt];
  return (
    last.startNs - first.endNs > timeoutNs &&
    attempts.slice(1).every(({ endNs }, i) => endNs - (attempts[i]?.startNs ?? 0) < timeoutNs)
  );
}
