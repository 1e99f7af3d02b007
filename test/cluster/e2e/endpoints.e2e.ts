// SPDX-License-Identifier: Apache-2.0
// What happens as endpoints come, go, and are on their way out; and what is left of a Service that is deleted.

import type { V1Service } from '@kubernetes/client-node';
import test from 'ava';
import { controlPlaneOf } from '../inventory.ts';
import { eventually, NotYet } from './eventually.ts';
import {
  addressOf,
  addressTargets,
  aliases,
  clusterIpTargets,
  forEach,
  insiders,
  nodePortTargets,
} from './matrix.ts';
import { isDropped, isRefused, reaches } from './outcomes.ts';
import { changeService, clusterIp, giveAddresses, nodePort } from './services.ts';
import { at, SERVER_LABEL, stageFor } from './stage.ts';
import { SteadyTraffic } from './steady-traffic.ts';

const stage = stageFor(test, import.meta.filename);

function clusterIpOf(service: V1Service, protocol: 'tcp' | 'udp') {
  return { host: clusterIp(service, 4), port: 80, protocol };
}

test.serial('where there are no endpoints everybody is refused at once', async (t) => {
  const { api, namespace, workers, clients } = stage();
  const [first] = workers;
  const ips = { 4: '203.0.113.70', 6: '2001:db8:100::70' };
  const order = { name: 'nobody', namespace };
  const spec = { type: 'LoadBalancer', selector: { app: 'nobody' } };
  const service = await stage().service(order.name, spec, []);
  await giveAddresses(api, order, Object.values(ips));
  const dialled = await aliases(stage(), ips, first);
  await forEach(
    insiders(stage()),
    [...clusterIpTargets(service), ...addressTargets(ips)],
    isRefused,
  );
  await forEach(
    [clients.outsider.pod],
    [...nodePortTargets(service, first), ...addressTargets(dialled)],
    isRefused,
  );
  t.pass();
});

test.serial('what a deleted Service had is no longer translated', async (t) => {
  const { api, namespace, workers, clients, servers, inventory } = stage();
  const [first] = workers;
  const names = servers.map(({ name }) => name);
  const name = 'deleted';
  const service = await stage().service(name, { type: 'NodePort' });
  const outside = nodePortTargets(service, first);
  const inside = [at(clients.pods, first), at(clients.hosts, controlPlaneOf(inventory))];
  await forEach([...inside, clients.outsider.pod], outside, (one, target) =>
    reaches(one, target, names),
  );
  await api.core.deleteNamespacedService({ name, namespace });
  // A nodePort is then the node's own port, where nobody listens; a clusterIP is nobody's.
  await forEach([...inside, clients.outsider.pod], outside, isRefused);
  await forEach(inside, clusterIpTargets(service), (one, target) => isDropped(one, target, false));

  const again = await stage().service(name, { clusterIP: clusterIp(service, 4) });
  await forEach(inside, clusterIpTargets(again), (one, target) => reaches(one, target, names));
  t.pass();
});

test.serial('a pod gets traffic when it is ready, or when the Service does not care', async (t) => {
  const { workers, clients } = stage();
  const [first, second] = workers;
  const selector = { app: 'late' };
  const order = { name: 'late', node: second.name, isServer: true, isReady: false };
  const [pod] = await stage().pods({ ...order, labels: selector });
  if (!pod) return t.fail();
  const cares = await stage().service('cares', { selector }, []);
  const spec = { selector, publishNotReadyAddresses: true };
  const careless = await stage().service('careless', spec, [pod.name]);
  const client = at(clients.pods, first);
  await forEach([client], clusterIpTargets(careless), (one, target) =>
    reaches(one, target, [pod.name]),
  );
  await forEach([client], clusterIpTargets(cares), isRefused);
  await pod.call('setReady', true);
  await forEach([client], clusterIpTargets(cares), (one, target) =>
    reaches(one, target, [pod.name]),
  );
  await pod.call('setReady', false);
  await forEach([client], clusterIpTargets(cares), isRefused);
  t.pass();
});

