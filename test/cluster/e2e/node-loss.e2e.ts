// SPDX-License-Identifier: Apache-2.0
// A worker is cut off, as by a pulled cable, and comes back by a restart. Whatever does not need it goes on.

import test from 'ava';
import { controlPlaneOf } from '../inventory.ts';
import { agentIsBack, agentPod, signalbox } from './agents.ts';
import { eventually, NotYet } from './eventually.ts';
import { addressOf, clusterIpTargets, forEach, nodePortTargets } from './matrix.ts';
import { bootOf, cutOff, nodeIs, restart } from './nodes.ts';
import { reaches } from './outcomes.ts';
import { endpointsAre, nodePort } from './services.ts';
import { at, SERVER_LABEL, stageFor } from './stage.ts';
import { SteadyTraffic } from './steady-traffic.ts';

const stage = stageFor(test, import.meta.filename);

test.serial('a worker is cut off, and comes back', async (t) => {
  const { api, workers, clients, servers, inventory } = stage();
  const [first, second] = workers;
  const [server, lost] = servers;
  const { outsider } = clients;
  const names = [server.name, lost.name];
  const service = await stage().service('lossy', { type: 'NodePort' });
  const stayingSpec = { selector: { ...SERVER_LABEL, on: first.name }, type: 'NodePort' };
  const staying = await stage().service('staying', stayingSpec, [server.name]);
  const remaining = [
    at(clients.pods, first),
    at(clients.hosts, first),
    at(clients.hosts, controlPlaneOf(inventory)),
  ];
  await forEach(remaining, clusterIpTargets(service), (client, target) =>
    reaches(client, target, names),
  );
  const traffic = new SteadyTraffic();
  for (const kind of ['short', 'long'] as const) {
    await forEach(remaining, clusterIpTargets(staying), async (client, target) => {
      await reaches(client, target, [server.name]);
      await traffic.begin(client, { ...target, kind });
    });
    const host = addressOf(first, 4);
    const order = { host, port: nodePort(staying, 'tcp'), protocol: 'tcp', kind } as const;
    await traffic.begin(outsider.pod, order);
  }
  await traffic.goesOn();

  const boot = await bootOf(second);
  const agent = await agentPod(api, second.name);
  await cutOff(second);
  await nodeIs(api, second.name, false);
  await endpointsAre(api, service, [server.name]);
  await forEach(remaining, clusterIpTargets(service), (client, target) =>
    reaches(client, target, [server.name]),
  );
  await forEach([outsider.pod], nodePortTargets(service, first), (client, target) =>
    reaches(client, target, [server.name]),
  );
  await traffic.goesOn();

  await restart(second);
  await eventually(
    `${second.name} has restarted`,
    async () => {
      const now = await bootOf(second);
      return now === boot ? new NotYet('it has not') : undefined;
    },
    30 * 60_000,
  );
  await nodeIs(api, second.name, true);
  await agentIsBack(api, second.name, agent);
  await endpointsAre(api, service, names);
  // Pods that the restart has ended are perhaps ready in name alone for as long as their node was not heard.
  const returned = [at(clients.pods, second), at(clients.hosts, second)];
  for (const pod of [...returned, lost]) {
    await eventually(`${pod.name} answers`, async () => {
      await pod.refresh(api);
      return await pod.call('self');
    });
  }
  await forEach([...remaining, ...returned], clusterIpTargets(service), (client, target) =>
    reaches(client, target, names),
  );
  await forEach([outsider.pod], nodePortTargets(service, second), (client, target) =>
    reaches(client, target, names),
  );
  await traffic.goesOn();
  t.deepEqual(await traffic.end(), []);
  const { code, stdout } = await signalbox(api, inventory, second.name, ['status']);
  t.is(code, 0, stdout);
});
