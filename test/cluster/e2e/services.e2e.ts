// SPDX-License-Identifier: Apache-2.0
// Every type of Service, TCP and UDP, in both families: for pods, for processes of nodes, and for a client outside.

import test from 'ava';
import { controlPlaneOf } from '../inventory.ts';
import { signalbox } from './agents.ts';
import { eventually, NotYet } from './eventually.ts';
import {
  addressOf,
  addressTargets,
  aliases,
  clusterIpTargets,
  everyTarget,
  familyOf,
  forEach,
  insiders,
  nodePortTargets,
} from './matrix.ts';
import { isDropped, isRefused, isUntouched, reaches } from './outcomes.ts';
import { changeService, clusterIp, FAMILIES, giveAddresses, nodePort } from './services.ts';
import { at, SERVER_LABEL, stageFor } from './stage.ts';

const stage = stageFor(test, import.meta.filename);

function serverNames(): string[] {
  return stage().servers.map(({ name }) => name);
}

/** Names of Services that the kernel of that node serves. */
async function servedOn(node: string): Promise<Set<string>> {
  const { api, inventory } = stage();
  const { stdout } = await signalbox(api, inventory, node, ['services', '-o', 'json']);
  const rows = JSON.parse(stdout) as { service: string | null }[];
  return new Set(rows.map(({ service }) => service ?? ''));
}

test.serial(
  'a clusterIP leads to every endpoint, and an endpoint sees the pod that came',
  async (t) => {
    const service = await stage().service('cluster-ip');
    const targets = clusterIpTargets(service);
    await forEach(insiders(stage()), targets, (client, target) =>
      reaches(client, target, serverNames()),
    );
    for (const pod of stage().clients.pods.values()) {
      for (const target of targets) {
        const answers = await reaches(pod, target, serverNames());
        const seen = new Set(answers.map(({ client }) => client.address));
        t.deepEqual([...seen], [pod.address(familyOf(target))]);
      }
    }
  },
);

test.serial('a port that a clusterIP does not have is refused', async (t) => {
  const service = await stage().service('closed-port');
  await forEach(insiders(stage()), clusterIpTargets(service, 81), isRefused);
  t.pass();
});

test.serial('a clusterIP is served to who routes it to a node', async (t) => {
  const service = await stage().service('routed');
  const { workers, clients } = stage();
  const addresses = { 4: clusterIp(service, 4), 6: clusterIp(service, 6) };
  const dialled = await aliases(stage(), addresses, workers[0]);
  await forEach([clients.outsider.pod], addressTargets(dialled), (client, target) =>
    reaches(client, target, serverNames()),
  );
  t.pass();
});

test.serial('a Service of one family has one', async (t) => {
  for (const family of FAMILIES) {
    const ipFamilies = [`IPv${family}`];
    const spec = { ipFamilyPolicy: 'SingleStack', ipFamilies };
    const service = await stage().service(`single-${family}`, spec);
    t.is(service.spec?.clusterIPs?.length, 1);
    const host = clusterIp(service, family);
    const targets = [
      { host, port: 80, protocol: 'tcp' },
      { host, port: 80, protocol: 'udp' },
    ] as const;
    await forEach(insiders(stage()), targets, (client, target) =>
      reaches(client, target, serverNames()),
    );
  }
});

test.serial('ports lead where their names and numbers say', async (t) => {
  const service = await stage().service('ports', {
    ports: [
      { name: 'by-name', port: 80, targetPort: 'second' },
      { name: 'by-number', port: 81, targetPort: 8080 },
      { name: 'udp', port: 81, protocol: 'UDP', targetPort: 'second-udp' },
    ],
  });
  const expected = [
    [80, 'tcp', 8081],
    [81, 'tcp', 8080],
    [81, 'udp', 8081],
  ] as const;
  const [client] = insiders(stage());
  if (!client) return t.fail();
  for (const family of FAMILIES) {
    for (const [port, protocol, serving] of expected) {
      const target = { host: clusterIp(service, family), port, protocol };
      const answers = await reaches(client, target, serverNames());
      t.deepEqual([...new Set(answers.map((answer) => answer.port))], [serving]);
    }
  }
});

test.serial('a pod reaches itself through its Service', async (t) => {
  const { workers, servers, api, namespace } = stage();
  const [machine] = workers;
  const [server] = servers;
  const ips = { 4: '203.0.113.40', 6: '2001:db8:100::40' };
  const order = { name: 'hairpin', namespace };
  const selector = { ...SERVER_LABEL, on: machine.name };
  const service = await stage().service(order.name, { type: 'LoadBalancer', selector }, [
    server.name,
  ]);
  await giveAddresses(api, order, Object.values(ips));
  const targets = [
    ...clusterIpTargets(service),
    ...nodePortTargets(service, machine),
    ...addressTargets(ips),
  ];
  for (const target of targets) {
    const answers = await reaches(server, target, [server.name]);
    const seen = new Set(answers.map(({ client }) => client.address));
    t.deepEqual([...seen], [server.address(familyOf(target))]);
  }
});