test.serial(
  'pods that terminate keep their connections, and get new ones when nobody else is there',
  async (t) => {
    const { api, namespace, workers, clients } = stage();
    const [first, second] = workers;
    const selector = { app: 'leaving' };
    const order = { isServer: true, lingersS: 3000, labels: selector };
    const [one, other] = await stage().pods(
      { ...order, name: 'leaving-first', node: first.name },
      { ...order, name: 'leaving-second', node: second.name },
    );
    if (!one || !other) return t.fail();
    const spec = { type: 'LoadBalancer', externalTrafficPolicy: 'Local', selector };
    const service = await stage().service('leaving', spec, [one.name, other.name]);
    const client = at(clients.pods, first);
    const outside = clients.outsider.pod;
    const [target] = clusterIpTargets(service);
    const nodePorts = nodePortTargets(service, first);
    if (!target) return t.fail();
    await reaches(client, target, [one.name, other.name]);

    const traffic = new SteadyTraffic();
    for (let i = 0; i < 6; i++)
      await traffic.begin(client, { ...clusterIpOf(service, 'tcp'), kind: 'long' });
    await traffic.goesOn(1);
    const before = (await traffic.reports()).map(({ lastPod }) => lastPod);

    const leave = (name: string) => api.core.deleteNamespacedPod({ name, namespace });
    await leave(one.name);
    await forEach([client], clusterIpTargets(service), (dialer, to) =>
      reaches(dialer, to, [other.name]),
    );
    // The only one of that node still serves there, though load balancers are told to stay away.
    await forEach([outside], nodePorts, (dialer, to) => reaches(dialer, to, [one.name]));
    const url = `http://${addressOf(first, 4)}:${service.spec?.healthCheckNodePort}/`;
    const health = await eventually('load balancers are sent away', async () => {
      const answer = await outside.call('fetch', url);
      return answer.status === 503 ? answer : new NotYet(answer);
    });
    t.is(JSON.parse(health.body).localEndpoints, 0);

    await leave(other.name);
    await forEach([client], clusterIpTargets(service), (dialer, to) =>
      reaches(dialer, to, [one.name, other.name]),
    );
    await traffic.goesOn();
    t.deepEqual(
      (await traffic.reports()).map(({ lastPod }) => lastPod),
      before,
    );
    t.deepEqual(await traffic.end(), []);

    for (const pod of [one, other]) await pod.call('exit');
    await forEach([client], clusterIpTargets(service), isRefused);
  },
);

test.serial('when endpoints change UDP goes to those that are there, and TCP stays', async (t) => {
  const { api, namespace, workers, clients, servers } = stage();
  const [first, second] = workers;
  const [server, other] = servers;
  const order = { name: 'moving', namespace };
  const selector = (node: string) => ({ ...SERVER_LABEL, on: node });
  const spec = { type: 'NodePort', selector: selector(first.name) };
  const service = await stage().service(order.name, spec, [server.name]);
  const udp = new SteadyTraffic();
  const tcp = new SteadyTraffic();
  const dialers = [at(clients.pods, first), at(clients.hosts, first), at(clients.pods, second)];
  const nodePortOf = (protocol: 'tcp' | 'udp') => {
    return { host: addressOf(first, 4), port: nodePort(service, protocol), protocol };
  };
  await forEach(dialers, clusterIpTargets(service), (one, target) =>
    reaches(one, target, [server.name]),
  );
  await forEach([clients.outsider.pod], nodePortTargets(service, first), (one, target) =>
    reaches(one, target, [server.name]),
  );
  for (const [protocol, traffic] of [
    ['udp', udp],
    ['tcp', tcp],
  ] as const) {
    for (const client of dialers) {
      await traffic.begin(client, { ...clusterIpOf(service, protocol), kind: 'long' });
    }
    await traffic.begin(clients.outsider.pod, { ...nodePortOf(protocol), kind: 'long' });
    await traffic.goesOn();
  }
  await changeService(api, order, { selector: selector(second.name) });
  await eventually('UDP goes to the other one', async () => {
    const reports = await udp.reports();
    const late = reports.filter(({ lastPod }) => lastPod !== other.name);
    return late.length ? new NotYet(late) : undefined;
  });
  await udp.goesOn();
  await tcp.goesOn();
  const stayed = new Set((await tcp.reports()).map(({ lastPod }) => lastPod));
  t.deepEqual([...stayed], [server.name]);
  t.deepEqual([...(await udp.end()), ...(await tcp.end())], []);
});
