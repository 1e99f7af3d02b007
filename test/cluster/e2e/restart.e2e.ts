// SPDX-License-Identifier: Apache-2.0
// The agent goes and comes back while traffic runs: nothing fails, and what changed meanwhile is caught up with.

import test from 'ava';
import { agentIsBack, agentPod, deleteAgentPod, killAgent, signalbox } from './agents.ts';
import { beginEverywhere } from './everywhere.ts';
import { clusterIpTargets, forEach } from './matrix.ts';
import { reaches } from './outcomes.ts';
import { at, stageFor } from './stage.ts';

const stage = stageFor(test, import.meta.filename);

test.serial('an agent is killed under traffic', async (t) => {
  const { api, workers, clients, servers, inventory } = stage();
  const [first] = workers;
  const service = await stage().service('killed', { type: 'NodePort' });
  const traffic = await beginEverywhere(stage(), service);
  await traffic.goesOn();
  const before = await agentPod(api, first.name);
  await killAgent(first);
  await traffic.goesOn();
  const later = await stage().service('made-meanwhile');
  await agentIsBack(api, first.name, before);
  const names = servers.map(({ name }) => name);
  await forEach([at(clients.pods, first)], clusterIpTargets(later), (client, target) =>
    reaches(client, target, names),
  );
  await traffic.goesOn();
  t.deepEqual(await traffic.end(), []);
  const { code, stdout } = await signalbox(api, inventory, first.name, ['status']);
  t.is(code, 0, stdout);
});

test.serial('the pod of an agent is deleted under traffic', async (t) => {
  const { api, workers, inventory } = stage();
  const service = await stage().service('replaced', { type: 'NodePort' });
  const traffic = await beginEverywhere(stage(), service);
  await traffic.goesOn();
  for (const { name } of workers) {
    const before = await agentPod(api, name);
    await deleteAgentPod(api, before);
    await traffic.goesOn();
    await agentIsBack(api, name, before);
  }
  await traffic.goesOn();
  t.deepEqual(await traffic.end(), []);
  for (const { name } of workers) {
    const { code, stdout } = await signalbox(api, inventory, name, ['status']);
    t.is(code, 0, `${name}: ${stdout}`);
  }
});