test.serial('a nodePort is served on every node, to who is inside and outside', async (t) => {
  const { workers, clients, inventory } = stage();
  const [first, second] = workers;
  const controlPlane = controlPlaneOf(inventory);
  const { pods, hosts, outsider } = clients;
  const service = await stage().service('node-port', { type: 'NodePort' });
  const on = (...machines: (typeof first)[]) =>
    machines.flatMap((machine) => nodePortTargets(service, machine));
  const loopback = everyTarget((family, protocol) => ({
    host: family === 4 ? '127.0.0.1' : '::1',
    port: nodePort(service, protocol),
    protocol,
  }));
  const both = (client: typeof outsider.pod, targets: ReturnType<typeof on>) =>
    forEach([client], targets, (one, target) => reaches(one, target, serverNames()));
  await Promise.all([
    both(at(hosts, first), [...on(first, controlPlane), ...loopback]),
    both(at(pods, first), on(first, second)),
    both(at(hosts, controlPlane), on(controlPlane, second)),
    both(outsider.pod, on(first, second)),
  ]);
  t.pass();
});

test.serial('who comes from outside is seen by the pods of the node that he came to', async (t) => {
  const { workers, clients } = stage();
  const [first, second] = workers;
  const { outsider } = clients;
  const service = await stage().service('seen-from-outside', { type: 'NodePort' });
  for (const target of nodePortTargets(service, first)) {
    const family = familyOf(target);
    for (const { pod, node, client } of await reaches(outsider.pod, target, serverNames())) {
      if (node === first.name) t.is(client.address, outsider.address(family), pod);
      else t.is(client.address, addressOf(first, family), `${pod} on ${second.name}`);
    }
  }
});

test.serial(
  "a load balancer's address is served, unless the load balancer is a proxy",
  async (t) => {
    const { api, namespace, workers, clients } = stage();
    const ips = { 4: '203.0.113.10', 6: '2001:db8:100::10' };
    const order = { name: 'load-balancer', namespace };
    await stage().service(order.name, { type: 'LoadBalancer' });
    await giveAddresses(api, order, Object.values(ips));
    const dialled = await aliases(stage(), ips, workers[0]);
    const isServed = (client: typeof clients.outsider.pod, host: typeof ips) =>
      forEach([client], addressTargets(host), (one, target) => reaches(one, target, serverNames()));
    await Promise.all([
      ...insiders(stage()).map((client) => isServed(client, ips)),
      isServed(clients.outsider.pod, dialled),
    ]);
    await giveAddresses(api, order, Object.values(ips), 'Proxy');
    await forEach([at(clients.pods, workers[0])], addressTargets(ips).slice(0, 1), isUntouched);
    t.pass();
  },
);

test.serial('external addresses are served', async (t) => {
  const { workers, clients } = stage();
  const ips = { 4: '203.0.113.20', 6: '2001:db8:100::20' };
  await stage().service('external-ips', { externalIPs: Object.values(ips) });
  const dialled = await aliases(stage(), ips, workers[1]);
  await forEach(insiders(stage()), addressTargets(ips), (client, target) =>
    reaches(client, target, serverNames()),
  );
  await forEach([clients.outsider.pod], addressTargets(dialled), (client, target) =>
    reaches(client, target, serverNames()),
  );
  t.pass();
});

test.serial(
  'headless Services, ExternalName and those of another proxy are left alone',
  async (t) => {
    const { api, namespace, workers, servers, clients } = stage();
    const [machine] = workers;
    const [server] = servers;
    await stage().service('headless', { clusterIP: 'None' });
    await stage().service(
      'external-name',
      { type: 'ExternalName', externalName: 'name.invalid' },
      [],
    );
    const another = await stage().service('another-proxy');
    const target = { host: clusterIp(another, 4), port: 80, protocol: 'tcp' } as const;
    const client = at(clients.pods, machine);
    await reaches(client, target, serverNames());
    const order = { name: 'another-proxy', namespace };
    await changeService(api, order, {}, { 'service.kubernetes.io/service-proxy-name': 'another' });
    await eventually('only the marked Service is served', async () => {
      const served = await servedOn(machine.name);
      return served.has(`${namespace}/another-proxy`) ? new NotYet([...served]) : undefined;
    });
    const served = await servedOn(machine.name);
    t.deepEqual(
      ['headless', 'external-name', 'another-proxy'].filter((name) =>
        served.has(`${namespace}/${name}`),
      ),
      [],
    );
    await isUntouched(client, target);
    await changeService(api, order, {}, { changed: 'back' });
    await reaches(client, target, serverNames());
    const direct = { host: server.address(4), port: 8080, protocol: 'tcp' } as const;
    await reaches(client, direct, [server.name]);
  },
);

test.serial('a Service changes its type', async (t) => {
  const { api, namespace, workers, clients } = stage();
  const [machine] = workers;
  const order = { name: 'changing', namespace };
  const service = await stage().service(order.name);
  const client = at(clients.pods, machine);
  const insideTarget = { host: clusterIp(service, 4), port: 80, protocol: 'tcp' } as const;
  await reaches(client, insideTarget, serverNames());

  const changed = await changeService(api, order, { type: 'NodePort' });
  const targets = nodePortTargets(changed, machine);
  await forEach([clients.outsider.pod], targets, (one, target) =>
    reaches(one, target, serverNames()),
  );

  await changeService(api, order, { type: 'ExternalName', externalName: 'name.invalid' });
  // Nobody listens there, and nobody has the address any more.
  await forEach([clients.outsider.pod], targets.slice(0, 1), isRefused);
  await isDropped(client, insideTarget, false);

  const back = await changeService(api, order, { type: 'ClusterIP' });
  await reaches(client, { ...insideTarget, host: clusterIp(back, 4) }, serverNames());
  t.pass();
});
