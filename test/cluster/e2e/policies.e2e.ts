// SPDX-License-Identifier: Apache-2.0
// Who may be served and by whom: traffic policies, source ranges, traffic distribution, and the health checks that load
// balancers ask.

import test from 'ava';
import { controlPlaneOf } from '../inventory.ts';
import { eventually, NotYet } from './eventually.ts';
import {
  addressOf,
  addressTargets,
  aliases,
  clusterIpTargets,
  familyOf,
  forEach,
  nodePortTargets,
} from './matrix.ts';
import { isDropped, reaches } from './outcomes.ts';
import { changeService, FAMILIES, giveAddresses } from './services.ts';
import { at, SERVER_LABEL, stageFor } from './stage.ts';

const stage = stageFor(test, import.meta.filename);

test.serial('internalTrafficPolicy Local keeps clients on their node', async (t) => {
  const { workers, clients, servers, inventory } = stage();
  const service = await stage().service('internal-local', { internalTrafficPolicy: 'Local' });
  const targets = clusterIpTargets(service);
  await Promise.all([
    ...workers.flatMap((machine, i) =>
      [at(clients.pods, machine), at(clients.hosts, machine)].map((client) =>
        forEach([client], targets, (one, target) =>
          reaches(one, target, [servers[i]?.name ?? ''], { count: 6 }),
        ),
      ),
    ),
    forEach([at(clients.hosts, controlPlaneOf(inventory))], targets, (one, target) =>
      isDropped(one, target, false),
    ),
  ]);
  t.pass();
});

test.serial(
  'externalTrafficPolicy Local keeps the client address, and load balancers are told where to go',
  async (t) => {
    const { api, namespace, workers, clients, servers, inventory } = stage();
    const [first, second] = workers;
    const [server] = servers;
    const ips = { 4: '203.0.113.50', 6: '2001:db8:100::50' };
    const order = { name: 'external-local', namespace };
    const selector = { ...SERVER_LABEL, on: first.name };
    const spec = { type: 'LoadBalancer', externalTrafficPolicy: 'Local', selector };
    const service = await stage().service(order.name, spec, [server.name]);
    await giveAddresses(api, order, Object.values(ips));
    const { outsider } = clients;
    const dialled = await aliases(stage(), ips, first);

    for (const target of [...nodePortTargets(service, first), ...addressTargets(dialled)]) {
      const answers = await reaches(outsider.pod, target, [server.name]);
      const seen = new Set(answers.map(({ client }) => client.address));
      t.deepEqual([...seen], [outsider.address(familyOf(target))]);
    }
    const elsewhere = await aliases(stage(), ips, second);
    const silent = [...nodePortTargets(service, second), ...addressTargets(elsewhere)];
    await forEach([outsider.pod], silent, (one, target) => isDropped(one, target, true));
    // Who is inside is not bound by it.
    const inside = [at(clients.pods, second), at(clients.hosts, controlPlaneOf(inventory))];
    await forEach(inside, addressTargets(ips), (one, target) =>
      reaches(one, target, [server.name]),
    );
    await forEach([at(clients.pods, second)], nodePortTargets(service, second), (one, target) =>
      reaches(one, target, [server.name]),
    );
    // Inside of another node is outside.
    await forEach([at(clients.pods, first)], nodePortTargets(service, second), (one, target) =>
      isDropped(one, target, true),
    );

    const port = service.spec?.healthCheckNodePort;
    const health = (machine: typeof first, family: 4 | 6) => {
      const host = addressOf(machine, family);
      return outsider.pod.call('fetch', `http://${family === 4 ? host : `[${host}]`}:${port}/`);
    };
    for (const family of FAMILIES) {
      const here = await health(first, family);
      t.is(here.status, 200, here.body);
      t.is(JSON.parse(here.body).localEndpoints, 1);
      const there = await health(second, family);
      t.is(there.status, 503, there.body);
      t.is(JSON.parse(there.body).localEndpoints, 0);
    }

    await changeService(api, order, { externalTrafficPolicy: 'Cluster' });
    await forEach([outsider.pod], silent, (one, target) => reaches(one, target, [server.name]));
    await eventually('nobody answers health checks any more', async () => {
      const answer = await health(first, 4).catch(() => undefined);
      return answer ? new NotYet(answer) : undefined;
    });
  },
);

test.serial(
  'source ranges let in who is named, and bind load-balancer addresses alone',
  async (t) => {
    const { api, namespace, workers, clients, servers, inventory } = stage();
    const [first] = workers;
    const names = servers.map(({ name }) => name);
    const ips = { 4: '203.0.113.60', 6: '2001:db8:100::60' };
    const order = { name: 'ranges', namespace };
    const { outsider } = clients;
    const loadBalancerSourceRanges = [`${outsider.address(4)}/32`, `${outsider.address(6)}/128`];
    const spec = { type: 'LoadBalancer', loadBalancerSourceRanges };
    const service = await stage().service(order.name, spec);
    await giveAddresses(api, order, Object.values(ips));
    const dialled = await aliases(stage(), ips, first);

    await forEach([outsider.pod], addressTargets(dialled), (one, target) =>
      reaches(one, target, names),
    );
    const inside = [at(clients.pods, first), at(clients.hosts, controlPlaneOf(inventory))];
    await forEach(inside, addressTargets(ips), (one, target) => isDropped(one, target, false));
    await forEach(inside, clusterIpTargets(service), (one, target) => reaches(one, target, names));

    await changeService(api, order, {
      loadBalancerSourceRanges: ['198.18.0.0/15', '2001:db8:200::/48'],
    });
    await forEach([outsider.pod], addressTargets(dialled), (one, target) =>
      isDropped(one, target, true),
    );
    await forEach([outsider.pod], nodePortTargets(service, first), (one, target) =>
      reaches(one, target, names),
    );

    await changeService(api, order, { loadBalancerSourceRanges: [] });
    await forEach([outsider.pod], addressTargets(dialled), (one, target) =>
      reaches(one, target, names),
    );
    t.pass();
  },
);

test.serial(
  'trafficDistribution PreferSameNode keeps clients on their node where somebody serves',
  async (t) => {
    const { workers, clients, servers, inventory } = stage();
    const service = await stage().service('same-node', { trafficDistribution: 'PreferSameNode' });
    const targets = clusterIpTargets(service);
    await Promise.all([
      ...workers.map((machine, i) =>
        forEach([at(clients.pods, machine)], targets, (one, target) =>
          reaches(one, target, [servers[i]?.name ?? ''], { count: 6 }),
        ),
      ),
      forEach([at(clients.hosts, controlPlaneOf(inventory))], targets, (one, target) =>
        reaches(
          one,
          target,
          servers.map(({ name }) => name),
        ),
      ),
    ]);
    t.pass();
  },
);
